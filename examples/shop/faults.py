"""Every fault that the shop can have: one entry in the table a fault.

An entry says which service it strikes, what people see, how it starts and stops, and what the
service does meanwhile: `at` names points in the service's code where something happens, `run` is
a coroutine that lives inside the service as long as the fault does.
"""

import asyncio
import logging
import mmap
import os
import random
import secrets
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from shop.errors import CardProcessorError
from shop.settings import STABLE_VERSION

log = logging.getLogger("shop.orders.cache")

MIB = 1024 * 1024
LEAK_CHUNK = 5 * MIB
LEAK_INTERVAL = 0.2
LEAK_CAP = 600 * MIB
LATENCY = 0.9
ERROR_SHARE = 0.8
BAD_VERSION = "1.1.0"


class Control(Protocol):
    """What a fault may ask of the supervisor."""

    async def switch_on(self, service: str, kind: str) -> None: ...
    async def switch_off(self, service: str, kind: str) -> None: ...
    async def crash(self, service: str, kind: str) -> None: ...
    async def restore(self, service: str) -> None: ...
    async def deploy(self, service: str, version: str) -> None: ...


Effect = Callable[[], Awaitable[None]]


async def _switch_on(control: Control, fault: "Fault") -> None:
    await control.switch_on(fault.service, fault.name)


async def _switch_off(control: Control, fault: "Fault") -> None:
    await control.switch_off(fault.service, fault.name)


async def _crash(control: Control, fault: "Fault") -> None:
    await control.crash(fault.service, fault.name)


async def _restore(control: Control, fault: "Fault") -> None:
    await control.restore(fault.service)


async def _deploy_bad(control: Control, fault: "Fault") -> None:
    await control.deploy(fault.service, BAD_VERSION)


async def _roll_back(control: Control, fault: "Fault") -> None:
    await control.deploy(fault.service, STABLE_VERSION)


async def _refuse_cards() -> None:
    if random.random() < ERROR_SHARE:
        request = secrets.token_hex(6)
        raise CardProcessorError(
            f"card processor answered 503 Service Unavailable (request req_{request}, attempt 3 of 3)"
        )


async def _delay() -> None:
    await asyncio.sleep(LATENCY)


async def _exit() -> None:
    await asyncio.sleep(0.05)  # let the answer to the switch go out first
    os._exit(139)


async def _leak() -> None:
    """Anonymous maps, because only they are sure to go back to the system when closed."""
    held: list[mmap.mmap] = []
    try:
        while True:
            if len(held) * LEAK_CHUNK < LEAK_CAP:
                held.append(_touched(LEAK_CHUNK))
                if len(held) % 25 == 0:
                    log.warning(
                        "order cache holds %d entries (%d MiB), nothing evicted",
                        len(held) * 640,
                        len(held) * LEAK_CHUNK // MIB,
                    )
            await asyncio.sleep(LEAK_INTERVAL)
    finally:
        for chunk in held:
            chunk.close()


def _touched(size: int) -> mmap.mmap:
    chunk = mmap.mmap(-1, size)
    for page in range(0, size, mmap.PAGESIZE):
        chunk[page] = 1
    return chunk


@dataclass(frozen=True, slots=True)
class Fault:
    name: str
    service: str
    summary: Mapping[str, str]
    start: Callable[[Control, "Fault"], Awaitable[None]] = _switch_on
    stop: Callable[[Control, "Fault"], Awaitable[None]] = _switch_off
    at: Mapping[str, Effect] = field(default_factory=dict)
    run: Effect | None = None


FAULTS: Mapping[str, Fault] = {
    fault.name: fault
    for fault in (
        Fault(
            "error",
            service="payments",
            summary={
                "en": "The card processor fails most charges.",
                "ko": "카드 결제 대행사가 결제 대부분을 거절합니다.",
            },
            at={"charge": _refuse_cards},
        ),
        Fault(
            "latency",
            service="inventory",
            summary={
                "en": "Every look-up in the inventory takes 0.9 s longer.",
                "ko": "재고 조회가 매번 0.9초씩 느려집니다.",
            },
            at={"stock": _delay, "reserve": _delay},
        ),
        Fault(
            "crash",
            service="payments",
            summary={
                "en": "The payments process dies and stays down.",
                "ko": "결제 프로세스가 죽고 다시 뜨지 않습니다.",
            },
            start=_crash,
            stop=_restore,
            run=_exit,
        ),
        Fault(
            "leak",
            service="orders",
            summary={
                "en": "The orders process leaks 25 MiB of memory a second, up to 600 MiB.",
                "ko": "주문 프로세스의 메모리가 초당 25MiB씩, 600MiB까지 샙니다.",
            },
            run=_leak,
        ),
        Fault(
            "bad-deploy",
            service="orders",
            summary={
                "en": "Version 1.1.0 of orders is deployed and fails for most customers.",
                "ko": "주문 서비스 1.1.0이 배포되고 고객 대부분의 주문이 실패합니다.",
            },
            start=_deploy_bad,
            stop=_roll_back,
        ),
    )
}

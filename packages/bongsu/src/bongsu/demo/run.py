"""One fault from its start to the closed incident, with the time of each hop."""

import asyncio
import time
from collections.abc import Callable
from typing import Any

import msgspec

from bongsu.demo.stack import Stack

HOPS = ("first_bad_sample", "alert", "incident", "analysed", "delivered", "resolved", "closed")
_EVENTS = {"opened": "incident"}
WITHIN_SECONDS = 90.0

Narrate = Callable[[str, float, dict[str, Any]], None]
"""``(hop, seconds since the fault, incident document)``."""


class Outcome(msgspec.Struct, kw_only=True):
    """What ``bongsu demo --once --json`` prints; ``hops`` are seconds from the fault."""

    fault: str
    expected: str
    """The service that was hurt."""
    hops: dict[str, float] = {}
    incident: dict[str, Any] = {}
    suspects: list[str] = []
    deliveries: list[dict[str, Any]] = []
    ok: bool = False
    why: str = ""


async def one_fault(stack: Stack, name: str, narrate: Narrate, *, hold: float = 0.0) -> Outcome:
    """Break the shop, wait until people were told, mend it, and wait until the incident is closed."""
    earlier = {found["id"] for found in await stack.api("/api/incidents")}
    fault = await stack.shop.inject(name)
    began = time.time()
    outcome = Outcome(fault=name, expected=fault.service)
    try:
        if not await _follow(stack, outcome, began, earlier, "delivered", narrate):
            return outcome
        await asyncio.sleep(hold)
    finally:
        await stack.shop.clear(name)
    if await _follow(stack, outcome, began, earlier, "closed", narrate):
        _judge(outcome)
    return outcome


async def _follow(
    stack: Stack, outcome: Outcome, began: float, earlier: set[str], until: str, narrate: Narrate
) -> bool:
    deadline = time.time() + WITHIN_SECONDS
    while time.time() < deadline:
        document = await _newest(stack, earlier)
        if document is not None:
            _note_hops(outcome, document, began, narrate)
            if until in outcome.hops:
                return True
        await asyncio.sleep(0.2)
    outcome.why = f"{until!r} was not reached within {WITHIN_SECONDS:g} s of waiting"
    return False


async def _newest(stack: Stack, earlier: set[str]) -> dict[str, Any] | None:
    for found in await stack.api("/api/incidents"):
        if found["id"] not in earlier:
            document: dict[str, Any] = await stack.api(f"/api/incidents/{found['id']}")
            return document
    return None


def _note_hops(outcome: Outcome, document: dict[str, Any], began: float, narrate: Narrate) -> None:
    incident = document["incident"]
    outcome.incident = {
        key: incident[key] for key in ("id", "number", "title", "severity", "status", "service")
    }
    analysis = document["analysis"]
    if analysis is not None:
        outcome.suspects = [suspect["service"] for suspect in analysis["suspects"]]
    outcome.deliveries = [
        {key: delivery[key] for key in ("channel", "kind", "state", "receipt", "attempts", "error")}
        for delivery in document["deliveries"]
    ]
    for event in document["events"]:
        hop = _EVENTS.get(event["kind"], event["kind"])
        if hop in HOPS and hop not in outcome.hops:
            outcome.hops[hop] = round(event["at"] - began, 2)
            narrate(hop, outcome.hops[hop], document)


def _judge(outcome: Outcome) -> None:
    missing = [hop for hop in HOPS if hop not in outcome.hops]
    first = outcome.suspects[0] if outcome.suspects else "nobody"
    if missing:
        outcome.why = f"hops that were not reached: {', '.join(missing)}"
    elif first != outcome.expected:
        outcome.why = f"the first suspect is {first}, the hurt service was {outcome.expected}"
    elif not outcome.deliveries or any(d["state"] != "delivered" for d in outcome.deliveries):
        outcome.why = "a message was not delivered"
    else:
        outcome.ok = True

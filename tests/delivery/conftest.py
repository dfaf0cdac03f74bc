"""Messages as an incident produces them, Discord's contract, and a loopback inbox."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from typing import Any

import pytest
import uvicorn
from jsonschema import Draft202012Validator

from bongsu.delivery.message import (
    AlertLine,
    ChartMarker,
    ChartSeries,
    ChartSpec,
    Link,
    Mention,
    Message,
    SuspectLine,
)
from bongsu.signals.model import Severity
from tests.contracts import discord_schema

NOW = 1_795_237_385.0
ROLE = "1000000000000000002"


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def schema() -> Callable[[str], Draft202012Validator]:
    return discord_schema()


@pytest.fixture(scope="session")
def chart() -> ChartSpec:
    times = tuple(NOW - 600 + 10 * i for i in range(60))
    values = tuple(None if 20 <= i < 24 else 0.01 if i < 30 else 0.6 for i in range(60))
    return ChartSpec(
        title="payments: 실패한 요청의 비율 (5xx)",
        unit="ratio",
        series=(ChartSeries("payments", times, values),),
        threshold=0.05,
        shade=(NOW - 300, None),
        markers=(ChartMarker(NOW - 312, "payments 배포 v1.5.0"),),
        timezone="Asia/Seoul",
        language="ko",
    )


_TEXT = {
    "en": {
        "title": "payments: share of requests that fail (5xx)",
        "owner": "Payments team",
        "what": "share of requests that fail (5xx)",
        "reasons": ("its own error rate rose from 0.8 % to 62.5 %", "deployed 41 s before"),
    },
    "ko": {
        "title": "payments: 실패한 요청의 비율 (5xx)",
        "owner": "결제팀",
        "what": "실패한 요청의 비율 (5xx)",
        "reasons": ("자체 오류율 0.8% → 62.5%", "장애 41초 전 배포"),
    },
}


@pytest.fixture(scope="session")
def message(chart: ChartSpec) -> Callable[..., Message]:
    def build(language: str = "en", **changes: Any) -> Message:
        text = _TEXT[language]
        base = Message(
            number=12,
            state="open",
            severity=Severity.P1,
            title=str(text["title"]),
            service="payments",
            owner=str(text["owner"]),
            since=NOW - 192,
            resolved_at=None,
            alerts=(AlertLine("payments", str(text["what"]), 0.625, 0.05, "ratio", True),),
            suspects=(
                SuspectLine("payments", tuple(text["reasons"])),
                SuspectLine("inventory", ()),
            ),
            changes=("payments v1.4.2 → v1.5.0",),
            logs=("payments ×124  charge failed: timeout", "payments ×9  connection reset"),
            links=(
                Link("Incident", "http://127.0.0.1:8765/incidents/12"),
                Link("Runbook", "https://wiki.example.com/payments"),
            ),
            mention=Mention(role_id=ROLE),
            chart=chart,
            language=language,
            timezone="Asia/Seoul",
            gaps=("the log store did not answer",),
        )
        return replace(base, **changes)

    return build


@pytest.fixture(scope="session")
def serve() -> Callable[[Any], AbstractContextManager[str]]:
    """``with serve(app) as base:`` runs an ASGI app on a free loopback port."""

    @contextmanager
    def run(app: Any) -> Iterator[str]:
        config = uvicorn.Config(app, port=0, log_level="critical", lifespan="off")
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, daemon=True)
        thread.start()
        deadline = time.monotonic() + 10
        while not server.started:
            assert time.monotonic() < deadline, "the loopback server did not start"
            time.sleep(0.01)
        port = server.servers[0].sockets[0].getsockname()[1]
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            server.should_exit = True
            thread.join(10)

    return run

"""The real server as a process, a real inbox to tell, and what they say of an incident."""

import asyncio
import contextlib
import json
import os
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import pytest
import uvicorn

from bongsu.demo.inbox import Inbox, InboxControl, create_inbox
from bongsu.processes import Process, free_port

CATALOG = """\
name: team
sources: {local: {type: embedded}}
watch: {cooldown: 5s}
grouping: {wait: 500ms}
analysis: {deadline: 1s, settle: 0s}
owners: {money: {discord: {role: "42"}}}
services:
  orders: {kind: fastapi, depends_on: [payments]}
  payments: {kind: fastapi, owner: money}
channels: {incidents: {type: discord, webhook: {env: HOOK}}}
routes: [{to: incidents}]
"""
ADMIN, INGEST = "admin-token-of-the-test", "ingest-token-of-the-test"


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@dataclass
class Chain:
    """One server that can be killed and started again, and the inbox that it tells."""

    folder: Path
    inbox: Inbox
    inbox_url: str
    port: int = field(default_factory=free_port)
    process: Process | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def start(self) -> None:
        env = {
            **os.environ,
            "HOOK": self.inbox.webhook_url(self.inbox_url),
            "BONGSU_ADMIN_TOKEN": ADMIN,
            "BONGSU_INGEST_TOKEN": INGEST,
        }
        argv = [sys.executable, "-m", "bongsu", "serve", str(self.folder / "bongsu.yaml"), "--no-watch"]
        argv += ["--port", str(self.port), "--data", str(self.folder / "data")]
        self.process = Process("bongsu", argv, log=self.folder / "bongsu.log", env=env)
        await self.process.start()
        await self.process.ready(f"{self.url}/readyz", seconds=60)

    async def stop(self) -> None:
        assert self.process is not None
        await self.process.stop()

    async def until_targets(
        self, reached: Callable[[list[dict[str, Any]]], bool]
    ) -> dict[str, dict[str, Any]]:
        """How each target's last scrape went, by service, as soon as ``reached`` holds."""
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            rows = await self.get("/api/targets")
            if rows and reached(rows):
                return {row["service"]: row for row in rows}
            await asyncio.sleep(0.05)
        raise AssertionError("the targets were not scraped")

    async def kill(self) -> None:
        assert self.process is not None
        await self.process.kill()

    async def post(self, path: str, body: bytes, token: str = INGEST, **headers: str) -> httpx2.Response:
        async with httpx2.AsyncClient(base_url=self.url, trust_env=False, timeout=20) as client:
            credential = {"authorization": f"Bearer {token}"} if token else {}
            return await client.post(path, content=body, headers={**credential, **headers})

    async def get(self, path: str) -> Any:
        headers = {"authorization": f"Bearer {ADMIN}"}
        async with httpx2.AsyncClient(
            base_url=self.url, headers=headers, trust_env=False, timeout=20
        ) as client:
            return (await client.get(path)).raise_for_status().json()

    async def incident(self, number: int = 1) -> dict[str, Any] | None:
        for found in await self.get("/api/incidents"):
            if found["number"] == number:
                whole: dict[str, Any] = await self.get(f"/api/incidents/{found['id']}")
                return whole
        return None

    async def until(self, event: str, *, number: int = 1, seconds: float = 40.0) -> dict[str, Any]:
        """The incident as soon as its timeline has ``event``."""

        def reached(whole: dict[str, Any]) -> bool:
            return event in [line["kind"] for line in whole["events"]]

        return await self.until_incident(reached, event, number=number, seconds=seconds)

    async def until_incident(
        self, reached: Callable[[dict[str, Any]], bool], what: str, *, number: int = 1, seconds: float = 40.0
    ) -> dict[str, Any]:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            whole = await self.incident(number)
            if whole is not None and reached(whole):
                return whole
            await asyncio.sleep(0.02)
        assert self.process is not None
        raise AssertionError(f"{what} was not reached; the server said:\n{self.process.tail(40)}")

    @property
    def messages(self) -> list[dict[str, Any]]:
        return self.inbox.messages(self.inbox_url)


def webhook(status: str = "firing", service: str = "payments", name: str = "HighErrors") -> bytes:
    """What Alertmanager sends of one alert."""
    ends = "2026-01-01T00:10:00Z" if status == "resolved" else "0001-01-01T00:00:00Z"
    alert = {
        "status": status,
        "labels": {"alertname": name, "job": service, "severity": "critical"},
        "annotations": {"summary": f"{service} fails"},
        "startsAt": "2026-01-01T00:00:00Z",
        "endsAt": ends,
        "generatorURL": "",
        "fingerprint": f"{service}-{name}",
    }
    return json.dumps({"version": "4", "status": status, "alerts": [alert], "truncatedAlerts": 0}).encode()


@contextlib.contextmanager
def serving_inbox(control: InboxControl) -> Iterator[tuple[Inbox, str]]:
    app, port = create_inbox(control=control), free_port()
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=port, log_level="error"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    try:
        yield app.state.inbox, f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join(timeout=5)


@pytest.fixture
async def chain(tmp_path: Path) -> AsyncIterator[Chain]:
    (tmp_path / "bongsu.yaml").write_text(CATALOG)
    with serving_inbox(InboxControl()) as (inbox, url):
        running = Chain(tmp_path, inbox, url)
        await running.start()
        try:
            yield running
        finally:
            await running.stop()

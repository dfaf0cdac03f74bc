"""A drill: an alert that says it is one goes in by the front door, and each hop to a person is awaited."""

import asyncio
import json
import secrets
import time
from datetime import UTC, datetime
from typing import Any

import msgspec

from bongsu.client import Server

POLL_SECONDS = 0.1


class DrillOutcome(msgspec.Struct, kw_only=True):
    """``hops`` are seconds from the alert. ``ok`` when every channel of the route showed it, and its end."""

    hops: dict[str, float] = {}
    deliveries: dict[str, str] = {}
    ok: bool = False
    why: str = ""


async def drill(server: Server, *, severity: str, seconds: float) -> DrillOutcome:
    """Send the alert, wait until it was told, resolve it, wait until that was told; ``seconds`` in all."""
    outcome, began = DrillOutcome(), time.time()
    mark = secrets.token_hex(4)
    answer = await server.post("/webhooks/alertmanager", _webhook(mark, severity, began, "firing"))
    outcome.hops["accepted"] = round(time.time() - began, 2)
    number = answer["incidents"][0]
    deadline = began + seconds
    told = await _until(server, outcome, number, began, "delivered", deadline)
    await server.post("/webhooks/alertmanager", _webhook(mark, severity, began, "resolved"))
    if told and await _until(server, outcome, number, began, "closed", deadline):
        outcome.ok = bool(outcome.deliveries) and set(outcome.deliveries.values()) == {"delivered"}
        outcome.why = "" if outcome.ok else "a channel did not show the drill; see the deliveries"
    elif not outcome.why:
        outcome.why = f"the drill was not told within {seconds:g} s; see the deliveries and the server's log"
    return outcome


async def _until(
    server: Server, outcome: DrillOutcome, number: int, began: float, event: str, deadline: float
) -> bool:
    while time.time() < deadline:
        document = await _incident(server, number)
        for line in document["events"]:
            outcome.hops.setdefault(line["kind"], round(line["at"] - began, 2))
        outcome.deliveries = {d["channel"]: d["error"] or d["state"] for d in document["deliveries"]}
        if event in outcome.hops:
            return True
        await asyncio.sleep(POLL_SECONDS)
    return False


async def _incident(server: Server, number: int) -> dict[str, Any]:
    for found in await server.get("/api/incidents"):
        if found["number"] == number:
            document: dict[str, Any] = await server.get(f"/api/incidents/{found['id']}")
            return document
    return {"events": [], "deliveries": []}


def _webhook(mark: str, severity: str, at: float, status: str) -> bytes:
    alert = {
        "status": status,
        "labels": {"alertname": "BongsuDrill", "drill": mark, "severity": severity},
        "annotations": {"summary": "Drill: the alert chain is being tested, nothing is broken"},
        "startsAt": datetime.fromtimestamp(at, UTC).isoformat(),
        "endsAt": datetime.now(UTC).isoformat() if status == "resolved" else "0001-01-01T00:00:00Z",
    }
    return json.dumps({"version": "4", "status": status, "alerts": [alert]}).encode()

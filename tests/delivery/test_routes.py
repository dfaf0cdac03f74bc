"""Routes choose the channels of an incident by severity, service, owner and time, and who is called on."""

from datetime import datetime
from typing import cast

import pytest

from bongsu.analysis.archive import Archive
from bongsu.analysis.recent import Recent
from bongsu.catalog import loads
from bongsu.delivery.deliver import Deliverer
from bongsu.delivery.discord.render import render
from bongsu.delivery.message import Mention, Message
from bongsu.incidents.model import Incident, IncidentStatus
from bongsu.incidents.store import Store
from bongsu.signals.model import Severity

CATALOG = loads(
    """\
name: team
timezone: Asia/Seoul
owners: {ops: {}, money: {}}
services: {web: {kind: fastapi, owner: ops}, pay: {kind: fastapi, owner: money}}
channels:
  urgent: {type: discord, webhook: {env: A}}
  normal: {type: discord, webhook: {env: B}}
  money: {type: discord, webhook: {env: C}}
  office: {type: discord, webhook: {env: D}}
routes:
  - {to: urgent, severity: P1, mention: here}
  - {to: normal, severity: [P2, P3], mention: false}
  - {to: money, owners: money}
  - {to: office, services: web, during: "mon-fri 09:00-18:00"}
"""
)
NOTHING = cast("Store", None)
DELIVERER = Deliverer(
    CATALOG, NOTHING, cast("Archive", None), {}, cast("Recent", None), lambda service, signal: None
)


def incident(severity: str, service: str, owner: str, at: str = "2026-03-07T03:00:00+09:00") -> Incident:
    opened = datetime.fromisoformat(at).timestamp()
    return Incident(
        id="1",
        number=1,
        status=IncidentStatus.OPEN,
        severity=Severity(severity),
        title="",
        service=service,
        owner=owner,
        since=opened,
        opened_at=opened,
    )


@pytest.mark.parametrize(
    ("given", "channels"),
    [
        (incident("P1", "web", "ops"), ["urgent"]),
        (incident("P2", "web", "ops"), ["normal"]),
        (incident("P3", "pay", "money"), ["normal", "money"]),
        (incident("P4", "web", "ops"), []),
        (incident("P4", "web", "ops", "2026-03-06T10:00:00+09:00"), ["office"]),
        (incident("P4", "web", "ops", "2026-03-06T18:00:00+09:00"), []),
    ],
)
def test_an_incident_goes_where_its_routes_say(given: Incident, channels: list[str]) -> None:
    assert DELIVERER.channels(given) == channels


def test_here_calls_on_everybody_present_and_telemetry_cannot_join_in() -> None:
    message = Message(
        number=1,
        state="open",
        severity=Severity.P1,
        title="@everyone look",
        service="web",
        owner="ops",
        since=0.0,
        resolved_at=None,
        alerts=(),
        suspects=(),
        changes=(),
        logs=(),
        links=(),
        mention=Mention(here=True),
    )
    body = render(message, chart=False)
    assert body["allowed_mentions"] == {"parse": ["everyone"]}
    assert body["content"].startswith("@here ")
    assert "@everyone" not in body["content"]

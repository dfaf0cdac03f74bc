"""Alerts become incidents: nothing twice, nothing lost, and each step on the timeline."""

import msgspec
import pytest

from bongsu.incidents.model import Alert, AlertStatus, Incident, IncidentStatus
from bongsu.incidents.record import Policy, record
from bongsu.incidents.store import Store
from bongsu.signals.model import Severity

pytestmark = pytest.mark.anyio

POLICY = Policy(
    graph={"gateway": ["orders"], "orders": ["payments", "stock"], "blog": []},
    owners={"payments": "money"},
    window=300.0,
    cooldown=600.0,
)


def alert(
    service: str, *, at: float = 1000.0, severity: Severity = Severity.P2, name: str = "errors"
) -> Alert:
    return Alert(
        source="watch",
        fingerprint=f"{service}-{name}",
        status=AlertStatus.FIRING,
        starts_at=at,
        name=name,
        service=service,
        signal=name,
        severity=severity,
        summary=f"{service}: {name}",
        since=at - 5,
    )


def ended(of: Alert, at: float) -> Alert:
    return msgspec.structs.replace(of, status=AlertStatus.RESOLVED, ends_at=at)


async def take(store: Store, *alerts: Alert, now: float = 1000.0) -> list[Incident]:
    return await store.write(lambda c: record(c, alerts, POLICY, now))


async def kinds(store: Store, incident: Incident) -> list[str]:
    return [event.kind for event in await store.events(incident.id)]


async def test_a_first_alert_opens_an_incident_in_its_name(store: Store) -> None:
    [incident] = await take(store, alert("payments"))
    assert (incident.number, incident.status, incident.severity) == (1, IncidentStatus.OPEN, Severity.P2)
    assert (incident.title, incident.owner, incident.since) == ("payments: errors", "money", 995.0)
    assert await kinds(store, incident) == ["first_bad_sample", "opened", "alert"]


async def test_a_repeated_alert_changes_nothing(store: Store) -> None:
    [first] = await take(store, alert("payments"))
    assert await take(store, alert("payments"), now=1060.0) == []
    assert await store.incident(first.id) == first


async def test_alerts_of_one_fault_join_along_the_call_graph(store: Store) -> None:
    [opened] = await take(store, alert("gateway"))
    [joined] = await take(store, alert("payments", at=1003.0), now=1003.0)
    assert joined.id == opened.id
    [how] = [e for e in await store.events(opened.id) if e.kind == "joined"]
    alerted = {"alert": "payments: errors", "service": "payments", "signal": "errors"}
    assert how.detail == {**alerted, "why": "dependent", "other": "gateway"}
    assert how.text == ""


@pytest.mark.parametrize(
    ("service", "why", "other"), [("orders", "same_service", "orders"), ("gateway", "depends_on", "orders")]
)
async def test_the_timeline_has_why_an_alert_joined(store: Store, service: str, why: str, other: str) -> None:
    [opened] = await take(store, alert("orders"))
    await take(store, alert(service, name="latency"), now=1001.0)
    [how] = [e for e in await store.events(opened.id) if e.kind == "joined"]
    assert (how.detail["why"], how.detail["other"]) == (why, other)


async def test_services_that_do_not_call_one_another_have_incidents_of_their_own(store: Store) -> None:
    found = await take(store, alert("payments"), alert("blog"))
    assert len({incident.id for incident in found}) == 2


async def test_siblings_behind_one_caller_do_not_join_without_it(store: Store) -> None:
    found = await take(store, alert("payments"), alert("stock"))
    assert len({incident.id for incident in found}) == 2


async def test_an_alert_after_the_window_opens_its_own_incident(store: Store) -> None:
    [first] = await take(store, alert("payments"))
    [second] = await take(store, alert("orders", at=1400.0), now=1400.0)
    assert second.id != first.id


async def test_an_alert_of_no_known_service_stands_alone(store: Store) -> None:
    found = await take(store, alert("", name="a"), alert("", name="b"))
    assert len(found) == 2


async def test_the_worst_alert_gives_severity_and_title_and_the_callee_wins_a_tie(store: Store) -> None:
    await take(store, alert("gateway", severity=Severity.P1))
    [incident] = await take(store, alert("payments", severity=Severity.P1), now=1001.0)
    assert (incident.severity, incident.title) == (Severity.P1, "payments: errors")


async def test_an_alert_that_grows_worse_escalates_its_incident(store: Store) -> None:
    await take(store, alert("payments"))
    [incident] = await take(store, alert("payments", severity=Severity.P1), now=1010.0)
    assert incident.severity is Severity.P1
    [escalated] = [e for e in await store.events(incident.id) if e.kind == "escalated"]
    assert (escalated.detail["before"], escalated.detail["after"]) == ("P2", "P1")


async def test_an_incident_resolves_with_its_last_alert(store: Store) -> None:
    first, second = alert("orders"), alert("payments")
    await take(store, first, second)
    [partly] = await take(store, ended(first, 1100.0), now=1100.0)
    assert partly.status is IncidentStatus.OPEN
    [done] = await take(store, ended(second, 1110.0), now=1110.0)
    assert (done.status, done.resolved_at, done.title) == (
        IncidentStatus.RESOLVED,
        1110.0,
        "payments: errors",
    )


async def test_a_resolution_that_comes_twice_or_from_nowhere_changes_nothing(store: Store) -> None:
    one = alert("payments")
    await take(store, one)
    await take(store, ended(one, 1100.0), now=1100.0)
    assert await take(store, ended(one, 1100.0), now=1101.0) == []
    assert await take(store, ended(alert("orders"), 1100.0), now=1101.0) == []


async def test_a_condition_that_comes_back_within_the_cooldown_reopens_its_incident(store: Store) -> None:
    one = alert("payments")
    [first] = await take(store, one)
    await take(store, ended(one, 1100.0), now=1100.0)
    [again] = await take(store, alert("payments", at=1200.0), now=1200.0)
    assert (again.id, again.status, again.episode) == (first.id, IncidentStatus.OPEN, 2)


async def test_a_condition_that_comes_back_after_the_cooldown_is_a_new_incident(store: Store) -> None:
    one = alert("payments")
    [first] = await take(store, one)
    await take(store, ended(one, 1100.0), now=1100.0)
    [again] = await take(store, alert("payments", at=1800.0), now=1800.0)
    assert (again.id != first.id, again.number) == (True, 2)


async def test_every_visible_change_grows_the_version(store: Store) -> None:
    one = alert("payments")
    versions = [(await take(store, one))[0].version]
    versions.append((await take(store, alert("orders", at=1001.0), now=1001.0))[0].version)
    versions.append((await take(store, ended(one, 1002.0), now=1002.0))[0].version)
    assert versions == [1, 2, 3]

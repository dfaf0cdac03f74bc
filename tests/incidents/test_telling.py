"""An incident's alerts are told in the order in which a person needs them."""

import msgspec

from bongsu.incidents.model import Alert, AlertStatus, Incident, IncidentStatus
from bongsu.incidents.telling import leading, ordered
from bongsu.signals.model import Severity

INCIDENT = Incident(
    id="1",
    number=1,
    status=IncidentStatus.OPEN,
    severity=Severity.P1,
    title="",
    service="payments",
    owner="",
    since=0.0,
    opened_at=0.0,
)


def alert(service: str, severity: Severity, at: float) -> Alert:
    return Alert(
        source="watch",
        fingerprint=service,
        status=AlertStatus.FIRING,
        starts_at=at,
        name="errors",
        service=service,
        severity=severity,
    )


PAYMENTS, ORDERS = alert("payments", Severity.P1, 2.0), alert("orders", Severity.P1, 1.0)
GATEWAY = alert("gateway", Severity.P2, 0.0)


def test_the_incidents_own_alert_leads_though_a_callers_came_first() -> None:
    assert ordered(INCIDENT, [GATEWAY, ORDERS, PAYMENTS]) == [PAYMENTS, ORDERS, GATEWAY]
    assert leading(INCIDENT, [GATEWAY, ORDERS, PAYMENTS]) == PAYMENTS


def test_what_still_fires_stands_before_what_has_ended() -> None:
    ended = msgspec.structs.replace(PAYMENTS, status=AlertStatus.RESOLVED, ends_at=9.0)
    assert ordered(INCIDENT, [ended, GATEWAY]) == [GATEWAY, ended]


def test_a_condition_that_fired_twice_is_told_once_as_it_is_now() -> None:
    again = msgspec.structs.replace(PAYMENTS, starts_at=50.0)
    assert ordered(INCIDENT, [PAYMENTS, again]) == [again]

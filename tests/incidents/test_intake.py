"""Webhooks are decoded as their senders write them, and refused when they break the contract."""

import contextlib
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bongsu.incidents.intake.alertmanager import decode, fingerprint
from bongsu.incidents.intake.common import IntakeError, ServiceIndex
from bongsu.incidents.model import Alert, AlertStatus
from bongsu.signals.model import Severity

PAYLOADS = Path(__file__).parents[3] / "shared/data/payloads"
CAPTURED = sorted(p for p in PAYLOADS.glob("am_webhook_*.json") if "headers" not in p.stem)
SERVICES = ServiceIndex({"web": {"instance": "web-1"}, "orders": {"job": "orders"}})

needs_payloads = pytest.mark.skipif(
    not PAYLOADS.is_dir(),
    reason="NOT RUN: ../shared/data/payloads is absent, so captured webhooks are not tested",
)


def captured(name: str) -> bytes:
    return (PAYLOADS / name).read_bytes()


def alertmanager(body: bytes) -> list[Alert]:
    return decode(body, source="alertmanager", version="4", services=SERVICES)


@needs_payloads
@pytest.mark.parametrize("path", CAPTURED, ids=lambda p: p.stem)
def test_every_captured_alertmanager_webhook_is_understood(path: Path) -> None:
    document = json.loads(path.read_bytes())
    found = alertmanager(path.read_bytes())
    assert [a.fingerprint for a in found] == [a["fingerprint"] for a in document["alerts"]]
    assert [a.status.value for a in found] == [a["status"] for a in document["alerts"]]


@needs_payloads
def test_the_fingerprint_of_labels_is_the_one_that_alertmanager_sends() -> None:
    document = json.loads(captured("am_webhook_grouped_4.json"))
    assert [fingerprint(a["labels"]) for a in document["alerts"]] == [
        a["fingerprint"] for a in document["alerts"]
    ]


@needs_payloads
def test_a_firing_group_keeps_its_resolved_members_apart() -> None:
    statuses = {a.status for a in alertmanager(captured("am_webhook_group_mixed_firing_resolved.json"))}
    assert statuses == {AlertStatus.FIRING, AlertStatus.RESOLVED}


@needs_payloads
def test_a_truncated_webhook_gives_only_the_alerts_that_it_has() -> None:
    assert len(alertmanager(captured("am_webhook_truncated_3_of_16.json"))) == 3


@needs_payloads
def test_a_grafana_webhook_gives_the_service_value_and_panel() -> None:
    body = captured("grafana_webhook_CONSTRUCTED_from_source.json")
    [found] = decode(body, source="grafana", version="1", services=SERVICES)
    assert (found.service, found.value, found.severity) == ("web", 93.4, Severity.P1)
    assert found.url.endswith("viewPanel=2")


def webhook(**alert: object) -> bytes:
    whole = {"status": "firing", "labels": {"alertname": "A"}, "startsAt": "2026-01-01T00:00:00Z", **alert}
    return json.dumps({"version": "4", "status": "firing", "alerts": [whole], "new_key": 1}).encode()


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"", "the body is not JSON"),
        (b"{", "the body is not JSON"),
        (b"\xff\xfe", "the body is not JSON"),
        (b"[]", "this is not a webhook of alertmanager"),
        (b'{"version":"4"}', "missing required field `status`"),
        (b'{"version":"3","status":"firing","alerts":[]}', "version is '3'"),
        (webhook(status="burning"), "status is 'burning'; it must be firing or resolved"),
        (webhook(labels={"a": 1}), "$.alerts[0].labels[...]"),
        (webhook(startsAt="yesterday"), "$.alerts[0].startsAt"),
    ],
)
def test_a_body_that_breaks_the_contract_is_refused_with_its_place(body: bytes, says: str) -> None:
    with pytest.raises(IntakeError) as caught:
        alertmanager(body)
    assert says in str(caught.value)


def test_unknown_keys_are_ignored_and_a_missing_fingerprint_is_computed() -> None:
    [found] = alertmanager(webhook(labels={"alertname": "A", "job": "orders"}, novelty=[1]))
    assert (found.service, found.fingerprint) == ("orders", fingerprint({"alertname": "A", "job": "orders"}))


def test_a_rule_that_states_its_for_dates_the_first_bad_sample() -> None:
    [found] = alertmanager(webhook(annotations={"for": "5s", "value": "0.5", "threshold": "0.05"}))
    assert found.since is not None
    assert (found.starts_at - found.since, found.value, found.threshold) == (5.0, 0.5, 0.05)


@given(
    st.binary(max_size=300)
    | st.recursive(st.none() | st.text() | st.integers(), st.lists).map(json.dumps).map(str.encode)
)
def test_no_body_whatever_does_more_than_be_refused(body: bytes) -> None:
    with contextlib.suppress(IntakeError):
        alertmanager(body)


def test_a_watchdog_that_fires_for_ever_is_nothing_to_act_on() -> None:
    watchdog = {"alertname": "Watchdog", "severity": "none"}
    alerts = [
        {"status": "firing", "labels": labels, "startsAt": "2026-01-05T00:00:00Z"}
        for labels in (watchdog, {"alertname": "Down", "severity": "critical", "job": "orders"})
    ]
    body = json.dumps({"version": "4", "status": "firing", "alerts": alerts}).encode()
    assert [alert.name for alert in alertmanager(body)] == ["Down"]

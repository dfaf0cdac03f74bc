"""The generated Alertmanager tells whom Bongsu would tell, and when Bongsu would."""

import subprocess
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, cast

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bongsu.analysis.archive import Archive
from bongsu.analysis.recent import Recent
from bongsu.catalog import Catalog, loads
from bongsu.catalog.models import Maintenance
from bongsu.delivery.deliver import Deliverer
from bongsu.incidents.model import Incident, IncidentStatus
from bongsu.incidents.store import Store
from bongsu.signals.model import Hours, Severity
from bongsu.stack import alertmanager
from bongsu.stack.hours import maintenance, weekly
from bongsu.stack.model import Stack
from bongsu.stack.rules import WORDS
from tests.live_servers import require
from tests.stack.alertmanagers import rendered, stack_of, written

SERVICES = {"web": "ops", "pay": "money", "shop.eu": "money", "batch": ""}
CHANNELS = ("one", "two", "three")
HEAD = """
name: t
targets: {prometheus: "3.5", alertmanager: "0.28"}
notifier: alertmanager
owners: {ops: {}, money: {}}
services:
  web: {kind: fastapi, owner: ops}
  pay: {kind: fastapi, owner: money}
  shop.eu: {kind: fastapi, owner: money}
  batch: {kind: fastapi}
channels:
  one: {type: slack, webhook: {env: A}}
  two: {type: webhook, url: "http://127.0.0.1:1/"}
  three: {type: pagerduty, routing_key: {env: C}}
"""

some = st.lists
routes = st.lists(
    st.fixed_dictionaries(
        {"to": some(st.sampled_from(CHANNELS), min_size=1, max_size=3, unique=True)},
        optional={
            "severity": some(st.sampled_from([s.value for s in Severity]), min_size=1, unique=True),
            "services": some(st.sampled_from(list(SERVICES)), min_size=1, unique=True),
            "owners": some(st.sampled_from(["ops", "money"]), min_size=1, unique=True),
            "mention": st.sampled_from([True, False, "here"]),
        },
    ),
    max_size=5,
)


def bongsus_own(catalog: Catalog, severity: Severity, service: str) -> set[str]:
    deliverer = Deliverer(
        catalog, cast("Store", None), cast("Archive", None), {}, cast("Recent", None), lambda s, n: None
    )
    incident = Incident(
        id="1",
        number=1,
        status=IncidentStatus.OPEN,
        severity=severity,
        title="",
        service=service,
        owner=SERVICES.get(service, ""),
        since=0.0,
        opened_at=0.0,
    )
    return set(deliverer.channels(incident))


def told_by(amtool: str, config: Path, labels: Mapping[str, str]) -> list[str]:
    command = [amtool, "config", "routes", "test", f"--config.file={config}"]
    command += [f"{name}={value}" for name, value in labels.items()]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.strip().split(",")


@pytest.mark.live
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(routes=routes, severity=st.sampled_from(Severity), service=st.sampled_from([*SERVICES, ""]))
def test_an_alert_reaches_the_channels_of_bongsus_own_routes_each_once(
    routes: list[dict[str, Any]], severity: Severity, service: str, tmp_path: Path
) -> None:
    (amtool,) = require("amtool")
    catalog = loads(HEAD + yaml.safe_dump({"routes": routes}))
    config = written(alertmanager.render(Stack(catalog, "compose")), tmp_path)
    labels = {"alertname": "X", "severity": WORDS[severity], **({"service": service} if service else {})}
    receivers = told_by(amtool, config, labels)
    assert receivers[0] == "bongsu"
    channels = [name.split("/")[1] for name in receivers[1:]]
    assert sorted(channels) == sorted(bongsus_own(catalog, severity, service))


@pytest.mark.live
def test_an_alert_without_a_severity_is_told_as_a_warning(tmp_path: Path) -> None:
    (amtool,) = require("amtool")
    text = HEAD + "routes: [{to: one, severity: P1}, {to: two, severity: P3}]\n"
    config = written(alertmanager.render(stack_of(text)), tmp_path)
    assert told_by(amtool, config, {"alertname": "FromElsewhere"}) == ["bongsu", "channel/two"]


_WEEKDAYS = ("sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday")


def within(periods: Sequence[Mapping[str, Any]], moment: datetime) -> bool:
    """As Alertmanager reads time intervals: all fields of one period hold, in its location."""
    return any(_holds(period, moment) for period in periods)


def _holds(period: Mapping[str, Any], moment: datetime) -> bool:
    numbers = {"years": moment.year, "months": moment.month, "days_of_month": moment.day}
    for field, number in numbers.items():
        if field in period and not any(_in_range(str(text), number) for text in period[field]):
            return False
    day = (moment.weekday() + 1) % 7
    if "weekdays" in period:
        ranges = [[_WEEKDAYS.index(name) for name in text.split(":")] for text in period["weekdays"]]
        if not any(r[0] <= day <= r[-1] for r in ranges):
            return False
    minute = f"{moment:%H:%M}"
    times = period.get("times", [{"start_time": "00:00", "end_time": "24:00"}])
    return any(t["start_time"] <= minute < t["end_time"] for t in times)


def _in_range(text: str, number: int) -> bool:
    first, _, last = text.partition(":")
    return int(first) <= number <= int(last or first)


minutes = st.integers(0, 1439)


@st.composite
def hours(draw: st.DrawFn) -> Hours:
    days = draw(st.lists(st.integers(0, 6), min_size=1, unique=True))
    start, end = draw(st.tuples(minutes, st.integers(0, 1440)).filter(lambda pair: pair[0] != pair[1]))
    return Hours(days=tuple(sorted(days)), start=start, end=end)


@given(hours=hours(), at=st.datetimes(datetime(2026, 1, 1), datetime(2027, 1, 1)))  # noqa: DTZ001
def test_hours_are_the_same_hours_to_alertmanager(hours: Hours, at: datetime) -> None:
    zone = loads("name: t\ntimezone: Asia/Seoul").zone
    periods = weekly([hours], zone)
    assert within(periods, at) == (at in hours)
    assert all(period["location"] == "Asia/Seoul" for period in periods)


@given(
    start=st.datetimes(datetime(2026, 1, 1), datetime(2027, 1, 1)),  # noqa: DTZ001
    length=st.timedeltas(timedelta(minutes=1), timedelta(days=80)),
    offset=st.timedeltas(timedelta(days=-2), timedelta(days=82)),
)
def test_a_window_of_maintenance_is_silent_from_its_start_to_its_end(
    start: datetime, length: timedelta, offset: timedelta
) -> None:
    zone = loads("name: t\ntimezone: Asia/Seoul").zone
    window = Maintenance(start=start.replace(second=0, microsecond=0), end=start + length)
    at = start + offset
    assert window.end is not None
    assert window.start is not None
    if window.start <= at < window.end:
        assert within(maintenance(window, zone), at)
    if at < window.start or at >= window.end + timedelta(minutes=1):
        assert not within(maintenance(window, zone), at)


def test_a_window_with_an_offset_is_said_in_the_catalogs_zone() -> None:
    text = """
name: t
timezone: Asia/Seoul
services: {web: {kind: fastapi}, pay: {kind: fastapi}}
maintenance:
  - {services: web, start: "2026-03-31T14:30:00Z", end: "2026-03-31T16:00:00Z"}
  - {every: "sun 02:00-04:00"}
"""
    config = rendered(stack_of(text))
    once, weekly_ = config["time_intervals"]
    assert once["name"] == "maintenance 2026-03-31 23:30 - 2026-04-01 01:00"
    assert [(p["months"], p["days_of_month"]) for p in once["time_intervals"]] == [
        (["3"], ["31"]),
        (["4"], ["1"]),
    ]
    assert weekly_["time_intervals"][0]["weekdays"] == ["sunday"]
    leaves = {tuple(r.get("matchers", ())): r["mute_time_intervals"] for r in config["route"]["routes"][1:]}
    assert leaves == {
        ('service="web"',): [once["name"], weekly_["name"]],
        ('service!="web"',): [weekly_["name"]],
    }


@pytest.mark.live
def test_amtool_takes_hours_and_windows(tmp_path: Path) -> None:
    (amtool,) = require("amtool")
    text = HEAD + (
        "timezone: Asia/Seoul\n"
        'routes: [{to: one, during: ["mon-fri 09:00-18:00", "sat 22:00-07:00"]}, {to: one, severity: P1}]\n'
        'maintenance: [{start: "2026-01-30T10:00", end: "2026-03-02T00:00"}, {services: web, every: "sun"}]\n'
    )
    config = written(alertmanager.render(stack_of(text)), tmp_path)
    done = subprocess.run([amtool, "check-config", str(config)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_overlapping_hours_of_one_channel_are_told_once_and_in_both() -> None:
    text = HEAD + (
        'routes: [{to: two, during: "09:00-18:00"}, {to: two, severity: [P1, P2], during: "18:00-22:00"}, '
        "{to: two, severity: P1}]\n"
    )
    leaves = [r for r in rendered(stack_of(text))["route"]["routes"] if r["receiver"] == "channel/two"]
    assert {tuple(r["matchers"]): r.get("active_time_intervals") for r in leaves} == {
        ('severity!~"critical|high"',): ["09:00-18:00"],
        ('severity="high"',): ["09:00-18:00", "18:00-22:00"],
        ('severity="critical"',): None,
    }

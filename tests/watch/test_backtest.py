"""A backtest over stored history pages as a live watch over the same data does."""

import asyncio
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pytest

from bongsu.analysis.archive import Archive
from bongsu.analysis.recent import Recent
from bongsu.catalog import Catalog, loads, resolve
from bongsu.catalog.models import Learned
from bongsu.delivery.base import Receipt
from bongsu.delivery.deliver import Deliverer
from bongsu.delivery.message import Message
from bongsu.incidents.model import Alert, Incident
from bongsu.incidents.record import policy_of, record
from bongsu.incidents.store import Store
from bongsu.sources.opening import open_sources
from bongsu.watch.backtest.history import History
from bongsu.watch.backtest.paging import Pager, Told
from bongsu.watch.backtest.replay import Past, Run, read, replay
from bongsu.watch.judgement import Judgement
from bongsu.watch.watch import Watch
from tests import live_servers

START, MINUTES, STEP = 1_699_254_000, 200, 60
"""Monday, 6 November 2023, 07:00 UTC; data begin half an hour earlier."""
BEFORE = 1800

CATALOG = """\
name: replayed
sources: {prom: {type: prometheus, url: "URL"}}
watch: {interval: 60s, resolve_after: 2m, cooldown: 20m}
owners: {ops: {discord: {role: "1000000000000000002"}}, shop: {discord: {role: "1000000000000000003"}}}
defaults: {owner: ops}
kinds:
  web:
    signals:
      up: {form: presence, thresholds: {P1: "< 1 for 2m"}}
      errors:
        form: ratio
        metric: requests_total
        match: {status: "5.."}
        floor: 0.1/s
        thresholds: {P1: "> 50% for 3m", P3: "> 5% for 5m"}
      disk: {form: gauge, metric: disk, by: [mount], thresholds: {P2: "> 90"}}
      odd: {form: gauge, metric: odd, thresholds: {P4: "!= 1"}}
      sync: {form: gauge, metric: sync, absent: alert, every: 3m, thresholds: {P3: "> 100 for 4m"}}
      queue: {form: gauge, metric: queue, active: "08:00-09:00", thresholds: {P2: "> 5 for 1m"}}
services:
  front: {kind: web, owner: shop, depends_on: [back]}
  back:
    kind: web
    tier: 1
    objectives: {served: {signal: errors, target: 99.5%, period: 1d}}
  late: {kind: web}
  never: {kind: web}
channels:
  urgent: {type: discord, webhook: {env: A}}
  quiet: {type: discord, webhook: {env: B}}
  shop: {type: discord, webhook: {env: C}}
routes:
  - {to: urgent, severity: [P1, P2]}
  - {to: quiet, severity: [P3, P4], mention: false}
  - {to: shop, owners: shop}
"""


def minutes(first: int, last: int) -> range:
    return range(START + first * STEP, START + last * STEP)


def history() -> str:
    """Half a minute apart: outages, errors that come and go, full disks, and gaps of every kind."""
    times = range(START - BEFORE, START + MINUTES * STEP + 1, 30)
    gauges: dict[str, list[str]] = {"up": [], "disk": [], "odd": [], "sync": [], "queue": []}
    failing = {"back": [minutes(20, 33), minutes(60, 64), minutes(75, 90)], "front": [minutes(24, 35)]}
    counters: dict[tuple[str, str], float] = {}
    requests: list[tuple[str, str, float, int]] = []
    for at in times:
        for job in ("front", "back", "late"):
            if job == "late" and at not in minutes(100, 400):
                continue
            down = job == "front" and at in minutes(120, 126)
            if not (job == "back" and at in minutes(140, 160)):
                gauges["up"].append(f'up{{job="{job}"}} {0 if down else 1} {at}')
            level = 95 if job == "back" and (at in minutes(40, 44) or at in minutes(50, 55)) else 40
            gauges["disk"].append(f'disk{{job="{job}",mount="/"}} 50 {at}')
            number = "NaN" if at in minutes(42, 43) else level
            gauges["disk"].append(f'disk{{job="{job}",mount="/data"}} {number} {at}')
            if at in minutes(10, 15) and job == "front":
                gauges["odd"].append(f'odd{{job="{job}"}} NaN {at}')
            elif at not in minutes(16, 30):
                gauges["odd"].append(f'odd{{job="{job}"}} 1 {at}')
            if not (job == "front" and at in minutes(95, 115)):
                gauges["sync"].append(f'sync{{job="{job}"}} {200 if at in minutes(170, 180) else 3} {at}')
            busy = at in minutes(55, 66) or at in minutes(115, 130)
            gauges["queue"].append(f'queue{{job="{job}"}} {9 if busy else 0} {at}')
            bad = 0.8 if any(at in part for part in failing.get(job, [])) else 0.001
            for status, share in (("200", 1 - bad), ("500", bad)):
                counters[job, status] = counters.get((job, status), 0) + 60 * share
                requests.append((job, status, counters[job, status], at))
    lines = []
    for name, samples in gauges.items():
        lines += [f"# TYPE {name} gauge", *samples]
    lines.append("# TYPE requests counter")
    lines += [f'requests_total{{job="{j}",status="{s}"}} {value:g} {at}' for j, s, value, at in requests]
    return "\n".join([*lines, "# EOF\n"])


@pytest.fixture(scope="module")
def catalog() -> Iterator[Catalog]:
    with live_servers.prometheus(openmetrics=history()) as server:
        yield loads(CATALOG.replace("URL", server.url))


@dataclass
class Sent:
    """A channel that notes what is sent anew; edits call nobody."""

    channel: str
    pages: list[tuple[str, str, bool]]
    kind: str = "discord"

    async def send(self, message: Message) -> Receipt:
        self.pages.append((self.channel, message.title, message.mention is not None))
        return Receipt("1")

    async def edit(self, receipt: str, message: Message) -> Receipt:
        return Receipt(receipt)

    async def close(self) -> None:
        pass


def told_of(catalog: Catalog, folder: Path) -> Told:
    """What the real delivery would tell, and whether it would call on anybody."""
    deliverer = _deliverer(catalog, Store(folder / "routes.sqlite"), {})

    def told(incident: Incident) -> dict[str, bool]:
        return {name: bool(deliverer._mentions(incident, name)) for name in deliverer.channels(incident)}

    return told


def _deliverer(catalog: Catalog, store: Store, destinations: dict[str, Sent]) -> Deliverer:
    services = resolve(catalog)

    def signal_of(service: str, signal: str):
        return services[service].signals.get(signal) if service in services else None

    recent = Recent(open_sources(catalog, None), [], finest=15)
    return Deliverer(catalog, store, Archive(store), destinations, recent, signal_of)


Calls = list[tuple[float, int, str]]
"""When, the incident's number, and the channel that called on somebody."""


async def live(catalog: Catalog, folder: Path, first: float, rounds: int) -> tuple[Calls, list[Incident]]:
    """A watch that lives through the time, with its store and its deliveries."""
    services = resolve(catalog)
    store = Store(folder / "incidents.sqlite")
    sent: list[tuple[str, str, bool]] = []
    destinations = {name: Sent(name, sent) for name in catalog.channels}
    deliverer = _deliverer(catalog, store, destinations)
    source = open_sources(catalog, None)
    policy = policy_of(catalog, services)
    calls: Calls = []
    now = first

    async def take(alerts: Sequence[Alert]) -> None:
        changed = await store.write(lambda c: record(c, alerts, policy, now))
        for incident in changed:
            for channel in deliverer.channels(incident):
                sent.clear()
                await deliverer.show(incident.id, channel)
                calls.extend((now, incident.number, name) for name, _, mention in sent if mention)

    watch = Watch(source, Judgement.of(catalog, services), store, take)
    try:
        for number in range(rounds):
            now = first + number * STEP
            await watch.round(now)
        return calls, sorted(await store.list_incidents(limit=1000), key=lambda i: i.number)
    finally:
        await store.close()
        await source.aclose()


async def past_of(catalog: Catalog, first: float, end: float) -> Past:
    source = open_sources(catalog, None)
    try:
        return await read(catalog, resolve(catalog), History(source), first, end)
    finally:
        await source.aclose()


def run_of(catalog: Catalog, past: Past, folder: Path, *, every_value: bool = False) -> Run:
    services = resolve(catalog)
    pager = Pager(told_of(catalog, folder), catalog.grouping.wait)
    judgement = Judgement.of(catalog, services)
    return replay(past, judgement, policy_of(catalog, services), pager, every_value=every_value)


def calls_of(run: Run) -> Calls:
    return [(page.at, page.incident, channel) for page in run.pages for channel in page.channels]


def told_anew(incidents: Sequence[Incident]) -> list[Incident]:
    """The incidents without the ids that chance gave them."""
    return [msgspec.structs.replace(incident, id="") for incident in incidents]


@pytest.mark.live
@pytest.mark.parametrize("learned", [None, Learned()], ids=["rules", "learned"])
def test_a_backtest_pages_as_the_live_watch_did(
    catalog: Catalog, tmp_path: Path, learned: Learned | None
) -> None:
    """Of services that the source knew from the beginning, as a watch that lives through it does."""
    known = catalog.model_copy(
        update={
            "services": {name: catalog.services[name] for name in ("front", "back")},
            "watch": catalog.watch.model_copy(update={"learned": learned}),
        }
    )
    calls, incidents = asyncio.run(live(known, tmp_path, START, MINUTES + 1))
    past = asyncio.run(past_of(known, START, START + MINUTES * STEP))
    run = run_of(known, past, tmp_path)
    assert calls_of(run) == calls
    assert told_anew(run.incidents) == told_anew(incidents)
    assert {page.why for page in run.pages} == {"opened", "escalated"}
    assert any(incident.episode > 1 for incident in incidents), "one came back within its cooldown"
    rules = {(rule.signal, rule.kind) for alert in run.alerts for rule in alert.rules}
    everything = {(name, "threshold") for name in ("up", "errors", "disk", "odd", "sync", "queue")}
    assert rules - {("errors", "anomaly")} == everything | {("errors", "burn_rate")}


@pytest.mark.live
def test_what_was_never_seen_and_what_came_later_is_no_outage(catalog: Catalog, tmp_path: Path) -> None:
    past = asyncio.run(past_of(catalog, START, START + MINUTES * STEP))
    run = run_of(catalog, past, tmp_path)
    assert run.unseen == ["never"]
    began = START + 100 * STEP
    assert all(alert.starts_at >= began for alert in run.alerts if alert.service == "late")
    assert not [alert for alert in run.alerts if (alert.service, alert.signal) == ("late", "up")]


@pytest.mark.live
def test_leaving_out_what_cannot_lead_to_an_alert_changes_nothing(catalog: Catalog, tmp_path: Path) -> None:
    past = asyncio.run(past_of(catalog, START, START + MINUTES * STEP))
    quick, whole = (run_of(catalog, past, tmp_path, every_value=every) for every in (False, True))
    assert quick.pages == whole.pages
    assert quick.alerts == whole.alerts
    assert told_anew(quick.incidents) == told_anew(whole.incidents)


@pytest.mark.live
def test_history_that_began_after_the_start_counts_from_its_beginning(
    catalog: Catalog, tmp_path: Path
) -> None:
    first = START - BEFORE - 120 * STEP
    past = asyncio.run(past_of(catalog, first, START + MINUTES * STEP))
    run = run_of(catalog, past, tmp_path)
    assert run.start == START - BEFORE
    assert math.isclose(run.weeks * 7 * 86400, BEFORE + (MINUTES + 1) * STEP)

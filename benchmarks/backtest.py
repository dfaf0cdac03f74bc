"""How long a backtest takes over a real Prometheus, by phase.

    python benchmarks/backtest.py [--services 50] [--days 30] [--interval 300] [--scrape 60] [--objectives]

Fills a Prometheus of its own (``prometheus`` and ``promtool`` must be installed) with what services of kind
``fastapi`` expose, with an outage or a spell of errors now and then; backtests them with the live code; and
prints the machine, the date and the seconds for reading, judging and recording. Exits 1 beyond ``--limit``.
"""

import argparse
import asyncio
import json
import os
import platform
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from bongsu.catalog import Catalog, loads, resolve  # noqa: E402
from bongsu.incidents import record as recording  # noqa: E402
from bongsu.incidents.model import Incident  # noqa: E402
from bongsu.sources.opening import open_sources  # noqa: E402
from bongsu.watch.backtest import replay as replaying  # noqa: E402
from bongsu.watch.backtest.history import History  # noqa: E402
from bongsu.watch.backtest.paging import Pager  # noqa: E402
from bongsu.watch.judgement import Judgement  # noqa: E402
from tests import live_servers  # noqa: E402

BOUNDS = ("0.05", "0.1", "0.25", "0.5", "1.0", "2.5", "5.0", "+Inf")
BLOCK = 7200
"""Seconds of a block: what promtool makes at a time, and Prometheus need not merge."""
SLOW = (0.02, 0.05, 0.1, 0.2, 0.5, 0.8, 0.97, 1.0)
QUICK = (0.5, 0.7, 0.85, 0.95, 0.98, 0.99, 0.999, 1.0)


def catalog(url: str, services: int, interval: int, *, objectives: bool) -> Catalog:
    served = "objectives: {served: {signal: error_ratio, target: 99.9%}}" if objectives else ""
    lines = [
        "name: benchmark",
        f"sources: {{prom: {{type: prometheus, url: '{url}', timeout: 60s}}}}",
        f"watch: {{interval: {interval}s}}",
        "channels: {ops: {type: discord, webhook: {env: HOOK}}}",
        "routes: [{to: ops, severity: [P1, P2]}]",
        "services:",
        *(f"  service-{i}: {{kind: fastapi, {served}}}" for i in range(services)),
    ]
    return loads("\n".join(lines))


class Fleet:
    """What the services expose: samples of any time, counters going on where the last ones ended."""

    def __init__(self, services: int, start: int, end: int, scrape: int) -> None:
        chance = random.Random(7)
        hours = range(start, end, 3600)
        spells = max(1, (end - start) // 259_200)
        self._spells = [sorted(chance.sample(hours, spells)) for _ in range(services)]
        self._scrape = scrape
        self._totals: dict[str, float] = {}

    def text(self, start: int, end: int) -> str:
        """The samples from ``start`` up to but without ``end``, as OpenMetrics."""
        times = range(start, end, self._scrape)
        lines = []
        for family, kind, samples in (
            ("up", "gauge", self._up),
            ("http_requests", "counter", self._requests),
            ("http_request_duration_seconds", "histogram", self._durations),
        ):
            lines.append(f"# TYPE {family} {kind}")
            for i in range(len(self._spells)):
                bad = [any(spell <= at < spell + 1500 for spell in self._spells[i]) for at in times]
                lines += samples(i, times, bad)
        return "\n".join([*lines, "# EOF\n"])

    def _up(self, i: int, times: range, bad: list[bool]) -> list[str]:
        falls = [i % 3 == 0 and now for now in bad]
        return [
            f'up{{job="service-{i}"}} {0 if down else 1} {at}' for at, down in zip(times, falls, strict=True)
        ]

    def _requests(self, i: int, times: range, bad: list[bool]) -> Iterator[str]:
        shares = [0.3 if i % 3 == 1 and now else 0.002 for now in bad]
        labels = f'job="service-{i}",path="/"'
        name = f"http_requests_total{{{labels},status="
        yield from self._counter(f'{name}"200"}}', times, [1 - share for share in shares])
        yield from self._counter(f'{name}"500"}}', times, shares)

    def _durations(self, i: int, times: range, bad: list[bool]) -> Iterator[str]:
        labels, name = f'job="service-{i}",path="/"', "http_request_duration_seconds"
        for bucket, bound in enumerate(BOUNDS):
            shares = [(SLOW if i % 3 == 2 and now else QUICK)[bucket] for now in bad]
            yield from self._counter(f'{name}_bucket{{{labels},le="{bound}"}}', times, shares)
        yield from self._counter(f"{name}_count{{{labels}}}", times, [1.0] * len(times))

    def _counter(self, series: str, times: range, shares: list[float]) -> Iterator[str]:
        total = self._totals.get(series, 0.0)
        for at, share in zip(times, shares, strict=True):
            total += 2 * self._scrape * share
            yield f"{series} {total:.1f} {at}"
        self._totals[series] = total


@contextmanager
def prometheus(fleet: Fleet, folder: Path, start: int, end: int) -> Iterator[str]:
    """The address of a Prometheus that holds the fleet's past."""
    binary, promtool = (shutil.which(name) or name for name in ("prometheus", "promtool"))
    data = folder / "data"
    for first in range(start // BLOCK * BLOCK, end + 1, BLOCK):
        file = folder / "past.om"
        file.write_text(fleet.text(max(first, start), min(first + BLOCK, end + 1)))
        blocks = [promtool, "tsdb", "create-blocks-from", "openmetrics", str(file), str(data)]
        subprocess.run(blocks, check=True, capture_output=True)
    (folder / "prometheus.yml").write_text("{}")
    url = f"http://127.0.0.1:{live_servers.free_port()}"
    command = [
        binary,
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={data}",
        "--storage.tsdb.retention.time=100y",
        "--storage.tsdb.min-block-duration=2h",
        "--storage.tsdb.max-block-duration=2h",
        f"--web.listen-address={url.removeprefix('http://')}",
    ]
    with live_servers.serve(command, url, f"{url}/-/ready", folder):
        yield url


class Clock:
    """Seconds spent in a function, however often it is called."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self, function):
        def timed(*given, **named):
            begin = time.perf_counter()
            try:
                return function(*given, **named)
            finally:
                self.seconds += time.perf_counter() - begin

        return timed


def told(_: Incident) -> Mapping[str, bool]:
    return {"ops": True}


async def measure(declared: Catalog, start: float, end: float) -> dict[str, float]:
    services = resolve(declared)
    source = open_sources(declared, None)
    begin = time.perf_counter()
    try:
        past = await replaying.read(declared, services, History(source), start, end)
    finally:
        await source.aclose()
    read = time.perf_counter()
    clock = Clock()
    replaying.record = clock(recording.record)
    pager = Pager(told, declared.grouping.wait)
    run = replaying.replay(
        past, Judgement.of(declared, services), replaying.policy_of(declared, services), pager
    )
    done = time.perf_counter()
    return {
        "reading": read - begin,
        "judging": done - read - clock.seconds,
        "recording": clock.seconds,
        "all": done - begin,
        "rounds": past.schedule.rounds,
        "values": sum(table.values.size for table in (*past.signals, *past.shares, *past.events)),
        "alerts": len(run.alerts),
        "pages": len(run.pages),
    }


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--services", type=int, default=50)
    parser.add_argument("--days", type=float, default=30)
    parser.add_argument("--interval", type=int, default=300)
    parser.add_argument("--scrape", type=int, default=60)
    parser.add_argument("--objectives", action="store_true")
    parser.add_argument("--limit", type=float, default=60.0, help="seconds in all")
    options = parser.parse_args()
    end = 1_790_000_000 // options.interval * options.interval
    start = end - round(options.days * 86_400)
    with tempfile.TemporaryDirectory(prefix="backtest-") as folder:
        print("filling a Prometheus …", file=sys.stderr)
        fleet = Fleet(options.services, start, end, options.scrape)
        with prometheus(fleet, Path(folder), start - 3600, end) as url:
            declared = catalog(url, options.services, options.interval, objectives=options.objectives)
            found = asyncio.run(measure(declared, start, end))
    busy = os.getloadavg()[0]
    print(f"{platform.processor() or platform.machine()}, {os.cpu_count()} CPUs, load {busy:.1f}; ", end="")
    print(f"{datetime.now(UTC):%Y-%m-%d}")
    print(
        f"{options.services} services, {options.days:g} days at {options.interval} s, scraped every "
        f"{options.scrape} s{', an objective each' if options.objectives else ''}: {found['rounds']} rounds, "
        f"{found['values']} values, {found['alerts']} alerts, {found['pages']} pages"
    )
    for phase in ("reading", "judging", "recording", "all"):
        print(f"{phase:>10} {found[phase]:7.1f} s")
    print(json.dumps({name: round(value, 2) for name, value in found.items()}))
    return 0 if found["all"] <= options.limit else 1


if __name__ == "__main__":
    sys.exit(main())

"""The shipped watch over 10,000 services in a real Prometheus: questions, CPU and memory of a round.

    python benchmarks/watch.py [--services 10000] [--rounds 10] [--series 100000] [--profile]

Starts the Prometheus on the PATH on loopback with ten minutes of the past of every service: a target,
requests by status, a latency histogram, memory and CPU time. One service in a hundred fails, and as many say
nothing.
The watch runs in a process of its own, with its store in a temporary folder; a round is one call of
``Watch.round``, from its questions to its alerts, which are only counted. Then the anomaly detector alone, in
another process: the CPU of a tick, and the memory a series.

Prints the machine, a line for each round and one for the detector, then one JSON line; exits 1, naming it,
when a target is missed. CPU is of the process that is measured and never of Prometheus, which is told beside
it; medians of the rounds and ticks after the first, which also fills caches.
"""

import argparse
import asyncio
import datetime as dt
import json
import os
import platform
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.live_servers import free_port

START, STEP, STEPS = 1_700_000_000, 30, 20
"""The first sample, the seconds between two and their number."""
ROUND_EVERY = 15.0
TICK = 300.0
"""Seconds between two ticks of the detector, as the watch reads by default."""
BUCKETS = ("0.05", "0.1", "0.25", "0.5", "1", "+Inf")
TARGETS = {
    "questions": 6,
    "cpu_seconds": 5.0,
    "megabytes": 400.0,
    "tick_seconds": 0.25,
    "bytes_a_series": 8192.0,
}

CATALOG = """\
name: fleet
owners: {{ops: {{}}}}
defaults: {{owner: ops}}
watch: {{interval: 15s}}
sources: {{main: {{type: prometheus, url: "{url}"}}}}
kinds:
  app:
    signals:
      up: {{form: presence, thresholds: {{P1: "< 1 for 2m"}}}}
      rate: {{form: rate, metric: http_requests_total, unit: per_second}}
      errors:
        {{form: ratio, metric: http_requests_total, match: {{status: "5.."}}, floor: 0.1/s,
         thresholds: {{P2: "> 5% for 30s", P1: "> 20% for 1m"}}}}
      p95:
        {{form: quantile, q: 0.95, metric: http_request_duration_seconds, thresholds: {{P2: "> 2s for 1m"}}}}
      memory:
        {{form: gauge, metric: process_resident_memory_bytes, unit: bytes, thresholds: {{P3: "> 1GiB"}}}}
      cpu: {{form: rate, metric: process_cpu_seconds_total, thresholds: {{P3: "> 90% for 1m"}}}}
services:
"""


def catalog(services: int, url: str) -> str:
    """A catalog of so many services of one kind, each found by its job."""
    return CATALOG.format(url=url) + "".join(
        f"  service-{i}: {{kind: app, labels: {{job: team-{i % 40}/service-{i}}}}}\n" for i in range(services)
    )


def past(services: int) -> Iterator[str]:
    """What Prometheus knows of the services, as OpenMetrics text, a series at a time."""
    for i in range(services):
        if i % 100 == 99:
            continue
        job, pace = f'job="team-{i % 40}/service-{i}"', 20 + i % 80
        failing = 0.3 if i % 100 == 50 else 0.001
        yield series(f"up{{{job}}}", 1, 0)
        yield series(f'http_requests_total{{{job},status="200"}}', 0, pace * (1 - failing))
        yield series(f'http_requests_total{{{job},status="500"}}', 0, pace * failing)
        for j, bound in enumerate(BUCKETS):
            share = min(1.0, (j + 1 + i % 3) / len(BUCKETS))
            yield series(f'http_request_duration_seconds_bucket{{{job},le="{bound}"}}', 0, pace * share)
        yield series(f"http_request_duration_seconds_count{{{job}}}", 0, pace)
        yield series(f"process_resident_memory_bytes{{{job}}}", 2e8 + i * 1e3, 4096)
        yield series(f"process_cpu_seconds_total{{{job}}}", 0, 0.2 + i % 7 / 10)
    yield "# EOF\n"


def readable(services: int) -> int:
    """How many values a round finds: six of each service, and of one that says nothing that it is not up."""
    silent = services // 100
    return 6 * (services - silent) + silent


def series(name: str, first: float, growth: float) -> str:
    """The samples of one series that grows by so much a second."""
    times = range(START, START + STEPS * STEP, STEP)
    return "".join(f"{name} {first + growth * (at - START):.6g} {at}\n" for at in times)


@contextmanager
def prometheus(services: int) -> Iterator[tuple[str, int]]:
    """A Prometheus that knows the past of the services: its address and process id."""
    binary, promtool = shutil.which("prometheus"), shutil.which("promtool")
    if binary is None or promtool is None:
        sys.exit("this benchmark needs a real server: install prometheus, and promtool with it")
    with tempfile.TemporaryDirectory(prefix="watch-benchmark-") as name:
        folder, url = Path(name), f"127.0.0.1:{free_port()}"
        text, data = folder / "past.om", folder / "data"
        with text.open("w") as file:
            file.writelines(past(services))
        blocks = [promtool, "tsdb", "create-blocks-from", "openmetrics", str(text), str(data)]
        subprocess.run(blocks, check=True, stdout=subprocess.DEVNULL)
        text.unlink()
        (folder / "prometheus.yml").write_text("{}")
        command = [binary, f"--config.file={folder / 'prometheus.yml'}", f"--storage.tsdb.path={data}"]
        command += ["--storage.tsdb.retention.time=100y", f"--web.listen-address={url}"]
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            wait_for(f"http://{url}/-/ready", process)
            yield f"http://{url}", process.pid
        finally:
            process.terminate()
            process.wait(30)


def wait_for(url: str, process: subprocess.Popen[bytes], seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and process.poll() is None:
        try:
            urllib.request.urlopen(url, timeout=1).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    sys.exit(f"prometheus did not become ready: {url}")


async def watch(text: str, rounds: int, server: int, profile: bool) -> dict[str, Any]:
    """Run so many rounds of the shipped watch; what they took."""
    from bongsu.catalog import loads, resolve
    from bongsu.incidents.store import Store
    from bongsu.sources.opening import open_sources
    from bongsu.watch.judgement import Judgement
    from bongsu.watch.watch import Watch

    told = 0

    async def take(alerts: Any) -> None:
        nonlocal told
        told += len(alerts)

    loaded = loads(text)
    source = Counting(open_sources(loaded, None))
    found: list[dict[str, float]] = []
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder) / "watch.sqlite")
        shipped: Any = Watch(source, Judgement.of(loaded, resolve(loaded)), store, take)
        try:
            for i in range(rounds):
                now = START + STEPS * STEP - (rounds - i) * ROUND_EVERY
                profiler = profiling() if profile and i == rounds - 1 else None
                asked, before, theirs = source.asked, told, cpu_of(server)
                wall, ours = time.monotonic(), time.process_time()
                if profiler:
                    profiler.enable()
                await shipped.round(now)
                if profiler:
                    profiler.disable()
                found.append(
                    {
                        "cpu": time.process_time() - ours,
                        "wall": time.monotonic() - wall,
                        "server": cpu_of(server) - theirs,
                        "questions": source.asked - asked,
                        "alerts": told - before,
                        "megabytes": peak(),
                    }
                )
                if profiler:
                    shown(profiler)
            values = sum(v is not None for r in shipped.readings.values() for v in r.values.values())
            errors = sorted({r.error for r in shipped.readings.values() if r.error})
        finally:
            await store.close()
            await source.of.aclose()
    return {"rounds": found, "values": values, "errors": errors}


class Counting:
    """A source that counts the questions it is asked."""

    def __init__(self, of: Any) -> None:
        self.of, self.asked = of, 0

    async def instant(self, query: Any, at: float) -> Any:
        self.asked += 1
        return await self.of.instant(query, at)


def detector(size: int, ticks: int, profile: bool) -> dict[str, float]:
    """The CPU of a tick of so many series after more than a day of them, and the bytes a series.

    The series are seasonal with noise; at each tick one in a hundred is far off, and as many are missing.
    """
    import numpy as np

    from bongsu.watch.anomaly import Detector

    random = np.random.default_rng(7)
    subject = Detector(TICK, [f"service-{i}/rate" for i in range(size)])
    level, phase = random.lognormal(3, 1, size), random.uniform(0, 2 * np.pi, size)
    spent, profiler = [], profiling() if profile else None
    warm = int(86400 / TICK) + 12
    for i in range(warm + ticks):
        at = START + i * TICK
        season = 1 + 0.3 * np.sin(2 * np.pi * at / 86400 + phase)
        values = level * (season + 0.05 * random.normal(size=size))
        strange = random.random(size)
        values[strange < 0.01] *= 5
        values[strange > 0.99] = np.nan
        begin = time.process_time()
        if profiler and i >= warm:
            profiler.enable()
        subject.tick(at, values)
        if profiler:
            profiler.disable()
        spent.append(time.process_time() - begin)
    if profiler:
        shown(profiler)
    spent = spent[warm:]
    return {"median": statistics.median(spent), "max": max(spent), "bytes": subject.bytes_per_series}


def profiling() -> Any:
    import cProfile

    return cProfile.Profile()


def shown(profiler: Any) -> None:
    import pstats

    pstats.Stats(profiler, stream=sys.stderr).sort_stats("tottime").print_stats(30)


def peak() -> float:
    """The most memory that this process had, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def cpu_of(pid: int) -> float:
    """The CPU seconds of a process."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def machine() -> str:
    now = dt.datetime.now(dt.UTC).astimezone().isoformat(timespec="minutes")
    info = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").exists() else ""
    model = next((line.split(":")[1].strip() for line in info.splitlines() if "model name" in line), "")
    chip = model or platform.machine()
    return f"{now}  {os.cpu_count()} × {chip}  {platform.system()}  Python {platform.python_version()}"


def child(what: str, options: argparse.Namespace, **given: Any) -> dict[str, Any]:
    """Measure in a process of its own; what it prints."""
    command = [sys.executable, __file__, "--child", what, "--rounds", str(options.rounds)]
    command += ["--series", str(options.series), *(["--profile"] if options.profile else [])]
    done = subprocess.run(command, input=json.dumps(given), stdout=subprocess.PIPE, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def measured(options: argparse.Namespace) -> None:
    given = json.loads(sys.stdin.read())
    if options.child == "watch":
        found = asyncio.run(watch(given["text"], options.rounds, given["server"], options.profile))
    else:
        found = detector(options.series, max(options.rounds, 12), options.profile)
    print(json.dumps(found))


def missed(figures: dict[str, float]) -> list[str]:
    """The targets that the figures miss, each with both numbers."""
    return [f"{name}: {figures[name]:g} > {most:g}" for name, most in TARGETS.items() if figures[name] > most]


def table(rounds: list[dict[str, float]]) -> Iterator[str]:
    yield "round questions   CPU s  wall s its CPU s  alerts   MiB"
    for i, one in enumerate(rounds, 1):
        yield (
            f"{i:>5} {one['questions']:>9} {one['cpu']:>7.2f} {one['wall']:>7.2f} {one['server']:>9.2f}"
            f" {one['alerts']:>7} {one['megabytes']:>5.0f}"
        )


def summed(watched: dict[str, Any], tick: dict[str, float]) -> dict[str, float]:
    """The figures of the whole run. The first round also fills caches."""
    rounds = watched["rounds"]
    later = rounds[1:] or rounds
    return {
        "values": watched["values"],
        "alerts": sum(one["alerts"] for one in rounds),
        "questions": max(one["questions"] for one in rounds),
        "cpu_seconds": round(statistics.median(one["cpu"] for one in later), 3),
        "cpu_seconds_most": round(max(one["cpu"] for one in rounds), 3),
        "wall_seconds": round(statistics.median(one["wall"] for one in later), 3),
        "megabytes": round(rounds[-1]["megabytes"]),
        "tick_seconds": round(tick["median"], 4),
        "tick_seconds_most": round(tick["max"], 4),
        "bytes_a_series": round(tick["bytes"]),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--services", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--series", type=int, default=100_000)
    parser.add_argument("--profile", action="store_true", help="where the time goes, on standard error")
    parser.add_argument("--child", choices=("watch", "detector"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        measured(options)
        return 0
    print(machine())
    begin = time.monotonic()
    with prometheus(options.services) as (url, pid):
        print(f"a Prometheus that knows {options.services} services after {time.monotonic() - begin:.0f} s")
        watched = child("watch", options, text=catalog(options.services, url), server=pid)
    print("\n".join(table(watched["rounds"])))
    tick = child("detector", options)
    print(
        f"detector: {options.series} series, a tick {tick['median'] * 1e3:.0f} ms of CPU, at most"
        f" {tick['max'] * 1e3:.0f} ms; {tick['bytes']:.0f} bytes a series"
    )
    figures = {"services": options.services, "series": options.series, **summed(watched, tick)}
    wrong = [*watched["errors"], *missed(figures)]
    if watched["values"] != readable(options.services):
        wrong.append(f"values: {watched['values']} were read, not {readable(options.services)}")
    for line in wrong:
        print(f"MISSED {line}")
    print(json.dumps(figures))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())

"""Rendering the whole stack of N services to every place: CPU seconds, and whether they grow linearly.

    python benchmarks/stack.py [--sizes 500,1000] [--profile]

The services are a mix of web services, databases, caches, probes and workers, each with labels, a place and a
threshold of its own. Each size runs in a process of its own. Prints the machine, a row for each size with the
seconds of each place, then one JSON line; exits 1 when the largest size takes more than 20 s of CPU in all,
or when CPU a service grows by more than half from the smallest size to the largest.
"""

import argparse
import datetime as dt
import json
import os
import platform
import subprocess
import sys
from pathlib import Path

PLACES = ("local", "compose", "kubernetes", "operator", "terraform")
TARGET_SECONDS = 20.0
TARGET_GROWTH = 1.5

CHILD = """
import cProfile, json, pstats, resource, sys, time
from bongsu.catalog import loads
from bongsu.stack.model import Stack
from bongsu.stack.targets import render
text, places, profile = sys.stdin.read(), sys.argv[1].split(","), sys.argv[2] == "True"
t = time.process_time(); stack = Stack(loads(text))
cpu, files, size = {"load": time.process_time() - t}, 0, 0
profiler = cProfile.Profile()
for place in places:
    t = time.process_time()
    if profile: profiler.enable()
    groups = render(stack.on(place))
    if profile: profiler.disable()
    cpu[place] = time.process_time() - t
    files += sum(len(group) for group in groups.values())
    size += sum(len(text.encode()) for group in groups.values() for text in group.values())
if profile:
    pstats.Stats(profiler, stream=sys.stderr).sort_stats("cumulative").print_stats(45)
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(json.dumps({"cpu": cpu, "files": files, "megabytes": size / 1e6, "peak": peak}))
"""

HEAD = """\
name: fleet
timezone: Asia/Seoul
targets: {prometheus: "3.5", alertmanager: "0.28", grafana: "12", loki: "3.5", tempo: "2.9", alloy: "1.11"}
kubernetes: {namespace: monitoring, release: kps}
scrape: {interval: 30s, timeout: 10s, port: http}
channels: {chat: {type: slack, webhook: {env: SLACK_WEBHOOK_URL}}}
routes: [{to: chat}]
owners: {ops: {name: Operations}}
defaults: {owner: ops}
services:
"""
KINDS = (
    "fastapi",
    "[go-fiber, kubernetes-workload]",
    "spring-boot",
    "[django, container]",
    "postgres",
    "redis",
    "nginx",
    "blackbox",
    "[fastapi, websocket]",
    "spring-boot",
)


def catalog(services: int) -> str:
    """So many services of every kind in turn; most call the one before."""
    lines = [HEAD]
    for i in range(services):
        kind = KINDS[i % len(KINDS)]
        fields = [f"kind: {kind}", f"runs: {{namespace: team-{i % 40}}}"]
        if kind in ("postgres", "redis"):
            fields.append(f'targets: "10.1.{i // 250}.{i % 250}:9187"')
        elif kind == "blackbox":
            fields.append(f'targets: "https://site-{i}.example.com"')
        else:
            fields.append(f'targets: "10.0.{i // 250}.{i % 250}:8080"')
        if i % 10:
            fields.append(f"depends_on: [service-{i - 1}]")
        if i % 7 == 0 and kind == "fastapi":
            fields.append(f'thresholds: {{error_ratio: {{P1: "> {5 + i % 5}% for 5m"}}}}')
        lines.append(f"  service-{i}: {{{', '.join(fields)}}}\n")
    return "".join(lines)


def measure(services: int, profile: bool) -> dict[str, object]:
    done = subprocess.run(
        [sys.executable, "-c", CHILD, ",".join(PLACES), str(profile)],
        input=catalog(services),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    found: dict[str, object] = json.loads(done.stdout)
    return found


def machine() -> str:
    model = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        names = [
            line.split(":", 1)[1].strip() for line in info.read_text().splitlines() if "model name" in line
        ]
        model = names[0] if names else model
    return f"{model}, {os.cpu_count()} CPUs, Python {platform.python_version()}"


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sizes", default="500,1000")
    parser.add_argument("--profile", action="store_true", help="show where the largest size spends its time")
    options = parser.parse_args()
    sizes = [int(size) for size in options.sizes.split(",")]
    print(f"{dt.datetime.now(dt.UTC):%Y-%m-%d}, {machine()}")
    print(" services  " + "  ".join(f"{name:>10}" for name in ("load", *PLACES, "all", "files", "MB")))
    totals = {}
    for size in sizes:
        found = measure(size, options.profile and size == sizes[-1])
        cpu: dict[str, float] = found["cpu"]  # type: ignore[assignment]
        totals[size] = sum(cpu.values())
        cells = [*(f"{seconds:.2f}" for seconds in cpu.values()), f"{totals[size]:.2f}"]
        cells += [str(found["files"]), f"{found['megabytes']:.0f}"]
        print(f"{size:>9}  " + "  ".join(f"{cell:>10}" for cell in cells))
    growth = (totals[sizes[-1]] / sizes[-1]) / (totals[sizes[0]] / sizes[0])
    total = totals[sizes[-1]]
    print(json.dumps({"services": sizes[-1], "cpu": round(total, 2), "growth": round(growth, 2)}))
    return 0 if total <= TARGET_SECONDS and growth <= TARGET_GROWTH else 1


if __name__ == "__main__":
    sys.exit(main())

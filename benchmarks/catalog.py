"""Loading and compiling a catalog of N services: CPU seconds and memory, and whether they grow linearly.

    python benchmarks/catalog.py [--sizes 1250,2500,5000,10000] [--prefixes 50]

Each service has six signals with thresholds of its own on one of them; they share `--prefixes` metric
prefixes. Prints a table, then one JSON line; exits 1 when the largest size takes more than 10 s of CPU or
1 GB, or when CPU a service grows by more than half from the smallest size to the largest.
"""

import argparse
import json
import subprocess
import sys

CHILD = """
import json, resource, sys, time
from bongsu.catalog import fleet_queries, loads, resolve
from bongsu.signals import promql, sql
text = sys.stdin.read()
base = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
t0 = time.process_time(); catalog = loads(text)
t1 = time.process_time(); queries = fleet_queries(resolve(catalog).values())
t2 = time.process_time()
for query in queries:
    promql.compile(query); sql.compile(query, 1000.0)
t3 = time.process_time()
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(json.dumps({"load": t1 - t0, "resolve": t2 - t1, "compile": t3 - t2, "queries": len(queries),
                  "megabytes": peak / 1024, "grown": (peak - base) / 1024}))
"""

KIND = """\
name: fleet
owners: {ops: {}}
kinds:
  app:
    signals:
      up: {form: presence, thresholds: {P1: "< 1 for 2m"}}
      rate: {form: rate, metric: "{prefix}http_requests_total", unit: per_second}
      errors: {form: ratio, metric: "{prefix}http_requests_total", match: {status: "5.."}, floor: 0.1/s}
      p95: {form: quantile, q: 0.95, metric: "{prefix}http_request_duration_seconds"}
      memory: {form: gauge, metric: process_resident_memory_bytes, unit: bytes}
      cpu: {form: rate, metric: process_cpu_seconds_total}
services:
"""


def catalog(services: int, prefixes: int) -> str:
    """A YAML catalog of so many services, each depending on the one before it."""
    lines = [KIND]
    for i in range(services):
        lines.append(f"  service-{i}:\n    kind: app\n    prefix: team{i % prefixes}\n    owner: ops\n")
        lines.append(f"    targets: '10.0.{i // 250 % 250}.{i % 250}:8080'\n")
        if i % 10:
            lines.append(f"    depends_on: [service-{i - 1}]\n")
        lines.append(f"    thresholds: {{errors: {{P2: '> {1 + i % 5}% for 5m'}}}}\n")
    return "".join(lines)


def measure(services: int, prefixes: int) -> dict[str, float]:
    text = catalog(services, prefixes)
    done = subprocess.run(
        [sys.executable, "-c", CHILD], input=text, capture_output=True, text=True, check=True
    )
    found: dict[str, float] = json.loads(done.stdout)
    return {"services": services, **found, "cpu": found["load"] + found["resolve"] + found["compile"]}


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sizes", default="1250,2500,5000,10000")
    parser.add_argument("--prefixes", type=int, default=50)
    options = parser.parse_args()
    rows = [measure(int(size), options.prefixes) for size in options.sizes.split(",")]
    print(" services  queries   load s  resolve s  compile s   CPU s     MB")
    for row in rows:
        print(
            f"{row['services']:>9} {row['queries']:>8} {row['load']:>8.2f} {row['resolve']:>10.2f} "
            f"{row['compile']:>10.2f} {row['cpu']:>7.2f} {row['megabytes']:>6.0f}"
        )
    first, last = rows[0], rows[-1]
    growth = (last["cpu"] / last["services"]) / (first["cpu"] / first["services"])
    good = last["cpu"] <= 10 and last["megabytes"] <= 1000 and growth <= 1.5
    print(
        json.dumps(
            {"cpu": round(last["cpu"], 2), "megabytes": round(last["megabytes"]), "growth": round(growth, 2)}
        )
    )
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())

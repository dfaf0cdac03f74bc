"""Two weeks of a small shop: spells of errors, of which some are known incidents."""

from pathlib import Path

END = 1_795_000_200
START = END - 14 * 86_400
SPELLS = [START + day * 86_400 + hour * 3600 for day, hour in ((1, 3), (4, 10), (8, 22), (12, 6))]
BLIPS = [START + day * 86_400 for day in (2, 6, 10)]
"""Twenty minutes of a few errors that were nobody's incident."""

CATALOG = """\
name: shop
timezone: Asia/Seoul
sources: {SOURCE}
watch: {interval: 5m}
owners: {ops: {discord: {role: "1000000000000000002"}}}
defaults: {owner: ops}
services:
  web: {kind: fastapi, depends_on: [orders]}
  orders:
    kind: fastapi
    thresholds:
      error_ratio:
        P2: "> 5% for 5m"
channels: {ops: {type: discord, webhook: {env: HOOK}}}
routes: [{to: ops}]
"""
PROMETHEUS = "prom: {type: prometheus, url: 'http://127.0.0.1:1'}"


def write(source: str = PROMETHEUS) -> None:
    """``bongsu.yaml``, ``past/values.csv`` and ``known.csv`` in the present folder."""
    Path("bongsu.yaml").write_text(CATALOG.replace("SOURCE", source))
    Path("past").mkdir()
    lines = ["service,signal,ts,value"]
    for at in range(START, END + 1, 300):
        bad = any(spell <= at < spell + 2400 for spell in SPELLS)
        blip = any(begin <= at < begin + 1200 for begin in BLIPS)
        value = 0.3 if bad else 0.08 if blip else 0.001 + at % 7 * 0.001
        lines += [f"orders,error_ratio,{at},{value}", f"orders,up,{at},1", f"web,up,{at},1"]
    Path("past/values.csv").write_text("\n".join(lines))
    known = [f"orders,{spell},{spell + 2400}" for spell in SPELLS]
    Path("known.csv").write_text("\n".join(["service,start,end", *known, f"web,{START},{START + 3600}"]))

"""Catalogs for the tests of rules, their rules, and what promtool says of these."""

import re
from collections.abc import Sequence
from pathlib import Path

from bongsu.catalog import fleet_queries, loads, resolve
from bongsu.stack.gate import Outcome, judge, write
from bongsu.stack.promtool import Verdict, run_tests
from bongsu.stack.rule_tests import RuleTests, rule_tests
from bongsu.stack.rules import About, Rule, alert_rules
from tests.live_servers import require

OWN_KIND = """
name: plant
grafana: https://grafana.example.com
defaults: {owner: floor}
owners: {floor: {name: Shop floor}}
kinds:
  press:
    title: Hydraulic press
    signals:
      up: {form: presence, help: the press answers, thresholds: {P1: "< 1 for 2m"}}
      strokes:
        form: rate
        metric: "{prefix}strokes_total"
        match: {line: "!test|spare", mode: auto.*}
        unit: per_second
        worse: down
        help: {en: strokes per second, ko: 초당 타격 수}
        thresholds: {P2: "< 2/s for 5m", P4: "> 40/s"}
      reject_ratio:
        form: ratio
        metric: "{prefix}parts_total"
        match: {result: "re(jected|worked)", line: "!test"}
        of_match: {line: "!test", stage: final}
        floor: 0.5/s
        help: {en: share of parts rejected, ko: 불량률}
        thresholds: {P1: "> 30% for 1m", P2: ">= 5% for 10m"}
      served_ratio:
        form: ratio
        metric: "{prefix}served_total"
        of: "{prefix}asked_total"
        match: {line: "a|b"}
        of_match: {line: "a|b"}
        floor: 0.1/s
        worse: down
        help: share of requests served
        thresholds: {P3: "< 99% for 5m"}
      cycle_p90:
        form: quantile
        q: 0.9
        metric: "{prefix}cycle_seconds"
        match: {line: "!test"}
        floor: 0.2/s
        help: slowest tenth of cycles
        thresholds: {P2: "> 4s for 5m"}
      cycle_p10: {form: quantile, q: 0.1, metric: "{prefix}cycle_seconds", worse: down,
        help: fastest tenth, thresholds: {P3: "< 500ms for 2m"}}
      oil: {form: gauge, agg: min, metric: "{prefix}oil_celsius", match: {side: "l|r"}, unit: celsius,
        by: [instance], worse: down, absent: alert, help: oil temperature, thresholds: {P2: "< 20 for 1m"}}
      load: {form: gauge, agg: sum, metric: "{prefix}load", match: {axis: "x.+"}, help: load,
        thresholds: {P3: "> 12 for 3m", P4: ">= 8 for 3m"}}
      pressure: {form: gauge, agg: avg, metric: "{prefix}pressure", match: {axis: x}, help: pressure,
        over: max, window: 4m, thresholds: {P3: "> 7.5 for 3m"}}
      waiting: {form: gauge, metric: "{prefix}waiting", over: min, window: 3m, by: [pool], help: waiting,
        thresholds: {P2: "> 0 for 2m"}}
      tank_used: {form: gauge, agg: max, metric: "{prefix}tank_free", match: {fluid: "!air"},
        divisor: "{prefix}tank_size", divisor_match: {fluid: "!air"}, complement: true, by: [tank],
        unless: {metric: "{prefix}tank_locked", match: {by: crew}}, unit: ratio,
        help: share of a tank in use, thresholds: {P1: "> 95% for 1m", P3: "> 80% for 15m"}}
      jams: {form: increase, metric: "{prefix}jams_total", match: {line: "!test"}, window: 15m, help: jams,
        thresholds: {P3: "> 0", P2: ">= 3"}}
      last_part: {form: age, metric: "{prefix}last_part_seconds", match: {line: "!test"}, absent: alert,
        help: time since the last part, thresholds: {P2: "> 10min for 1m"}}
      service_due: {form: age, left: true, over: last, window: 10m, metric: "{prefix}due_seconds",
        worse: down, match: {part: seal}, help: time until service is due, thresholds: {P3: "< 2d for 1h"}}
      raw: {form: expr, expr: "sum by ({by}) (rate(x_total{$selector}[$window]))", help: raw,
        thresholds: {P4: "> 1"}}
services:
  press-1: {kind: press, prefix: press, runbook: "https://wiki.example.com/press"}
  press-2: {kind: press, prefix: press, runbook: "https://wiki.example.com/press"}
"""


def rules_of(text: str) -> list[Rule]:
    catalog = loads(text)
    services = list(resolve(catalog).values())
    about = About.of(catalog, services)
    return alert_rules(fleet_queries(services), language=catalog.language, about=about)


def promtool(folder: Path, names: Sequence[str]) -> Verdict:
    """``promtool test rules`` over all files; skips the test where promtool is not installed."""
    (binary,) = require("promtool")
    return run_tests(binary, folder, names)


def written(rules: Sequence[Rule], folder: Path) -> tuple[list[str], RuleTests]:
    """Write rules and tests; the names of the test files."""
    tests = rule_tests(rules, "{group}.rules.yml")
    return write(rules, tests, folder), tests


def judged(rules: Sequence[Rule], folder: Path, *, mutate: bool = False) -> list[Outcome]:
    """The gate's verdict on each rule."""
    (binary,) = require("promtool")
    return judge(rules, folder, binary, mutate=mutate)


def once_each(rules: Sequence[Rule], known: Sequence[Rule] = ()) -> list[Rule]:
    """Rules without those that differ from another, or from a known one, in names alone."""
    seen = {shape(rule): rule for rule in known}
    return [rule for rule in rules if seen.setdefault(shape(rule), rule) is rule]


def shape(rule: Rule) -> str:
    """The rule with every metric, label and plain text called the same, and all numbers but 0 and 1.

    Of objectives the form alone. ``bongsu test-rules --mutate`` tries every rule.
    """
    if rule.slo is not None:
        return f"{rule.slo.query.signal.form} {rule.urgency}"
    text = re.sub(r'"[\w-]*"', '""', rule.body["expr"])
    text = re.sub(r"[a-zA-Z_]\w*(?==|!=|=~|!~)", "label", text)
    text = re.sub(r"(?<=by \()[^)]*", lambda m: ", ".join("label" for _ in m[0].split(",")), text)
    text = re.sub(r"[a-zA-Z_:]\w*(?=\{)", "metric", text)
    return re.sub(r"(?<!\w)(?!0\b|1\b|0\.0\b|1\.0\b)[0-9.]+", "n", f"{text} for {rule.body['for'] != '0s'}")

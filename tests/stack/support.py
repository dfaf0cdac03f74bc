"""Rules and their tests in a folder, promtool over all of it at once, and mutants of rules."""

import re
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from bongsu.catalog import fleet_queries, loads, resolve
from bongsu.signals.model import Quantile, Ratio
from bongsu.stack.files import to_yaml
from bongsu.stack.panels import slug
from bongsu.stack.rule_tests import RuleTests, rule_tests
from bongsu.stack.rules import About, Rule, alert_rules, document
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


@dataclass(frozen=True)
class Verdict:
    passed: list[str]
    failed: dict[str, str]
    """Test file → what promtool said."""


def promtool(folder: Path, names: Sequence[str]) -> Verdict:
    """One run of ``promtool test rules`` over all files."""
    (binary,) = require("promtool")
    done = subprocess.run(
        [binary, "test", "rules", *names], cwd=folder, capture_output=True, text=True, check=False
    )
    parts = re.split(r"^Unit Testing:  ", done.stdout + "\n" + done.stderr, flags=re.MULTILINE)[1:]
    texts = dict.fromkeys(names, "")
    # Verdicts come on stdout or stderr by the version of promtool, in the files' order on each.
    order = [part.split("\n", 1) for part in parts]
    for name, text in order:
        texts[name.strip()] = text
    unread = [name for name, text in texts.items() if "SUCCESS" not in text and "FAILED" not in text]
    if unread:
        return _by_one(folder, binary, names)
    return Verdict(
        [n for n, t in texts.items() if "FAILED" not in t], {n: t for n, t in texts.items() if "FAILED" in t}
    )


def _by_one(folder: Path, binary: str, names: Sequence[str]) -> Verdict:
    passed, failed = [], {}
    for name in names:
        run = [binary, "test", "rules", name]
        done = subprocess.run(run, cwd=folder, capture_output=True, text=True, check=False)
        if done.returncode == 0:
            passed.append(name)
        else:
            failed[name] = done.stdout + done.stderr
    return Verdict(passed, failed)


def written(rules: Sequence[Rule], folder: Path) -> tuple[list[str], RuleTests]:
    """Write rules and tests; the names of the test files."""
    tests = rule_tests(rules, "{group}.rules.yml")
    names = []
    for group, test in tests.files.items():
        members = [rule for rule in rules if rule.group == group]
        (folder / f"{slug(group)}.rules.yml").write_text(to_yaml(document(members, interval=15)))
        names.append(f"{slug(group)}.test.yml")
        (folder / names[-1]).write_text(to_yaml(test))
    return names, tests


@dataclass(frozen=True)
class Mutant:
    kind: str
    rule: Rule
    expr: str
    hold: str
    at: int = 0
    """Where in the expression something is missing."""

    def __str__(self) -> str:
        return f"{self.kind}: {self.rule.body['alert']}: {self.expr} for {self.hold}"


_FLIPPED = {">": "<", "<": ">", ">=": "<=", "<=": ">=", "==": "!=", "!=": "=="}
_AGGREGATION = re.compile(r"\b(?:sum|max|min|avg) by \([^)]*\) (?=\()")
_MATCHER = re.compile(r'[a-zA-Z_]\w*(?:=~|!~|!=|=)"(?:[^"\\]|\\.)*"')
_GUARD = re.compile(r" > [0-9.e-]+(?=\))")
_NUMERATOR = re.compile(r" or 0 \* sum by \([^)]*\) \(rate\([^\]]*\]\)\)")
_OVER = re.compile(r"(?:min|max)_over_time\((.*?)\[[^\]]*\]\)")
_UNLESS = re.compile(r" unless on \([^)]*\) \(.*> 0\)(?=\))")


def mutants(rule: Rule, *, singly: bool = False) -> Iterator[Mutant]:
    """Every way in which a rule is commonly wrong; ``singly``: a matcher also missing in one place only."""
    expr, hold = rule.body["expr"], rule.body["for"]

    def mutant(kind: str, text: str, at: int = 0) -> Iterator[Mutant]:
        if text != expr:
            yield Mutant(kind, rule, text, hold, at)

    if not rule.absent:
        value, op = rule.threshold.value, rule.threshold.op
        inner = expr.removesuffix(f" {op} {value!r}")
        yield from mutant("flip", f"{inner} {_FLIPPED[op]} {value!r}")
        yield from mutant("x100", f"{inner} {op} {value * 100!r}")
        for found in _AGGREGATION.finditer(inner):
            yield from mutant("one aggregation", expr[: found.start()] + expr[found.end() :], found.start())
        yield from mutant("all aggregations", _AGGREGATION.sub("", expr))
        for found in _GUARD.finditer(expr):
            yield from mutant("guard", expr[: found.start()] + expr[found.end() :])
        yield from mutant("numerator", _NUMERATOR.sub("", expr))
        yield from mutant("unless", _UNLESS.sub("", expr))
        yield from mutant("over", _OVER.sub(r"\1", expr))
    for text in dict.fromkeys(_MATCHER.findall(expr)):
        yield from mutant("matcher", expr.replace(f",{text}", "").replace(f"{text},", "").replace(text, ""))
        for found in re.finditer(rf",?{re.escape(text)}", expr) if singly else ():
            rest = expr[found.end() :]
            rest = rest.removeprefix(",") if expr[found.start()] != "," else rest
            yield from mutant("one matcher", expr[: found.start()] + rest)
    if hold != "0s":
        yield Mutant("for", rule, expr, "0s")


def equivalent(mutant: Mutant) -> str:
    """Why no series can tell this mutant from its rule; empty for one that has to die."""
    signal, threshold = mutant.rule.query.signal, mutant.rule.threshold
    original = mutant.rule.body["expr"]
    if mutant.kind == "numerator" and not threshold.holds(0.0):
        return "a share of zero and no share at all are both silent"
    if mutant.kind == "guard" and isinstance(signal, Ratio | Quantile) and signal.floor == 0:
        return "without events the answer is NaN, which meets no threshold"
    if mutant.kind == "one aggregation":
        before = original[: mutant.at]
        if before.endswith(" or 0 * ") and not threshold.holds(0.0):
            return "a share of zero is silent however it is grouped"
        if re.search(r" unless on \([^)]*\) \($", before):
            return "any series above zero leaves its group out"
    return ""


def hunt(rules: Sequence[Rule], folder: Path, *, singly: bool = False) -> tuple[list[Mutant], list[Mutant]]:
    """(killed, survived): each mutant alone against the generated tests of its rule."""
    tests = rule_tests(rules, "{group}.rules.yml")
    untested = {skip.rule for skip in tests.skipped}
    named: dict[str, Mutant] = {}
    for rule in rules:
        if rule.body["alert"] in untested:
            continue
        for mutant in mutants(rule, singly=singly):
            name = f"m{len(named)}"
            named[f"{name}.test.yml"] = mutant
            body = {**rule.body, "expr": mutant.expr, "for": mutant.hold}
            changed = document([replace(rule, body=body)], interval=15)
            (folder / f"{name}.rules.yml").write_text(to_yaml(changed))
            test = {**tests.files[rule.group], "rule_files": [f"{name}.rules.yml"]}
            test["tests"] = [t for t in test["tests"] if t["name"].startswith(f"{rule.body['alert']} ")]
            (folder / f"{name}.test.yml").write_text(to_yaml(test))
    verdict = promtool(folder, list(named))
    return [named[n] for n in verdict.failed], [named[n] for n in verdict.passed]


def figures(killed: Sequence[Mutant], survived: Sequence[Mutant]) -> dict[str, Any]:
    kinds = dict.fromkeys(m.kind for m in [*killed, *survived])
    return {
        kind: f"{sum(m.kind == kind for m in killed)}/{sum(m.kind == kind for m in [*killed, *survived])}"
        for kind in kinds
    }

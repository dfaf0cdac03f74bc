"""One case of a rule's tests, and how promtool reads it."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from bongsu.signals import promql
from bongsu.signals.model import Age
from bongsu.signals.quantities import format_duration
from bongsu.stack import active
from bongsu.stack.rule import Rule
from bongsu.stack.scenes import NoSceneError
from bongsu.stack.series import Series


class Input(Protocol):
    """Made-up samples of one series."""

    def written(self, intervals: int) -> dict[str, str]: ...


@dataclass(frozen=True, slots=True)
class Clock:
    """Samples and evaluations, every ``step`` seconds."""

    step: float
    window: int
    """Steps in the signal's window."""

    def steps(self, seconds: float) -> int:
        return math.ceil(seconds / self.step - 1e-9)

    def reach(self, step: int) -> float:
        """The share of a counter's rate that is seen ``step`` steps after its first sample."""
        return 1.0 if step >= self.window - 1 else (step + 0.5) / self.window


@dataclass(frozen=True, slots=True)
class Case:
    name: str
    series: Sequence[Input]
    silent_at: Sequence[int] = ()
    firing_at: int | None = None
    firing: Sequence[Mapping[str, str]] = ()
    """The labels of the alerts at that step."""
    checks: Sequence[dict[str, Any]] = ()
    """Further expressions and what they come to at the last step."""
    begin: int = 0
    """The step at which the series begin: active hours do not hold when Unix time does."""

    @property
    def last(self) -> int:
        return max([*self.silent_at, self.firing_at or 0])


def within_active_hours(case: Case, rule: Rule, clock: Clock) -> list[Case]:
    """The case within the rule's hours; one that fires also just before they open, when it must not."""
    hours = rule.query.signal.active
    if not hours or rule.slo is not None:
        return [case]
    open_, closed = active.spells(hours, rule.timezone)
    lasts = (case.last + 1) * clock.step
    spell = next((s for s in open_ if s.end - s.start > lasts), None)
    if spell is None:
        raise NoSceneError("its active hours are shorter than its tests")
    cases = [replace(case, begin=clock.steps(spell.start))]
    before = next((s for s in closed if s.end - s.start > lasts), None)
    if case.firing_at is not None and before is not None:
        begin = clock.steps(before.end) - 1 - case.firing_at
        name = "silent outside its active hours"
        cases.append(Case(name, case.series, silent_at=[case.firing_at], begin=begin))
    return cases


def alert_labels(rule: Rule, labels: Mapping[str, str]) -> dict[str, str]:
    """The labels of the alert of a row with these labels."""
    own = {
        name: labels.get("job", "") if text == "{{ $labels.job }}" else text
        for name, text in rule.body["labels"].items()
    }
    return {name: value for name, value in {**labels, **own}.items() if value}


def written(case: Case, rule: Rule, clock: Clock) -> dict[str, Any]:
    """As a test of promtool."""
    name = rule.body["alert"]
    firing = f'ALERTS{{alertname={promql.quote(name)},alertstate="firing"}}'
    checks: list[dict[str, Any]] = [
        {"expr": firing, "eval_time": _time(case.begin + step, clock), "exp_samples": []}
        for step in case.silent_at
    ]
    if case.firing_at is not None:
        samples = [
            {"labels": _sample({"alertname": name, "alertstate": "firing", **labels}), "value": 1}
            for labels in case.firing
        ]
        at = _time(case.begin + case.firing_at, clock)
        checks.append({"expr": firing, "eval_time": at, "exp_samples": samples})
    checks += [{**check, "eval_time": _time(case.begin + case.last, clock)} for check in case.checks]
    return {
        "name": f"{name} {case.name}",
        "interval": format_duration(clock.step),
        "input_series": [_delayed(s, case, rule, clock) for s in case.series],
        "promql_expr_test": checks,
    }


def _delayed(series: Input, case: Case, rule: Rule, clock: Clock) -> dict[str, str]:
    if case.begin and isinstance(rule.query.signal, Age) and isinstance(series, Series):
        series = replace(series, start=series.start + case.begin * clock.step)
    text = series.written(case.last + 1)
    return {**text, "values": f"_x{case.begin} {text['values']}"} if case.begin else text


def _sample(labels: Mapping[str, str]) -> str:
    return "ALERTS{" + ",".join(f"{k}={promql.quote(v)}" for k, v in sorted(labels.items())) + "}"


def _time(step: int, clock: Clock) -> str:
    return format_duration(step * clock.step)

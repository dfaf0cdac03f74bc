"""Tests for alert rules, in promtool's format, made up from the forms of their signals.

Each rule must fire after its ``for`` and not before, be silent just short of its threshold, and hold to
every guard: traffic below the floor, no numerator, a divisor of zero, no data.
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any

from bongsu.signals import promql
from bongsu.signals.matchers import parse_matchers
from bongsu.signals.model import (
    Age,
    AnySignal,
    Expr,
    Gauge,
    Increase,
    Presence,
    Quantile,
    Rate,
    Ratio,
    Threshold,
)
from bongsu.signals.quantities import format_duration, parse_duration
from bongsu.stack import burn_rate_tests, expr_tests
from bongsu.stack.panels import slug
from bongsu.stack.recording import group_of
from bongsu.stack.rule import Rule
from bongsu.stack.rule_case import Case, Clock, alert_labels, within_active_hours, written
from bongsu.stack.rules import counted
from bongsu.stack.scenes import NoSceneError, Place, Scene, place, same_events, series
from bongsu.stack.series import Series, near_misses, solve

_MARGIN = 0.02
_NEUTRAL = frozenset(
    {"form", "metric", "match", "of", "of_match", "divisor", "divisor_match", "agg", "q", "floor", "window"}
    | {"by", "select", "thresholds", "unit", "worse", "help", "problem", "absent", "active", "every"}
)
"""Fields that every compiler knows, or that change no expression."""
_MODELLED = frozenset({"over", "complement", "unless", "left"})


@dataclass(frozen=True, slots=True)
class Skipped:
    """A rule without generated tests."""

    rule: str
    reason: str


@dataclass(frozen=True, slots=True)
class RuleTests:
    files: Mapping[str, dict[str, Any]]
    """Group of rules → the test file for it."""
    skipped: Sequence[Skipped]


def rule_tests(rules: Iterable[Rule], rule_file: str = "../rules/{group}.yml") -> RuleTests:
    """One test file for each group; ``rule_file`` is where it finds the rules, ``{group}`` a safe name."""
    files: dict[str, dict[str, Any]] = {}
    skipped: list[Skipped] = []
    for group, members in groupby(rules, key=lambda rule: rule.group):
        known = list(members)
        clock = _clock(known)
        tests: list[dict[str, Any]] = []
        for rule in known:
            try:
                tests += _tests(rule, clock)
            except NoSceneError as reason:
                skipped.append(Skipped(rule.body["alert"], str(reason)))
        if tests:
            read = _read(known[0])
            files[group] = {
                "rule_files": [rule_file.format(group=slug(name)) for name in read],
                **({"group_eval_order": read} if len(read) > 1 else {}),
                "evaluation_interval": format_duration(_evaluation(known[0], clock)),
                "tests": tests,
            }
    return RuleTests(files, skipped)


def _tests(rule: Rule, clock: Clock) -> list[dict[str, Any]]:
    if rule.slo is not None:
        return burn_rate_tests.tests(rule)
    if not rule.query.services:
        always = Case("fires without any series", [], firing_at=1, firing=[alert_labels(rule, {})])
        return [written(always, rule, clock)]
    given = expr_tests.cases if isinstance(rule.query.signal, Expr) else _cases
    cases = [part for case in given(rule, clock) for part in within_active_hours(case, rule, clock)]
    return [written(case, rule, clock) for case in cases]


def _cases(rule: Rule, clock: Clock) -> Iterator[Case]:
    signal = rule.query.signal
    _refuse_unknown(signal)
    if rule.absent:
        yield from _absent_cases(rule, clock)
        return
    bad, good = _around(signal, rule.threshold)
    scene = Scene(bad, good, rule.threshold.value, traffic=_traffic(signal))
    yield _fires(rule, clock, scene)
    yield _silent(rule, clock, "silent just short of the threshold", replace(scene, value=good, other=bad))
    yield from _guards(rule, clock, scene)
    yield _silent(rule, clock, "silent without data", None)


def _fires(rule: Rule, clock: Clock, scene: Scene) -> Case:
    signal, services = rule.query.signal, rule.query.services
    places = [place(signal, labels, clock.step) for labels in services.values()]
    first = _onset(signal, rule.threshold, scene, clock)
    fires = first + clock.steps(rule.threshold.for_)
    labels = [alert_labels(rule, at.labels) for service, at in zip(services, places, strict=True)]
    hold = format_duration(rule.threshold.for_)
    return Case(
        f"fires after {hold}, not before" if rule.threshold.for_ else "fires at once",
        [s for at in places for s in series(signal, at, scene)],
        silent_at=[fires - 1] if fires else [],
        firing_at=fires,
        firing=labels,
    )


def _silent(rule: Rule, clock: Clock, name: str, scene: Scene | None) -> Case:
    """One service as ``scene`` shows it, beside strangers that the rule must not look at."""
    signal = rule.query.signal
    at = place(signal, next(iter(rule.query.services.values())), clock.step)
    bad, good = _around(signal, rule.threshold)
    broken = Scene(bad, good, rule.threshold.value, traffic=_traffic(signal))
    found = series(signal, at, scene) if scene is not None else []
    for stranger in _strangers(rule, at):
        found += series(signal, stranger, broken)
    return Case(name, found, silent_at=[_late(rule, clock)])


def _strangers(rule: Rule, at: Place) -> Iterator[Place]:
    """The place of a service that is not the rule's, by one identity label each."""
    known = [dict(labels) for labels in rule.query.services.values()]
    for label in rule.query.identity:
        labels = {**at.labels, label: f"not-{at.labels[label]}"}
        if {name: labels[name] for name in rule.query.identity} not in known:
            yield replace(at, labels=labels)


def _guards(rule: Rule, clock: Clock, scene: Scene) -> Iterator[Case]:
    signal = rule.query.signal
    if isinstance(signal, Ratio | Quantile) and signal.floor > 0:
        quiet = replace(scene, traffic=signal.floor * 0.9)
        yield _silent(rule, clock, "silent below the traffic floor", quiet)
    if isinstance(signal, Ratio):
        yield _without_numerator(rule, clock, scene)
        if not same_events(signal):
            yield _silent(rule, clock, "silent where nothing is counted", replace(scene, divisor=0.0))
    if isinstance(signal, Gauge) and signal.divisor is not None:
        nothing = replace(scene, divisor=0.0)
        yield _silent(rule, clock, "silent where the divisor is zero", nothing)
        unlimited = replace(scene, divisor=-1.0)
        yield _silent(rule, clock, "silent where the divisor is negative", unlimited)
    if isinstance(signal, Gauge) and signal.unless is not None:
        out = replace(scene, excluded=1.0)
        yield _silent(rule, clock, f"silent where {signal.unless.metric} is set", out)
    if isinstance(signal, Gauge) and signal.over in ("min", "max"):
        yield from _sometimes(
            rule, clock, scene, lasting=(signal.over == "min") == (">" in rule.threshold.op)
        )


def _without_numerator(rule: Rule, clock: Clock, scene: Scene) -> Case:
    """Events but none of those that are looked for: a share of zero."""
    quiet = replace(scene, numerator=False)
    if not rule.threshold.holds(0.0):
        return _silent(rule, clock, "silent without a numerator", quiet)
    case = _silent(rule, clock, "fires without a numerator", quiet)
    labels = next(iter(rule.query.services.values()))
    at = place(rule.query.signal, labels, clock.step)
    own = series(rule.query.signal, at, quiet)
    alert = alert_labels(rule, at.labels)
    return replace(case, series=own, silent_at=(), firing_at=_late(rule, clock), firing=[alert])


def _sometimes(rule: Rule, clock: Clock, scene: Scene, *, lasting: bool) -> Iterator[Case]:
    """One good sample ends a condition that must last; where it need not, every other sample is enough."""
    labels = next(iter(rule.query.services.values()))
    at = place(rule.query.signal, labels, clock.step)
    hold = clock.steps(rule.threshold.for_)
    turned = series(rule.query.signal, at, replace(scene, value=scene.other, other=scene.value))
    pairs = list(zip(series(rule.query.signal, at, scene), turned, strict=True))
    if lasting:
        once = clock.window + hold + 2
        found = [replace(bad, other=good.start, otherwise=[once]) for bad, good in pairs]
        yield Case("silent until it lasts for the window again", found, silent_at=[once + 1 + hold])
        return
    fires = (hold // 2 + 1) * 2
    good_steps = range(0, fires + 3, 2)
    found = [replace(bad, other=good.start, otherwise=good_steps) for bad, good in pairs]
    alert = alert_labels(rule, at.labels)
    yield Case("fires although every other sample is good", found, firing_at=fires, firing=[alert])


def _absent_cases(rule: Rule, clock: Clock) -> Iterator[Case]:
    signal = rule.query.signal
    identity = rule.query.services[rule.absent]
    at = place(signal, identity, clock.step)
    metric, match = counted(signal)
    matchers = parse_matchers(match)
    here = solve(matchers, (), at.labels)
    if here is None:
        raise NoSceneError("no labels were found that its matchers accept")
    others = [{**here, label: f"not-{value}"} for label, value in identity.items()]
    others += near_misses(matchers, at.labels, at.free)
    strangers = [Series(metric, labels, 1.0) for labels in others]
    fires = clock.steps(parse_duration(rule.body["for"]))
    alert = alert_labels(rule, _kept_by_absent(identity, match))
    yield Case(
        f"fires after {rule.body['for']} without data, not before",
        strangers,
        silent_at=[fires - 1],
        firing_at=fires,
        firing=[alert],
    )
    present = [*strangers, Series(metric, here, 0.0)]
    yield Case("silent while there are data", present, silent_at=[fires + clock.window + 2])


def _kept_by_absent(identity: Mapping[str, str], match: Mapping[str, str]) -> dict[str, str]:
    """The labels of absent()'s answer: those that a single equality names."""
    kept = {label: value for label, value in identity.items() if label not in match}
    for matcher in parse_matchers(match):
        if matcher.op == "=" and matcher.label not in identity and matcher.value:
            kept[matcher.label] = matcher.value
    return kept


def _around(signal: AnySignal, threshold: Threshold) -> tuple[float, float]:
    """A value that breaks the threshold and one that just does not."""
    if isinstance(signal, Presence) or signal.unit == "bool":
        values = [0.0, 1.0]
    else:
        limit = threshold.value
        margin = abs(limit) * _MARGIN or _MARGIN
        values = (
            [limit, limit - margin, limit + margin] if _exact(signal) else [limit - margin, limit + margin]
        )
        if isinstance(signal, Rate | Increase | Ratio | Quantile):
            values = [max(0.0, value) for value in values]
        if isinstance(signal, Ratio) and same_events(signal):
            values = [min(1.0, value) for value in values]
    bad = next((value for value in values if threshold.holds(value)), None)
    good = next((value for value in values if not threshold.holds(value)), None)
    if bad is None:
        raise NoSceneError(f"no value that the signal can have is {threshold.op} {threshold.value:g}")
    if good is None:
        raise NoSceneError(f"every value that the signal can have is {threshold.op} {threshold.value:g}")
    return bad, good


def _exact(signal: AnySignal) -> bool:
    """Whether the samples are compared as they are, so that the threshold itself can be met."""
    return (
        isinstance(signal, Gauge) and signal.divisor is None and not signal.complement and signal.agg != "avg"
    )


def _traffic(signal: AnySignal) -> float:
    floor = signal.floor if isinstance(signal, Ratio | Quantile) else 0.0
    return floor * 1.1 if floor else 10.0


def _onset(signal: AnySignal, threshold: Threshold, scene: Scene, clock: Clock) -> int:
    """The step at which the condition begins to hold, while a counter's window fills."""
    match signal:
        case Rate() | Increase():
            steps = (k for k in range(1, clock.window + 1) if threshold.holds(scene.value * clock.reach(k)))
        case Ratio() | Quantile():
            steps = (k for k in range(1, clock.window + 1) if scene.traffic * clock.reach(k) > signal.floor)
        case _:
            return 0
    return next(steps)


def _late(rule: Rule, clock: Clock) -> int:
    return 2 * clock.window + clock.steps(rule.threshold.for_) + 2


def _evaluation(rule: Rule, clock: Clock) -> float:
    return clock.step if rule.slo is None else burn_rate_tests.evaluation(rule)


def _read(rule: Rule) -> list[str]:
    """The groups that must be evaluated for a rule: its own, after the recordings that it reads elsewhere."""
    if rule.slo is None or rule.urgency != "ticket":
        return [rule.group]
    return [group_of(rule.slo, "page"), rule.group]


def _clock(rules: Sequence[Rule]) -> Clock:
    """Steps that divide the window into whole seconds and are short beside every ``for``."""
    signal = rules[0].query.signal
    holds = [hold for rule in rules if (hold := parse_duration(rule.body["for"]))]
    counts = isinstance(signal, Rate | Increase | Ratio | Quantile)
    lasting = isinstance(signal, Expr) or (isinstance(signal, Gauge | Age) and signal.over is not None)
    window = signal.window if counts or lasting else 5 * min([60.0, *(hold / 3 for hold in holds)])
    longest = min([window / 5, *(hold / 3 for hold in holds), *([] if counts or lasting else [60.0])])
    pieces = range(math.ceil(window / longest - 1e-9), 100_000)
    unit = 1.0 if longest >= 1 else 0.001
    step = next(window / n for n in pieces if (window / n / unit).is_integer() or window / n < unit)
    return Clock(step, round(window / step))


def _refuse_unknown(signal: AnySignal) -> None:
    for name, info in type(signal).model_fields.items():
        value = getattr(signal, name)
        if name in _NEUTRAL or value == info.get_default(call_default_factory=True):
            continue
        if name not in _MODELLED:
            raise NoSceneError(f"{name!r} is not known to the generator of tests")
        plain = signal.model_copy(update={name: info.get_default()})
        if _expression(plain) == _expression(signal):
            raise NoSceneError(f"{name!r} is not in the rule's expression yet")


def _expression(signal: AnySignal) -> str:
    return promql.expression(signal, "", (), "5m")

"""Tests of burn-rate alerts and of the recordings that they read.

Each pair of windows must fire by itself just above its limit and stay silent just below it, when only its
short or only its long window is above, and while fewer events are bad than people are told of.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from bongsu.catalog.objectives import LEAST_FAILURES, SHORTEST, Pair, Urgency
from bongsu.signals.matchers import parse_matchers
from bongsu.signals.model import Quantile, Ratio
from bongsu.signals.quantities import format_duration, number
from bongsu.stack import burn_rate, scenes
from bongsu.stack.burn_rate import Slo
from bongsu.stack.rule import Rule
from bongsu.stack.rule_case import Case, Clock, alert_labels, written
from bongsu.stack.scenes import NoSceneError, Place, Scene
from bongsu.stack.series import Series, Stretches, near_misses, solve

_EVALUATIONS: dict[Urgency, float] = {"page": 300.0, "ticket": 1800.0}
_SAMPLES: dict[Urgency, float] = {"page": 60.0, "ticket": 900.0}
_HALVES: dict[Urgency, float] = {"page": 1800.0, "ticket": 7200.0}
"""Each half of the test of what is recorded: as long as a window, so that each sees one half or both."""
_MARGIN = 0.02
_MANY = 50.0
"""Bad events in a test: more than people are told of, but not a hundred times as many."""
_START = 1e6


@dataclass(frozen=True, slots=True)
class _Phase:
    """``seconds`` with so many events a second, of which the share ``bad`` is bad."""

    seconds: float
    rate: float
    bad: float


@dataclass(frozen=True, slots=True)
class _Setting:
    """The rule, the place of its series, and how often it is evaluated."""

    rule: Rule
    slo: Slo
    urgency: Urgency
    clock: Clock

    @property
    def every(self) -> float:
        return _EVALUATIONS[self.urgency]


def evaluation(rule: Rule) -> float:
    """Seconds between evaluations in the tests of a rule."""
    return _EVALUATIONS[rule.urgency or "page"]


def tests(rule: Rule) -> list[dict[str, Any]]:
    """The tests of one rule of an objective, in promtool's format. NoSceneError where none can be made."""
    assert rule.slo is not None
    urgency = rule.urgency or "page"
    minutes = Clock(60.0, 5)
    if rule.urgency is None:
        return [written(case, rule, minutes) for case in _unmeasured_cases(rule, rule.slo, minutes)]
    often = Clock(120.0, 5)
    at = _Setting(rule, rule.slo, urgency, Clock(_SAMPLES[urgency], 5))
    cases = [*_pair_cases(at), *_common_cases(at)]
    return [
        *(written(case, rule, at.clock) for case in cases),
        *(written(case, rule, often) for case in _recorded_cases(at, often)),
    ]


def _pair_cases(at: _Setting) -> Iterator[Case]:
    pairs = at.slo.pairs(at.urgency)
    for which, pair in enumerate(pairs):
        named = f"{format_duration(pair.short)}/{format_duration(pair.long)}"
        above, below = _just(at, which, 1 + _MARGIN), _just(at, which, 1 - _MARGIN)
        yield _case(at, f"fires just above the limit of {named}", above, fires=True)
        yield _case(at, f"silent just below the limit of {named}", below)
        yield _case(at, f"silent when a spike begins ({named})", _spike(at, pair))
        yield _case(at, f"silent when it is over ({named})", _over(at, pairs[which:]))


def _just(at: _Setting, which: int, share: float) -> list[_Phase]:
    """One pair at ``share`` times its limit, and none of the others above its own."""
    pairs = at.slo.pairs(at.urgency)
    pair, slower = pairs[which], [each.limit for each in pairs[which + 1 :]]
    bad = pair.limit * share
    if slower:
        seconds = pair.long + 2 * at.every
        # Much good traffic before keeps what the slower pair sees below its own limit.
        quiet = 10 * _MANY / min(slower) / at.every
        return [_Phase(at.every, quiet, 0.0), _Phase(seconds, _MANY / seconds / bad, bad)]
    quicker = [each.short for each in pairs[:which] if each.limit <= bad]
    clean = max(quicker) + 2 * at.every if quicker else 0.0
    seconds = pair.short + (-clean if clean else 2 * at.every)
    phases = [_Phase(seconds, _MANY / seconds / bad, bad)]
    return [*phases, _Phase(clean, 0.001 * _MANY / clean, 0.0)] if clean else phases


def _spike(at: _Setting, pair: Pair) -> list[_Phase]:
    """Every event is bad for as long as the short window; the long one saw much good traffic before."""
    seconds = pair.short + at.every
    return [_Phase(at.every, _plenty(at), 0.0), _Phase(seconds, _MANY / seconds, 1.0)]


def _over(at: _Setting, pairs: Sequence[Pair]) -> list[_Phase]:
    """Every event was bad within the long window, but none is within the short one."""
    pair = pairs[0]
    clean = pair.short + 2 * at.every
    phases = [_Phase(at.every, _MANY / at.every, 1.0), _Phase(clean, 0.02 * _MANY / clean, 0.0)]
    if len(pairs) == 1:
        return phases
    rest = pair.long - clean
    return [_Phase(at.every, _plenty(at), 0.0), _Phase(rest, 0.0, 0.0), *phases]


def _plenty(at: _Setting) -> float:
    """Events a second that make all bad ones of a test a small part of the budget."""
    return 100 * _MANY / at.slo.budget / at.every


def _common_cases(at: _Setting) -> Iterator[Case]:
    step = at.clock.step
    for count, fires in ((LEAST_FAILURES - 1, False), (LEAST_FAILURES + 1, True)):
        before = max(pair.short for pair in at.slo.pairs(at.urgency))
        phases = [_Phase(before, 0.0, 0.0), _Phase(2 * step, count / (2 * step), 1.0)]
        verb = "fires" if fires else "silent"
        yield _case(at, f"{verb} with {count} bad events, all there are", phases, fires=fires)
    yield _case(at, "silent for another service", [_Phase(2 * at.every, _MANY / at.every, 1.0)], strange=True)
    yield Case("silent without data", [], silent_at=[at.clock.steps(2 * at.every)])


def _recorded_cases(at: _Setting, clock: Clock) -> Iterator[Case]:
    """What is recorded without bad events, without any, and over a period of busy and of quiet hours."""
    slo, last = at.slo, clock.steps(2 * at.every)
    good = _inputs(slo, clock, [_Phase(2 * at.every, 10.0, 0.0)], numerator=False)
    none = _inputs(slo, clock, [_Phase(2 * at.every, 0.0, 0.0)])
    shares = [burn_rate.ratio_name(window) for window in slo.recorded(at.urgency)]
    shares += [burn_rate.PERIOD_ERRORS] if at.urgency == "ticket" else []
    zero = [f"{name}{slo.selector} == bool 0" for name in [*shares, *_failures(at)]]
    yield Case(
        "records a share of zero without bad events",
        good,
        silent_at=[last],
        checks=[_true(text, slo) for text in zero],
    )
    yield Case(
        "records no share without events",
        none,
        silent_at=[last],
        checks=[{"expr": f"{name}{slo.selector}", "exp_samples": []} for name in shares],
    )
    half = _HALVES[at.urgency]
    phases = [_Phase(half, 10.0, 0.0), _Phase(half, 1.0, slo.budget / 2)]
    others = _strange(slo, clock, [_Phase(2 * half, 20.0, 1.0)])
    yield Case(
        "records shares and counts",
        [*_inputs(slo, clock, phases), *others, *_recorded_of_others(slo)],
        silent_at=[clock.steps(2 * half)],
        checks=list(_measured(at, half)),
    )


def _measured(at: _Setting, half: float) -> Iterator[dict[str, Any]]:
    """Ten times as many events in the first half, all good; then half of the budget's share are bad."""
    slo = at.slo
    now, whole = slo.budget / 2, slo.budget / 2 / 11
    wanted = {burn_rate.EVENTS: 1.0, burn_rate.ERRORS: now, burn_rate.ratio_name(SHORTEST): now}
    if at.urgency == "ticket":
        wanted = {burn_rate.PERIOD_ERRORS: whole, burn_rate.TARGET: slo.objective.target}
        wanted |= {burn_rate.BUDGET_LEFT: 1 - whole / slo.budget}
    wanted |= dict.fromkeys(_failures(at), half * now)
    shares = {window: now if window <= half else whole for window in slo.recorded(at.urgency)}
    wanted |= {burn_rate.ratio_name(window): share for window, share in shares.items()}
    for name, value in wanted.items():
        # What a window sees of its edges differs between versions of Prometheus.
        margin = number(abs(value) / 10)
        yield _true(f"abs({name}{slo.selector} - {number(value)}) < bool {margin}", slo)


def _recorded_of_others(slo: Slo) -> Iterator[Series]:
    """What is recorded for another objective and for another service."""
    own = {"objective": slo.name, "service": slo.service}
    for name in (burn_rate.ERRORS, burn_rate.EVENTS, burn_rate.PERIOD_ERRORS):
        for label, value in own.items():
            yield Series(name, {**own, label: f"not-{value}"}, 1.0)


def _failures(at: _Setting) -> list[str]:
    return [burn_rate.failures_name(pair.long) for pair in at.slo.pairs(at.urgency)]


def _true(expression: str, slo: Slo) -> dict[str, Any]:
    labels = f'{{objective="{slo.name}", service="{slo.service}"}}'
    return {"expr": expression, "exp_samples": [{"labels": labels, "value": 1}]}


def _unmeasured_cases(rule: Rule, slo: Slo, clock: Clock) -> Iterator[Case]:
    phases = [_Phase(1800.0, 10.0, 0.0)]
    hold = clock.steps(rule.threshold.for_)
    have = _inputs(slo, clock, phases)
    bucket = [s for s in have if not _measures(s, slo)]
    labels = [alert_labels(rule, {})]
    late = hold + 10
    yield Case("fires without the bucket", bucket, silent_at=[hold - 1], firing_at=late, firing=labels)
    yield Case("silent with the bucket", have, silent_at=[late])
    flat = [s for s in _inputs(slo, clock, [_Phase(1800.0, 0.0, 0.0)]) if not _measures(s, slo)]
    yield Case("silent without events", flat, silent_at=[late])
    other = [
        s for s in _strange(slo, clock, phases) if s.labels.get("le") != number(slo.objective.below or 0)
    ]
    yield Case("silent for another service", other, silent_at=[late])
    yield Case("silent without data", [], silent_at=[late])


def _measures(series: Series | Stretches, slo: Slo) -> bool:
    """Whether it is the service's own bucket at the objective's bound."""
    bound = slo.objective.below or 0.0
    at = slo.query.services[slo.service]
    own = solve(parse_matchers(slo.query.signal.match), (), at) or {}
    return series.labels == {**own, "le": number(bound)}


def _case(
    at: _Setting, name: str, phases: list[_Phase], *, fires: bool = False, strange: bool = False
) -> Case:
    slo, clock = at.slo, at.clock
    missing = -sum(phase.seconds for phase in phases) % at.every
    phases = [replace(phases[0], seconds=phases[0].seconds + missing), *phases[1:]]
    last = clock.steps(sum(phase.seconds for phase in phases))
    series = _strange(slo, clock, phases) if strange else _inputs(slo, clock, phases)
    if not fires:
        return Case(name, series, silent_at=[last])
    own = {"objective": slo.name, "service": slo.service}
    return Case(name, series, firing_at=last, firing=[alert_labels(at.rule, own)])


def _place(slo: Slo, clock: Clock) -> Place:
    return Place(slo.query.services[slo.service], slo.query.identity, clock.step)


def _strange(slo: Slo, clock: Clock, phases: list[_Phase]) -> list[Series | Stretches]:
    """The same of services that are not the objective's, by one label each."""
    found: list[Series | Stretches] = []
    place = _place(slo, clock)
    for label in place.labels:
        other = {**place.labels, label: f"not-{place.labels[label]}"}
        found += _series(slo, clock, phases, Place(other, place.identity, clock.step))
    return found


def _inputs(
    slo: Slo, clock: Clock, phases: list[_Phase], *, numerator: bool = True
) -> list[Series | Stretches]:
    return _series(slo, clock, phases, _place(slo, clock), numerator=numerator)


def _series(
    slo: Slo, clock: Clock, phases: list[_Phase], place: Place, *, numerator: bool = True
) -> list[Series | Stretches]:
    """The series of the objective's signal, which grow by what each phase asks for."""
    moments = [list(_moment(slo, phase, place, numerator=numerator)) for phase in phases]
    steps = [clock.steps(phase.seconds) for phase in phases]
    found: list[Series | Stretches] = []
    for same in zip(*moments, strict=True):
        growth = [(series.growth, count) for series, count in zip(same, steps, strict=True)]
        found.append(Stretches(same[0].metric, same[0].labels, _START, growth))
    return found


def _moment(slo: Slo, phase: _Phase, place: Place, *, numerator: bool) -> Iterable[Series]:
    signal = slo.query.signal
    if isinstance(signal, Quantile):
        return _histogram(slo, signal, phase, place)
    assert isinstance(signal, Ratio)
    share = 1 - phase.bad if signal.worse == "down" else phase.bad
    shown = numerator or share > 0
    scene = Scene(share, 1 - share, slo.budget, traffic=phase.rate, numerator=shown)
    return scenes.series(signal, place, scene)


def _histogram(slo: Slo, signal: Quantile, phase: _Phase, place: Place) -> Iterator[Series]:
    matchers = parse_matchers(signal.match)
    met = solve(matchers, (), place.labels)
    if met is None:
        raise NoSceneError("no labels were found that its matchers accept")
    yield from _buckets(slo, signal, met, phase.rate, phase.rate * (1 - phase.bad), place)
    for labels in near_misses(matchers, place.labels, place.free):
        bad = phase.bad < slo.budget
        yield from _buckets(slo, signal, labels, 50 * phase.rate, 0.0 if bad else 50 * phase.rate, place)


def _buckets(
    slo: Slo, signal: Quantile, labels: Mapping[str, str], rate: float, good: float, place: Place
) -> Iterator[Series]:
    bound = slo.objective.below or 0.0
    steps = ((number(bound / 2), 0.0), (number(bound), good), (number(bound * 2), rate), ("+Inf", rate))
    for le, per_second in steps:
        yield Series(f"{signal.metric}_bucket", {**labels, "le": le}, _START, per_second * place.step)
    yield Series(f"{signal.metric}_count", labels, _START, rate * place.step)

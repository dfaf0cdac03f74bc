"""The tests that a signal of raw PromQL brings along, for each of its rules."""

from collections.abc import Iterator, Mapping

from bongsu.signals.matchers import parse_matchers
from bongsu.signals.model import Expr, ExprTest
from bongsu.stack.rule import Rule
from bongsu.stack.rule_case import Case, Clock, alert_labels
from bongsu.stack.scenes import NoSceneError
from bongsu.stack.series import Series, near_misses, solve


def cases(rule: Rule, clock: Clock) -> Iterator[Case]:
    """Each test of the signal; those that fire also as seen by a service that is not the rule's, and by
    series that its ``match`` leaves out. NoSceneError where the signal has none, or none for this severity.
    """
    signal = rule.query.signal
    assert isinstance(signal, Expr)
    if rule.absent:
        raise NoSceneError("raw PromQL does not say which series are missing")
    firing = [test for test in signal.tests if rule.severity in test.fires]
    if not signal.tests:
        raise NoSceneError("raw PromQL does not say which series it reads; give the signal 'tests'")
    if not firing or len(firing) == len(signal.tests):
        missing = "fires it" if not firing else "leaves it silent"
        raise NoSceneError(f"none of the signal's 'tests' {missing}")
    labels = _labels(rule, signal)
    for test in signal.tests:
        if rule.severity in test.fires:
            yield _fires(rule, clock, test, labels)
        else:
            yield _silent(rule, clock, f"silent: {test.name}", _series(test, labels, clock))
    yield from _strangers(rule, clock, firing[0], labels)
    yield _silent(rule, clock, "silent without data", [])


def _fires(rule: Rule, clock: Clock, test: ExprTest, labels: Mapping[str, str]) -> Case:
    hold = clock.steps(rule.threshold.for_)
    row = {name: labels[name] for name in (*rule.query.identity, *rule.query.signal.by)}
    return Case(
        f"fires: {test.name}",
        _series(test, labels, clock),
        silent_at=[hold - 1] if hold else [],
        firing_at=_late(rule, clock),
        firing=[alert_labels(rule, row)],
    )


def _silent(rule: Rule, clock: Clock, name: str, series: list[Series]) -> Case:
    return Case(name, series, silent_at=[_late(rule, clock)])


def _strangers(rule: Rule, clock: Clock, test: ExprTest, labels: Mapping[str, str]) -> Iterator[Case]:
    known = [dict(at) for at in rule.query.services.values()]
    for name in rule.query.identity:
        other = {**labels, name: f"not-{labels[name]}"}
        if {label: other[label] for label in rule.query.identity} not in known:
            yield _silent(rule, clock, f"silent for another {name}", _series(test, other, clock))
    matchers = parse_matchers(rule.query.signal.match)
    for missed in near_misses(matchers, {name: labels[name] for name in rule.query.identity}):
        kept = {**labels, **missed}
        name = ", ".join(label for label in missed if missed[label] != labels.get(label, ""))
        yield _silent(rule, clock, f"silent where {name} does not match", _series(test, kept, clock))


def _labels(rule: Rule, signal: Expr) -> dict[str, str]:
    """The labels of one service and group."""
    identity = next(iter(rule.query.services.values()))
    labels = solve(parse_matchers(signal.match), (), identity)
    if labels is None:
        raise NoSceneError("no labels were found that its matchers accept")
    return {**dict.fromkeys(signal.by, "a"), **labels}


def _series(test: ExprTest, labels: Mapping[str, str], clock: Clock) -> list[Series]:
    return [Series(s.metric, {**labels, **s.labels}, s.value, s.growth * clock.step) for s in test.series]


def _late(rule: Rule, clock: Clock) -> int:
    return clock.window + clock.steps(rule.threshold.for_) + 2

"""A service that became slow by itself: time not spent waiting for callees, against the baseline."""

from collections.abc import Sequence
from dataclasses import dataclass

from bongsu.analysis.channels.base import Findings
from bongsu.analysis.compare import Spread, calls_by_window, drift, ids, slower, traced
from bongsu.analysis.exclusive import exclusive_latency
from bongsu.analysis.model import CallEvidence, Evidence, Reason, Statement
from bongsu.analysis.series import saturate
from bongsu.analysis.statement import state

NAME = "latency"
_LEAST_SECONDS = 0.005
_LEAST_RATIO = 0.25
_OF_REQUEST = 0.2
_LEAST_CALLS = 3
_LEAST_IMPACT = 0.3
_IMPACT = 0.005
"""The share of the alerting services' time that counts half."""


@dataclass(frozen=True, slots=True)
class _Slower:
    now: CallEvidence
    then: CallEvidence

    @property
    def delta(self) -> float:
        return self.now.exclusive_mean - self.then.exclusive_mean

    @property
    def total(self) -> float:
        """Seconds lost over all calls of the incident."""
        return self.delta * self.now.count

    def factor(self, request: float) -> float:
        """The delay in units of how long the call took before, at least 10 ms and a fifth of a ``request`` to
        the alerting services."""
        return self.delta / max(self.then.mean, 0.01, _OF_REQUEST * request)

    @property
    def stands_out(self) -> bool:
        floor = max(_LEAST_SECONDS, _LEAST_RATIO * self.then.exclusive_mean)
        if self.delta < floor:
            return False
        return slower(_own(self.now), _own(self.then))


def _own(call: CallEvidence) -> Spread:
    return Spread(
        call.count,
        call.exclusive_mean,
        call.exclusive_std,
        call.exclusive_log_mean,
        call.exclusive_log_std,
    )


def latency(evidence: Evidence) -> Findings:
    """Score: how much slower × share of all seconds lost. Services without spans are judged by their latency
    metrics, less what the call graph explains."""
    before = calls_by_window(evidence, "baseline")
    during = calls_by_window(evidence, "incident")
    moves = [(key[0], _own(now), _own(before[key])) for key, now in during.items() if key in before]
    slow: dict[str, list[_Slower]] = {}
    for key, now in sorted(during.items()):
        then = before.get(key)
        if then is not None and (one := _Slower(now, then)).stands_out:
            slow.setdefault(now.service, []).append(one)
    everything = sum(one.total for ones in slow.values() for one in ones)
    spent, asked = _alerting(evidence)
    request = spent / asked if asked else 0.0
    found = {}
    for service, ones in slow.items():
        if sum(one.now.count for one in ones) < _LEAST_CALLS:
            continue
        share = sum(one.total for one in ones) / everything
        worst = max(ones, key=lambda one: (one.total, one.now.operation))
        elsewhere = drift((now, then) for name, now, then in moves if name != service)
        found[service] = Reason(
            channel=NAME,
            score=max(
                saturate(one.factor(request), 1.0) * elsewhere.beyond(_own(one.now), _own(one.then))
                for one in ones
            )
            * share
            * _impact(ones, spent),
            says=_says(worst),
            evidence=ids(worst.now, worst.then),
        )
    seen = traced(evidence)
    untraced = {n: r for n, r in exclusive_latency(evidence, NAME).items() if n not in seen}
    return untraced | found


def _alerting(evidence: Evidence) -> tuple[float, int]:
    """Seconds that the alerting services took to answer before, and their calls; 0 without spans."""
    alerting = {str(alert.get("service") or "") for alert in evidence.alerts}
    calls = [c for c in evidence.calls if c.window == "baseline" and c.service in alerting]
    return sum(c.count * c.mean for c in calls), sum(c.count for c in calls)


def _impact(ones: Sequence[_Slower], spent: float) -> float:
    """Less for a delay that the alerting services hardly notice."""
    if not spent:
        return 1.0
    return _LEAST_IMPACT + (1 - _LEAST_IMPACT) * saturate(sum(one.total for one in ones) / spent, _IMPACT)


def _says(one: _Slower) -> Statement:
    now, then = one.now.id, one.then.id
    return state(
        "{service} itself took {took} on average for {calls} to {operation} (before: {usual}), "
        "not counting its callees.",
        "{service} 자체 처리 시간이 {operation} 호출 {calls}에서 평균 {took}로 늘었습니다"
        "(이전: {usual}, 하위 호출 제외).",
        holds=f"{now}.exclusive_mean > {then}.exclusive_mean",
        service=(f"{now}.service", "text"),
        took=(f"{now}.exclusive_mean", "s"),
        usual=(f"{then}.exclusive_mean", "s"),
        calls=(f"{now}.count", "calls"),
        operation=(f"{now}.operation", "text"),
    )

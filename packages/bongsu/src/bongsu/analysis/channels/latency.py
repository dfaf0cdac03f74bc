"""A service that became slow by itself: time not spent waiting for callees, against the baseline."""

from dataclasses import dataclass

from bongsu.analysis.channels.base import Findings
from bongsu.analysis.compare import calls_by_window, ids, welch
from bongsu.analysis.exclusive import exclusive_latency
from bongsu.analysis.model import CallEvidence, Evidence, Reason, Say
from bongsu.analysis.series import saturate
from bongsu.analysis.wording import calls, seconds

NAME = "latency"
_LEAST_SECONDS = 0.005
_LEAST_RATIO = 0.25
_LEAST_T = 4.0


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

    @property
    def factor(self) -> float:
        """The delay in units of how long the whole call took before, at least 10 ms."""
        return self.delta / max(self.then.mean, 0.01)

    @property
    def stands_out(self) -> bool:
        floor = max(_LEAST_SECONDS, _LEAST_RATIO * self.then.exclusive_mean)
        if self.delta < floor:
            return False
        now, then = self.now, self.then
        t = welch(
            now.exclusive_mean,
            now.exclusive_std,
            now.count,
            then.exclusive_mean,
            then.exclusive_std,
            then.count,
        )
        return t >= _LEAST_T


def latency(evidence: Evidence) -> Findings:
    """Score: how much slower × share of all seconds lost. Services without spans are judged by their latency
    metrics, less what the call graph explains."""
    before = calls_by_window(evidence, "baseline")
    slower: dict[str, list[_Slower]] = {}
    for key, now in sorted(calls_by_window(evidence, "incident").items()):
        then = before.get(key)
        if then is not None and (one := _Slower(now, then)).stands_out:
            slower.setdefault(now.service, []).append(one)
    everything = sum(one.total for ones in slower.values() for one in ones)
    found = {}
    for service, ones in slower.items():
        share = sum(one.total for one in ones) / everything
        worst = max(ones, key=lambda one: (one.total, one.now.operation))
        found[service] = Reason(
            channel=NAME,
            score=saturate(max(one.factor for one in ones), 1.0) * share,
            text=_text(worst),
            evidence=ids(worst.now, worst.then),
        )
    traced = {call.service for call in evidence.calls}
    untraced = {n: r for n, r in exclusive_latency(evidence, NAME).items() if n not in traced}
    return untraced | found


def _text(one: _Slower) -> Say:
    what = calls(one.now.count, one.now.operation)
    now, then = seconds(one.now.exclusive_mean), seconds(one.then.exclusive_mean)
    name = one.now.service
    return Say(
        f"{name} itself took {now} on average for {what.en} (before: {then}), not counting its callees.",
        f"{name} 자체 처리 시간이 {what.ko}에서 평균 {now}로 늘었습니다(이전: {then}, 하위 호출 제외).",
    )

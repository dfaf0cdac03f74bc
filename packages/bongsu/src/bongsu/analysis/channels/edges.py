"""Calls as their two ends saw them: failures that the callee never recorded, time lost in between."""

from dataclasses import dataclass

from bongsu.analysis.channels.base import Findings, keep_worst
from bongsu.analysis.channels.links import heat_of, link_gaps
from bongsu.analysis.compare import Excess, Spread, drift, edges_by_window, excess, ids, slower
from bongsu.analysis.model import EdgeEvidence, Evidence, Reason, Statement
from bongsu.analysis.series import saturate
from bongsu.analysis.statement import state

NAME = "edges"
_LEAST_GAP = 0.01
_LEAST_CALLS = 3
_CALLER_OF_SILENT = 0.6
"""A callee that never sends spans cannot speak for itself: its caller keeps this share of the blame."""


@dataclass(frozen=True, slots=True)
class _Hot:
    now: EdgeEvidence
    then: EdgeEvidence | None
    unanswered: Excess
    disputed: Excess

    @property
    def silent(self) -> bool:
        """The callee sends no spans of its own, ever."""
        return not self.now.server_seen and not (self.then and self.then.server_seen)

    @property
    def gap(self) -> float:
        """Seconds a call more than before between client and server; 0 unless it stands out."""
        now, then = self.now, self.then
        if then is None or (then.server_seen > 0) != (now.server_seen > 0):
            return 0.0
        delta = now.gap_mean - then.gap_mean
        sure = slower(_gap(now), _gap(then))
        stands_out = sure and delta >= max(_LEAST_GAP, 0.5 * then.gap_mean)
        return delta if stands_out else 0.0


def _gap(edge: EdgeEvidence) -> Spread:
    count = edge.server_seen or edge.calls
    return Spread(count, edge.gap_mean, edge.gap_std, edge.gap_log_mean, edge.gap_log_std)


def edges(evidence: Evidence) -> Findings:
    """Score: significance × share of all such failures, or of all seconds lost between the ends."""
    before = edges_by_window(evidence, "baseline")
    hot = [_hot(now, before.get(key)) for key, now in sorted(edges_by_window(evidence, "incident").items())]
    found: dict[str, Reason] = {}
    _failures(hot, found)
    _gaps(hot, found)
    for service, reason in link_gaps(evidence).items():
        keep_worst(found, service, reason)
    return found


def _hot(now: EdgeEvidence, then: EdgeEvidence | None) -> _Hot:
    of = then.calls if then else 0
    return _Hot(
        now,
        then,
        excess(now.unanswered, now.calls, then.unanswered if then else 0, of),
        excess(now.disputed, now.calls, then.disputed if then else 0, of),
    )


def _failures(hot: list[_Hot], found: dict[str, Reason]) -> None:
    refused = [one for one in hot if one.unanswered.stands_out]
    everything = sum(one.unanswered.count for one in refused)
    for callee in sorted({one.now.callee for one in refused}):
        mine = [one for one in refused if one.now.callee == callee]
        worst = max(mine, key=lambda one: (one.unanswered.count, one.now.caller))
        share = sum(one.unanswered.count for one in mine) / everything
        strength = saturate(worst.unanswered.z, 5.0) * share
        keep_worst(found, callee, _reason(worst, strength, _unanswered(worst)))
        if worst.silent and len(mine) == 1:
            text = _unanswered(worst)
            keep_worst(found, worst.now.caller, _reason(worst, strength * _CALLER_OF_SILENT, text))
    for one in hot:
        if one.disputed.stands_out:
            strength = 0.5 * saturate(one.disputed.z, 5.0)
            for side in (one.now.caller, one.now.callee):
                keep_worst(found, side, _reason(one, strength, _disputed(one)))


def _gaps(hot: list[_Hot], found: dict[str, Reason]) -> None:
    """Each slow edge is blamed on that of its ends most of whose edges are slow; on the callee if equal."""
    slow = [one for one in hot if one.gap > 0]
    heat = heat_of([(one.now.caller, one.now.callee, one.gap > 0) for one in hot])
    everything = sum(one.gap * one.now.calls for one in slow)
    lost: dict[str, list[_Hot]] = {}
    for one in slow:
        ends = (one.now.callee, one.now.caller)
        lost.setdefault(max(ends, key=lambda end: heat[end]), []).append(one)
    for service, ones in sorted(lost.items()):
        if sum(one.now.calls for one in ones) < _LEAST_CALLS:
            continue
        worst = max(ones, key=lambda one: (one.gap * one.now.calls, one.now.caller, one.now.callee))
        share = sum(one.gap * one.now.calls for one in ones) / everything
        usual = worst.then.client_mean if worst.then else 0.0
        others = [one for one in hot if service not in (one.now.caller, one.now.callee)]
        elsewhere = drift((_gap(one.now), _gap(one.then)) for one in others if one.then is not None)
        clear = max(elsewhere.beyond(_gap(one.now), _gap(one.then)) for one in ones if one.then)
        strength = 0.9 * saturate(worst.gap / max(usual, 0.01), 1.0) * share * clear
        keep_worst(found, service, _reason(worst, strength, _slow(worst)))


def _reason(one: _Hot, score: float, says: Statement) -> Reason:
    return Reason(channel=NAME, score=score, says=says, evidence=ids(one.now, one.then))


def _ends(one: _Hot) -> dict[str, tuple[str, str]]:
    now = one.now.id
    return {
        "caller": (f"{now}.caller", "text"),
        "callee": (f"{now}.callee", "text"),
        "calls": (f"{now}.calls", "calls"),
    }


def _unanswered(one: _Hot) -> Statement:
    now, then = one.now, one.then
    share = f"ratio({now.id}.unanswered, {now.id}.calls)"
    usual = f"ratio({then.id}.unanswered, {then.id}.calls)" if then else "0"
    failed = "failed" if one.silent else "failed without ever being served by {callee}"
    failed_ko = "실패했습니다" if one.silent else "상대에 닿지 못하고 실패했습니다"
    rest_en = "; {callee} sends no traces of its own" if one.silent else ""
    rest_ko = " {callee}에서는 트레이스를 보내지 않습니다." if one.silent else ""
    was_en, was_ko = ("before: {usual}", "이전: {usual}") if then else ("none before", "이전 호출 없음")
    return state(
        f"{{share}} of {{calls}} from {{caller}} to {{callee}} {failed} ({was_en}){rest_en}.",
        f"{{caller}} → {{callee}} 호출 {{calls}} 중 {{share}}가 {failed_ko}({was_ko}).{rest_ko}",
        holds=f"{share} > {usual}",
        share=(share, "ratio"),
        **_ends(one),
        **({"usual": (usual, "ratio")} if then else {}),
    )


def _disputed(one: _Hot) -> Statement:
    share = f"ratio({one.now.id}.disputed, {one.now.id}.calls)"
    return state(
        "{caller} counts {share} of {calls} to {callee} as failed, "
        "while {callee} answered them without an error of its own.",
        "{caller} 쪽에서는 {callee} 호출 {calls} 중 {share}를 실패로 기록했지만, "
        "{callee} 쪽에서는 오류 없이 응답했습니다.",
        holds=f"{share} > 0",
        share=(share, "ratio"),
        **_ends(one),
    )


def _slow(one: _Hot) -> Statement:
    gap = f"{one.now.id}.gap_mean"
    usual = f"{one.then.id}.gap_mean" if one.then else "0"
    en, ko = (
        (
            "{calls} from {caller} to {callee} took {gap} on average (before: {usual}).",
            "{caller} → {callee} 호출 {calls}이 평균 {gap} 걸렸습니다(이전: {usual}).",
        )
        if one.silent
        else (
            "{calls} from {caller} to {callee} lost {gap} on average between the two (before: {usual}).",
            "{caller} → {callee} 호출 {calls}이 둘 사이에서 평균 {gap} 지연되었습니다(이전: {usual}).",
        )
    )
    figures = {"gap": (gap, "s"), "usual": (usual, "s")}
    return state(en, ko, holds=f"{gap} > {usual}", **figures, **_ends(one))

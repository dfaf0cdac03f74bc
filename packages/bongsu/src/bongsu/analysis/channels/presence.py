"""A service that is gone: its target is down, or its spans vanished while its callers kept calling."""

from collections.abc import Sequence

from bongsu.analysis.channels.base import Findings, keep_worst
from bongsu.analysis.compare import edges_by_window
from bongsu.analysis.load import load_ratio
from bongsu.analysis.metrics import Role, role_of
from bongsu.analysis.model import EdgeEvidence, Evidence, MetricEvidence, Reason, Statement
from bongsu.analysis.series import values_in
from bongsu.analysis.statement import state

NAME = "presence"
_ENOUGH_CALLS = 10


def presence(evidence: Evidence) -> Findings:
    found: dict[str, Reason] = {}
    for metric in evidence.metrics:
        if role_of(metric) is Role.PRESENCE:
            reason = _down(evidence, metric)
            if reason is not None:
                keep_worst(found, metric.service, reason)
    for service, reason in _vanished(evidence).items():
        keep_worst(found, service, reason)
    return found


def _down(evidence: Evidence, metric: MetricEvidence) -> Reason | None:
    """The share of the incident for which the target was down, against the baseline's."""
    before, during = values_in(metric, evidence.baseline), values_in(metric, evidence.window)
    if not during.size:
        return None
    share, usual = float((during < 0.5).mean()), float((before < 0.5).mean()) if before.size else 0.0
    if share - usual < 0.1 or int((during < 0.5).sum()) < 2:
        return None
    if during[-1] < 0.5:
        en = "{service} is down: its target did not answer for {share} of the incident."
        ko = "{service} 서비스가 내려가 있습니다. 장애 시간의 {share} 동안 응답이 없었습니다."
    else:
        en = "{service} was down for {share} of the incident and answers again now."
        ko = "{service} 서비스가 장애 시간의 {share} 동안 내려가 있었고, 지금은 다시 응답합니다."
    down, last = f"share_below({metric.id}, 0.5, incident)", f"last({metric.id}, incident)"
    says = state(
        en,
        ko,
        holds=f"{last} {'<' if during[-1] < 0.5 else '>='} 0.5",
        service=(f"{metric.id}.service", "text"),
        share=(down, "ratio"),
    )
    return Reason(channel=NAME, score=min(1.0, 0.4 + share - usual), says=says, evidence=[metric.id])


def _vanished(evidence: Evidence) -> dict[str, Reason]:
    """Services that answered their callers before and answer none of them now, though still called."""
    before, during = edges_by_window(evidence, "baseline"), edges_by_window(evidence, "incident")
    alive = load_ratio(evidence)
    found = {}
    for callee in sorted({callee for _, callee in during}):
        now = [edge for (_, name), edge in sorted(during.items()) if name == callee]
        then = [edge for (_, name), edge in sorted(before.items()) if name == callee]
        calls = sum(edge.calls for edge in now)
        seen, seen_before = sum(edge.server_seen for edge in now), sum(edge.server_seen for edge in then)
        if seen or alive.get(callee, 0.0) > 0:
            continue
        if calls < _ENOUGH_CALLS or seen_before < _ENOUGH_CALLS:
            continue
        found[callee] = Reason(
            channel=NAME,
            score=0.8,
            says=_answers_none(now, then),
            evidence=[edge.id for edge in (*now, *then)],
        )
    return found


def _answers_none(now: Sequence[EdgeEvidence], then: Sequence[EdgeEvidence]) -> Statement:
    def total(edges: Sequence[EdgeEvidence], part: str) -> str:
        return f"sum({', '.join(f'{edge.id}.{part}' for edge in edges)})"

    return state(
        "{service} answered none of {calls} made to it (before: {answered} answered).",
        "{service} 서비스가 들어온 호출 {calls}에 한 번도 응답하지 않았습니다(이전: {answered} 응답).",
        holds=f"{total(now, 'server_seen')} <= 0",
        service=(f"{now[0].id}.callee", "text"),
        calls=(total(now, "calls"), "calls"),
        answered=(total(then, "server_seen"), "calls"),
    )

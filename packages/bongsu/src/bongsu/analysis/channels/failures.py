"""A service that fails by itself: failed calls none of whose own callees failed, against the baseline."""

from bongsu.analysis.channels.base import Findings
from bongsu.analysis.compare import Excess, calls_by_window, excess, ids, traced
from bongsu.analysis.exclusive import exclusive_errors
from bongsu.analysis.model import CallEvidence, Evidence, Reason, Statement
from bongsu.analysis.series import saturate
from bongsu.analysis.statement import state

NAME = "failures"


def failures(evidence: Evidence) -> Findings:
    """Score: significance × share of all exclusive failures in excess. Services without spans are judged by
    their error metrics, less what the call graph explains."""
    before = calls_by_window(evidence, "baseline")
    worst: dict[str, tuple[Excess, CallEvidence, CallEvidence | None]] = {}
    totals: dict[str, float] = {}
    for key, now in sorted(calls_by_window(evidence, "incident").items()):
        then = before.get(key)
        more = _excess(now, then)
        if not more.stands_out:
            continue
        totals[now.service] = totals.get(now.service, 0.0) + more.count
        if now.service not in worst or more.count > worst[now.service][0].count:
            worst[now.service] = (more, now, then)
    everything = sum(totals.values())
    found = {
        service: Reason(
            channel=NAME,
            score=saturate(more.z, 5.0) * totals[service] / everything,
            says=_says(now, then, len(_callees(evidence, service))),
            evidence=ids(now, then),
        )
        for service, (more, now, then) in worst.items()
    }
    seen = traced(evidence)
    untraced = {n: r for n, r in exclusive_errors(evidence, NAME).items() if n not in seen}
    return untraced | found


def _excess(now: CallEvidence, then: CallEvidence | None) -> Excess:
    if then is None:
        return excess(now.exclusive_errors, now.count, 0, 0)
    return excess(now.exclusive_errors, now.count, then.exclusive_errors, then.count)


def _callees(evidence: Evidence, service: str) -> set[str]:
    return {edge.callee for edge in evidence.edges if edge.caller == service}


def _says(now: CallEvidence, then: CallEvidence | None, callees: int) -> Statement:
    share = f"ratio({now.id}.exclusive_errors, {now.id}.count)"
    figures = {
        "service": (f"{now.id}.service", "text"),
        "share": (share, "ratio"),
        "calls": (f"{now.id}.count", "calls"),
        "operation": (f"{now.id}.operation", "text"),
    }
    was_en, was_ko, usual = "not called before", "이전 호출 없음", "0"
    if then is not None:
        was_en, was_ko = "before: {usual}", "이전: {usual}"
        usual = f"ratio({then.id}.exclusive_errors, {then.id}.count)"
        figures["usual"] = (usual, "ratio")
    rest_en = "; its callees did not" if callees else ""
    rest_ko = " 하위 호출은 실패하지 않았습니다." if callees else ""
    return state(
        f"{{service}} itself failed {{share}} of {{calls}} to {{operation}} ({was_en}){rest_en}.",
        f"{{service}} 자체에서 {{operation}} 호출 {{calls}} 중 {{share}}가 실패했습니다({was_ko}).{rest_ko}",
        holds=f"{share} > {usual}",
        **figures,
    )

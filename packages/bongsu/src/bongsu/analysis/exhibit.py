"""A piece of evidence in a line, as it stands beside the claim that rests on it."""

from collections.abc import Mapping

from bongsu.analysis.formula import Facts, FormulaError
from bongsu.analysis.model import (
    CallEvidence,
    ChangeEvidence,
    EdgeEvidence,
    EventEvidence,
    LinkEvidence,
    LogEvidence,
    MetricEvidence,
    Say,
    TraceEvidence,
)
from bongsu.analysis.series import values_in
from bongsu.analysis.wording import clip, percent, quantity, seconds

_WHEN: Mapping[str, Say] = {"incident": Say("during", "장애 중"), "baseline": Say("before", "이전")}


def describe(name: str, facts: Facts) -> Say:
    """The evidence with the id ``name``; empty where there is none."""
    match facts.rows.get(name):
        case MetricEvidence() as row:
            return _metric(row, facts)
        case LogEvidence() as row:
            head = f"{row.service} {row.severity} “{clip(row.template)}” ×{row.count}"
            return Say(f"{head} (before: {row.baseline_count})", f"{head} (이전: {row.baseline_count})")
        case CallEvidence() as row:
            return _calls(f"{row.service} {row.operation}", row.window, row.count, row.errors, row.mean)
        case EdgeEvidence() as row:
            name = f"{row.caller} → {row.callee}"
            return _calls(name, row.window, row.calls, row.client_errors, row.client_mean)
        case EventEvidence() as row:
            head = f"{row.service} {row.operation} “{clip(row.event, 80)}”"
            now, then = f"{row.count}/{row.of}", f"{row.baseline_count}/{row.baseline_of}"
            return Say(f"{head}: {then} → {now} requests", f"{head}: 요청 {then} → {now}")
        case LinkEvidence() as row:
            return _link(row, facts)
        case ChangeEvidence() as row:
            what = clip(row.summary or f"{row.before} → {row.after}", 80)
            return Say(f"{row.service} {row.kind}: {what}", f"{row.service} {row.kind}: {what}")
        case TraceEvidence() as row:
            return Say(f"trace {row.trace_id[:8]}", f"트레이스 {row.trace_id[:8]}")
    return Say("", "")


def _link(row: LinkEvidence, facts: Facts) -> Say:
    lost = []
    for window in ("baseline", "incident"):
        try:
            lost.append(seconds(float(facts.value(f"median({row.id}, {window})"))))
        except FormulaError:
            lost.append("–")
    head, course = f"{row.caller} → {row.callee}", " → ".join(lost)
    return Say(f"{head}: {course} lost between the two ends", f"{head}: 양쪽 측정값 차이 {course}")


def _metric(row: MetricEvidence, facts: Facts) -> Say:
    windows = (facts.evidence.baseline, facts.evidence.window)
    means = [values.mean() if (values := values_in(row, window)).size else None for window in windows]
    then, now = (quantity(float(m), row.unit) if m is not None else Say("–", "–") for m in means)
    head = f"{row.service} {row.signal}"
    return Say(f"{head}: {then.en} → {now.en}", f"{head}: {then.ko} → {now.ko}")


def _calls(name: str, window: str, count: int, errors: int, mean: float) -> Say:
    when, share = _WHEN.get(window, Say(window, window)), percent(errors / count) if count else "0"
    return Say(
        f"{name}, {when.en}: {count} calls, {errors} failed ({share} %), {seconds(mean)} on average",
        f"{name}, {when.ko}: 호출 {count}건, 실패 {errors}건({share}%), 평균 {seconds(mean)}",
    )

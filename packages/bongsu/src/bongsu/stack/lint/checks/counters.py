"""Counters, their rates, and shares of them."""

from collections.abc import Iterator
from typing import Any

from promql_parser import BinaryExpr, VectorSelector

from bongsu.signals.quantities import format_duration, number
from bongsu.stack.lint import syntax
from bongsu.stack.lint.model import Check, Context, Finding

_READERS = (
    *syntax.RATES,
    "resets",
    "changes",
    "absent",
    "absent_over_time",
    "timestamp",
    "present_over_time",
)
_SAMPLES = 4
_RESTARTS = "kube_pod_container_status_restarts_total"
_GC_SUM, _GC_COUNT = "jvm_gc_pause_seconds_sum", "jvm_gc_pause_seconds_count"


def counter_without_rate(context: Context) -> Iterator[Finding]:
    for condition in syntax.conditions(context.tree):
        for node, above in syntax.walk(condition.subject):
            if not isinstance(node, VectorSelector) or not syntax.counter(syntax.metric(node)):
                continue
            if any(syntax.call(each, *_READERS) or _ranged(each) for each in above):
                continue
            yield context.finding(
                "counter-without-rate",
                f"{syntax.metric(node)} is a counter: it only grows, and begins again when its "
                "program restarts",
                f"{syntax.metric(node)}은(는) 카운터라서 계속 커지기만 하고 프로그램이 재시작되면 "
                "0으로 돌아갑니다",
                f"sum by (job) (increase({syntax.text(node)}[15m])) {condition.op} {number(condition.value)}",
            )


def _ranged(node: Any) -> bool:
    return syntax.call(node) or (
        hasattr(node, "func") and str(node.func.name).endswith(("_over_time", "deriv", "delta"))
    )


def ratio_not_summed(context: Context) -> Iterator[Finding]:
    for node, _ in syntax.walk(context.tree):
        if not syntax.binary(node, "/") or not isinstance(node, BinaryExpr):
            continue
        left, right = syntax.bare(node.lhs), syntax.bare(node.rhs)
        if not (syntax.call(left, *syntax.RATES) and syntax.call(right, *syntax.RATES)):
            continue
        names = syntax.metrics(node)
        if set(names) == {_GC_SUM, _GC_COUNT} or {name.rpartition("_")[2] for name in names} == {
            "sum",
            "count",
        }:
            continue
        compared = next(iter(syntax.conditions(context.tree)), None)
        limit = f" {compared.op} {number(compared.value)}" if compared else ""
        yield context.finding(
            "ratio-not-summed",
            "each series is divided by itself: with unsummed sides the share is 1 however few requests fail",
            "합치지 않고 나누면 시계열이 자기 자신으로 나뉘어, 실패가 아무리 적어도 비율이 1이 됩니다",
            f"sum by (job) ({syntax.text(left)}) / sum by (job) ({syntax.text(right)}){limit} "
            f"and sum by (job) ({syntax.text(right)}) > 0.1",
        )


def ratio_above_one(context: Context) -> Iterator[Finding]:
    """A share of the same metric's events is never above 1: a threshold in per cent."""
    for condition in syntax.conditions(context.tree):
        node = condition.subject
        if not syntax.binary(node, "/") or condition.op not in (">", ">="):
            continue
        left, right = set(syntax.metrics(node.lhs)), set(syntax.metrics(node.rhs))
        same = left and left == right and all(syntax.counter(name) for name in left)
        if same and condition.value >= 1 and not (condition.op == ">=" and condition.value == 1):
            yield context.finding(
                "impossible-comparison",
                f"a share is never above 1, so {condition.op} {condition.value:g} never holds",
                f"비율은 1을 넘을 수 없으므로 {condition.op} {condition.value:g} 조건은 성립하지 않습니다",
                f"{syntax.text(node)} {condition.op} {number(condition.value / 100)}",
            )


def increase_outlived(context: Context) -> Iterator[Finding]:
    """One event leaves the window before ``for`` is over."""
    for condition in syntax.conditions(context.tree):
        found = [call for call, _ in syntax.calls(condition.subject, "increase", "delta", "changes")]
        if not found or context.rule.hold <= 0 or condition.op not in (">", ">=", "!="):
            continue
        window = syntax.window(found[0])
        few = condition.value <= (0 if condition.op == ">" else 1)
        if few and context.rule.hold >= window:
            span, hold = format_duration(window), format_duration(context.rule.hold)
            yield context.finding(
                "for-outlives-window",
                f"one event stays in a window of {span}, so that `for: {hold}` passes only if more "
                "keep coming",
                f"이벤트 한 번은 {span} 구간에만 남으므로, 계속 발생하지 않으면 `for: {hold}`를 "
                "채우지 못합니다",
                _restarts(found[0])
                if _RESTARTS in syntax.metrics(found[0])
                else f"{_condition_text(condition)}  # for: 0s",
            )


def _restarts(call: Any) -> str:
    inside = syntax.text(next(syntax.selectors(call))).removeprefix(_RESTARTS).strip("{}")
    reason = ",".join(part for part in (inside, 'reason="CrashLoopBackOff"') if part)
    waiting = f"max_over_time(kube_pod_container_status_waiting_reason{{{reason}}}[5m]) >= 1  # for: 15m"
    selector = syntax.text(next(syntax.selectors(call)))
    return f"{waiting}\nincrease({selector}[1h]) >= 3"


def _condition_text(condition: syntax.Condition) -> str:
    return f"{syntax.text(condition.subject)} {condition.op} {number(condition.value)}"


def short_window(context: Context) -> Iterator[Finding]:
    least = _SAMPLES * context.known.scrape
    for call, _ in syntax.calls(context.tree, *syntax.RATES):
        window = syntax.window(call)
        if 0 < window < least:
            better = syntax.text(call).replace(f"[{format_duration(window)}]", f"[{format_duration(least)}]")
            yield context.finding(
                "short-window",
                f"a window of {format_duration(window)} holds fewer than {_SAMPLES} samples at a "
                "scrape interval "
                f"of {format_duration(context.known.scrape)}: one missed scrape leaves no rate",
                f"수집 간격이 {format_duration(context.known.scrape)}이면 {format_duration(window)} 구간에는 "
                f"샘플이 {_SAMPLES}개도 없어, 수집이 한 번만 빠져도 값이 사라집니다",
                better,
            )


def irate_in_alert(context: Context) -> Iterator[Finding]:
    if not context.rule.alert:
        return
    for call, _ in syntax.calls(context.tree, "irate"):
        yield context.finding(
            "irate",
            "irate looks at the last two samples alone, so that any short spike resets `for`",
            "irate는 마지막 두 샘플만 보므로 짧은 변동만 있어도 `for`가 처음부터 다시 시작됩니다",
            syntax.text(call).replace("irate(", "rate(", 1),
        )


CHECKS: tuple[Check, ...] = (
    counter_without_rate,
    ratio_not_summed,
    ratio_above_one,
    increase_outlived,
    short_window,
    irate_in_alert,
)

"""Quantiles of histograms."""

from collections.abc import Iterator
from typing import Any

from promql_parser import AggModifierType, AggregateExpr

from bongsu.signals.quantities import number
from bongsu.stack.lint import syntax
from bongsu.stack.lint.model import Check, Context, Finding

_TOP = 10.0
"""The highest finite bound by default, in seconds: Go, Python, Node, OpenTelemetry."""
_TOPS = {"http_server_requests_seconds_bucket": 30.0}
"""Where a client's default is another: Micrometer's."""


def quantile_groups(context: Context) -> Iterator[Finding]:
    """Buckets must be summed over series, and `le` must survive the sum."""
    for call, _ in syntax.calls(context.tree, "histogram_quantile"):
        argument = syntax.bare(list(call.args)[-1])
        if isinstance(argument, AggregateExpr):
            yield from _without_le(context, call, argument)
        elif any(name.endswith("_bucket") for name in syntax.metrics(argument)):
            better = _better(context, call, f"sum by (job, le) ({syntax.text(argument)})")
            yield context.finding(
                "quantile-not-summed",
                "each series has a quantile of its own: one slow pod with little traffic fires the alert",
                "시계열마다 백분위수를 따로 계산하므로 트래픽이 적은 파드 하나만 느려도 알림이 울립니다",
                better,
            )


def _without_le(context: Context, call: Any, argument: Any) -> Iterator[Finding]:
    modifier = argument.modifier
    names = list(modifier.labels) if modifier else []
    excluded = modifier is not None and modifier.type == AggModifierType.Without
    if ("le" in names) != excluded or not syntax.metrics(argument):
        return
    kept = [name for name in names if name != "le"] if not excluded else ["job"]
    by = ", ".join([*(kept or ["job"]), "le"])
    yield context.finding(
        "quantile-without-le",
        "the sum drops the label `le`, so that no bucket is left and the quantile has no result",
        "합계에서 `le` 레이블이 사라져 버킷이 남지 않으므로 백분위수가 나오지 않습니다",
        _better(context, call, f"sum by ({by}) ({syntax.text(argument.expr)})"),
    )


def _better(context: Context, call: Any, buckets: str) -> str:
    quantile = syntax.text(next(iter(call.args)))
    for condition in syntax.conditions(context.tree):
        if condition.subject is call or syntax.text(condition.subject) == syntax.text(call):
            return f"histogram_quantile({quantile}, {buckets}) {condition.op} {number(condition.value)}"
    return f"histogram_quantile({quantile}, {buckets})"


def quantile_rank(context: Context) -> Iterator[Finding]:
    for call, _ in syntax.calls(context.tree, "histogram_quantile", "quantile_over_time"):
        rank = syntax.constant(next(iter(call.args)))
        if rank is not None and not 0 <= rank <= 1:
            yield context.finding(
                "quantile-out-of-range",
                f"the quantile {rank:g} is not between 0 and 1: the answer is infinite",
                f"백분위 {rank:g}이(가) 0과 1 사이가 아니어서 결과가 무한대가 됩니다",
                syntax.text(context.tree).replace(f"({rank:g},", f"({rank / 100:g},", 1),
            )


def threshold_above_buckets(context: Context) -> Iterator[Finding]:
    """A quantile is never above the highest finite bound of its buckets."""
    for condition in syntax.conditions(context.tree):
        names = [name for name in syntax.metrics(condition.subject) if name.endswith("_seconds_bucket")]
        found = [call for call, _ in syntax.calls(condition.subject, "histogram_quantile")]
        if not names or not found or condition.op not in (">", ">="):
            continue
        top = _TOPS.get(names[0], _TOP)
        if condition.value > top or (condition.value == top and condition.op == ">"):
            yield context.finding(
                "threshold-above-buckets",
                f"the default buckets of client libraries end at {top:g} s, and no quantile is "
                "above the last: "
                "it cannot fire unless the histogram has a bucket beyond the threshold",
                f"클라이언트 라이브러리의 기본 버킷은 {top:g}초에서 끝나고 백분위수는 마지막 "
                "버킷을 넘지 못하므로, "
                "임계값보다 큰 버킷이 없으면 알림이 울리지 않습니다",
                f'sum by (job) (rate({names[0]}{{le=~"{top:g}(\\\\.0)?"}}[5m])) / '
                f"sum by (job) (rate({names[0].removesuffix('_bucket')}_count[5m])) < 0.95",
            )


CHECKS: tuple[Check, ...] = (quantile_groups, quantile_rank, threshold_above_buckets)

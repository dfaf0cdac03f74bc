"""What every alert must have."""

from collections.abc import Iterator

from promql_parser import VectorSelector

from bongsu.signals.quantities import number
from bongsu.stack.lint import syntax
from bongsu.stack.lint.model import Check, Context, Finding

_LIKE_SEVERITY = ("severity", "level", "priority")
_ABOUT = ("summary", "description", "message")
_HELP = ("runbook_url", "runbook", "dashboard", "dashboard_url", "dashboard_uid")


def labelled(context: Context) -> Iterator[Finding]:
    rule = context.rule
    if not rule.alert:
        return
    if not any(name in rule.labels for name in _LIKE_SEVERITY):
        yield context.finding(
            "no-severity",
            "without a severity nothing can route it: it wakes everybody or nobody",
            "심각도가 없으면 알림을 나눠 보낼 수 없어 모두를 깨우거나 아무도 깨우지 못합니다",
            "labels: {severity: warning}",
            at="labels",
        )
    if rule.labels.get("severity") == "none":
        return
    if not any(name in rule.annotations for name in _ABOUT):
        yield context.finding(
            "no-summary",
            "there is no text that says what is wrong, for the person who is woken by it",
            "알림을 받은 사람이 무엇이 문제인지 알 수 있는 문구가 없습니다",
            f'annotations: {{summary: "{rule.name}: {{{{ $value }}}}"}}',
            at="annotations",
        )
    if not any(name in rule.annotations for name in _HELP):
        yield context.finding(
            "no-runbook",
            "it links neither a runbook nor a dashboard: every alert begins with a search",
            "대응 절차나 대시보드 링크가 없어 알림이 올 때마다 찾는 일부터 시작해야 합니다",
            "annotations: {runbook_url: https://…}",
            at="annotations",
        )


def no_condition(context: Context) -> Iterator[Finding]:
    """Without a comparison an alert fires as long as there are series."""
    if not context.rule.alert or context.rule.labels.get("severity") == "none":
        return
    compares = any(syntax.binary(node, *syntax.COMPARISONS) for node, _ in syntax.walk(context.tree))
    looks = any(syntax.calls(context.tree, "absent", "absent_over_time", "changes", "resets"))
    sets = any(syntax.binary(node, *syntax.SETS) for node, _ in syntax.walk(context.tree))
    if not compares and not looks and not sets and any(syntax.selectors(context.tree)):
        yield context.finding(
            "no-condition",
            "nothing is compared: it fires as long as there is any series",
            "비교하는 값이 없어 시계열이 하나라도 있으면 계속 울립니다",
            f"{syntax.text(context.tree)} > …",
        )


def no_for(context: Context) -> Iterator[Finding]:
    """A gauge that is compared at one moment fires on every spike."""
    rule = context.rule
    if not rule.alert or rule.hold > 0:
        return
    for condition in syntax.conditions(context.tree):
        names = syntax.metrics(condition.subject)
        if not names or syntax.window(condition.subject) or any(map(syntax.recorded, names)):
            continue
        if any(syntax.calls(condition.subject, "time", "absent")) or any(map(syntax.is_up, names)):
            continue
        yield context.finding(
            "no-for",
            f"{names[0]} is judged at one moment: a single sample over the line fires it",
            f"{names[0]}을(를) 한순간의 값으로 판단하므로 샘플 하나만 넘어도 울립니다",
            "for: 5m",
            at="alert",
        )
        return


def impossible(context: Context) -> Iterator[Finding]:
    """``up`` and the like are 0 or 1."""
    for condition in syntax.conditions(context.tree):
        subject = condition.subject
        if not isinstance(subject, VectorSelector):
            continue
        name = syntax.metric(subject)
        if name != "up" and not name.endswith(("_up", "_success")):
            continue
        low, high = condition.value < 0, condition.value > 1
        never = {
            ">": condition.value >= 1,
            ">=": high,
            "==": low or high,
            "<": condition.value <= 0,
            "<=": low,
        }
        if never.get(condition.op, False):
            yield context.finding(
                "impossible-comparison",
                f"{name} is 0 or 1, so {condition.op} {number(condition.value)} never holds",
                f"{name}은(는) 0 또는 1이므로 {condition.op} {number(condition.value)} 조건은 "
                "성립하지 않습니다",
                f"{syntax.text(subject)} == 0",
            )


CHECKS: tuple[Check, ...] = (labelled, no_condition, no_for, impossible)

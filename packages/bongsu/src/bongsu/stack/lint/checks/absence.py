"""What is silent when the series it looks at is gone, and what fires when one scrape fails."""

import re
from collections.abc import Iterator

from bongsu.signals.quantities import number
from bongsu.stack.lint import syntax
from bongsu.stack.lint.model import Check, Context, Finding

_SCRAPES = 2
_IDENTITY = ("job", "instance", "service", "namespace", "app", "pod", "container", "deployment")


def silent_when_gone(context: Context) -> Iterator[Finding]:
    """``x == 0`` of a series that disappears with its exporter."""
    if not context.rule.alert or any(syntax.calls(context.tree, "absent", "absent_over_time")):
        return
    for condition in syntax.conditions(context.tree):
        down = (condition.op, condition.value) in (("==", 0.0), ("<=", 0.0), ("<", 1.0), ("!=", 1.0))
        names = syntax.metrics(condition.subject)
        if not down or not names or syntax.binary(condition.subject, "/"):
            continue
        if any(syntax.recorded(name) for name in names) or {*names, "up"} & context.known.absent:
            continue
        selector = next(syntax.selectors(condition.subject))
        looked = (
            syntax.text(selector) if "job" in syntax.matched(selector) else _with_job(syntax.text(selector))
        )
        yield context.finding(
            "silent-when-gone",
            f"{names[0]} disappears with the program that exports it, and a missing series is not 0: "
            "the alert is silent when it matters most",
            f"{names[0]}을(를) 내보내는 프로그램이 죽으면 시계열 자체가 사라지고, 없는 값은 0이 아니므로 "
            "정작 필요할 때 알림이 울리지 않습니다",
            _better(condition, looked, names[0]),
        )


def _better(condition: syntax.Condition, looked: str, name: str) -> str:
    if any(syntax.calls(condition.subject, *syntax.RATES)):
        seconds = number(syntax.window(condition.subject))
        stamp = re.sub(r"_total$", "", name)
        return (
            f"time() - max(last_{stamp}_timestamp_seconds) > {seconds} "
            f"or absent(last_{stamp}_timestamp_seconds)"
        )
    return f"{syntax.text(condition.subject)} {condition.op} {number(condition.value)} or absent({looked})"


def _with_job(selector: str) -> str:
    name, brace, rest = selector.partition("{")
    return f'{name}{{job="…"' + (f",{rest}" if brace and rest != "}" else "}")


def flapping(context: Context) -> Iterator[Finding]:
    """One missed scrape or probe is no outage."""
    if not context.rule.alert or context.rule.hold >= _SCRAPES * context.known.scrape:
        return
    for condition in syntax.conditions(context.tree):
        names = [name for name in syntax.metrics(condition.subject) if syntax.is_up(name)]
        ranged = syntax.window(condition.subject) > 0
        if names and not ranged and condition.op in ("==", "<", "!=", "<="):
            yield context.finding(
                "one-missed-scrape",
                f"one missed scrape or probe makes {names[0]} 0: without a longer `for` the alert flaps",
                f"수집이나 점검이 한 번만 실패해도 {names[0]}이(가) 0이 됩니다. `for`를 늘리지 않으면 알림이 "
                "울렸다 꺼지기를 반복합니다",
                "for: 2m",
                at="for",
            )


def absent_of_many(context: Context) -> Iterator[Finding]:
    """``absent`` is true only when every series that it looks for is gone."""
    for call, _ in syntax.calls(context.tree, "absent", "absent_over_time"):
        for selector in syntax.selectors(call):
            many = [
                m for m in selector.matchers.matchers if m.name in _IDENTITY and str(m.op).endswith(".Re")
            ]
            for matcher in many:
                parts = re.split(r"\|", matcher.value.strip("()"))
                if len(parts) < 2 and not re.search(r"[.*+]", matcher.value):
                    continue
                each = syntax.text(selector).replace(
                    f'{matcher.name}=~"{matcher.value}"', f'{matcher.name}="{parts[0]}"'
                )
                yield context.finding(
                    "absent-of-many",
                    f"absent() is true only when every {matcher.name} that matches is gone, not one of them",
                    f"absent()는 조건에 맞는 {matcher.name}이(가) 모두 사라져야 참이 되며, 하나만 사라지면 "
                    "울리지 않습니다",
                    f"absent({each})  # …",
                )


CHECKS: tuple[Check, ...] = (silent_when_gone, flapping, absent_of_many)

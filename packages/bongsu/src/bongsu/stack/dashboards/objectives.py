"""What services promise: how much of each error budget is left, and how fast it burns."""

from typing import Any

from bongsu.signals import promql
from bongsu.signals.matchers import escape_regex
from bongsu.signals.model import Text
from bongsu.stack import burn_rate
from bongsu.stack.dashboards.scope import Scope
from bongsu.stack.dashboards.views import Column, Query, table
from bongsu.stack.panels import panel_id

_TITLE = Text(en="Objectives and error budgets", ko="목표(SLO)와 오류 예산")
_HELP = Text(
    en="Budget left over each objective's period; at a burn rate of 1 it lasts exactly that long.",
    ko="목표 기간 동안 남은 오류 예산입니다. 소진 속도가 1이면 기간이 끝날 때 정확히 바닥납니다.",
)
_SERVICE = Text(en="Service", ko="서비스")
_OBJECTIVE = Text(en="Objective", ko="목표")
_TARGET = Text(en="Target", ko="목표치")
_KEPT = Text(en="Kept", ko="달성률")
_LEFT = Text(en="Budget left", ko="남은 예산")
_BURN = Text(en="Burn rate (1h)", ko="소진 속도 (1시간)")
_HOUR = 3600.0


def objectives_table(scope: Scope) -> list[dict[str, Any]]:
    """One row an objective, from what is recorded; nothing where nobody promises anything."""
    names = [service.name for service in scope.services if service.spec.objectives]
    rows = sum(len(service.spec.objectives) for service in scope.services)
    if not names:
        return []
    at = f"{{service=~{promql.quote('|'.join(escape_regex(name) for name in names))}}}"
    group = "by (service, objective)"
    allowed = f"(1 - max {group} ({burn_rate.TARGET}{at}))"
    queries = [
        f"max {group} ({burn_rate.TARGET}{at})",
        f"1 - max {group} ({burn_rate.PERIOD_ERRORS}{at})",
        f"min {group} ({burn_rate.BUDGET_LEFT}{at})",
        f"max {group} ({burn_rate.ratio_name(_HOUR)}{at}) / {allowed}",
    ]
    columns = [
        Column("service", scope.say(_SERVICE), {}),
        Column("objective", scope.say(_OBJECTIVE), {}),
        Column("Value #A", scope.say(_TARGET), {"unit": "percentunit", "decimals": 3}),
        Column("Value #B", scope.say(_KEPT), {"unit": "percentunit", "decimals": 3}),
        Column("Value #C", scope.say(_LEFT), _coloured("percentunit", (0.0, "orange"), (0.25, "green"))),
        Column("Value #D", scope.say(_BURN), _coloured("short", (1.0, "orange"), (6.0, "red"), low="green")),
    ]
    return [
        table(
            panel_id("objectives"),
            scope.say(_TITLE),
            scope.say(_HELP),
            [Query(expr, instant=True, table=True) for expr in queries],
            columns,
            sort=scope.say(_LEFT),
            descending=False,
            size=(24, min(4 + rows, 12)),
        )
    ]


def _coloured(unit: str, *bounds: tuple[float, str], low: str = "red") -> dict[str, Any]:
    steps: list[dict[str, Any]] = [{"value": None, "color": low}]
    steps += [{"value": value, "color": color} for value, color in bounds]
    return {
        "unit": unit,
        "decimals": 1,
        "thresholds": {"mode": "absolute", "steps": steps},
        "custom.cellOptions": {"type": "color-background", "mode": "gradient"},
    }

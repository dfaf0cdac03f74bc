"""The shell around panels: rows, positions, variables, links and annotations."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from bongsu.signals.model import Text
from bongsu.stack.dashboards.identity import uid
from bongsu.stack.dashboards.scope import Scope
from bongsu.stack.panels import DATASOURCE, panel_id, reference
from bongsu.stack.systems import SYSTEMS, Version

Json = dict[str, Any]
_COLUMNS = 24
_SCHEMAS = ((Version(12), 41), (Version(11, 5), 40), (Version(11), 39))
"""Grafana's version → the ``schemaVersion`` that it writes."""
OVERVIEW = Text(en="Overview", ko="전체 현황")
SERVICES = Text(en="Services", ko="서비스")
RUNBOOK = Text(en="Runbook", ko="대응 절차")
_TOPICS = Text(en="Topics", ko="주제별")
_CONSOLE = Text(en="Incidents in Bongsu", ko="봉수 인시던트")
_ALERTS = Text(en="Alerts", ko="알림")
_STARTS = Text(en="Starts of processes (deployments, restarts)", ko="프로세스 시작 (배포, 재시작)")
_METRICS = Text(en="Metrics", ko="메트릭")
_LOGS = Text(en="Logs", ko="로그")


@dataclass(frozen=True, slots=True)
class Section:
    """Panels that stand together, under a heading where there is one."""

    key: str
    title: str
    panels: Sequence[Json]
    collapsed: bool = False


@dataclass(frozen=True, slots=True)
class Board:
    uid: str
    title: str
    tag: str
    """``overview``, ``service`` or ``topic``."""
    sections: Sequence[Section]
    variables: Sequence[Json] = ()
    links: Sequence[Json] = ()
    selector: str = ""
    """PromQL matchers of the processes whose starts are marked; none are without."""
    alerts: Mapping[str, str] = field(default_factory=dict)
    """Label → value of the alerts that are marked beside all charts."""
    logs: bool = False


def draw(board: Board, scope: Scope) -> Json:
    """The dashboard as Grafana reads it."""
    catalog = scope.catalog
    variables = [datasource("datasource", "prometheus", scope.say(_METRICS))]
    if board.logs:
        variables.append(datasource("logs", "loki", scope.say(_LOGS)))
    return {
        "uid": board.uid,
        "title": f"{catalog.name} / {board.title}",
        "tags": ["bongsu", catalog.name, board.tag],
        "timezone": catalog.timezone,
        "editable": False,
        "graphTooltip": 1,
        "refresh": "30s",
        "time": {"from": "now-3h", "to": "now"},
        "schemaVersion": _schema(scope),
        "links": [*board.links, *_navigation(board, scope)],
        "annotations": {"list": list(_annotations(board, scope))},
        "templating": {"list": [*variables, *board.variables]},
        "panels": arranged(board.sections, board.uid),
    }


def arranged(sections: Sequence[Section], board: str) -> list[Json]:
    """Panels from left to right, line by line, below their rows; an empty section leaves nothing."""
    panels: list[Json] = []
    y = 0
    for section in sections:
        if not section.panels:
            continue
        row: Json | None = None
        if section.title:
            row = {
                "id": panel_id(f"row/{section.key}", board),
                "type": "row",
                "title": section.title,
                "collapsed": section.collapsed,
                "gridPos": {"h": 1, "w": _COLUMNS, "x": 0, "y": y},
                "panels": [],
            }
            panels.append(row)
            y += 1
        placed, y = _placed(section.panels, y)
        if row is not None and section.collapsed:
            row["panels"] = placed
            y = row["gridPos"]["y"] + 1
        else:
            panels += placed
    return panels


def _placed(panels: Sequence[Json], top: int) -> tuple[list[Json], int]:
    placed: list[Json] = []
    x, y, height = 0, top, 0
    for panel in panels:
        size = panel["gridPos"]
        if x + size["w"] > _COLUMNS:
            x, y, height = 0, y + height, 0
        placed.append(panel | {"gridPos": {"h": size["h"], "w": size["w"], "x": x, "y": y}})
        x, height = x + size["w"], max(height, size["h"])
    return placed, y + height


def link(title: str, url: str, *, icon: str = "external link", keep_time: bool = False) -> Json:
    """A link at the head of a dashboard or panel."""
    return {
        "title": title,
        "type": "link",
        "icon": icon,
        "tooltip": "",
        "url": url,
        "tags": [],
        "asDropdown": False,
        "targetBlank": not keep_time,
        "includeVars": False,
        "keepTime": keep_time,
    }


def datasource(name: str, kind: str, label: str) -> Json:
    """A variable that chooses among the data sources of a kind; ours unless somebody chooses."""
    return {
        "type": "datasource",
        "name": name,
        "label": label,
        "query": kind,
        "current": {"selected": True, "text": SYSTEM_TITLES[kind], "value": kind},
        "hide": 0,
        "includeAll": False,
        "multi": False,
        "options": [],
        "refresh": 1,
        "regex": "",
        "skipUrlSync": False,
    }


SYSTEM_TITLES = {name: name.capitalize() for name in SYSTEMS}
"""The names of our data sources; their uids are the systems' own names."""


def choice(name: str, label: str, values: Sequence[str]) -> Json:
    """A variable with given values, of which several or all may be chosen."""
    chosen = [value.replace("\\", "\\\\").replace(",", "\\,") for value in values]
    everything = {"selected": True, "text": ["All"], "value": ["$__all"]}
    return {
        "type": "custom",
        "name": name,
        "label": label,
        "query": ",".join(chosen),
        "current": everything,
        "hide": 0,
        "includeAll": True,
        "multi": True,
        "options": [{"selected": True, "text": "All", "value": "$__all"}]
        + [{"selected": False, "text": value, "value": value} for value in values],
        "skipUrlSync": False,
    }


def found(name: str, label: str, query: str) -> Json:
    """A variable with the values of a label; what lacks the label is part of ``All``."""
    return {
        "type": "query",
        "name": name,
        "label": label,
        "datasource": reference(DATASOURCE),
        "query": query,
        "definition": query,
        "current": {"selected": True, "text": ["All"], "value": ["$__all"]},
        "allValue": ".*",
        "hide": 0,
        "includeAll": True,
        "multi": True,
        "options": [],
        "refresh": 2,
        "regex": "",
        "sort": 1,
        "skipUrlSync": False,
    }


def written(name: str, label: str, value: str) -> Json:
    """A variable that people type."""
    current = {"selected": True, "text": value, "value": value}
    return {
        "type": "textbox",
        "name": name,
        "label": label,
        "query": value,
        "current": current,
        "hide": 0,
        "options": [current],
        "skipUrlSync": False,
    }


def _schema(scope: Scope) -> int:
    version = scope.stack.version("grafana")
    return next((schema for least, schema in _SCHEMAS if version >= least), 39)


def _navigation(board: Board, scope: Scope) -> list[Json]:
    catalog = scope.catalog
    links = []
    if board.tag != "overview":
        links.append(link(scope.say(OVERVIEW), f"/d/{uid(catalog.name)}", icon="dashboard", keep_time=True))
    for title, tag in ((SERVICES, "service"), (_TOPICS, "topic")):
        menu = link(scope.say(title), "", keep_time=True)
        links.append(menu | {"type": "dashboards", "tags": ["bongsu", catalog.name, tag], "asDropdown": True})
    if catalog.url:
        links.append(link(scope.say(_CONSOLE), catalog.url))
    return links


def _annotations(board: Board, scope: Scope) -> list[Json]:
    marks: list[Json] = [
        {
            "builtIn": 1,
            "name": "Annotations & Alerts",
            "type": "dashboard",
            "datasource": {"type": "grafana", "uid": "-- Grafana --"},
            "enable": True,
            "hide": True,
            "iconColor": "rgba(0, 211, 255, 1)",
        }
    ]
    if not scope.judged_by_grafana:
        matchers = "".join(f',{name}="{value}"' for name, value in board.alerts.items())
        firing = f'ALERTS{{alertstate="firing",severity=~"critical|high",signal!=""{matchers}}}'
        expr = f"max by (alertname, severity, service) ({firing})"
        marks.append(_mark(scope.say(_ALERTS), expr, "red", "{{alertname}}", "severity,service"))
    if board.selector:
        expr = f"max by (job, instance) (process_start_time_seconds{{{board.selector}}}) * 1000"
        starts = _mark(scope.say(_STARTS), expr, "blue", "{{job}} {{instance}}", "job,instance")
        marks.append(starts | {"useValueForTime": True})
    return marks


def _mark(name: str, expr: str, color: str, title: str, tags: str) -> Json:
    return {
        "name": name,
        "datasource": reference(DATASOURCE),
        "enable": True,
        "hide": False,
        "iconColor": color,
        "expr": expr,
        "titleFormat": title,
        "textFormat": "",
        "tagKeys": tags,
        "step": "60s",
        "useValueForTime": False,
    }

"""The first dashboard: is everything well, what is wrong, where it is worst, and who answers for it."""

from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from bongsu.catalog import ResolvedService, fleet_queries
from bongsu.signals.model import AnySignal, Severity, Text
from bongsu.signals.query import FleetQuery
from bongsu.stack.dashboards.board import OVERVIEW, Board, Section, draw
from bongsu.stack.dashboards.charts import charted_one
from bongsu.stack.dashboards.identity import uid
from bongsu.stack.dashboards.objectives import objectives_table
from bongsu.stack.dashboards.rows import rows
from bongsu.stack.dashboards.scope import Scope
from bongsu.stack.dashboards.service import mappings
from bongsu.stack.dashboards.views import Column, Query, alert_list, markdown, table, tiles
from bongsu.stack.panels import keyed, panel_id, steps, unit_of

Json = dict[str, Any]
_HEALTH = Text(en="Services up", ko="서비스 상태")
_HEALTH_HELP = Text(
    en="Open a tile for the service's dashboard.", ko="타일을 누르면 서비스 대시보드가 열립니다."
)
_FIRING = Text(en="Firing now", ko="지금 발생 중인 알림")
_FIRING_HELP = Text(en="Alerts that fire, worst first.", ko="발생 중인 알림을 심각한 순서로 보여 줍니다.")
_WORST = Text(en="Services, worst first", ko="나쁜 순 서비스")
_WORST_HELP = Text(en="What each service does now.", ko="서비스별 현재 상태입니다.")
_WOKEN = Text(en="What people are woken for (P1, P2)", ko="사람을 깨우는 지표 (P1, P2)")
_LATER = Text(en="What can wait (P3, P4)", ko="나중에 봐도 되는 지표 (P3, P4)")
_OWNERS = Text(en="Who answers for what", ko="담당자")
_OWNERS_HELP = Text(
    en="Owners and rotations of the catalog. Who is on call right now is in Bongsu.",
    ko="카탈로그의 담당자와 당직 순번입니다. 현재 당직은 봉수에서 확인하세요.",
)
_HEADS = Text(
    en="Service | Tier | Owner | On call in turn | Runbook", ko="서비스 | 등급 | 담당 | 당직 순번 | 대응 절차"
)
_COLUMNS = {
    "up": Text(en="Up", ko="상태"),
    "error_ratio": Text(en="5xx", ko="5xx"),
    "latency_p95": Text(en="p95", ko="p95"),
    "request_rate": Text(en="Requests/s", ko="초당 요청"),
    "cpu_used": Text(en="CPU", ko="CPU"),
    "memory_used": Text(en="Memory", ko="메모리"),
    "disk_used": Text(en="Disk", ko="디스크"),
}
_SERVICE = Text(en="Service", ko="서비스")
_ALERT = Text(en="Alert", ko="알림")
_SEVERITY = Text(en="Severity", ko="심각도")
_OWNER = Text(en="Owner", ko="담당")
_SINCE = Text(en="Since", ko="시작")
_INSTANCE = Text(en="Instance", ko="인스턴스")
_RANKS = (
    ("critical", "P1", "red"),
    ("high", "P2", "orange"),
    ("warning", "P3", "yellow"),
    ("info", "P4", "blue"),
)


def overview_board(scope: Scope) -> Json:
    """The overview, with a chart of each signal that has a threshold."""
    judged = [
        (name, query) for name, query in keyed(fleet_queries(scope.services)) if query.signal.thresholds
    ]
    ordered = sorted(judged, key=lambda entry: (_worst(entry[1]).rank, entry[0]))
    woken = [entry for entry in ordered if _worst(entry[1]).rank <= Severity.P2.rank]
    later = [entry for entry in ordered if _worst(entry[1]).rank > Severity.P2.rank]
    sections = [
        Section("health", "", [*_health(scope), _firing(scope), *_services(scope)]),
        Section("objectives", "", objectives_table(scope)),
        Section("owners", scope.say(_OWNERS), _owners(scope), collapsed=True),
        Section("woken", scope.say(_WOKEN), _charts(scope, woken)),
        Section("later", scope.say(_LATER), _charts(scope, later)),
    ]
    board = Board(uid(scope.catalog.name), scope.say(OVERVIEW), "overview", sections)
    return draw(board, scope)


def _worst(query: FleetQuery) -> Severity:
    return min(query.signal.thresholds, key=lambda severity: severity.rank)


def _charts(scope: Scope, entries: Sequence[tuple[str, FleetQuery]]) -> list[Json]:
    # The alerts link to these by the key alone, so an owner must not be part of the id.
    return [charted_one(scope, query, panel_id(key), width=8) for key, query in entries]


def _health(scope: Scope) -> list[Json]:
    expr = rows(scope.services, "up")
    if not expr:
        return []
    signal = next(s.signals["up"] for s in scope.services if "up" in s.signals)
    defaults = {
        "mappings": mappings(scope, signal),
        "color": {"mode": "thresholds"},
        "thresholds": {
            "mode": "absolute",
            "steps": [{"value": None, "color": "red"}, {"value": 1, "color": "green"}],
        },
        "unit": "bool",
        "noValue": "?",
    }
    overrides = [
        {
            "matcher": {"id": "byName", "options": service.name},
            "properties": [
                {"id": "displayName", "value": scope.called(service)},
                {"id": "links", "value": [_opened(scope, service)]},
            ],
        }
        for service in scope.services
        if "up" in service.signals
    ]
    lines = -(-len(overrides) // 12)
    return [
        tiles(
            panel_id("health"),
            scope.say(_HEALTH),
            scope.say(_HEALTH_HELP),
            [Query(expr, "{{service}}")],
            defaults,
            size=(24, min(3 + 2 * lines, 15)),
            background=True,
            names=True,
            overrides=overrides,
        )
    ]


def _opened(scope: Scope, service: ResolvedService) -> Json:
    url = f"{_board_url(scope, service)}?${{__url_time_range}}"
    return {"title": scope.called(service), "url": url, "targetBlank": False}


def _board_url(scope: Scope, service: ResolvedService) -> str:
    return f"/d/{uid(scope.catalog.name, service.name)}"


def _firing(scope: Scope) -> Json:
    title, text, identifier = scope.say(_FIRING), scope.say(_FIRING_HELP), panel_id("firing")
    if scope.judged_by_grafana:
        return alert_list(identifier, title, text, '{severity=~"critical|high|warning|info"}', (12, 10))
    group = "alertname, severity, service, owner, instance"
    firing = 'ALERTS_FOR_STATE{signal!=""} and ignoring (alertstate) ALERTS{alertstate="firing",signal!=""}'
    expr = f"max by ({group}) ({firing}) * 1000"
    for word, rank, _ in _RANKS:
        expr = f'label_replace({expr}, "severity", "{rank}", "severity", "{word}")'
    colours = {
        "type": "value",
        "options": {
            rank: {"text": rank, "color": color, "index": index}
            for index, (_, rank, color) in enumerate(_RANKS)
        },
    }
    columns = [
        Column(
            "severity",
            scope.say(_SEVERITY),
            {"mappings": [colours], "custom.cellOptions": {"type": "color-background"}, "custom.width": 80},
        ),
        Column("service", scope.say(_SERVICE), {}),
        Column("alertname", scope.say(_ALERT), {}),
        Column("instance", scope.say(_INSTANCE), {}),
        Column("owner", scope.say(_OWNER), {}),
        Column("Value", scope.say(_SINCE), {"unit": "dateTimeFromNow"}),
    ]
    queries = [Query(expr, instant=True, table=True)]
    heading = scope.say(_SEVERITY)
    return table(identifier, title, text, queries, columns, sort=heading, descending=False, size=(12, 10))


def _services(scope: Scope) -> list[Json]:
    queries: list[Query] = []
    columns = [Column("service", scope.say(_SERVICE), {})]
    for name, heading in _COLUMNS.items():
        expr = rows(scope.services, name)
        if expr:
            signal = next(s.signals[name] for s in scope.services if name in s.signals)
            field = f"Value #{chr(ord('A') + len(queries))}"
            queries.append(Query(expr, instant=True, table=True))
            columns.append(Column(field, scope.say(heading), _cells(scope, signal)))
    if not queries:
        return []
    shown = {column.title for column in columns}
    order = [scope.say(_COLUMNS[name]) for name in ("error_ratio", "latency_p95", "up", "cpu_used")]
    sort = next((name for name in order if name in shown), columns[-1].title)
    # A single query's value column has no letter.
    if len(queries) == 1:
        columns[-1] = Column("Value", columns[-1].title, columns[-1].properties)
    title, text = scope.say(_WORST), scope.say(_WORST_HELP)
    return [table(panel_id("worst"), title, text, queries, columns, sort=sort, size=(12, 10))]


def _cells(scope: Scope, signal: AnySignal) -> dict[str, Any]:
    cells: dict[str, Any] = {"unit": unit_of(signal)}
    if signal.unit == "bool":
        return cells | {
            "mappings": mappings(scope, signal),
            "custom.cellOptions": {"type": "color-background"},
        }
    if signal.thresholds:
        cells["thresholds"] = {"mode": "absolute", "steps": steps(signal.thresholds)}
        cells["custom.cellOptions"] = {"type": "color-text"}
    return cells


def _owners(scope: Scope) -> list[Json]:
    heads = scope.say(_HEADS).split(" | ")
    lines = [_line(heads), _line(["---"] * len(heads))]
    for service in sorted(scope.services, key=lambda s: (s.spec.tier, s.name)):
        runbook = (
            f"[{_cell(scope.called(service))}]({_target(service.spec.runbook)})"
            if service.spec.runbook
            else ""
        )
        name = f"[{_cell(scope.called(service))}]({_board_url(scope, service)})"
        owner = scope.catalog.owners.get(service.owner)
        who = _cell(owner.name if owner and owner.name else service.owner)
        turns = owner.oncall.members if owner and owner.oncall else ()
        people = ", ".join(_cell(_person(scope, member)) for member in turns)
        lines.append(_line([name, str(service.spec.tier), who, people, runbook]))
    if len(lines) == 2:
        return []
    size = (24, min(3 + len(lines), 16))
    title, text = scope.say(_OWNERS), scope.say(_OWNERS_HELP)
    return [markdown(panel_id("owners"), title, text, "\n".join(lines), size)]


def _person(scope: Scope, name: str) -> str:
    owner = scope.catalog.owners.get(name)
    return owner.name if owner and owner.name else name


def _target(url: str) -> str:
    """An address that does not end a link or a cell."""
    return quote(url, safe="/:?#[]@!$&'*+,;=%~-._")


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _cell(text: str) -> str:
    """Text that does not end a cell, a link or the line."""
    for character in "\\|[]*_`<>":
        text = text.replace(character, f"\\{character}")
    return text.replace("\n", " ")

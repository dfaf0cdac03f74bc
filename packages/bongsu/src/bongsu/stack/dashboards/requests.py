"""Requests: rate, errors and duration of every service, and of every endpoint."""

from collections.abc import Iterator, Sequence
from typing import Any

from bongsu.catalog import ResolvedService, fleet_queries
from bongsu.signals import promql
from bongsu.signals.matchers import escape_regex, group_labels
from bongsu.signals.model import Text
from bongsu.signals.query import FleetQuery
from bongsu.stack.dashboards.board import SERVICES, Board, Section, choice, draw, found, written
from bongsu.stack.dashboards.charts import charted
from bongsu.stack.dashboards.identity import topic_uid
from bongsu.stack.dashboards.rows import endpoint_rows, routed
from bongsu.stack.dashboards.scope import Scope, known_by_job
from bongsu.stack.dashboards.views import Column, Query, chart, table
from bongsu.stack.panels import describe, drawn_window, keyed, panel_id, steps, title, unit_of

Json = dict[str, Any]
_TITLE = Text(en="HTTP: rate, errors, duration", ko="HTTP 요청량·오류·지연")
_RATE = ("request_rate", "active_connections")
_ERRORS = ("error_ratio",)
_DURATION = ("latency_p50", "latency_p95", "latency_p99")
_SIGNALS = (*_RATE, *_ERRORS, *_DURATION)
_BY_ROUTE = ("request_rate", "error_ratio", "latency_p50", "latency_p95", "latency_p99")
_ENDPOINTS = Text(en="Endpoints, slowest first", ko="느린 순 엔드포인트")
_ENDPOINTS_HELP = Text(
    en="Each endpoint over the dashboard's time: requests, share of failures, and response times.",
    ko="대시보드에서 고른 기간의 엔드포인트별 요청 수, 실패 비율, 응답 시간입니다.",
)
_BY_ENDPOINT = Text(en="By endpoint", ko="엔드포인트별")
_ALL = Text(en="By service", ko="서비스별")
_TEN = Text(en="The ten highest endpoints.", ko="값이 가장 큰 엔드포인트 10개입니다.")
_ROUTE = Text(en="Endpoint (regular expression)", ko="엔드포인트 (정규식)")
_INSTANCE = Text(en="Instance", ko="인스턴스")
_HEADINGS = {
    "service": Text(en="Service", ko="서비스"),
    "route": Text(en="Endpoint", ko="엔드포인트"),
    "request_rate": Text(en="Requests/s", ko="초당 요청"),
    "error_ratio": Text(en="5xx", ko="5xx"),
    "latency_p50": Text(en="p50", ko="p50"),
    "latency_p95": Text(en="p95", ko="p95"),
    "latency_p99": Text(en="p99", ko="p99"),
}


def served(scope: Scope) -> list[tuple[ResolvedService, str]]:
    """The services that answer requests, each with the label that names its endpoints."""
    return [
        (service, route)
        for service in scope.services
        if "latency_p95" in service.signals and (route := scope.route_label(service))
    ]


def http_board(scope: Scope) -> Json | None:
    """The dashboard of all requests; None where nothing serves any."""
    pairs = served(scope)
    if not pairs:
        return None
    services = [service for service, _ in pairs]
    one = known_by_job(services)
    extra = 'job=~"$service",instance=~"$instance"' if one else ""
    shown = [(k, q) for k, q in keyed(fleet_queries(services)) if q.name in _SIGNALS]
    ordered = sorted(shown, key=lambda entry: (_SIGNALS.index(entry[1].name), entry[0]))
    owner = "board/http"
    sections = [
        Section("services", scope.say(_ALL), charted(scope, ordered, owner, extra=extra)),
        Section("endpoints", scope.say(_BY_ENDPOINT), endpoint_panels(scope, pairs, owner, extra, "$route")),
    ]
    variables = [written("route", scope.say(_ROUTE), ".*")]
    if one:
        jobs = "|".join(escape_regex(service.name) for service in services)
        where = f"label_values(up{{job=~{promql.quote(jobs)}}}, instance)"
        variables = [
            choice("service", scope.say(SERVICES), [service.name for service in services]),
            found("instance", scope.say(_INSTANCE), where),
            *variables,
        ]
    board = Board(
        uid=topic_uid(scope.catalog.name, "http"),
        title=scope.say(_TITLE),
        tag="topic",
        sections=sections,
        variables=variables,
        selector='job=~"$service"' if one else "",
    )
    return draw(board, scope)


def endpoint_panels(
    scope: Scope,
    pairs: Sequence[tuple[ResolvedService, str]],
    owner: str,
    extra: str = "",
    route_filter: str = "",
) -> list[Json]:
    """A table of endpoints, then a chart of the highest ones for each signal."""
    by_route = routed(pairs, _BY_ROUTE)
    if not any(by_route.values()):
        return []
    return [
        _endpoint_table(scope, by_route, owner, extra, route_filter),
        *_endpoint_charts(scope, by_route, owner, extra, route_filter),
    ]


def _endpoint_table(
    scope: Scope, by_route: dict[str, list[FleetQuery]], owner: str, extra: str, route_filter: str
) -> Json:
    more = f",{extra}" if extra else ""
    queries: list[Query] = []
    columns = [_column(scope, "service"), _column(scope, "route")]
    for name, found_ in by_route.items():
        expr = endpoint_rows(found_, window="$__range", extra=more, route_filter=route_filter)
        if expr:
            field = f"Value #{chr(ord('A') + len(queries))}"
            queries.append(Query(expr, instant=True, table=True))
            columns.append(_value_column(scope, name, field, found_[0]))
    return table(
        panel_id("endpoints", owner),
        scope.say(_ENDPOINTS),
        scope.say(_ENDPOINTS_HELP),
        queries,
        columns,
        sort=scope.say(_HEADINGS["latency_p95"]),
    )


def _column(scope: Scope, field: str) -> Column:
    return Column(field, scope.say(_HEADINGS[field]), {})


def _value_column(scope: Scope, name: str, field: str, query: FleetQuery) -> Column:
    properties: Json = {"unit": unit_of(query.signal)}
    if query.signal.thresholds:
        properties["thresholds"] = {"mode": "absolute", "steps": steps(query.signal.thresholds)}
        properties["custom.cellOptions"] = {"type": "color-text"}
    return Column(field, scope.say(_HEADINGS[name]), properties)


def _endpoint_charts(
    scope: Scope, by_route: dict[str, list[FleetQuery]], owner: str, extra: str, route_filter: str
) -> Iterator[Json]:
    language = scope.catalog.language
    for name, found_ in by_route.items():
        if not found_:
            continue
        signal = found_[0].signal
        lines = [Query(f"topk(10, {expr})", legend) for expr, legend in _lines(found_, extra, route_filter)]
        heading = f"{title(name, signal, language)}: {scope.say(_BY_ENDPOINT)}"
        text = f"{scope.say(_TEN)}\n\n{describe(found_[0], language)}"
        yield chart(panel_id(f"endpoint/{name}", owner), heading, text, lines, unit_of(signal))


def _lines(queries: Sequence[FleetQuery], extra: str, route_filter: str) -> Iterator[tuple[str, str]]:
    for query in queries:
        label = query.signal.by[-1]
        more = [promql.fleet_selector(query), extra, f'{label}=~"{route_filter}"' if route_filter else ""]
        selector = ",".join(part for part in more if part)
        window = drawn_window(query.signal)
        expr = promql.expression(query.signal, selector, group_labels(query), window)
        names = " ".join(f"{{{{{name}}}}}" for name in (*query.identity, label))
        yield expr, names

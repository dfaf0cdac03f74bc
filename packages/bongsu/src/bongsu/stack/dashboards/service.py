"""One dashboard for one service: how it is, then every signal of it, by the kind that brought it."""

from collections.abc import Iterator
from typing import Any

from bongsu.catalog import ResolvedService, fleet_queries
from bongsu.signals import promql
from bongsu.signals.matchers import group_labels
from bongsu.signals.model import AnySignal, Text
from bongsu.signals.query import FleetQuery
from bongsu.stack.dashboards.board import RUNBOOK, Board, Section, draw, link
from bongsu.stack.dashboards.charts import charted
from bongsu.stack.dashboards.explore import logql, service_links
from bongsu.stack.dashboards.identity import uid
from bongsu.stack.dashboards.logs import error_lines, volume
from bongsu.stack.dashboards.pods import pod_table
from bongsu.stack.dashboards.requests import endpoint_panels
from bongsu.stack.dashboards.scope import Scope, selector_of
from bongsu.stack.dashboards.views import Query, tiles
from bongsu.stack.panels import describe, drawn_window, panel_id, steps, title, unit_of

Json = dict[str, Any]
_GLANCE = (
    "up",
    "server_up",
    "database_up",
    "probe_success",
    "error_ratio",
    "latency_p95",
    "request_rate",
    "websocket_connections",
    "last_write_age",
    "last_success_age",
    "volume_used",
    "disk_used",
    "memory_used",
    "cpu_used",
    "heap_after_gc",
    "hikari_used",
    "connections_used",
    "container_memory_used",
    "certificate_left",
    "memory",
)
"""What says most about a service, best first."""
_TILES = 6
_OWN = Text(en="Signals of its own", ko="자체 지표")
_BY_ENDPOINT = Text(en="By endpoint", ko="엔드포인트별")
_PODS = Text(en="Pods", ko="파드")
_LOGS = Text(en="Logs", ko="로그")
_YES = Text(en="OK", ko="정상")
_NO = Text(en="Down", ko="중단")
_QUIET = Text(en="None", ko="없음")
_TROUBLE = Text(en="Yes", ko="발생")


def service_board(scope: Scope, service: ResolvedService) -> Json:
    """Every signal of one service, and what helps to understand it."""
    queries = {query.name: query for query in fleet_queries([service])}
    sections = [
        Section("glance", "", list(_glance(scope, service, queries))),
        *_by_kind(scope, service, queries),
        *_more(scope, service),
    ]
    links = []
    if service.spec.runbook:
        links.append(link(scope.say(RUNBOOK), service.spec.runbook, icon="doc"))
    links += [link(name, url) for name, url in service.spec.dashboards.items()]
    links += service_links(scope, service.name)
    board = Board(
        uid=uid(scope.catalog.name, service.name),
        title=scope.called(service),
        tag="service",
        sections=sections,
        links=links,
        selector=selector_of(service.labels),
        alerts={"service": service.name},
        logs=scope.has_logs,
    )
    return draw(board, scope)


def mappings(scope: Scope, signal: AnySignal) -> list[Json]:
    """What 0 and 1 are called."""
    if signal.unit != "bool":
        return []
    good, bad = (_YES, _NO) if signal.worse == "down" else (_QUIET, _TROUBLE)
    words = {"1": good, "0": bad} if signal.worse == "down" else {"0": good, "1": bad}
    return [
        {
            "type": "value",
            "options": {
                value: {"text": scope.say(text), "color": "green" if text is good else "red", "index": index}
                for index, (value, text) in enumerate(words.items())
            },
        }
    ]


def _glance(scope: Scope, service: ResolvedService, queries: dict[str, FleetQuery]) -> Iterator[Json]:
    names = [name for name in _GLANCE if name in queries][:_TILES]
    for name in names:
        query = queries[name]
        signal = query.signal
        worst = "min" if signal.worse == "down" else "max"
        expr = promql.expression(
            signal, promql.fleet_selector(query), group_labels(query), drawn_window(signal)
        )
        defaults = {
            "unit": unit_of(signal),
            "mappings": mappings(scope, signal),
            "color": {"mode": "thresholds"},
            "thresholds": {"mode": "absolute", "steps": steps(signal.thresholds)},
        }
        yield tiles(
            panel_id(f"glance/{name}", service.name),
            title(name, signal, scope.catalog.language),
            describe(query, scope.catalog.language),
            [Query(f"{worst} ({expr})", scope.called(service))],
            defaults,
            size=(24 // len(names), 4),
            background=signal.unit == "bool",
            sparkline=signal.unit != "bool",
        )


def _by_kind(scope: Scope, service: ResolvedService, queries: dict[str, FleetQuery]) -> Iterator[Section]:
    left = dict(queries)
    for kind in service.spec.kind:
        of_kind = [name for name in _names(scope, kind) if name in left and name not in service.spec.signals]
        entries = [(name, left.pop(name)) for name in of_kind]
        heading = scope.say(scope.kinds[kind].title) or kind
        yield Section(f"kind/{kind}", heading, charted(scope, entries, service.name))
    yield Section("own", scope.say(_OWN), charted(scope, left.items(), service.name))


def _names(scope: Scope, kind: str) -> dict[str, None]:
    names: dict[str, None] = {}
    for base in scope.kinds[kind].extends:
        names |= _names(scope, base)
    return names | dict.fromkeys(scope.kinds[kind].signals)


def _more(scope: Scope, service: ResolvedService) -> Iterator[Section]:
    route = scope.route_label(service)
    if route and "latency_p95" in service.signals:
        panels = endpoint_panels(scope, [(service, route)], service.name)
        yield Section("endpoints", scope.say(_BY_ENDPOINT), panels, collapsed=True)
    if "kubernetes-workload" in scope.kinds_of(service):
        runs = service.spec.runs
        namespace = {"namespace": runs.namespace} if runs.namespace else {}
        within = "," + selector_of({"container": runs.container or runs.compose or service.name})
        where = selector_of(namespace) or 'namespace=~".*"'
        pods = pod_table(panel_id("pods", service.name), where, scope.catalog.language, within=within)
        yield Section("pods", scope.say(_PODS), [pods])
    if scope.has_logs:
        stream = logql(scope, service.name)
        panels = [volume(scope, stream, service.name), error_lines(scope, stream, service.name)]
        yield Section("logs", scope.say(_LOGS), panels, collapsed=True)

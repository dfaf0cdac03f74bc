"""Dashboards of all services of a kind: their signals, and the context that experts look at beside them."""

from collections.abc import Iterator, Sequence
from typing import Any

from bongsu.catalog import ResolvedService, fleet_queries
from bongsu.signals import promql
from bongsu.signals.matchers import escape_regex
from bongsu.signals.model import Text
from bongsu.signals.query import FleetQuery
from bongsu.stack.dashboards.board import RUNBOOK, SERVICES, Board, Section, choice, draw, found, link
from bongsu.stack.dashboards.charts import charted
from bongsu.stack.dashboards.context import Part, Topic, drawn
from bongsu.stack.dashboards.explore import logql, service_links
from bongsu.stack.dashboards.identity import topic_uid
from bongsu.stack.dashboards.pods import pod_table
from bongsu.stack.dashboards.scope import Scope, known_by_job, selector_of
from bongsu.stack.dashboards.views import Query, chart
from bongsu.stack.panels import keyed, panel_id

Json = dict[str, Any]
_INSTANCE = Text(en="Instance", ko="인스턴스")
_NAMESPACE = Text(en="Namespace", ko="네임스페이스")
_ANY_INSTANCE = 'instance=~"$instance"'
_PLACED = "kubernetes"
"""The topic whose series tell where a service runs, not which job it is."""
_STATUSES = Text(en="Responses by status", ko="상태 코드별 응답")
_STATUSES_HELP = Text(en="From the access log.", ko="접근 로그에서 셉니다.")
_FAILING = Text(en="Paths that fail (5xx)", ko="실패하는 경로 (5xx)")
_PATHS = '| status=~"5.." | pattern `<_> "<_> <path> <_>" <_>`'


def topic_board(
    scope: Scope, key: str, topic: Topic, services: Sequence[ResolvedService], alone: str = ""
) -> Json:
    """The dashboard of ``topic`` for ``services``; ``alone`` names the one that it is of."""
    owner = f"board/{key}/{alone}"
    selector, variables = _selection(scope, key, services, alone)
    queries = _queries(scope, key, topic, services)
    sections = [
        Section(name, scope.say(part.title), list(_panels(scope, part, queries, selector, owner)))
        for name, part in topic.parts.items()
    ]
    if key == _PLACED:
        table = pod_table(panel_id("pods", owner), selector, scope.catalog.language)
        sections.insert(0, Section("table", "", [table]))
    if key == "nginx" and scope.has_logs:
        sections.append(Section("access", "", list(_access(scope, services, owner))))
    return draw(_board(scope, key, topic, services, alone, sections, variables), scope)


def _board(
    scope: Scope,
    key: str,
    topic: Topic,
    services: Sequence[ResolvedService],
    alone: str,
    sections: Sequence[Section],
    variables: Sequence[Json],
) -> Board:
    links = []
    if alone:
        (service,) = services
        if service.spec.runbook:
            links.append(link(scope.say(RUNBOOK), service.spec.runbook, icon="doc"))
        links += service_links(scope, alone)
    name = scope.say(topic.title)
    jobs = "|".join(escape_regex(service.name) for service in services)
    marked = key != _PLACED and known_by_job(services)
    return Board(
        uid=topic_uid(scope.catalog.name, key, alone),
        title=f"{name}-{scope.called(services[0])}" if alone else name,
        tag="topic",
        sections=sections,
        variables=variables,
        links=links,
        selector=f"job=~{promql.quote(jobs)}" if marked else "",
        alerts={"service": alone} if alone else {},
        logs=key == "nginx" and scope.has_logs,
    )


def _selection(
    scope: Scope, key: str, services: Sequence[ResolvedService], alone: str
) -> tuple[str, list[Json]]:
    """PromQL matchers of the services, and the variables that narrow them."""
    if key == _PLACED:
        namespaces = sorted({service.spec.runs.namespace for service in services})
        label = scope.say(_NAMESPACE)
        if "" in namespaces:
            variable = found("namespace", label, "label_values(kube_pod_info, namespace)")
        else:
            variable = choice("namespace", label, namespaces)
        return 'namespace=~"$namespace"', [variable]
    if alone:
        where = selector_of(services[0].labels)
        return f"{where},{_ANY_INSTANCE}", [_instances(scope, where)]
    if known_by_job(services):
        names = [service.name for service in services]
        jobs = "|".join(escape_regex(name) for name in names)
        chosen = choice("service", scope.say(SERVICES), names)
        instances = _instances(scope, f"job=~{promql.quote(jobs)}")
        return f'job=~"$service",{_ANY_INSTANCE}', [chosen, instances]
    return _common(services), []


def _common(services: Sequence[ResolvedService]) -> str:
    """Matchers that hold for all services; a label that only some have is not asked for."""
    shared = set.intersection(*({*service.labels} for service in services))
    values = {name: sorted({service.labels[name] for service in services}) for name in sorted(shared)}
    return ",".join(
        f"{name}=~{promql.quote('|'.join(escape_regex(value) for value in found_))}"
        for name, found_ in values.items()
    )


def _instances(scope: Scope, where: str) -> Json:
    return found("instance", scope.say(_INSTANCE), f"label_values(up{{{where}}}, instance)")


def _queries(
    scope: Scope, key: str, topic: Topic, services: Sequence[ResolvedService]
) -> dict[str, list[tuple[str, FleetQuery]]]:
    """Signal → the queries of it that belong to the topic's kinds."""
    queries: dict[str, list[tuple[str, FleetQuery]]] = {}
    for name, query in keyed(fleet_queries(services)):
        if (query.identity != ("job",)) == (key == _PLACED) or not known_by_job(services):
            queries.setdefault(query.name, []).append((name, query))
    return queries


def _panels(
    scope: Scope,
    part: Part,
    queries: dict[str, list[tuple[str, FleetQuery]]],
    selector: str,
    owner: str,
) -> Iterator[Json]:
    extra = selector if "$instance" in selector else ""
    for signal in part.signals:
        yield from charted(scope, queries.get(signal, []), owner, extra=extra)
    for name, context in part.contexts.items():
        yield drawn(context, panel_id(f"context/{name}", owner), selector, scope.catalog.language)


def _access(scope: Scope, services: Sequence[ResolvedService], owner: str) -> Iterator[Json]:
    names = "|".join(escape_regex(service.name) for service in services)
    stream = f"{{{scope.log_label}=~{promql.quote(names)}}}"
    if len(services) == 1:
        stream = logql(scope, services[0].name)
    for key, heading, expr, legend in (
        (
            "status",
            _STATUSES,
            f'sum by (status) (rate({stream} | status=~"[1-5].." [$__auto]))',
            "{{status}}",
        ),
        (
            "failing",
            _FAILING,
            f"topk(10, sum by (path) (rate({stream} {_PATHS} [$__auto])))",
            "{{path}}",
        ),
    ):
        yield chart(
            panel_id(f"access/{key}", owner),
            scope.say(heading),
            scope.say(_STATUSES_HELP),
            [Query(expr, legend)],
            "reqps",
            stacked=key == "status",
            source="loki",
        )

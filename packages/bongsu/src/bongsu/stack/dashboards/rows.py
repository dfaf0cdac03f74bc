"""Signals as rows of tables: one expression for all services, each row labelled with its service."""

from collections.abc import Iterable
from dataclasses import replace

from bongsu.catalog import ResolvedService, fleet_queries
from bongsu.signals import promql
from bongsu.signals.matchers import group_labels
from bongsu.signals.quantities import format_duration
from bongsu.signals.query import FleetQuery

_SHORTEST_SECONDS = 60.0


def rows(services: Iterable[ResolvedService], name: str, *, window: str = "") -> str:
    """The worst value of the signal ``name`` for each service, labelled ``service``; empty without any."""
    parts = []
    for query in fleet_queries(services):
        if query.name == name:
            parts += _parts(query, window or _window(query), "", "")
    return " or ".join(parts)


def routed(
    services: Iterable[tuple[ResolvedService, str]], names: Iterable[str]
) -> dict[str, list[FleetQuery]]:
    """The signals ``names``, told apart by endpoint, given each service and its label of endpoints."""
    wanted = list(names)
    apart = []
    for service, route in services:
        signals = {
            name: signal.model_copy(update={"by": (*signal.by, route)})
            for name, signal in service.signals.items()
            if name in wanted and route not in signal.by
        }
        apart.append(replace(service, signals=signals))
    found: dict[str, list[FleetQuery]] = {name: [] for name in wanted}
    for query in fleet_queries(apart):
        found[query.name].append(query)
    return found


def endpoint_rows(queries: Iterable[FleetQuery], *, window: str, extra: str, route_filter: str) -> str:
    """One row a service and endpoint, labelled ``service`` and ``route``; empty without a query."""
    parts = []
    for query in queries:
        label = query.signal.by[-1]
        more = f',{label}=~"{route_filter}"' if route_filter else ""
        parts += _parts(query, window, label, extra + more)
    return " or ".join(parts)


def _window(query: FleetQuery) -> str:
    """That of the rules, but for one in which the data source's own scrapes could be too few."""
    seconds = query.signal.window
    return format_duration(seconds) if seconds >= _SHORTEST_SECONDS else "$__rate_interval"


def _parts(query: FleetQuery, window: str, route: str, extra: str) -> list[str]:
    worst = "min" if query.signal.worse == "down" else "max"
    labels = "service, route" if route else "service"
    parts = []
    for named, pattern, alone in _named(query):
        selector = promql.fleet_selector(alone) + extra
        expr = promql.expression(query.signal, selector, group_labels(alone), window)
        text = f'label_replace({expr}, "service", {promql.quote(named)}, {promql.quote(pattern)}, "(.*)")'
        if route:
            text = f'label_replace({text}, "route", "$1", {promql.quote(route)}, "(.*)")'
        parts.append(f"{worst} by ({labels}) ({text})")
    return parts


def _named(query: FleetQuery) -> list[tuple[str, str, FleetQuery]]:
    """(what the service is called, the label that says so, the services that share it)."""
    if all(dict(at) == {"job": name} for name, at in query.services.items()):
        return [("$1", "job", query)]
    return [
        (name.replace("$", "$$"), "", FleetQuery(query.name, query.signal, {name: labels}))
        for name, labels in query.services.items()
    ]

"""Grafana dashboards: an overview, one a service, and one a topic that people look into."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from bongsu.catalog import Catalog, ResolvedService
from bongsu.stack.dashboards.context import topics
from bongsu.stack.dashboards.identity import folder, topic_uid, uid
from bongsu.stack.dashboards.logs import logs_board
from bongsu.stack.dashboards.overview import overview_board
from bongsu.stack.dashboards.requests import http_board
from bongsu.stack.dashboards.scope import Scope, grafana_judges
from bongsu.stack.dashboards.service import service_board
from bongsu.stack.dashboards.topic import topic_board
from bongsu.stack.panels import slug

__all__ = [
    "dashboards",
    "folder",
    "grafana_judges",
    "of_service",
    "overview",
    "to_json",
    "topic_uid",
    "uid",
]


def dashboards(catalog: Catalog, services: Iterable[ResolvedService]) -> dict[str, dict[str, Any]]:
    """File name → dashboard, for the services whose metrics Prometheus has."""
    scope = Scope.of(catalog, services)
    found: dict[str, dict[str, Any] | None] = {"overview.json": overview_board(scope)}
    for service in scope.services:
        if service.signals:
            found[f"services/{slug(service.name)}.json"] = service_board(scope, service)
    found["http.json"] = http_board(scope)
    found["logs.json"] = logs_board(scope)
    for key, topic in topics().items():
        members = [service for service in scope.services if topic.kinds & scope.kinds_of(service)]
        for service in members if topic.each else ():
            name = f"{key}-{slug(service.name)}.json"
            found[name] = topic_board(scope, key, topic, [service], service.name)
        if members and not topic.each:
            found[f"{key}.json"] = topic_board(scope, key, topic, members)
    return {name: board for name, board in found.items() if board is not None}


def of_service(catalog: Catalog, service: ResolvedService) -> dict[str, Any]:
    """Every signal of one service, by the kind that brought it."""
    return service_board(Scope.of(catalog, [service]), service)


def overview(catalog: Catalog, services: Sequence[ResolvedService]) -> dict[str, Any]:
    """How all is, what fires, what is worst; then each signal with a threshold, the most urgent first."""
    return overview_board(Scope.of(catalog, services))


def to_json(dashboard: Mapping[str, Any]) -> str:
    """Stable JSON: keys in the order given, one fact a line, Korean readable."""
    return msgspec.json.format(msgspec.json.encode(dashboard), indent=2).decode() + "\n"

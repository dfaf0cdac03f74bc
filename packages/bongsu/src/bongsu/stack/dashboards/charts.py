"""Charts of signals on a dashboard, with the links that people follow from them."""

from collections.abc import Iterable
from typing import Any

from bongsu.catalog import ResolvedService
from bongsu.signals.query import FleetQuery
from bongsu.stack.dashboards.board import RUNBOOK, link
from bongsu.stack.dashboards.explore import service_links
from bongsu.stack.dashboards.scope import Scope
from bongsu.stack.panels import panel, panel_id

Json = dict[str, Any]


def charted(
    scope: Scope,
    entries: Iterable[tuple[str, FleetQuery]],
    owner: str = "",
    *,
    width: int = 12,
    extra: str = "",
) -> list[Json]:
    """One chart for each key and query; with ``owner`` (a service, a board) the key gives the panel's id."""
    return [
        charted_one(scope, query, panel_id(key, owner), width=width, extra=_matcher(query, extra))
        for key, query in entries
    ]


def charted_one(
    scope: Scope, query: FleetQuery, identifier: int, *, width: int = 12, extra: str = ""
) -> Json:
    """The chart of ``query``, linked to the runbook, logs and traces where it speaks of one service."""
    drawn = panel(
        query,
        identifier,
        language=scope.catalog.language,
        position={"h": 8, "w": width, "x": 0, "y": 0},
        extra=extra,
        exemplars=bool(scope.traces),
    )
    known = {service.name: service for service in scope.services}
    named = [known[name] for name in query.services if name in known]
    links = _links(scope, query.name, named)
    return drawn | ({"links": links} if links else {})


def _links(scope: Scope, signal: str, services: list[ResolvedService]) -> list[Json]:
    links = []
    runbooks = {service.spec.runbooks.get(signal) or service.spec.runbook for service in services}
    if len(runbooks) == 1 and "" not in runbooks:
        links.append(link(scope.say(RUNBOOK), runbooks.pop(), icon="doc"))
    if len(services) == 1:
        links += service_links(scope, services[0].name)
    return links


def _matcher(query: FleetQuery, extra: str) -> str:
    """``extra`` only where the labels that it speaks of are the series' own."""
    if not extra or query.identity != ("job",):
        return ""
    return extra

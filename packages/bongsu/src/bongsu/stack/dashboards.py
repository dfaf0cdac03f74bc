"""Grafana dashboards: one a service, and an overview of the fleet."""

import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from bongsu.catalog import Catalog, ResolvedService, fleet_queries
from bongsu.signals.query import FleetQuery
from bongsu.stack.panels import DATASOURCE, keyed, panel, panel_id, slug

_WORDS = {
    "en": {"overview": "Overview", "services": "Services", "runbook": "Runbook"},
    "ko": {"overview": "전체 현황", "services": "서비스", "runbook": "대응 절차"},
}


def uid(catalog: str, service: str = "") -> str:
    """The uid of a service's dashboard, or of the catalog's overview; at most 40 characters."""
    name = re.sub(r"[^A-Za-z0-9]+", "-", f"{catalog}-{service}").strip("-")[:24].strip("-")
    digest = hashlib.sha256("\0".join((catalog, service)).encode()).hexdigest()
    return f"bongsu-{name}-{digest[:8]}"


def dashboards(
    catalog: Catalog, services: Iterable[ResolvedService], *, datasource: str = DATASOURCE
) -> dict[str, dict[str, Any]]:
    """File name → dashboard."""
    known = list(services)
    found = {"overview.json": overview(catalog, known, datasource=datasource)}
    for service in known:
        if service.signals:
            name = f"services/{slug(service.name)}.json"
            found[name] = of_service(catalog, service, datasource=datasource)
    return found


def of_service(catalog: Catalog, service: ResolvedService, *, datasource: str = DATASOURCE) -> dict[str, Any]:
    """Every signal of one service, in the catalog's order."""
    words = _words(catalog)
    shown = [(query.name, query) for query in fleet_queries([service])]
    name = service.spec.title.in_(catalog.language) or service.name
    links = [_to_overview(catalog, words)]
    if service.spec.runbook:
        links.append(_link(words["runbook"], service.spec.runbook, "doc"))
    return _dashboard(
        catalog,
        uid(catalog.name, service.name),
        f"{catalog.name} / {name}",
        _panels(shown, catalog, service.name, datasource, columns=2),
        links=links,
        tags=["service"],
    )


def overview(
    catalog: Catalog, services: Sequence[ResolvedService], *, datasource: str = DATASOURCE
) -> dict[str, Any]:
    """What has a threshold, of all services; what people are woken for comes first."""

    def key(entry: tuple[str, FleetQuery]) -> tuple[int, str]:
        return min(severity.rank for severity in entry[1].signal.thresholds), entry[0]

    judged = [(name, query) for name, query in keyed(fleet_queries(services)) if query.signal.thresholds]
    words = _words(catalog)
    return _dashboard(
        catalog,
        uid(catalog.name),
        f"{catalog.name} / {words['overview']}",
        _panels(sorted(judged, key=key), catalog, "", datasource, columns=3),
        links=[_to_services(catalog, words)],
        tags=["overview"],
    )


def to_json(dashboard: Mapping[str, Any]) -> str:
    """Stable JSON: keys in the order given, one fact a line, Korean readable."""
    return json.dumps(dashboard, indent=2, ensure_ascii=False) + "\n"


def _panels(
    entries: Iterable[tuple[str, FleetQuery]],
    catalog: Catalog,
    service: str,
    datasource: str,
    *,
    columns: int,
) -> list[dict[str, Any]]:
    width, panels = 24 // columns, []
    for index, (name, query) in enumerate(entries):
        row, column = divmod(index, columns)
        position = {"h": 8, "w": width, "x": column * width, "y": row * 8}
        panels.append(
            panel(
                query,
                panel_id(name, service),
                language=catalog.language,
                position=position,
                datasource=datasource,
            )
        )
    return panels


def _dashboard(
    catalog: Catalog,
    identifier: str,
    title: str,
    panels: list[dict[str, Any]],
    *,
    links: list[dict[str, Any]],
    tags: list[str],
) -> dict[str, Any]:
    return {
        "uid": identifier,
        "title": title,
        "tags": ["bongsu", catalog.name, *tags],
        "timezone": catalog.timezone,
        "editable": False,
        "graphTooltip": 1,
        "refresh": "30s",
        "time": {"from": "now-3h", "to": "now"},
        "schemaVersion": 39,
        "links": links,
        "annotations": {"list": []},
        "templating": {"list": []},
        "panels": panels,
    }


def _to_overview(catalog: Catalog, words: Mapping[str, str]) -> dict[str, Any]:
    return _link(words["overview"], f"/d/{uid(catalog.name)}", "dashboard") | {"keepTime": True}


def _to_services(catalog: Catalog, words: Mapping[str, str]) -> dict[str, Any]:
    link = _link(words["services"], "", "external link") | {"type": "dashboards", "keepTime": True}
    return link | {"tags": ["bongsu", catalog.name, "service"], "asDropdown": True}


def _link(title: str, url: str, icon: str) -> dict[str, Any]:
    return {
        "title": title,
        "type": "link",
        "icon": icon,
        "tooltip": "",
        "url": url,
        "tags": [],
        "asDropdown": False,
        "targetBlank": False,
        "includeVars": False,
        "keepTime": False,
    }


def _words(catalog: Catalog) -> Mapping[str, str]:
    return _WORDS.get(catalog.language, _WORDS["en"])

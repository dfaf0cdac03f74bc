"""Panels of every type but the charts of signals, which ``bongsu.stack.panels`` draws."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bongsu.stack.panels import DATASOURCE, letters, reference

LOGS = "${logs}"
"""The dashboard's variable that names its Loki."""

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Query:
    """PromQL and what its lines are called; ``instant`` asks for the last value only, as a table's row."""

    expr: str
    legend: str = ""
    instant: bool = False
    table: bool = False


def targets(queries: Sequence[Query], *, kind: str = "prometheus") -> list[Json]:
    """Targets named ``A``, ``B`` … of Prometheus or Loki."""
    source = reference(DATASOURCE) if kind == "prometheus" else {"type": kind, "uid": LOGS}
    return [_target(ref, query, source, kind) for ref, query in zip(letters(), queries, strict=False)]


def _target(ref: str, query: Query, source: Json, kind: str) -> Json:
    target: Json = {
        "refId": ref,
        "datasource": source,
        "editorMode": "code",
        "expr": query.expr,
        "legendFormat": query.legend or "__auto",
    }
    if kind == "loki":
        return target | {"queryType": "instant" if query.instant else "range"}
    target |= {"range": not query.instant, "instant": query.instant}
    return target | ({"format": "table"} if query.table else {})


def view(
    kind: str,
    panel_id: int,
    title: str,
    description: str,
    size: tuple[int, int],
    *,
    queries: Sequence[Query] = (),
    source: str = "prometheus",
    defaults: Mapping[str, Any] | None = None,
    overrides: Sequence[Json] = (),
    options: Mapping[str, Any] | None = None,
    transformations: Sequence[Json] = (),
    links: Sequence[Json] = (),
) -> Json:
    """A panel of any type; ``size`` is its width (of 24) and height."""
    uid = DATASOURCE if source == "prometheus" else LOGS
    panel: Json = {
        "id": panel_id,
        "type": kind,
        "title": title,
        "description": description,
        "gridPos": {"h": size[1], "w": size[0], "x": 0, "y": 0},
    }
    if queries:
        panel["datasource"] = {"type": source, "uid": uid}
    panel["fieldConfig"] = {"defaults": dict(defaults or {}), "overrides": list(overrides)}
    panel["options"] = dict(options or {})
    if queries:
        panel["targets"] = targets(queries, kind=source)
    if transformations:
        panel["transformations"] = list(transformations)
    if links:
        panel["links"] = list(links)
    return panel


def chart(
    panel_id: int,
    title: str,
    description: str,
    queries: Sequence[Query],
    unit: str,
    *,
    size: tuple[int, int] = (12, 8),
    stacked: bool = False,
    bars: bool = False,
    source: str = "prometheus",
    overrides: Sequence[Json] = (),
    links: Sequence[Json] = (),
) -> Json:
    """Lines over time; ``stacked`` areas, or ``bars``, for parts of a whole."""
    custom: Json = {
        "drawStyle": "bars" if bars else "line",
        "lineWidth": 0 if bars else 1,
        "fillOpacity": 70 if bars else 30 if stacked else 8,
        "showPoints": "never" if stacked or bars else "auto",
        "stacking": {"mode": "normal" if stacked or bars else "none", "group": "A"},
    }
    return view(
        "timeseries",
        panel_id,
        title,
        description,
        size,
        queries=queries,
        source=source,
        defaults={"unit": unit, "min": 0, "color": {"mode": "palette-classic"}, "custom": custom},
        overrides=overrides,
        options={
            "legend": {
                "displayMode": "table",
                "placement": "bottom",
                "showLegend": True,
                "calcs": ["lastNotNull", "max"],
            },
            "tooltip": {"mode": "multi", "sort": "desc"},
        },
        links=links,
    )


def tiles(
    panel_id: int,
    title: str,
    description: str,
    queries: Sequence[Query],
    defaults: Mapping[str, Any],
    *,
    size: tuple[int, int] = (4, 4),
    background: bool = False,
    sparkline: bool = False,
    names: bool = False,
    overrides: Sequence[Json] = (),
    links: Sequence[Json] = (),
) -> Json:
    """One big value a series, coloured by its thresholds."""
    return view(
        "stat",
        panel_id,
        title,
        description,
        size,
        queries=queries,
        defaults=defaults,
        overrides=overrides,
        options={
            "graphMode": "area" if sparkline else "none",
            "colorMode": "background" if background else "value",
            "justifyMode": "auto",
            "textMode": "value_and_name" if names else "auto",
            "wideLayout": True,
            "showPercentChange": False,
            "percentChangeColorMode": "standard",
            "orientation": "auto",
            "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
        },
        links=links,
    )


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table: the field, its heading, and how its cells look."""

    field: str
    title: str
    properties: Mapping[str, Any]


def table(
    panel_id: int,
    title: str,
    description: str,
    queries: Sequence[Query],
    columns: Sequence[Column],
    *,
    sort: str = "",
    descending: bool = True,
    size: tuple[int, int] = (24, 9),
    source: str = "prometheus",
    merged: bool = True,
    links: Sequence[Json] = (),
) -> Json:
    """One row a group of labels that all queries share; only ``columns`` are shown, in their order."""
    overrides: list[Json] = [
        {
            "matcher": {"id": "byName", "options": column.title},
            "properties": [{"id": name, "value": value} for name, value in column.properties.items()],
        }
        for column in columns
        if column.properties
    ]
    known = [column.field for column in columns]
    organised = {
        "excludeByName": {},
        "includeByName": dict.fromkeys(known, True),
        "indexByName": {field: index for index, field in enumerate(known)},
        "renameByName": {column.field: column.title for column in columns},
    }
    joining: list[Json] = [{"id": "merge", "options": {}}] if merged else []
    return view(
        "table",
        panel_id,
        title,
        description,
        size,
        queries=queries,
        source=source,
        defaults={"custom": {"align": "auto", "filterable": True, "inspect": False}},
        overrides=overrides,
        options={
            "frameIndex": 0,
            "showHeader": True,
            "cellHeight": "sm",
            "sortBy": [{"displayName": sort, "desc": descending}] if sort else [],
        },
        transformations=[*joining, {"id": "organize", "options": organised}],
        links=links,
    )


def log_lines(panel_id: int, title: str, description: str, expr: str, *, height: int = 12) -> Json:
    """A stream of log lines, newest first."""
    return view(
        "logs",
        panel_id,
        title,
        description,
        (24, height),
        queries=[Query(expr)],
        source="loki",
        options={
            "showTime": True,
            "showLabels": False,
            "showCommonLabels": False,
            "showLogContextToggle": True,
            "wrapLogMessage": True,
            "prettifyLogMessage": False,
            "enableLogDetails": True,
            "sortOrder": "Descending",
            "dedupStrategy": "none",
        },
    )


def markdown(panel_id: int, title: str, description: str, text: str, size: tuple[int, int]) -> Json:
    options = {"mode": "markdown", "content": text}
    return view("text", panel_id, title, description, size, options=options)


def alert_list(panel_id: int, title: str, description: str, matchers: str, size: tuple[int, int]) -> Json:
    """What Grafana's own rules have firing or pending, by the instances' labels."""
    return view(
        "alertlist",
        panel_id,
        title,
        description,
        size,
        options={
            "viewMode": "list",
            "groupMode": "default",
            "groupBy": [],
            "maxItems": 50,
            "sortOrder": 3,
            "dashboardAlerts": False,
            "alertName": "",
            "alertInstanceLabelFilter": matchers,
            "datasource": "-- Grafana --",
            "stateFilter": {"firing": True, "pending": True, "noData": False, "normal": False, "error": True},
        },
    )

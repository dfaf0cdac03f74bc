"""One Grafana panel for one signal of a fleet."""

import hashlib
import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from bongsu.signals import promql
from bongsu.signals.matchers import group_labels
from bongsu.signals.model import AnySignal, Expr, Quantile, Rate, Ratio, Severity, Threshold
from bongsu.signals.quantities import format_duration
from bongsu.signals.query import FleetQuery

DATASOURCE = "${datasource}"
"""The dashboard's variable that names its Prometheus: ours where provisioned, any where imported."""

_UNITS = {
    "ratio": "percentunit",
    "s": "s",
    "bytes": "bytes",
    "bytes_per_second": "binBps",
    "per_second": "ops",
    "bool": "bool",
    "celsius": "celsius",
    "count": "short",
}
_COLORS = {Severity.P1: "red", Severity.P2: "orange", Severity.P3: "yellow", Severity.P4: "blue"}
_CONDITION = {"en": "{severity} when {condition}", "ko": "{severity} 조건: {condition}"}
_SIZES = (("TiB", 2.0**40), ("GiB", 2.0**30), ("MiB", 2.0**20), ("KiB", 2.0**10))


def keyed(queries: Sequence[FleetQuery]) -> list[tuple[str, FleetQuery]]:
    """Each query with a name of its own: the signal's, and a service's where several share the signal's."""
    names = [query.name for query in queries]
    return [
        (q.name if names.count(q.name) == 1 else f"{q.name}/{min(q.services)}", q)
        for q in sorted(queries, key=lambda q: (q.name, min(q.services, default="")))
    ]


def panel_id(key: str, service: str = "") -> int:
    """The same number for the same signal and service for ever, wherever the panel stands."""
    digest = hashlib.sha256(f"{key}\0{service}".encode()).digest()
    return int.from_bytes(digest[:4], "big") % 1_000_000_000 + 1


def panel(
    query: FleetQuery,
    panel_id: int,
    *,
    language: str = "en",
    position: Mapping[str, int] | None = None,
    datasource: str = DATASOURCE,
    extra: str = "",
    exemplars: bool = False,
) -> dict[str, Any]:
    """A timeseries panel of ``query``, one line a service and group.

    ``extra`` is a further matcher, such as ``instance=~"$instance"``; ``exemplars`` marks traces.
    """
    signal = query.signal
    return {
        "id": panel_id,
        "type": "timeseries",
        "title": title(query.name, signal, language),
        "description": describe(query, language),
        "gridPos": dict(position or {"h": 8, "w": 12, "x": 0, "y": 0}),
        "datasource": reference(datasource),
        "fieldConfig": {"defaults": _defaults(signal), "overrides": []},
        "options": {
            "legend": {
                "displayMode": "table",
                "placement": "bottom",
                "showLegend": True,
                "calcs": ["lastNotNull", "max" if signal.worse == "up" else "min"],
            },
            "tooltip": {"mode": "multi", "sort": "desc" if signal.worse == "up" else "asc"},
        },
        "targets": [
            {
                "refId": ref,
                "datasource": reference(datasource),
                "editorMode": "code",
                "expr": expression,
                "legendFormat": legend,
                "range": True,
                "instant": False,
                **({"exemplar": True} if exemplars and isinstance(signal, Quantile) else {}),
            }
            for ref, (expression, legend) in zip(letters(), _targets(query, extra), strict=False)
        ],
    }


def _defaults(signal: AnySignal) -> dict[str, Any]:
    """Unit, scale, colours and style of the lines."""
    return {
        "unit": unit_of(signal),
        **({"min": 0, "max": 1} if signal.unit == "bool" else {}),
        "color": {"mode": "palette-classic"},
        "thresholds": {"mode": "absolute", "steps": steps(signal.thresholds)},
        "custom": {
            "drawStyle": "line",
            "lineInterpolation": "stepAfter" if signal.unit == "bool" else "linear",
            "lineWidth": 1,
            "fillOpacity": 8,
            "showPoints": "auto",
            "thresholdsStyle": {"mode": "dashed" if signal.thresholds else "off"},
        },
    }


def title(name: str, signal: AnySignal, language: str) -> str:
    """What is measured, as a heading."""
    text = signal.help.in_(language) or name.replace("_", " ")
    return text[:1].upper() + text[1:]


def spell(value: float, unit: str) -> str:
    """``0.05`` of a ratio is ``5%``; a duration, size or rate with its unit."""
    match unit:
        case "ratio":
            return f"{value * 100:.10g}%"
        case "s":
            if abs(value) < 1:
                return f"{value * 1000:.10g}ms" if value else "0s"
            whole = value > 0 and float(value).is_integer()
            return format_duration(value) if whole else f"{value:.10g}s"
        case "bytes" | "bytes_per_second":
            name, size = next(((n, s) for n, s in _SIZES if abs(value) >= s), ("B", 1.0))
            return f"{value / size:.4g} {name}" + ("/s" if unit != "bytes" else "")
        case "per_second":
            return f"{value:.10g}/s"
        case "celsius":
            return f"{value:.10g} °C"
        case _:
            return f"{value:.10g}"


def condition(threshold: Threshold, unit: str) -> str:
    """``> 5% (5m)``."""
    hold = f" ({format_duration(threshold.for_)})" if threshold.for_ else ""
    return f"{threshold.op} {spell(threshold.value, unit)}{hold}"


def _targets(query: FleetQuery, extra: str = "") -> Iterator[tuple[str, str]]:
    """Expression and legend: one for all where ``job`` is the service's name, else one a service."""
    signal = query.signal
    inner = [label for label in signal.by if label not in query.identity]
    window, by = drawn_window(signal), group_labels(query)
    more = f",{extra}" if extra else ""
    rest = "".join(f" {{{{{label}}}}}" for label in inner)
    if len(query.services) > 1 and all(dict(at) == {"job": n} for n, at in query.services.items()):
        yield promql.expression(signal, promql.fleet_selector(query) + more, by, window), f"{{{{job}}}}{rest}"
        return
    for service, labels in query.services.items():
        alone = FleetQuery(query.name, signal, {service: labels})
        yield promql.expression(signal, promql.fleet_selector(alone) + more, by, window), f"{service}{rest}"


def drawn_window(signal: AnySignal) -> str:
    """Over how long a chart looks back at each point: its own step for what is a rate."""
    rated = isinstance(signal, Rate | Ratio | Quantile)
    return "$__rate_interval" if rated else format_duration(signal.window)


def unit_of(signal: AnySignal) -> str:
    """Grafana's name of the signal's unit."""
    if signal.unit == "per_second" and not isinstance(signal, Expr) and "request" in signal.metric:
        return "reqps"
    return _UNITS[signal.unit]


def describe(query: FleetQuery, language: str) -> str:
    """What is measured, and when which severity is raised."""
    signal = query.signal
    text = signal.help.in_(language) or query.name
    form = _CONDITION.get(language, _CONDITION["en"])
    lines = [
        form.format(severity=severity.value, condition=condition(threshold, signal.unit))
        for severity, threshold in sorted(signal.thresholds.items())
    ]
    return "\n\n".join([text, *lines])


def steps(thresholds: Mapping[Severity, Threshold]) -> list[dict[str, Any]]:
    """The colour of each stretch of the scale: that of the worst condition that holds there."""
    bounds = sorted({float(f"{threshold.value:.12g}") for threshold in thresholds.values()})
    if not bounds:
        return [{"value": None, "color": "green"}]
    within = [bounds[0] - 1, *((a + b) / 2 for a, b in itertools.pairwise(bounds)), bounds[-1] + 1]
    return [
        {"value": bound, "color": _color(thresholds, inside)}
        for bound, inside in zip([None, *bounds], within, strict=True)
    ]


def _color(thresholds: Mapping[Severity, Threshold], value: float) -> str:
    broken = [severity for severity, threshold in thresholds.items() if threshold.holds(value)]
    return _COLORS[min(broken)] if broken else "green"


def reference(uid: str) -> dict[str, str]:
    """A panel's or target's Prometheus."""
    return {"type": "prometheus", "uid": uid}


def letters() -> Iterator[str]:
    """``A`` … ``Z``, ``AA`` …: the names of a panel's targets."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    for size in itertools.count(1):
        yield from ("".join(letters) for letters in itertools.product(alphabet, repeat=size))


def slug(name: str) -> str:
    """``up/orders`` as the file name ``up.orders``; what must change further gets a hash."""
    return ".".join(_plain(part) for part in name.split("/", 1))


def _plain(text: str) -> str:
    plain = re.sub(r"[^A-Za-z0-9_-]+", "-", text).strip("-")[:60]
    return plain if plain == text else f"{plain or 'x'}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"

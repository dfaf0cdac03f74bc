"""Grafana's data sources: the systems of the stack, and how one leads to the other.

In these files ``$x`` is a variable of the environment; ``$$`` stands for a dollar sign.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from bongsu.signals import promql
from bongsu.signals.model import Text
from bongsu.signals.quantities import format_duration
from bongsu.stack.dashboards.board import SYSTEM_TITLES
from bongsu.stack.dashboards.scope import Scope, grafana_judges
from bongsu.stack.files import to_yaml
from bongsu.stack.model import Stack

PATH = "grafana/provisioning/datasources/bongsu.yml"
_TRACE_ID = r'(?i)trace[._-]?id"?\s*[=:]\s*"?([0-9a-f]{32})'
_TRACE = Text(en="Trace", ko="트레이스")
_ASKED = ("request_rate", "error_ratio", "latency_p95")
_AROUND = "5m"
"""How long before and after a span its logs and metrics are looked for."""


def render(stack: Stack) -> dict[str, str]:
    """One data source for each system that Grafana asks."""
    sources = [_source(stack, name, of) for name, of in _SOURCES.items() if stack.has(name)]
    return {PATH: to_yaml({"apiVersion": 1, "datasources": sources})} if sources else {}


def _source(stack: Stack, name: str, of: Callable[[Stack], dict[str, Any]]) -> dict[str, Any]:
    return {
        "name": SYSTEM_TITLES[name],
        "uid": name,
        "type": name,
        "access": "proxy",
        "orgId": 1,
        "url": stack.url(name),
        "isDefault": name == "prometheus",
        "editable": False,
        "jsonData": of(stack),
    }


def _prometheus(stack: Stack) -> dict[str, Any]:
    data: dict[str, Any] = {
        "httpMethod": "POST",
        "prometheusType": "Prometheus",
        "prometheusVersion": str(stack.version("prometheus")),
        "timeInterval": format_duration(stack.catalog.scrape.interval or 15.0),
        "manageAlerts": not grafana_judges(stack),
    }
    if stack.has("alertmanager"):
        data["alertmanagerUid"] = "alertmanager"
    traces = _traces(stack)
    if traces:
        data["exemplarTraceIdDestinations"] = [{"name": "trace_id", "datasourceUid": traces}]
    return data


def _loki(stack: Stack) -> dict[str, Any]:
    data: dict[str, Any] = {"maxLines": 1000, "manageAlerts": False}
    traces = _traces(stack)
    if traces:
        label = _TRACE.in_(stack.catalog.language)
        shared = {"url": "$${__value.raw}", "urlDisplayLabel": label, "datasourceUid": traces}
        data["derivedFields"] = [
            {"name": "trace_id", "matcherType": "label", "matcherRegex": "trace_id", **shared},
            {"name": "trace_id (line)", "matcherType": "regex", "matcherRegex": _TRACE_ID, **shared},
        ]
    return data


def _tempo(stack: Stack) -> dict[str, Any]:
    data: dict[str, Any] = {"nodeGraph": {"enabled": True}, **_to_logs(stack)}
    if stack.has("prometheus"):
        data["serviceMap"] = {"datasourceUid": "prometheus"}
        queries = list(_span_queries(stack))
        if queries:
            data["tracesToMetrics"] = {
                "datasourceUid": "prometheus",
                "spanStartTimeShift": f"-{_AROUND}",
                "spanEndTimeShift": _AROUND,
                "tags": [{"key": "service.name", "value": "job"}],
                "queries": queries,
            }
    return data


def _jaeger(stack: Stack) -> dict[str, Any]:
    return {"nodeGraph": {"enabled": True}, **_to_logs(stack)}


def _alertmanager(stack: Stack) -> dict[str, Any]:
    return {"implementation": "prometheus", "handleGrafanaManagedAlerts": False}


def _to_logs(stack: Stack) -> dict[str, Any]:
    if not stack.has("loki"):
        return {}
    label = Scope.of(stack.catalog, ()).log_label
    return {
        "tracesToLogsV2": {
            "datasourceUid": "loki",
            "spanStartTimeShift": f"-{_AROUND}",
            "spanEndTimeShift": _AROUND,
            "filterByTraceID": True,
            "filterBySpanID": False,
            "tags": [{"key": "service.name", "value": label}],
        }
    }


def _span_queries(stack: Stack) -> Iterator[dict[str, str]]:
    """What a span's service does, once for each name that its metrics have in the fleet."""
    seen = set()
    for service in stack.services:
        for name in _ASKED:
            signal = service.signals.get(name)
            if signal is None or dict(service.labels) != {"job": service.name}:
                continue
            query = promql.expression(signal, "$__tags", ("job",), "$__rate_interval")
            if query not in seen:
                seen.add(query)
                title = signal.help.in_(stack.catalog.language) or name
                yield {"name": title, "query": query.replace("$", "$$")}


def _traces(stack: Stack) -> str:
    return next((name for name in ("tempo", "jaeger") if stack.has(name)), "")


_SOURCES: Mapping[str, Callable[[Stack], dict[str, Any]]] = {
    "prometheus": _prometheus,
    "loki": _loki,
    "tempo": _tempo,
    "jaeger": _jaeger,
    "alertmanager": _alertmanager,
}

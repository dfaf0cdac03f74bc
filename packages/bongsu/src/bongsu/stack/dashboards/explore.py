"""Links from a service to its logs and traces, in Grafana's Explore."""

import json
from typing import Any
from urllib.parse import quote

from bongsu.signals.model import Text
from bongsu.stack.dashboards.board import link
from bongsu.stack.dashboards.scope import Scope

_LOGS = Text(en="Logs", ko="로그")
_TRACES = Text(en="Traces", ko="트레이스")
_KEPT = ("${__from}", "${__to}")


def service_links(scope: Scope, service: str) -> list[dict[str, Any]]:
    """To the logs and traces of ``service`` over the dashboard's time."""
    links = []
    if scope.has_logs:
        query = {"refId": "A", "expr": logql(scope, service), "queryType": "range"}
        links.append(link(scope.say(_LOGS), _explore("loki", query), icon="doc"))
    if scope.traces == "tempo":
        where = f"{{resource.service.name={json.dumps(service, ensure_ascii=False)}}}"
        query = {"refId": "A", "queryType": "traceql", "query": where}
        links.append(link(scope.say(_TRACES), _explore("tempo", query), icon="bolt"))
    if scope.traces == "jaeger":
        query = {"refId": "A", "queryType": "search", "service": service}
        links.append(link(scope.say(_TRACES), _explore("jaeger", query), icon="bolt"))
    return links


def logql(scope: Scope, service: str) -> str:
    """The streams of ``service``."""
    return f"{{{scope.log_label}={json.dumps(service, ensure_ascii=False)}}}"


def _explore(source: str, query: dict[str, str]) -> str:
    pane = {
        "datasource": source,
        "queries": [query | {"datasource": {"type": source, "uid": source}}],
        "range": {"from": _KEPT[0], "to": _KEPT[1]},
    }
    panes = quote(json.dumps({"a": pane}, ensure_ascii=False, separators=(",", ":")), safe="")
    for variable in _KEPT:
        panes = panes.replace(quote(variable, safe=""), variable)
    return f"/explore?schemaVersion=1&orgId=1&panes={panes}"

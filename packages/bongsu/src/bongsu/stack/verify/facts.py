"""Everything that a verification reads, read at once; judging it is pure."""

import asyncio
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bongsu.stack.bongsu_server import INGEST_TOKEN
from bongsu.stack.check.crossing import Generated, panels_of
from bongsu.stack.check.shapes import load
from bongsu.stack.model import Stack, secret_name
from bongsu.stack.verify import expected
from bongsu.stack.verify.expected import Expected
from bongsu.stack.verify.model import Places
from bongsu.stack.verify.operator import read_cluster
from bongsu.stack.verify.reading import Reader, Reading

NOBODY = b'{"version": "4", "status": "firing", "alerts": [], "truncatedAlerts": 0}'
"""A webhook that brings no alert: it proves the token and tells nobody anything."""

Readings = Mapping[str, Reading]


@dataclass(frozen=True, slots=True)
class PanelQuery:
    """One query of a generated dashboard. ``expression`` has values for Grafana's variables."""

    dashboard: str
    panel: str
    expression: str


@dataclass(frozen=True)
class Facts:
    """What was declared, and what was read. A reading that was not wanted is absent."""

    stack: Stack
    places: Places
    generated: Generated
    expected: Mapping[str, list[Expected]] = field(default_factory=dict)
    """Service → the series that it must have."""
    prometheus: Readings = field(default_factory=dict)
    names: Readings = field(default_factory=dict)
    """Selector → the names of its series."""
    labelled: Mapping[tuple[Expected, str], Reading] = field(default_factory=dict)
    series: Mapping[Expected, Reading] = field(default_factory=dict)
    """One series of a metric, where a label is missing."""
    panels: Mapping[PanelQuery, Reading] = field(default_factory=dict)
    endpoints: Readings = field(default_factory=dict)
    """URL → what it answered this machine."""
    alertmanager: Readings = field(default_factory=dict)
    server: Readings = field(default_factory=dict)
    token_of: str = ""
    """Whose token the webhook was tried with: a file, or a variable."""
    grafana: Readings = field(default_factory=dict)
    blackbox: Readings = field(default_factory=dict)
    cluster: Sequence[Mapping[str, Any]] = ()
    """What ``kubectl`` tells of the operator's objects."""

    @property
    def pools(self) -> list[str]:
        """The names of the jobs that Prometheus runs."""
        reading = self.prometheus.get("config")
        data = reading.data if reading is not None else None
        found = load(str(data.get("yaml", ""))) if isinstance(data, dict) else {}
        return [str(job.get("job_name")) for job in (found or {}).get("scrape_configs") or ()]


async def gather(stack: Stack, places: Places, files: Mapping[str, str]) -> Facts:
    """Ask every system of ``places``; nothing is changed anywhere, and nobody is told anything."""
    generated = Generated(stack, files)
    wanted = {service.name: expected.of_service(service) for service in stack.services}
    tokens = {getattr(places, system, ""): token for system, token in places.tokens.items()}
    async with Reader(tokens) as reader:
        prometheus, alertmanager, grafana, blackbox, endpoints = await asyncio.gather(
            _prometheus(reader, places.prometheus),
            _alertmanager(reader, places.alertmanager),
            _grafana(reader, places.grafana, generated),
            _named(reader, {"config": f"{places.blackbox}/config"} if places.blackbox else {}),
            _named(reader, {url: url for url in _endpoints(stack)} if places.direct else {}),
        )
        names, labelled, panels, series = await _metrics(reader, stack, places, wanted, generated, prometheus)
        server, token_of = await _server(reader, places, alertmanager)
    return Facts(
        stack,
        places,
        generated,
        wanted,
        prometheus,
        names,
        labelled,
        series,
        panels,
        endpoints,
        alertmanager,
        server,
        token_of,
        grafana,
        blackbox,
        await read_cluster() if stack.place == "operator" else (),
    )


async def _named(reader: Reader, urls: Mapping[str, str]) -> dict[str, Reading]:
    answers = await asyncio.gather(*(reader.get(url) for url in urls.values()))
    return dict(zip(urls, answers, strict=True))


def _endpoints(stack: Stack) -> list[str]:
    """The services' own metrics pages; a prober's targets are left to the prober."""
    return [
        url for s in stack.services if "probe_success" not in s.signals for url in target_urls(stack, s.name)
    ]


def target_urls(stack: Stack, service: str) -> list[str]:
    """Where the catalog says that the service shows its metrics."""
    spec = stack.resolved[service].spec
    path = spec.scrape.path or stack.catalog.scrape.path or "/metrics"
    found = []
    for target in spec.targets:
        scheme, _, rest = target.rpartition("://")
        netloc, slash, own = rest.partition("/")
        found.append(
            f"{scheme or 'http'}://{netloc}{slash}{own}" if own else f"{scheme or 'http'}://{netloc}{path}"
        )
    return found


async def _prometheus(reader: Reader, base: str) -> dict[str, Reading]:
    if not base:
        return {}
    paths = {
        "ready": "/-/ready",
        "build": "/api/v1/status/buildinfo",
        "targets": "/api/v1/targets",
        "config": "/api/v1/status/config",
        "rules": "/api/v1/rules",
        "alertmanagers": "/api/v1/alertmanagers",
        "metadata": "/api/v1/metadata",
        "metrics": "/metrics",
    }
    found = await _named(reader, {name: base + path for name, path in paths.items()})
    return {**found, "clock": await reader.query(base, "time()")}


async def _metrics(
    reader: Reader,
    stack: Stack,
    places: Places,
    wanted: Mapping[str, list[Expected]],
    generated: Generated,
    prometheus: Readings,
) -> tuple[
    dict[str, Reading],
    dict[tuple[Expected, str], Reading],
    dict[PanelQuery, Reading],
    dict[Expected, Reading],
]:
    if not prometheus or not prometheus["ready"].ok:
        return {}, {}, {}, {}
    base = places.prometheus

    async def ask(queries: Mapping[Any, str]) -> dict[Any, Reading]:
        distinct = list(dict.fromkeys(queries.values()))
        answers = await asyncio.gather(*(reader.query(base, query) for query in distinct))
        known = dict(zip(distinct, answers, strict=True))
        return {key: known[query] for key, query in queries.items()}

    every = [found for service in wanted.values() for found in service]
    names = await ask({e.selector: expected.names_query(e.selector) for e in every})
    live = {selector: {row.get("__name__") for row in expected.rows(r.data)} for selector, r in names.items()}
    there = [e for e in every if e.metric in live[e.selector]]
    labelled = await ask({(e, label): expected.labelled_query(e, label) for e in there for label in e.labels})
    lacking = {e: expected.one_query(e) for (e, _), reading in labelled.items() if not _result(reading)}
    panels = await ask({query: query.expression for query in panel_queries(stack, generated)})
    return names, labelled, panels, await ask(lacking)


def _result(reading: Reading) -> list[Any]:
    data = reading.data
    return data.get("result") or [] if isinstance(data, dict) else []


def panel_queries(stack: Stack, generated: Generated) -> list[PanelQuery]:
    """Every PromQL query of the generated dashboards, each as Grafana would ask it of everything."""
    found = []
    for dashboard in generated.dashboards.values():
        for panel in panels_of(dashboard):
            for target in panel.get("targets") or ():
                source = target.get("datasource") or panel.get("datasource") or {}
                if isinstance(target, dict) and target.get("expr") and source.get("type") == "prometheus":
                    text = substituted(str(target["expr"]), stack.catalog.scrape.interval or 15.0)
                    found.append(PanelQuery(str(dashboard.get("title")), str(panel.get("title")), text))
    return list(dict.fromkeys(found))


_VALUED = re.compile(r'(=~|=|!~|!=)"([^"]*\$[^"]*)"')
_VARIABLE = re.compile(r"\$\{?(\w+)(?::\w+)?\}?")


def substituted(expression: str, interval: float) -> str:
    """``$__rate_interval`` as four scrapes, as Grafana has it; a matcher by a variable takes everything."""
    every = max(1, round(interval))
    widths = {"__rate_interval": 4 * every, "__interval": every, "__range": 3600, "__auto_interval": every}

    def width(match: re.Match[str]) -> str:
        return f"{widths[match[1]]}s" if match[1] in widths else match[0]

    text = _VARIABLE.sub(width, expression)
    text = _VALUED.sub('=~".*"', text)
    return _VARIABLE.sub("5m", text)


async def _alertmanager(reader: Reader, base: str) -> dict[str, Reading]:
    if not base:
        return {}
    paths = {"ready": "/-/ready", "status": "/api/v2/status", "metrics": "/metrics"}
    return await _named(reader, {name: base + path for name, path in paths.items()})


async def _server(reader: Reader, places: Places, alertmanager: Readings) -> tuple[dict[str, Reading], str]:
    """Bongsu's health, and its webhook with the token that Alertmanager uses."""
    if not places.server:
        return {}, ""
    found = await _named(reader, {"ready": f"{places.server}/readyz"})
    token, token_of = _token(places, alertmanager)
    if token and found["ready"].status:
        found["webhook"] = await reader.post(f"{places.server}/webhooks/alertmanager", NOBODY, token)
    return found, token_of


def running_configuration(alertmanager: Readings) -> Mapping[str, Any]:
    """The configuration that Alertmanager runs, as it shows it; empty when it shows none."""
    status = alertmanager["status"].json() if "status" in alertmanager else None
    try:
        found = load(str(status["config"]["original"])) if isinstance(status, dict) else None
    except (KeyError, TypeError):
        return {}
    return found if isinstance(found, dict) else {}


def webhooks(configuration: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The receivers' webhooks that go to Bongsu."""
    found = [w for r in configuration.get("receivers") or () for w in r.get("webhook_configs") or ()]
    return [
        w
        for w in found
        if str(w.get("url", "")).endswith("/webhooks/alertmanager") or w.get("url") == "<secret>"
    ]


def _token(places: Places, alertmanager: Readings) -> tuple[str, str]:
    for webhook in webhooks(running_configuration(alertmanager)):
        authorization = (webhook.get("http_config") or {}).get("authorization") or {}
        path = Path(str(authorization.get("credentials_file") or "/nowhere"))
        # What a remote system names is read only where it is the file that we made for this.
        if path.name != secret_name(INGEST_TOKEN):
            continue
        try:
            return path.read_text(encoding="utf-8").strip(), str(path)
        except OSError:
            continue
    return places.ingest_token, "BONGSU_INGEST_TOKEN" if places.ingest_token else ""


async def _grafana(reader: Reader, base: str, generated: Generated) -> dict[str, Reading]:
    if not base:
        return {}
    urls = {"health": f"{base}/api/health"}
    urls |= {f"datasource {uid}": f"{base}/api/datasources/uid/{uid}/health" for uid in generated.datasources}
    urls |= {
        f"dashboard {d['uid']}": f"{base}/api/dashboards/uid/{d['uid']}"
        for d in generated.dashboards.values()
    }
    return await _named(reader, urls)

"""Each real system in one small catalog: what its team wrote down, resolved, with its mistakes corrected."""

from datetime import datetime
from functools import cache
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from bongsu.catalog import Catalog, CatalogError, fleet_queries, load, loads, resolve
from bongsu.catalog.models import (
    DatadogSource,
    DiscordChannel,
    EmailChannel,
    JaegerSource,
    JiraChannel,
    LokiSource,
    PagerDutyChannel,
    SignozSource,
    SlackChannel,
    TempoSource,
    WebhookChannel,
)
from bongsu.delivery.destinations import open_destinations
from bongsu.signals.model import Severity

EXAMPLES = Path(__file__).parents[2] / "examples"
SYSTEMS = ("ops-monitor", "observer", "aegis", "doktori", "reviewmaps")


@cache
def catalog_of(system: str, environment: str = "") -> Catalog:
    return load(EXAMPLES / system / "bongsu.yaml", environment=environment, env={})


def thresholds(system: str, service: str, signal: str) -> dict[str, str]:
    found = resolve(catalog_of(system))[service].signals[signal].thresholds
    return {severity.value: str(threshold) for severity, threshold in sorted(found.items())}


def told(system: str, severity: str, service: str = "") -> list[str]:
    """The channels to which an incident of ``severity`` goes."""
    routes = [
        r
        for r in catalog_of(system).routes
        if (not r.severity or Severity(severity) in r.severity) and (not r.services or service in r.services)
    ]
    return list(dict.fromkeys(name for route in routes for name in route.to))


@pytest.mark.parametrize("system", SYSTEMS)
def test_a_catalog_is_small_and_its_signals_are_named_in_korean(system: str) -> None:
    assert len((EXAMPLES / system / "bongsu.yaml").read_text(encoding="utf-8").splitlines()) < 120
    catalog = catalog_of(system)
    assert (catalog.language, catalog.timezone) == ("ko", "Asia/Seoul")
    assert all(signal.help.ko for s in resolve(catalog).values() for signal in s.signals.values())


@pytest.mark.parametrize("system", SYSTEMS)
def test_every_service_has_an_owner_and_every_severity_a_channel(system: str) -> None:
    assert all(service.owner for service in resolve(catalog_of(system)).values())
    judged = {
        s.value
        for r in resolve(catalog_of(system)).values()
        for g in r.signals.values()
        for s in g.thresholds
    }
    assert all(told(system, severity) for severity in judged)


THRESHOLDS = [
    # ops-monitor: 5 % and 2000 ms, as the team tuned them, over 15 minutes
    ("ops-monitor", "api-gateway", "error_ratio", {"P1": "> 0.5 for 2m", "P2": "> 0.05"}),
    ("ops-monitor", "orders", "latency_p95", {"P2": "> 2"}),
    # observer: its eight alerts
    ("observer", "observer", "crash_looping", {"P3": ">= 1 for 15m"}),
    ("observer", "observer", "restarts", {"P3": ">= 3"}),
    ("observer", "observer", "error_ratio", {"P1": "> 0.05 for 5m"}),
    ("observer", "observer", "last_write_age", {"P3": "> 600 for 1m"}),
    ("observer", "observer", "volume_used", {"P1": "> 0.97 for 1m", "P3": "> 0.85 for 15m"}),
    ("observer", "postgres", "database_up", {"P1": "< 1 for 2m"}),
    ("observer", "observer", "container_memory_used", {"P3": "> 0.9 for 5m"}),
    ("observer", "observer", "latency_p95", {"P3": "> 5 for 5m"}),
    ("observer", "observer", "websocket_connections", {"P3": "< 1 for 10m"}),
    # aegis: its three rules
    ("aegis", "aegis-api", "latency_p95", {"P3": "> 3 for 5m"}),
    ("aegis", "aegis-api", "error_ratio", {"P1": "> 0.01 for 5m"}),
    ("aegis", "postgres", "connections_used", {"P3": "> 0.8 for 5m"}),
    # doktori: four severities
    ("doktori", "api", "up", {"P1": "< 1 for 2m"}),
    ("doktori", "site", "probe_success", {"P1": "< 1 for 3m"}),
    ("doktori", "api", "error_ratio", {"P1": "> 0.5 for 2m", "P2": "> 0.1 for 5m"}),
    ("doktori", "host", "disk_used", {"P1": "> 0.95 for 5m", "P3": "> 0.8 for 15m"}),
    ("doktori", "api", "latency_p99", {"P2": "> 5 for 5m"}),
    ("doktori", "api", "latency_p95", {}),
    ("doktori", "host", "memory_used", {"P2": "> 0.9 for 5m"}),
    ("doktori", "chat", "hikari_pending", {"P2": "> 0 for 2m"}),
    ("doktori", "host", "cpu_used", {"P3": "> 0.8 for 15m"}),
    ("doktori", "api", "gc_pause", {"P3": "> 0.5 for 4m"}),
    ("doktori", "api", "uptime", {"P4": "< 300"}),
    ("doktori", "site", "certificate_left", {"P2": "< 259200 for 15m", "P4": "< 1.728e+06 for 1h"}),
    # reviewmaps and ojeomneo
    ("reviewmaps", "reviewmaps-server", "error_ratio", {"P1": "> 0.5 for 2m", "P3": "> 0.05 for 5m"}),
    ("reviewmaps", "ojeomneo-server", "latency_p95", {"P3": "> 1 for 5m"}),
    ("reviewmaps", "reviewmaps-server", "up", {"P1": "< 1 for 2m"}),
]


@pytest.mark.parametrize(("system", "service", "signal", "expected"), THRESHOLDS)
def test_thresholds_are_as_the_team_wants_them(
    system: str, service: str, signal: str, expected: dict[str, str]
) -> None:
    assert thresholds(system, service, signal) == expected


ROUTES = [
    ("ops-monitor", "P1", ["bug-reporting", "issues"]),
    ("ops-monitor", "P3", ["issues"]),
    ("observer", "P1", ["alerts"]),
    ("observer", "P3", ["alerts"]),
    ("aegis", "P1", ["critical", "mail", "hook"]),
    ("aegis", "P3", ["warning", "hook"]),
    ("aegis", "P4", ["hook"]),
    ("doktori", "P1", ["urgent"]),
    ("doktori", "P2", ["urgent"]),
    ("doktori", "P3", ["normal"]),
    ("doktori", "P4", ["normal"]),
    ("reviewmaps", "P1", ["slack", "mail", "pager"]),
    ("reviewmaps", "P3", ["slack", "mail"]),
]


@pytest.mark.parametrize(("system", "severity", "expected"), ROUTES)
def test_incidents_go_where_the_team_wants_them(system: str, severity: str, expected: list[str]) -> None:
    assert told(system, severity) == expected


def test_ops_monitor_reads_signoz_every_five_minutes_and_keeps_quiet_for_thirty() -> None:
    catalog = catalog_of("ops-monitor")
    assert isinstance(catalog.sources["signoz"], SignozSource)
    assert (catalog.watch.interval, catalog.watch.cooldown) == (300, 1800)
    windows = {s.window for r in resolve(catalog).values() for s in r.signals.values()}
    assert windows == {900}


def test_ops_monitor_files_issues_mentions_a_role_and_reports_at_23() -> None:
    catalog = catalog_of("ops-monitor")
    issues = catalog.channels["issues"]
    assert isinstance(issues, JiraChannel)
    assert issues.project == "OPS"
    assert all(catalog.owners[r.owner].discord.role for r in resolve(catalog).values())
    assert isinstance(catalog.channels["day-review"], DiscordChannel)
    assert catalog.report is not None
    assert (catalog.report.at, catalog.report.to) == ("23:00", ("day-review",))


def test_ops_monitor_takes_its_roadmap_as_an_overlay() -> None:
    catalog = catalog_of("ops-monitor", "next")
    assert isinstance(catalog.sources["datadog"], DatadogSource)
    assert isinstance(catalog.channels["pager"], PagerDutyChannel)
    assert isinstance(catalog.channels["slack"], SlackChannel)
    assert len(catalog.routes) == 3


def test_observer_is_found_by_the_operator_under_its_own_metric_names() -> None:
    catalog = catalog_of("observer")
    assert catalog.kubernetes.release == "prometheus"
    assert (catalog.scrape.interval, catalog.scrape.timeout, catalog.scrape.port) == (30, 10, "http")
    observer = resolve(catalog)["observer"]
    metrics = {getattr(s, "metric", "") for s in observer.signals.values()}
    assert {
        "observer_http_requests_total",
        "observer_http_request_duration_seconds",
        "observer_active_connections",
        "observer_jsonl_files_written_total",
    } <= metrics
    assert observer.signals["latency_p95"].match.keys() == {"endpoint"}
    assert observer.signals["jsonl_written_by_track"].by == ("track",)
    assert observer.labels_of("volume_used") == {"namespace": "observer-prod"}
    (hours,) = observer.signals["websocket_connections"].active
    assert datetime(2026, 1, 5, 9, 0) in hours  # noqa: DTZ001 - a time in the catalog's zone
    assert datetime(2026, 1, 4, 9, 0) not in hours  # noqa: DTZ001


def test_observer_groups_as_its_alertmanager_did() -> None:
    grouping = catalog_of("observer").grouping
    assert (grouping.wait, grouping.interval, grouping.repeat) == (10, 10, 12 * 3600)
    assert grouping.by == ("alertname", "severity")


def test_aegis_keeps_telemetry_and_scrapes_as_written() -> None:
    catalog = catalog_of("aegis")
    day = 86400
    kept = catalog.retention
    assert (kept.metrics, kept.containers, kept.traces) == (30 * day, 7 * day, 7 * day)
    assert catalog.scrape.interval == 15
    assert isinstance(catalog.sources["jaeger"], JaegerSource)
    assert {"postgres", "redis", "node", "container"} <= {
        k for s in catalog.services.values() for k in s.kind
    }


def test_aegis_mails_and_posts_what_slack_gets() -> None:
    channels = catalog_of("aegis").channels
    assert isinstance(channels["mail"], EmailChannel)
    assert isinstance(channels["hook"], WebhookChannel)
    assert channels["mail"].to == ("ops-team@aegis.kr",)


def test_aegis_watches_the_accuracy_of_its_recommendations() -> None:
    signals = resolve(catalog_of("aegis"))["recommendation"].signals
    assert {"accuracy", "database_connections"} <= signals.keys()


def test_doktori_calls_everybody_for_p1_and_nobody_for_p3() -> None:
    mentions = {s: r.mention for r in catalog_of("doktori").routes for s in r.severity}
    assert mentions == {
        Severity.P1: "here",
        Severity.P2: True,
        Severity.P3: False,
        Severity.P4: False,
    }


def test_doktori_names_its_stack_and_its_people() -> None:
    catalog = catalog_of("doktori")
    assert catalog.targets == {
        "prometheus": "3.5",
        "loki": "3.5",
        "grafana": "12",
        "tempo": "2.9",
        "alloy": "1.11",
    }
    assert isinstance(catalog.sources["loki"], LokiSource)
    assert isinstance(catalog.sources["tempo"], TempoSource)
    rotation = catalog.owners["backend"].oncall
    assert rotation is not None
    assert all(catalog.owners[member].discord.user for member in rotation.members)
    assert catalog.services["api"].logs
    assert catalog.services["chat"].targets == ("http://10.0.1.10:8081/actuator/prometheus",)
    assert catalog.report is not None
    assert catalog.report.days[0].days == (0,)


def test_reviewmaps_has_its_port_names_paths_and_prefixes() -> None:
    services = resolve(catalog_of("reviewmaps"))
    scrapes = {n: (s.spec.scrape.port, s.spec.scrape.path) for n, s in services.items()}
    assert scrapes["reviewmaps-server"] == ("http", "/metrics")
    assert scrapes["ojeomneo-server"] == ("fiber", "/ojeomneo/metrics")
    for name, prefix in (("reviewmaps-server", "reviewmaps"), ("ojeomneo-server", "ojeomneo")):
        metrics = {getattr(s, "metric", "") for s in services[name].signals.values()}
        five = ("requests_total", "request_duration_seconds", "active_connections")
        assert {f"{prefix}_http_{metric}" for metric in five} <= metrics
        assert {f"{prefix}_http_{size}_size_bytes_sum" for size in ("request", "response")} <= metrics
        assert {"latency_p50", "latency_p95", "latency_p99"} <= services[name].signals.keys()
    assert services["ojeomneo-server"].spec.runs.argocd == "ojeomneo"


@pytest.mark.parametrize("system", SYSTEMS)
def test_services_with_thresholds_of_their_own_are_judged_by_them(system: str) -> None:
    services = resolve(catalog_of(system))
    for query in fleet_queries(services.values()):
        for service in query.services:
            assert query.signal.thresholds == services[service].signals[query.name].thresholds


def test_a_channel_of_a_type_that_cannot_be_used_yet_is_left_out_and_logged() -> None:
    channels = {n: c for n, c in catalog_of("aegis").channels.items() if n == "hook"}
    with capture_logs() as logs:
        opened = open_destinations(channels)
    assert opened or [(line["channel"], line["log_level"]) for line in logs] == [("hook", "error")]


REFUSED = {
    "a Slack channel with two ways in": (
        "channels: {s: {type: slack, webhook: {env: A}, token: {env: B}, channel: x}}",
        "either a webhook, or an app's token and a channel",
    ),
    "an app without a channel": (
        "channels: {s: {type: slack, token: {env: B}}}",
        "an app's token needs a channel to write to",
    ),
    "a time that YAML would count": ("report: {at: 23:00, to: x}", 'quote it: "23:00"'),
    "a report to nowhere": ('report: {at: "23:00", to: x}', "there is no channel 'x'"),
    "a version that YAML would shorten": ("targets: {prometheus: 3.10}", "a version is text"),
    "a target of another name": ('targets: {grafna: "12"}', "'grafana'"),
    "hours that are none": (
        "channels: {w: {type: webhook, url: 'http://x'}}\nroutes: [{to: w, during: weekends}]",
        "are no hours; write them like 'mon-fri 09:00-18:00'",
    ),
    "a scrape that outlasts its interval": (
        "scrape: {interval: 10s, timeout: 30s}",
        "cannot be longer than its interval",
    ),
    "maintenance both once and for ever": (
        "maintenance: [{start: '2026-01-01T00:00:00Z', end: '2026-01-02T00:00:00Z', every: sun}]",
        "either start and end, or every",
    ),
    "maintenance without an end": ("maintenance: [{start: '2026-01-01T00:00:00Z'}]", "both start and end"),
    "an objective of what has no events": (
        "services: {s: {kind: fastapi, objectives: {o: {signal: memory, target: 99%}}}}",
        "name a signal of the form ratio or quantile",
    ),
    "an objective of a quantile without a bound": (
        "services: {s: {kind: fastapi, objectives: {o: {signal: latency_p95, target: 99%}}}}",
        "add below: with one of the buckets' bounds",
    ),
    "an objective of an hour": (
        "services: {s: {kind: fastapi, objectives: {o: {signal: error_ratio, target: 99%, period: 1h}}}}",
        "give 1d or more",
    ),
    "a runbook of no signal": (
        "services: {s: {kind: fastapi, runbooks: {eror_ratio: 'http://x'}}}",
        "did you mean 'error_ratio'?",
    ),
    "hours of no signal": (
        "services: {s: {kind: websocket, active: {websockets: mon-fri}}}",
        "no signal 'websockets'",
    ),
    "a placeholder without a value": (
        "kinds: {k: {signals: {a: {form: rate, metric: '{thing}_total'}}}}\nservices: {s: {kind: k}}",
        "need a value for 'thing'",
    ),
    "a team of strangers": ("owners: {team: {members: [nobody]}}", "there is no owner 'nobody'"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_meant_is_refused(name: str) -> None:
    text, expected = REFUSED[name]
    with pytest.raises(CatalogError) as caught:
        loads(f"name: a\n{text}\n")
    assert expected in str(caught.value)


def test_a_window_of_the_catalog_leaves_alone_what_needs_its_own() -> None:
    signals = resolve(
        loads("name: a\ndefaults: {window: 15m}\nservices: {s: {kind: [spring-boot, kubernetes-workload]}}\n")
    )["s"].signals
    assert (signals["error_ratio"].window, signals["latency_p95"].window) == (900, 900)
    assert (signals["hikari_pending"].window, signals["restarts"].window) == (180, 3600)


def test_recurring_maintenance_and_hours_over_midnight() -> None:
    (window,) = loads("name: a\nmaintenance: [{every: 'sat 23:00-02:00', reason: backup}]\n").maintenance
    (hours,) = window.every
    saturday, sunday, monday = (datetime(2026, 1, day, 1, 0) for day in (3, 4, 5))  # noqa: DTZ001
    assert saturday.replace(hour=23) in hours
    assert sunday in hours
    assert sunday.replace(hour=2) not in hours
    assert saturday not in hours
    assert monday not in hours

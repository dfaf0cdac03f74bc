"""The shipped kinds: well worded, possible, and free of the mistakes that monitoring tutorials repeat."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import promql_parser
import pytest

from bongsu.catalog import ResolvedService, fleet_queries, loads, resolve
from bongsu.catalog.kinds import builtin_kinds
from bongsu.signals import promql
from bongsu.signals.model import (
    Age,
    AnySignal,
    Expr,
    Gauge,
    Increase,
    Presence,
    Quantile,
    Rate,
    Ratio,
    Severity,
)
from bongsu.signals.query import FleetQuery
from bongsu.stack.rules import rule_groups
from bongsu.watch.judge import Judge
from bongsu_instrument import DEFAULT_BUCKETS
from tests.live_servers import require

KINDS = builtin_kinds()
OWN_SIGNALS = [(kind, name) for kind, spec in KINDS.items() for name in spec.signals]


def service_of(kind: str, **fields: Any) -> ResolvedService:
    given = "".join(f", {key}: {value}" for key, value in fields.items())
    catalog = loads(f"name: t\nservices:\n  s: {{kind: {kind}, prefix: app{given}}}\n")
    return resolve(catalog)["s"]


def signal_of(kind: str, name: str) -> AnySignal:
    return service_of(kind).signals[name]


def query_of(kind: str, name: str, **fields: Any) -> FleetQuery:
    service = service_of(kind, **fields)
    return next(query for query in fleet_queries([service]) if query.name == name)


def promql_of(kind: str, name: str, **fields: Any) -> str:
    return promql.compile(query_of(kind, name, **fields))


def thresholds_of(kind: str, name: str) -> dict[str, str]:
    return {s.value: str(t) for s, t in signal_of(kind, name).thresholds.items()}


EXPECTED_KINDS = (
    "fastapi starlette django flask spring-boot go-fiber generic-http otel-http nginx postgres redis node "
    "container kubernetes-workload kubernetes-volume blackbox websocket file-writer batch prometheus"
)


@pytest.mark.parametrize("kind", EXPECTED_KINDS.split())
def test_each_kind_is_there_with_a_title_in_both_languages(kind: str) -> None:
    assert KINDS[kind].title.en
    assert KINDS[kind].title.ko
    assert service_of(kind).signals


@pytest.mark.parametrize(("kind", "name"), OWN_SIGNALS)
def test_help_and_problem_are_written_in_both_languages(kind: str, name: str) -> None:
    signal = KINDS[kind].signals[name]
    for text in (signal.help, signal.problem):
        assert text.en
        assert re.search("[가-힣]", text.ko)
        assert not text.en.endswith(".")
        assert not text.ko.endswith((".", "다"))


@pytest.mark.parametrize(("kind", "name"), OWN_SIGNALS)
def test_the_unit_fits_form_and_metric(kind: str, name: str) -> None:
    signal = signal_of(kind, name)
    match signal:
        case Rate() if "_seconds" in signal.metric and not signal.metric.endswith("_count"):
            assert signal.unit in {"ratio", "count"}, "seconds a second are a share of time, or cores"
        case Rate():
            assert signal.unit == ("bytes_per_second" if "bytes" in signal.metric else "per_second")
        case Increase():
            assert signal.unit == "count"
        case Gauge() if signal.divisor:
            assert signal.unit == "ratio"
        case Gauge() if signal.metric.endswith(("_seconds", "_seconds_max", "_duration")):
            assert signal.unit == "s"
        case Gauge() if signal.metric.endswith("_bytes"):
            assert signal.unit == "bytes"
        case Gauge() if signal.metric.endswith(("_up", "_success", "_reason", "_successful", "_status")):
            assert signal.unit == "bool"
        case Quantile() | Age():
            assert signal.unit == "s"
    assert signal.window >= 60


@pytest.mark.parametrize(("kind", "name"), OWN_SIGNALS)
def test_thresholds_can_happen_point_the_right_way_and_grow_with_severity(kind: str, name: str) -> None:
    signal = signal_of(kind, name)
    for severity, threshold in signal.thresholds.items():
        assert threshold.op in ({">", ">="} if signal.worse == "up" else {"<", "<="})
        if signal.unit in {"ratio", "bool"}:
            assert any(threshold.holds(value) for value in (0.0, 0.001, 0.999, 1.0))
            assert not all(threshold.holds(value) for value in (0.0, 1.0))
        for milder, other in signal.thresholds.items():
            if severity.rank < milder.rank:
                assert not other.holds(threshold.value) or threshold.value != other.value
                assert other.holds(threshold.value), "what is worse holds whenever the milder one does"


@pytest.mark.parametrize("kind", KINDS)
def test_every_signal_compiles_to_promql_that_parses(kind: str) -> None:
    for query in fleet_queries([service_of(kind, runs="{namespace: prod, volume: data}")]):
        text = promql.compile(query)
        promql_parser.parse(text)
        assert not re.search(r"\{(?:by|prefix|route|health|status)\}|\$selector|\$window", text)


def test_the_base_of_http_services_knows_all_five_metrics() -> None:
    metrics = {getattr(s, "metric", "") for s in service_of("go-fiber").signals.values()}
    assert {
        "app_http_requests_total",
        "app_http_request_duration_seconds",
        "app_http_active_connections",
        "app_http_request_size_bytes_sum",
        "app_http_response_size_bytes_sum",
    } <= metrics


def test_labels_of_another_name_are_a_matter_of_variables() -> None:
    text = promql_of("generic-http", "error_ratio", variables="{route: endpoint, status: status_code}")
    assert 'status_code=~"5.."' in text
    assert "endpoint!~" in text
    assert "path" not in text


def test_an_exporter_of_many_services_is_asked_by_place_not_by_job() -> None:
    service = service_of("[fastapi, container, kubernetes-workload]", runs="{namespace: prod}")
    assert service.labels_of("error_ratio") == {"job": "s"}
    assert service.labels_of("container_memory_used") == {"namespace": "prod", "container": "s"}
    assert service.labels_of("deployment_available") == {"namespace": "prod", "deployment": "s"}
    volume = service_of("kubernetes-volume", runs="{namespace: prod}")
    assert volume.labels_of("volume_used") == {"namespace": "prod"}


# What tutorials get wrong, one test for each idea.


@pytest.mark.parametrize("kind", ["fastapi", "spring-boot", "go-fiber", "otel-http"])
def test_slow_p95_sums_by_le_leaves_out_health_checks_and_has_a_bucket_above_its_threshold(kind: str) -> None:
    text = promql_of(kind, "latency_p95")
    assert "histogram_quantile(0.95, sum by (job, le) (rate(" in text
    assert "> 0.1" in text, "a quantile of hardly any requests says nothing"
    assert "health" in text
    (threshold,) = signal_of(kind, "latency_p95").thresholds.values()
    assert threshold.value < max(DEFAULT_BUCKETS)


@pytest.mark.parametrize("kind", ["fastapi", "spring-boot", "go-fiber", "otel-http"])
def test_error_ratio_divides_sums_with_a_traffic_floor_and_counts_the_same_requests(kind: str) -> None:
    signal = signal_of(kind, "error_ratio")
    assert isinstance(signal, Ratio)
    assert signal.floor > 0
    assert signal.of_match.items() <= signal.match.items(), "a failing health check is no failed request"
    assert promql_of(kind, "error_ratio").count("sum by (job) (rate(") == 3
    assert "error_ratio" not in service_of("nginx").signals, "stub_status has no status codes"


def test_database_connections_are_summed_over_states_against_what_applications_may_use() -> None:
    text = promql_of("postgres", "connections_used")
    assert "sum by (job, instance) (pg_stat_activity_count{" in text
    assert "pg_settings_max_connections" in text
    assert "- max by (job, instance) (pg_settings_superuser_reserved_connections{" in text
    assert thresholds_of("postgres", "connections_used")["P3"] == "> 0.8 for 5m"


def test_a_restarting_pod_is_seen_by_its_waiting_reason_and_by_a_count_of_restarts() -> None:
    looping = signal_of("kubernetes-workload", "crash_looping")
    assert isinstance(looping, Gauge)
    assert (looping.over, looping.window, looping.match) == ("max", 300, {"reason": "CrashLoopBackOff"})
    assert thresholds_of("kubernetes-workload", "crash_looping") == {"P3": ">= 1 for 15m"}
    restarts = signal_of("kubernetes-workload", "restarts")
    assert isinstance(restarts, Increase)
    assert (restarts.window, thresholds_of("kubernetes-workload", "restarts")) == (3600, {"P3": ">= 3"})


def test_a_volume_is_one_however_many_nodes_mount_it_and_read_only_ones_do_not_count() -> None:
    for name in ("volume_used", "volume_inodes_used"):
        signal = signal_of("kubernetes-volume", name)
        assert isinstance(signal, Gauge)
        assert (signal.agg, signal.complement) == ("max", True)
        assert signal.unless is not None
        assert signal.unless.match == {"access_mode": "ReadOnlyMany"}
    text = promql_of("kubernetes-volume", "volume_used", runs="{namespace: prod}")
    assert "max by (namespace, persistentvolumeclaim) (" in text
    filling = promql_of("kubernetes-volume", "volume_filling")
    assert "predict_linear(kubelet_volume_stats_available_bytes" in filling
    assert "< 0.15" in filling
    assert thresholds_of("kubernetes-volume", "volume_used") == {
        "P1": "> 0.97 for 1m",
        "P3": "> 0.85 for 15m",
    }


@pytest.mark.parametrize(("kind", "name"), [("postgres", "database_up"), ("redis", "server_up")])
def test_a_database_is_down_too_when_its_exporter_is_gone(kind: str, name: str) -> None:
    assert signal_of(kind, name).absent == "alert"
    assert thresholds_of(kind, name) == {"P1": "< 1 for 2m"}


def test_memory_is_what_cannot_be_freed_against_a_limit_above_zero() -> None:
    machine = signal_of("node", "memory_used")
    assert isinstance(machine, Gauge)
    assert (machine.metric, machine.complement) == ("node_memory_MemAvailable_bytes", True)
    container = promql_of("container", "container_memory_used")
    assert "container_memory_working_set_bytes" in container
    assert re.search(r"/ \(max by .*container_spec_memory_limit_bytes\{.*\}\) > 0\)$", container)
    assert 'container!~"|POD"' in container
    heap = promql_of("spring-boot", "heap_after_gc")
    assert heap.startswith("max by (job, instance) (jvm_gc_live_data_size_bytes")
    assert re.search(r"jvm_gc_max_data_size_bytes\{.*\}\) > 0\)$", heap)


def test_no_websocket_connections_is_also_told_of_a_dead_application() -> None:
    signal = signal_of("websocket", "websocket_connections")
    assert isinstance(signal, Gauge)
    assert (signal.agg, signal.absent) == ("sum", "alert")
    hours = service_of("websocket", active="{websocket_connections: mon-fri 09:00-18:00}")
    (active,) = hours.signals["websocket_connections"].active
    assert (active.days, active.start, active.end) == ((0, 1, 2, 3, 4), 540, 1080)


def test_missing_files_are_told_by_the_age_of_the_last_one_not_by_a_counter() -> None:
    for kind, name in (("file-writer", "last_write_age"), ("batch", "last_success_age")):
        signal = signal_of(kind, name)
        assert isinstance(signal, Age)
        assert signal.absent == "alert"
    assert promql_of("file-writer", "last_write_age").startswith("time() - max by (job) (app_last_write_")
    assert thresholds_of("file-writer", "last_write_age") == {"P3": "> 600 for 1m"}


@pytest.mark.parametrize("kind", [k for k in KINDS if "up" in service_of(k).signals])
def test_down_needs_more_than_one_missed_scrape_and_sees_a_vanished_target(kind: str) -> None:
    query = query_of(kind, "up")
    assert isinstance(query.signal, Presence)
    assert query.signal.absent == "alert"
    assert all(t.for_ >= 120 for t in query.signal.thresholds.values())
    rules = rule_groups([query], interval=15, language="en")["groups"][0]["rules"]
    assert any(rule["expr"] == 'absent(up{job="s"})' for rule in rules)


def test_a_failed_probe_does_not_flap_and_is_paired_with_the_prober() -> None:
    assert thresholds_of("blackbox", "probe_success") == {"P1": "< 1 for 3m"}
    assert signal_of("blackbox", "probe_success").absent == "alert"
    assert "up" in service_of("blackbox").signals


def test_disks_are_judged_by_what_is_available_on_real_writable_filesystems() -> None:
    for name, free in (
        ("disk_used", "node_filesystem_avail_bytes"),
        ("disk_inodes_used", "node_filesystem_files_free"),
    ):
        signal = signal_of("node", name)
        assert isinstance(signal, Gauge)
        assert (signal.metric, signal.complement) == (free, True)
        assert signal.unless is not None
        assert signal.unless.metric == "node_filesystem_readonly"
        assert "tmpfs" not in signal.match["fstype"]
        assert signal.match == signal.divisor_match
        assert set(signal.by) == {"instance", "mountpoint"}
    assert thresholds_of("node", "disk_used") == {"P1": "> 0.95 for 5m", "P3": "> 0.8 for 15m"}
    assert "predict_linear(node_filesystem_avail_bytes" in promql_of("node", "disk_filling")


def test_threads_that_wait_for_a_connection_must_wait_all_the_time() -> None:
    signal = signal_of("spring-boot", "hikari_pending")
    assert isinstance(signal, Gauge)
    assert (signal.over, signal.window) == ("min", 180)
    assert thresholds_of("spring-boot", "hikari_pending") == {"P2": "> 0 for 2m"}
    timeouts = signal_of("spring-boot", "hikari_timeouts")
    assert isinstance(timeouts, Increase)
    assert timeouts.metric == "hikaricp_connections_timeout_total"


def test_a_gc_pause_outlasts_micrometers_maximum_and_overhead_is_judged_beside_it() -> None:
    pause = signal_of("spring-boot", "gc_pause")
    assert isinstance(pause, Gauge)
    assert pause.metric == "jvm_gc_pause_seconds_max"
    assert pause.thresholds[Severity.P3].for_ > 180
    overhead = promql_of("spring-boot", "gc_overhead")
    assert overhead == 'sum by (job, instance) (rate(jvm_gc_pause_seconds_sum{job="s"}[5m]))'
    assert thresholds_of("spring-boot", "gc_overhead") == {"P3": "> 0.1 for 5m"}


def test_cpu_is_a_lasting_warning_of_one_machine() -> None:
    text = promql_of("node", "cpu_used")
    assert 'mode!="idle"' in text
    assert "sum by (job, instance)" in text
    assert thresholds_of("node", "cpu_used") == {"P3": "> 0.8 for 15m"}


def test_a_certificate_warns_after_its_renewal_was_due_and_expiry_is_its_own_alert() -> None:
    for name in ("certificate_left", "certificate_expired"):
        signal = signal_of("blackbox", name)
        assert isinstance(signal, Age)
        assert (signal.left, signal.over, signal.window) == (True, "last", 600)
    left = signal_of("blackbox", "certificate_left").thresholds
    assert {s: t.value / 86400 for s, t in left.items()} == {Severity.P2: 3, Severity.P3: 14}
    assert thresholds_of("blackbox", "certificate_expired") == {"P1": "<= 0"}


# What the compilers, the rules and the watch have to do with the fields that the kinds use.


@pytest.mark.parametrize(
    ("kind", "name", "parts"),
    [
        ("spring-boot", "hikari_pending", ["max by (job, instance, pool) (min_over_time(", "[3m]))"]),
        ("kubernetes-workload", "crash_looping", ["(max_over_time(kube_pod_container_status_waiting"]),
        ("blackbox", "probe_latency", ["(avg_over_time(probe_duration_seconds{", "[5m]))"]),
        ("blackbox", "certificate_left", ["min by (job, instance) (last_over_time(", "[10m])) - time()"]),
        ("node", "memory_used", ["1 - ", " / (max by (job, instance) (node_memory_MemTotal_bytes{"]),
        ("node", "disk_used", ["1 - ", " unless on ", "instance, mountpoint) (node_filesystem_readonly{"]),
        ("kubernetes-volume", "volume_used", [" unless ", 'access_mode="ReadOnlyMany"']),
    ],
)
def test_the_fields_of_a_form_are_in_its_expression(kind: str, name: str, parts: list[str]) -> None:
    text = promql_of(kind, name)
    promql_parser.parse(text)
    for part in parts:
        assert part in text


@pytest.mark.parametrize(
    ("kind", "name", "metric"),
    [
        ("postgres", "database_up", "pg_up"),
        ("websocket", "websocket_connections", "app_websocket_connections"),
        ("file-writer", "last_write_age", "app_last_write_timestamp_seconds"),
    ],
)
def test_absence_has_its_own_rule(kind: str, name: str, metric: str) -> None:
    rules = rule_groups([query_of(kind, name)], interval=15, language="en")["groups"][0]["rules"]
    assert f'absent({metric}{{job="s"}})' in [rule["expr"] for rule in rules]


def test_the_watch_takes_absence_for_a_broken_threshold() -> None:
    judge = Judge(resolve_after=60)
    signal = signal_of("file-writer", "last_write_age")
    judge.step("last_write_age", signal, {"s": None}, 0.0)
    (alert,) = judge.step("last_write_age", signal, {"s": None}, 61.0)
    assert alert.severity is Severity.P3


def test_raw_promql_is_kept_for_what_no_form_can_say() -> None:
    raw = {f"{kind}.{name}" for kind, name in OWN_SIGNALS if isinstance(signal_of(kind, name), Expr)}
    assert raw == {"postgres.connections_used", "node.disk_filling", "kubernetes-volume.volume_filling"}


RAW_CASES = [
    (
        ("postgres", "connections_used", "> 0.8", {}),
        {
            'pg_stat_activity_count{job="s",instance="a",state="active"}': "45x80",
            'pg_stat_activity_count{job="s",instance="a",state="idle"}': "40x80",
            'pg_settings_max_connections{job="s",instance="a"}': "100x80",
            'pg_settings_superuser_reserved_connections{job="s",instance="a"}': "3x80",
        },
        {"job": "s", "instance": "a"},
    ),
    (
        ("node", "disk_filling", "< 0", {}),
        {
            f'node_filesystem_{metric}{{job="s",instance="a",mountpoint="{mount}",fstype="ext4"}}': values
            for mount, free, readonly in (("/", 390, 0), ("/image", 390, 1), ("/roomy", 900, 0))
            for metric, values in (
                ("avail_bytes", f"{free}-1x80"),
                ("size_bytes", "1000x80"),
                ("readonly", f"{readonly}x80"),
            )
        },
        {"job": "s", "instance": "a", "mountpoint": "/"},
    ),
    (
        ("kubernetes-volume", "volume_filling", "< 0", {"runs": "{namespace: p}"}),
        {
            f'kubelet_volume_stats_{metric}{{namespace="p",persistentvolumeclaim="{pvc}",node="{n}"}}': values
            for pvc, n in (("data", 1), ("data", 2), ("image", 1))
            for metric, values in (("available_bytes", "140-1x80"), ("capacity_bytes", "1000x80"))
        }
        | {
            'kube_persistentvolumeclaim_access_mode{namespace="p",persistentvolumeclaim="image",'
            'access_mode="ReadOnlyMany"}': "1x80"
        },
        {"namespace": "p", "persistentvolumeclaim": "data"},
    ),
]


@pytest.mark.parametrize(("asked", "series", "labels"), RAW_CASES, ids=lambda case: str(case)[2:20])
def test_raw_promql_fires_on_what_it_is_for_and_on_nothing_else(
    asked: tuple[str, str, str, dict[str, str]],
    series: dict[str, str],
    labels: dict[str, str],
    tmp_path: Path,
) -> None:
    (promtool,) = require("promtool")
    kind, name, condition, fields = asked
    rule = {"alert": "Raw", "expr": f"({promql_of(kind, name, **fields)}) {condition}"}
    rules = {"groups": [{"name": "raw", "rules": [rule]}]}
    test = {
        "interval": "5m",
        "input_series": [{"series": one, "values": values} for one, values in series.items()],
        "alert_rule_test": [
            {"eval_time": "380m", "alertname": "Raw", "exp_alerts": [{"exp_labels": labels}]}
        ],
    }
    (tmp_path / "rules.yaml").write_text(json.dumps(rules))
    (tmp_path / "test.yaml").write_text(json.dumps({"rule_files": ["rules.yaml"], "tests": [test]}))
    done = subprocess.run(
        [promtool, "test", "rules", "test.yaml"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr

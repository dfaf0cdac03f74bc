"""Where the rules of tutorials go wrong, the generated ones do not: each case shown on both by promtool."""

from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from bongsu.catalog import fleet_queries, loads, resolve
from bongsu.stack.files import to_yaml
from bongsu.stack.rules import About, Rule, alert_rules, document
from tests.stack.support import promtool

TUTORIAL = Path(__file__).with_name("tutorial.yml")
CATALOG = """
name: t
services:
  api: {kind: generic-http}
  app: {kind: spring-boot}
  db: {kind: postgres}
  pod: {kind: [kubernetes-workload, kubernetes-volume], runs: {namespace: ns}}
  host: {kind: node}
  chat: {kind: websocket}
  files: {kind: file-writer}
  site: {kind: blackbox}
"""


@dataclass(frozen=True)
class Case:
    tutorial: str
    ours: str
    series: dict[str, str]
    fires: bool
    """Whether something is wrong: then our rule fires and the tutorial's does not; else the reverse."""
    at: str = "30m"


def histogram(instance: str, per_minute: float, slow: bool) -> dict[str, str]:
    at = f'job="api",instance="{instance}",path="/a"'
    shares = {"0.5": 0.0 if slow else 1.0, "2.5": 0.0 if slow else 1.0, "5": 1.0, "+Inf": 1.0}
    series = {
        f'http_request_duration_seconds_bucket{{{at},le="{le}"}}': f"0+{per_minute * share:g}x60"
        for le, share in shares.items()
    }
    return series | {f"http_request_duration_seconds_count{{{at}}}": f"0+{per_minute:g}x60"}


VOLUME = 'namespace="ns",persistentvolumeclaim="v"'
DISK = 'job="host",instance="h",mountpoint="/",device="sda",fstype="ext4"'
CASES = {
    "one slow pod with little traffic": Case(
        "SlowApi", "LatencyP95HighApi", histogram("a", 6000, False) | histogram("b", 12, True), fires=False
    ),
    "one request in a hundred thousand fails": Case(
        "ManyErrors",
        "ErrorRatioHighApi",
        {
            'http_requests_total{job="api",path="/a",status="200"}': "0+100000x60",
            'http_requests_total{job="api",path="/a",status="500"}': "0+1x60",
        },
        fires=False,
    ),
    "45 active and 40 idle connections of 100": Case(
        "DatabaseConnections",
        "ConnectionsUsedWarning",
        {
            'pg_stat_activity_count{job="db",instance="d",state="active"}': "45x60",
            'pg_stat_activity_count{job="db",instance="d",state="idle"}': "40x60",
            'pg_settings_max_connections{job="db",instance="d"}': "103x60",
            'pg_settings_superuser_reserved_connections{job="db",instance="d"}': "3x60",
        },
        fires=True,
    ),
    "a pod that waits ever longer between its crashes": Case(
        "PodRestarting",
        "CrashLoopingWarningPod",
        {
            'kube_pod_container_status_restarts_total{namespace="ns",pod="p",container="pod"}': "1x3 2x57",
            'kube_pod_container_status_waiting_reason{namespace="ns",pod="p",container="pod",'
            'reason="CrashLoopBackOff"}': "1x60",
        },
        fires=True,
    ),
    "a read-only volume that is full by design": Case(
        "VolumeFull",
        "VolumeUsedWarningPod",
        {
            f"kubelet_volume_stats_used_bytes{{{VOLUME}}}": "99x60",
            f"kubelet_volume_stats_available_bytes{{{VOLUME}}}": "1x60",
            f"kubelet_volume_stats_capacity_bytes{{{VOLUME}}}": "100x60",
            f'kube_persistentvolumeclaim_access_mode{{{VOLUME},access_mode="ReadOnlyMany"}}': "1x60",
        },
        fires=False,
    ),
    "the database's exporter is gone": Case(
        "DatabaseDown",
        "DatabaseUpAbsentCriticalDb",
        {'pg_up{job="db",instance="d"}': "1x5 stale"},
        fires=True,
    ),
    "memory is full of page cache": Case(
        "MemoryFull",
        "MemoryUsedHigh",
        {
            'node_memory_MemTotal_bytes{job="host",instance="h"}': "100x60",
            'node_memory_MemFree_bytes{job="host",instance="h"}': "5x60",
            'node_memory_MemAvailable_bytes{job="host",instance="h"}': "60x60",
        },
        fires=False,
    ),
    "the application is dead": Case(
        "NobodyConnected",
        "WebsocketConnectionsAbsentWarningChat",
        {'websocket_connections{job="chat"}': "7x5 stale"},
        fires=True,
    ),
    "the program that writes files is gone": Case(
        "NoFiles",
        "LastWriteAgeAbsentWarningFiles",
        {
            'files_written_total{job="files"}': "0+1x5 stale",
            'last_write_timestamp_seconds{job="files"}': "1x5 stale",
        },
        fires=True,
    ),
    "discovery dropped the target": Case(
        "TargetDown", "UpAbsentCriticalApi", {'up{job="api",instance="a"}': "1x5 stale"}, fires=True
    ),
    "one probe fails": Case(
        "SiteDown",
        "ProbeSuccessCritical",
        {'probe_success{job="site",instance="s"}': "1x29 0 1x30", 'up{job="site"}': "1x60"},
        fires=False,
    ),
    "only blocks reserved for root are left": Case(
        "DiskFull",
        "DiskUsedCritical",
        {
            f"node_filesystem_free_bytes{{{DISK}}}": "6x60",
            f"node_filesystem_avail_bytes{{{DISK}}}": "1x60",
            f"node_filesystem_size_bytes{{{DISK}}}": "100x60",
        },
        fires=True,
    ),
    "a thread waits for a connection now and then": Case(
        "PoolWaits",
        "HikariPendingHigh",
        {'hikaricp_connections_pending{job="app",instance="i",pool="p"}': "0x28 1 1 0x30"},
        fires=False,
    ),
    "a pause of 20 s among many short ones": Case(
        "LongPauses",
        "GcPauseWarning",
        {
            'jvm_gc_pause_seconds_sum{job="app",instance="i"}': "0+1x60",
            'jvm_gc_pause_seconds_count{job="app",instance="i"}': "0+100x60",
            'jvm_gc_pause_seconds_max{job="app",instance="i"}': "20x60",
        },
        fires=True,
    ),
    "the CPU is busy for ten minutes": Case(
        "BusyCpu",
        "CpuUsedWarning",
        {
            'node_cpu_seconds_total{job="host",instance="h",cpu="0",mode="idle"}': "0+60x20 1200+3x40",
            'node_cpu_seconds_total{job="host",instance="h",cpu="0",mode="user"}': "0x20 0+57x40",
        },
        fires=False,
        at="33m",
    ),
    "a certificate is due for renewal": Case(
        "CertificateEnds",
        "CertificateLeftWarning",
        {'probe_ssl_earliest_cert_expiry{job="site",instance="s"}': f"{25 * 86400}x120"},
        fires=False,
        at="90m",
    ),
}


def ours() -> list[Rule]:
    catalog = loads(CATALOG)
    services = list(resolve(catalog).values())
    return alert_rules(fleet_queries(services), language="en", about=About.of(catalog, services))


def test_every_case_has_both_rules() -> None:
    tutorial = yaml.safe_load(TUTORIAL.read_text())["groups"][0]["rules"]
    assert {case.tutorial for case in CASES.values()} == {rule["alert"] for rule in tutorial}
    assert {case.ours for case in CASES.values()} <= {rule.body["alert"] for rule in ours()}


@pytest.mark.live
def test_the_tutorials_rule_is_wrong_and_the_generated_one_is_right(tmp_path: Path) -> None:
    (tmp_path / "ours.rules.yml").write_text(to_yaml(document(ours(), interval=15)))
    (tmp_path / "tutorial.rules.yml").write_text(TUTORIAL.read_text())
    names = {}
    for number, (name, case) in enumerate(CASES.items()):
        test = {
            "name": name,
            "interval": "1m",
            "input_series": [{"series": s, "values": v} for s, v in case.series.items()],
            "promql_expr_test": [
                {"expr": firing(case.tutorial), "eval_time": case.at, "exp_samples": [one(not case.fires)]},
                {"expr": firing(case.ours), "eval_time": case.at, "exp_samples": [one(case.fires)]},
            ],
        }
        names[f"{number}.test.yml"] = name
        files = ["ours.rules.yml", "tutorial.rules.yml"]
        body = {"rule_files": files, "evaluation_interval": "1m", "tests": [test]}
        (tmp_path / f"{number}.test.yml").write_text(to_yaml(body))
    verdict = promtool(tmp_path, list(names))
    assert {names[file]: said for file, said in verdict.failed.items()} == {}


def firing(alert: str) -> str:
    return f'(count(ALERTS{{alertname="{alert}",alertstate="firing"}}) or vector(0)) > bool 0'


def one(fires: bool) -> dict[str, object]:
    return {"labels": "{}", "value": int(fires)}

"""Kinds are told by the metrics that are there, for any kind that a YAML file describes."""

from collections.abc import Mapping

import pytest

from bongsu.catalog import loads, tree
from bongsu.catalog.discover import Labels, Match, Seen, choose, without_circles
from bongsu.catalog.kinds import builtin_kinds
from bongsu.catalog.models import Kind
from bongsu.catalog.write import Draft, entries, render
from bongsu.cli.discovery.pages import labels_by_metric
from bongsu.sources.embedded.exposition import parse

KINDS = builtin_kinds()
PROCESS = """\
process_cpu_seconds_total 1
process_open_fds 1
process_max_fds 1
process_resident_memory_bytes 1
process_start_time_seconds 1
"""
GO = "go_goroutines 1\n" + 'go_gc_duration_seconds{quantile="1"} 1\n'
HTTP = """\
PREFIXhttp_requests_total{method="GET",ROUTE="/orders",STATUS="200"} 1
PREFIXhttp_requests_total{method="GET",ROUTE="/health",STATUS="404"} 1
PREFIXhttp_request_duration_seconds_bucket{method="GET",ROUTE="/orders",le="+Inf"} 1
PREFIXhttp_request_duration_seconds_count{method="GET",ROUTE="/orders"} 1
PREFIXhttp_active_connections 1
"""
NGINX = """\
nginx_up 1
nginx_http_requests_total 1
nginx_connections_active 1
nginx_connections_handled 1
nginx_connections_accepted 1
"""
REDIS = """\
redis_up 1
redis_memory_used_bytes 1
redis_memory_max_bytes 1
redis_connected_clients 1
redis_config_maxclients 1
"""
PROMETHEUS = """\
prometheus_config_last_reload_successful 1
prometheus_notifications_alertmanagers_discovered 1
prometheus_rule_evaluation_failures_total 1
prometheus_http_requests_total{code="200",handler="/metrics"} 1
prometheus_http_request_duration_seconds_bucket{handler="/metrics",le="+Inf"} 1
prometheus_http_request_duration_seconds_count{handler="/metrics"} 1
"""


def http(prefix: str = "", route: str = "path", status: str = "status") -> str:
    return HTTP.replace("PREFIX", prefix).replace("ROUTE", route).replace("STATUS", status)


def metrics(text: str) -> Mapping[str, Labels]:
    return labels_by_metric(parse(text.encode()).keys)


def names(found: list[Match]) -> list[str]:
    return [match.kind for match in found]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (http() + PROCESS, ["fastapi"]),
        (http("shop_") + PROCESS, ["fastapi"]),
        (http() + PROCESS + GO, ["go-fiber"]),
        (http(), ["generic-http"]),
        (PROCESS, ["process"]),
        (NGINX + PROCESS + GO, ["nginx"]),
        (REDIS + PROCESS + GO, ["redis"]),
        (PROMETHEUS + PROCESS + GO, ["prometheus"]),
        ("my_things_total 1\nmy_failures_total 1\n", []),
        ("", []),
    ],
    ids=[
        "python",
        "prefixed",
        "go",
        "http alone",
        "process alone",
        "nginx",
        "redis",
        "prometheus",
        "own",
        "none",
    ],
)
def test_the_kind_is_the_one_that_explains_the_most(text: str, expected: list[str]) -> None:
    assert names(choose(metrics(text), KINDS)) == expected


def test_the_prefix_is_found_and_never_a_namespace_of_another_kind() -> None:
    assert choose(metrics(http("shop_") + PROCESS), KINDS)[0].prefix == "shop_"
    assert choose(metrics(http() + PROCESS), KINDS)[0].prefix == ""
    assert choose(metrics(NGINX), KINDS)[0].prefix == ""


def test_labels_of_another_name_are_told_by_their_values() -> None:
    (match,) = choose(metrics(http(route="endpoint", status="code") + PROCESS), KINDS)
    assert match.variables == {"status": "code", "route": "endpoint"}
    assert "error_ratio" in match.answered


def test_a_metric_without_the_label_that_is_matched_does_not_answer() -> None:
    (match,) = choose(
        metrics(http(status="outcome").replace('"200"', '"ok"').replace('"404"', '"bad"')), KINDS
    )
    assert "error_ratio" in match.missing
    assert "request_rate" in match.answered


def test_kinds_with_the_same_metrics_are_told() -> None:
    assert "django" in choose(metrics(http() + PROCESS), KINDS)[0].alike


def test_a_new_kind_needs_no_code() -> None:
    text = """\
    queue:
      signals:
        waiting: {form: gauge, metric: bee_queue_waiting}
        age: {form: age, metric: bee_queue_oldest_timestamp_seconds}
    """
    root = tree.parse(text, "kinds.yaml")
    kinds = {**KINDS, "queue": Kind.model_validate(root.value["queue"][1].plain())}
    found = metrics("bee_queue_waiting 1\nbee_queue_oldest_timestamp_seconds 1\n" + PROCESS)
    assert names(choose(found, kinds)) == ["process", "queue"]


def test_the_weaker_direction_of_a_circle_is_left_out() -> None:
    calls = {"a": {"b": 100}, "b": {"c": 50, "b": 9}, "c": {"a": 2}}
    kept, left_out = without_circles(calls)
    assert kept == {"a": ["b"], "b": ["c"], "c": []}
    assert left_out == [("c", "a")]


@pytest.mark.parametrize("language", ["en", "ko"])
def test_whatever_telemetry_says_the_catalog_loads(language: str) -> None:
    hostile = [
        'job"with: {yaml}\n# and more',
        "serviceMonitor/shop/orders/0",
        "serviceMonitor shop orders 0",
        "yes",
        "1",
        "주문",
        "\x1b[31mred",
        "x" * 300,
    ]
    seen = [Seen(job, metrics(http("y_") + PROCESS), ("127.0.0.1:1",)) for job in hostile]
    seen += [
        Seen("own", {"my\n total": {}, "\x1b[2J": {}}, ("a:1",)),
        Seen("traced", {}, calls={"own": 1, "x\ny": 2}),
    ]
    found, weaker = entries(seen, KINDS)
    draft = Draft("team", language, "UTC", {"local": {"type": "embedded"}}, found, weaker)
    text = render(draft, KINDS)
    catalog = loads(text)
    assert [s.labels.get("job", n) for n, s in catalog.services.items()] == [one.job for one in seen]
    assert catalog.services["traced"].depends_on == ("own",)
    assert "\x1b" not in text.replace("\\u001b", "")

"""What ``bongsu verify`` says where little answers, and why an operator's Prometheus has no target.

A cluster is not run here: what the operator's Prometheus lists, and what ``kubectl get`` tells, is given in
the shape of their APIs. The hops of a stack that runs are sabotaged in ``tests/chain``.
"""

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from bongsu.catalog import loads
from bongsu.cli import main
from bongsu.stack.model import Stack
from bongsu.stack.targets import render
from bongsu.stack.verify import Line, Places
from bongsu.stack.verify.expected import of_service
from bongsu.stack.verify.facts import Facts, Generated, substituted
from bongsu.stack.verify.operator import why_not
from bongsu.stack.verify.reading import Reading
from bongsu.stack.verify.reasons import reason
from bongsu.stack.verify.run import judge
from tests.live_servers import free_port, prometheus

CATALOG = """\
name: corner
targets: {prometheus: "2.42", alertmanager: "0.25"}
services:
  shop: {kind: generic-http, prefix: shop, targets: "127.0.0.1:1"}
"""


def verify(folder: Path, *options: str, **env: str) -> Result:
    (folder / "bongsu.yaml").write_text(CATALOG)
    runner = CliRunner(env={"LANG": "C", "LC_ALL": "C", "BONGSU_LANGUAGE": "en", **env})
    return runner.invoke(
        main, ["verify", str(folder / "bongsu.yaml"), "--data", str(folder / "none"), *options]
    )


def test_where_nothing_answers_each_server_is_told_once_and_nothing_of_what_follows(tmp_path: Path) -> None:
    dead = f"http://127.0.0.1:{free_port()}"
    urls = ("--prometheus", dead, "--alertmanager", dead, "--server", dead)
    result = verify(tmp_path, *urls, "--json")
    assert result.exit_code == 1
    document = json.loads(result.output)
    red = {line["check"]: line for line in document["lines"] if line["state"] == "bad"}
    # Without Prometheus the service's own page is read, and it does not answer either.
    assert red.keys() == {"prometheus", "metrics", "alertmanager", "bongsu"}
    assert red["prometheus"]["why"] == f"{dead}: connection refused"
    assert document["ok"] is False


def test_the_lines_are_told_in_korean_too(tmp_path: Path) -> None:
    dead = f"http://127.0.0.1:{free_port()}"
    result = verify(tmp_path, "--prometheus", dead, "--server", dead, BONGSU_LANGUAGE="ko")
    assert "bongsu serve로 시작하거나" in result.output
    assert "문제" in result.output


@pytest.mark.live
def test_an_older_prometheus_than_declared_and_a_service_it_never_heard_of(tmp_path: Path) -> None:
    with prometheus(config="global: {evaluation_interval: 1s}") as server:
        older = CATALOG.replace("2.42", "3.5")
        stack = Stack(loads(older), addresses={"alertmanager": "127.0.0.1:1"})
        lines = by_name(stack, server.url)
    assert lines["prometheus"].state == "bad"
    assert "it is 2.42.0, the catalog declares 3.5" in lines["prometheus"].why.en
    assert "not in Prometheus' configuration at all: no target 127.0.0.1:1" in lines["scrape shop"].why.en
    assert "rules are not loaded" in lines["rules loaded"].why.en
    assert lines["metrics shop"].state == "skipped"


def by_name(stack: Stack, url: str) -> dict[str, Line]:
    import asyncio

    from bongsu.stack.verify import verify as ask

    files = {path: text for group in render(stack).values() for path, text in group.items()}
    return {line.name: line for line in asyncio.run(ask(stack, Places(prometheus=url), files))}


def test_a_clock_that_runs_ahead_is_told_with_its_seconds() -> None:
    stack = Stack(loads("name: corner"))
    answer = {"status": "success", "data": {"resultType": "scalar", "result": [130.0, "130"]}}

    def at(body: object) -> Reading:
        return Reading("http://p", 200, json.dumps(body).encode(), began=99.5, ended=100.0)

    readings = dict.fromkeys(
        ("ready", "build", "metrics", "rules", "targets", "config", "alertmanagers"), at({})
    )
    facts = Facts(
        stack,
        Places(prometheus="http://p"),
        Generated(stack, {}),
        prometheus={**readings, "clock": at(answer)},
    )
    [clock] = [line for line in judge(facts) if line.name == "clock"]
    assert clock.state == "bad"
    assert "30 s ahead of this machine" in clock.why.en


@pytest.mark.parametrize(
    ("error", "said"),
    [
        ('Get "http://a:1/metrics": dial tcp 127.0.0.1:1: connect: connection refused', "connection refused"),
        ("server returned HTTP status 404 Not Found", "there is no such path"),
        ('received unsupported Content-Type "text/html; charset=utf-8"', "not the metrics format"),
        ('"INVALID" is not a valid start token', "not the metrics format"),
        ('Get "http://a/metrics": context deadline exceeded', "no answer in time"),
        ("dial tcp: lookup nowhere: no such host", "host name is not known"),
        ("server returned HTTP status 401 Unauthorized", "asks for a credential"),
        ("x509: certificate signed by unknown authority", "TLS fails"),
        ("something new", "something new"),
    ],
)
def test_what_prometheus_says_of_a_scrape_in_plain_words(error: str, said: str) -> None:
    why, fix = reason(error)
    assert said in why.en
    assert fix.en
    assert why.ko


def test_a_go_service_must_have_all_five_metrics_with_their_labels() -> None:
    text = CATALOG.replace("generic-http", "go-fiber")
    stack = Stack(loads(text))
    wanted = {e.metric: e.labels for e in of_service(stack.services[0]) if e.metric.startswith("shop_http")}
    assert wanted.keys() == {
        "shop_http_requests_total",
        "shop_http_request_duration_seconds_bucket",
        "shop_http_request_duration_seconds_count",
        "shop_http_active_connections",
        "shop_http_request_size_bytes_sum",
        "shop_http_response_size_bytes_sum",
    }
    assert wanted["shop_http_requests_total"] >= {"path", "status"}
    assert "le" in wanted["shop_http_request_duration_seconds_bucket"]


@pytest.mark.parametrize(
    ("expression", "asked"),
    [
        ("rate(a[$__rate_interval])", "rate(a[60s])"),
        ('a{job="$job",b="c"}', 'a{job=~".*",b="c"}'),
        ('a{job!~"${job:regex}"}', 'a{job=~".*"}'),
        ("increase(a[$window])", "increase(a[5m])"),
    ],
)
def test_a_panel_is_asked_with_values_for_its_variables(expression: str, asked: str) -> None:
    assert substituted(expression, 15.0) == asked


OPERATED = """\
name: corner
targets: {operator: "0.85", kubernetes: "1.33"}
kubernetes: {release: prometheus}
scrape: {port: http}
services:
  shop: {kind: generic-http, prefix: shop, runs: {namespace: store}}
"""
Object = Mapping[str, Any]


def monitor(namespace: str = "store", **labels: str) -> Object:
    return {"kind": "ServiceMonitor", "metadata": {"name": "shop", "namespace": namespace, "labels": labels}}


def server(**spec: Any) -> Object:
    return {"kind": "Prometheus", "metadata": {"name": "k8s", "namespace": "monitoring"}, "spec": spec}


def dropped(**labels: str) -> Object:
    return {
        "scrapePool": "serviceMonitor/store/shop/0",
        "discoveredLabels": {f"__meta_kubernetes_{k}": v for k, v in labels.items()},
    }


POOL = ("serviceMonitor/store/shop/0",)
RELEASE = {"matchLabels": {"release": "prometheus"}}


@pytest.mark.parametrize(
    ("pools", "targets", "cluster", "said"),
    [
        (
            POOL,
            [dropped(service_name="shop", endpoint_port_name="fiber")],
            (),
            "asks for the port 'http'; the Service has fiber",
        ),
        (
            POOL,
            [dropped(service_name="shop", endpoint_port_name="http")],
            (),
            "labels are not those of the monitor",
        ),
        (
            POOL,
            [dropped(service_name="other", endpoint_port_name="http")],
            (),
            "finds no Service of it in 'store'",
        ),
        (
            (),
            [],
            (server(serviceMonitorSelector=RELEASE), monitor()),
            "picks up monitors labelled release: prometheus",
        ),
        (
            (),
            [],
            (server(serviceMonitorSelector=RELEASE), monitor(release="prometheus")),
            "looks for monitors in 'monitoring' only",
        ),
        ((), [], (server(), monitor(release="prometheus")), "has no serviceMonitorSelector"),
        ((), [], (server(serviceMonitorSelector={}),), "no ServiceMonitor of it in the cluster"),
        ((), [], (), "no ServiceMonitor of shop is picked up"),
    ],
)
def test_why_the_operator_has_no_target(
    pools: Sequence[str], targets: Sequence[Object], cluster: Sequence[Object], said: str
) -> None:
    stack = Stack(loads(OPERATED), "operator")
    why, fix = why_not(
        stack, stack.services[0], {"activeTargets": [], "droppedTargets": targets}, pools, cluster
    )
    assert said in why.en
    assert fix.en
    assert why.ko


def test_kubectl_that_cannot_tell_hides_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import asyncio

    from bongsu.stack.verify.operator import read_cluster

    (tmp_path / "kubectl").write_text("#!/bin/sh\necho 'no cluster' >&2\nexit 1\n")
    (tmp_path / "kubectl").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}/usr/bin:/bin")
    assert asyncio.run(read_cluster()) == []

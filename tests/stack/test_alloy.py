"""The agent's configuration: what it collects, how lines are read, and where it all goes."""

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from bongsu.catalog import loads
from bongsu.stack import alloy, scrape
from bongsu.stack.alloy import lines
from bongsu.stack.alloy.components import COMPONENTS, Shape
from bongsu.stack.alloy.layout import layout
from bongsu.stack.alloy.logs import pod_pattern
from bongsu.stack.alloy.metrics import collected
from bongsu.stack.alloy.syntax import parse
from bongsu.stack.alloy.tree import Array, Attribute, Block, Expr, Literal, Object
from bongsu.stack.check.alloy import CONFIGURATION, check
from bongsu.stack.model import Stack, StackError
from tests.stack.examples import named, schema, stack, stacks


def blocks(found: Stack) -> dict[tuple[str, str], Block]:
    body = parse(alloy.render(found)[CONFIGURATION])
    return {(b.name, b.label): b for b in body if isinstance(b, Block)}


def text(value: Expr | None) -> str:
    """An expression as it is written."""
    return "" if value is None else layout((Attribute("x", value),)).removeprefix("x = ").rstrip("\n")


def plain(value: Expr | None) -> Any:
    match value:
        case Literal():
            return value.text[1:-1] if value.text[0] in '"`' else json.loads(value.text)
        case Array():
            return [plain(item) for item in value.items]
        case Object():
            return {field.key.strip('"'): plain(field.value) for field in value.fields}
        case _:
            return text(value)


@pytest.fixture
def doktori() -> dict[tuple[str, str], Block]:
    return blocks(stack("doktori"))


@pytest.mark.parametrize("found", stacks("alloy"), ids=named)
def test_every_example_is_formatted_sound_and_the_same_again(found: Stack) -> None:
    files = alloy.render(found)
    assert list(files) == [CONFIGURATION]
    assert layout(parse(files[CONFIGURATION])) == files[CONFIGURATION]
    assert check(files, found.version("alloy")) == []
    assert alloy.render(found) == files


@pytest.mark.parametrize("found", stacks("alloy"), ids=named)
def test_no_component_is_left_without_anybody_who_uses_it(found: Stack) -> None:
    written = alloy.render(found)[CONFIGURATION]
    for name, label in blocks(found):
        exports = COMPONENTS[name].exports if name in COMPONENTS else {}
        assert not exports or f"{name}.{label}." in written, f'{name} "{label}" is used by nobody'


def _missing(name: str, shape: Shape, published: dict[str, Any], path: str = "") -> Iterator[str]:
    known = published.get(path, {})
    for argument, ours in shape.arguments.items():
        if argument not in known:
            yield f"{name} {path}.{argument}"
        elif known[argument] != {"required": ours.required, "type": ours.type}:
            yield f"{name} {path}.{argument}: {known[argument]}"
    for inner, own in shape.blocks.items():
        if inner in published:
            yield from _missing(name, own, published, inner)
        elif own.arguments:
            yield f"{name}: block {inner}"


def test_the_table_of_components_agrees_with_alloys_documentation() -> None:
    published = json.loads(schema("alloy-components.json").read_text("utf-8"))["components"]
    checked = [name for name in COMPONENTS if name in published]
    assert len(checked) >= 14
    wrong = [w for n in checked for w in _missing(n, COMPONENTS[n].shape, published[n]["blocks"])]
    assert wrong == []
    assert {published[name]["stability"] for name in checked} == {"general-availability"}


_LEAVES = {"metric.counter", "metric.gauge", "metric.histogram", "managed_identity", "oauth", "sdk", "tls"}
_LEAVES |= {"workload_identity", "enforcement_policy", "server_parameters", "rule", "tpm"}
"""Blocks within blocks that are not looked into; the documentation does not say within which."""


def test_no_argument_that_alloy_documents_is_refused() -> None:
    published = json.loads(schema("alloy-components.json").read_text("utf-8"))["components"]
    refused = []
    for name in (name for name in COMPONENTS if name in published):
        known: dict[str, set[str]] = {}

        def walk(shape: Shape, path: str, known: dict[str, set[str]] = known) -> None:
            known.setdefault(path, set()).update(shape.arguments, shape.others)
            for inner, own in shape.blocks.items():
                walk(own, inner)

        walk(COMPONENTS[name].shape, "")
        aside = {other for others in known.values() for other in others} | _LEAVES
        for block, arguments in published[name]["blocks"].items():
            if block in known:
                refused += [f"{name} {block}.{a}" for a in arguments if a not in known[block]]
            elif block not in aside:
                refused.append(f"{name} {block}")
    assert refused == []


def test_services_are_scraped_where_and_as_often_as_the_catalog_says(
    doktori: dict[tuple[str, str], Block],
) -> None:
    expected = {
        "api": ("10.0.1.10:8080", "/actuator/prometheus"),
        "chat": ("10.0.1.10:8081", "/actuator/prometheus"),
        "nginx": ("10.0.1.10:9113", None),
    }
    for name, (address, path) in expected.items():
        found = doktori["prometheus.scrape", name]
        assert plain(found.value("targets")) == [{"__address__": address, "job": name}]
        assert plain(found.value("metrics_path")) == path if path else found.value("metrics_path") is None
        assert plain(found.value("scrape_interval")) == "15s"
        assert text(found.value("forward_to")) == "[prometheus.remote_write.prometheus.receiver]"


def test_the_machine_has_the_job_of_its_service_and_not_that_of_the_exporter(
    doktori: dict[tuple[str, str], Block],
) -> None:
    rules = list(doktori["discovery.relabel", "host"].blocks("rule"))
    written = {plain(rule.value("target_label")): text(rule.value("replacement")) for rule in rules}
    assert written["job"] == '"host"'
    assert written["instance"] == 'coalesce(sys.env("HOST_NAME"), "host")'
    assert text(doktori["prometheus.scrape", "host"].value("targets")) == "discovery.relabel.host.output"
    assert plain(doktori["prometheus.exporter.unix", "host"].value("rootfs_path")) == "/host/root"


def test_samples_carry_exemplars(doktori: dict[tuple[str, str], Block]) -> None:
    (endpoint,) = doktori["prometheus.remote_write", "prometheus"].blocks("endpoint")
    assert plain(endpoint.value("send_exemplars")) is True


@pytest.mark.parametrize("found", stacks("alloy"), ids=named)
def test_nothing_is_scraped_by_both_the_agent_and_prometheus(found: Stack) -> None:
    if not found.has("prometheus"):
        assert collected(found) == ()
        return
    jobs = {job["job_name"] for job in scrape.jobs(found)}
    assert jobs.isdisjoint(service.name for service in collected(found))
    if found.place in ("compose", "local", "terraform"):
        declared = {s.name for s in found.services if s.spec.targets or "node" in s.spec.kind}
        assert declared <= jobs | {service.name for service in collected(found)}


def test_an_agent_on_another_machine_is_told_where_the_stack_is() -> None:
    written = alloy.render(stack("doktori"))[CONFIGURATION]
    for host, rest in (("prometheus", ":9090/api/v1/write"), ("loki", ":3100/loki/api/v1/push")):
        assert f'"http://" + coalesce(sys.env("BONGSU_STACK_HOST"), "{host}") + "{rest}"' in written
    addressed = replace(stack("doktori"), addresses={"loki": "10.8.0.1:3100"})
    assert '"http://10.8.0.1:3100/loki/api/v1/push"' in alloy.render(addressed)[CONFIGURATION]


def test_log_files_come_to_loki_under_the_names_of_their_services(
    doktori: dict[tuple[str, str], Block],
) -> None:
    def files(form: str) -> Any:
        return plain(doktori["local.file_match", form].value("path_targets"))

    assert files("application") == [
        {"__path__": "/var/log/doktori/api/*.log", "service_name": "api"},
        {"__path__": "/var/log/doktori/chat/*.log", "service_name": "chat"},
    ]
    assert files("access") == [{"__path__": "/var/log/nginx/access.log", "service_name": "nginx"}]
    assert files("plain") == [{"__path__": "/var/log/nginx/error.log", "service_name": "nginx"}]
    for form in ("application", "access", "plain"):
        assert text(doktori["loki.process", form].value("forward_to")) == "[loki.write.loki.receiver]"
        assert bool(list(doktori["loki.process", form].blocks("stage.multiline"))) == (form == "application")


def test_loki_knows_services_by_the_label_that_its_source_names() -> None:
    found = stack("doktori")
    source = found.catalog.sources["loki"].model_copy(update={"service_label": "app"})
    catalog = found.catalog.model_copy(update={"sources": {**found.catalog.sources, "loki": source}})
    match = blocks(Stack(catalog, "compose"))["local.file_match", "access"]
    assert plain(match.value("path_targets")) == [{"__path__": "/var/log/nginx/access.log", "app": "nginx"}]


def extracted(form: lines.Format, line: str) -> dict[str, str]:
    """What the stages of a format take from a line. Python reads the expressions as RE2 does."""
    found: dict[str, str] = {}
    for stage in lines.stages(form):
        if stage.name == "stage.regex" and (match := re.search(plain(stage.value("expression")), line)):
            found |= {name: value for name, value in match.groupdict().items() if value is not None}
    return found


TRACE = "0af7651916cd43dd8448eb211c80319c"
LINES: list[tuple[lines.Format, str, dict[str, str]]] = [
    (
        "application",
        f"2026-03-01T12:00:00.123+09:00  WARN 1 --- [api] [nio-8080-exec-1] [{TRACE}-b7ad6b7169203331] A : x",
        {"time": "2026-03-01T12:00:00.123+09:00", "level": "WARN", "trace_id": TRACE},
    ),
    (
        "application",
        f"2026-03-01 12:00:00.123 ERROR [api,{TRACE},b7] 1 --- x",
        {"level": "ERROR", "trace_id": TRACE},
    ),
    (
        "application",
        f'{{"@timestamp":"2026-03-01T03:00:00Z","msg":"ERROR of old","level":"INFO","traceId":"{TRACE}"}}',
        {"time": "2026-03-01T03:00:00Z", "level": "INFO", "trace_id": TRACE},
    ),
    ("application", 'INFO:     10.0.0.1:5000 - "GET /error HTTP/1.1" 200 OK', {"level": "INFO"}),
    (
        "plain",
        'ts=2026-03-01T03:00:00.5Z level=error msg="it broke"',
        {"time": "2026-03-01T03:00:00.5Z", "level": "error"},
    ),
    ("plain", "2026/03/01 12:00:00 [crit] 7#7: *1 connect() failed", {"level": "crit"}),
    ("plain", "sending an alert about an error to the warning channel", {}),
    ("plain", "md5 0af7651916cd43dd8448eb211c80319c done", {}),
    (
        "access",
        '10.0.0.9 - kim [01/Mar/2026:12:00:00 +0900] "GET /api/books?q=1 HTTP/1.1" 502 157 "-" "curl/8"',
        {"time": "01/Mar/2026:12:00:00 +0900", "method": "GET", "status": "502"},
    ),
    ("access", '{"time":"x","status": 404,"trace_id":"' + TRACE + '"}', {"status": "404", "trace_id": TRACE}),
    ("access", '10.0.0.9 - - [01/Mar/2026:12:00:00 +0900] "\\x16\\x03" 400 0', {}),
]


@pytest.mark.parametrize(("form", "line", "expected"), LINES, ids=[line[1][:40] for line in LINES])
def test_time_severity_and_trace_are_read_from_real_lines(
    form: lines.Format, line: str, expected: dict[str, str]
) -> None:
    assert extracted(form, line) == expected


def test_a_stack_trace_belongs_to_the_line_before_it() -> None:
    begins = re.compile(lines.FIRST_LINE)
    for line in ("2026-03-01T12:00:00.1+09:00 ERROR x", "2026-03-01 12:00:00 x", '{"a":1}', "ERROR:    x"):
        assert begins.match(line), line
    for line in (
        "java.lang.IllegalStateException: x",
        "\tat kr.doktori.Api.get(Api.java:12)",
        "Caused by: java.sql.SQLException: y",
        "\t... 40 more",
        "Traceback (most recent call last):",
        '  File "app.py", line 3, in <module>',
        "ValueError: z",
    ):
        assert not begins.match(line), line


def test_credentials_do_not_reach_the_store() -> None:
    def masked(line: str) -> str:
        for stage in lines.stages("plain"):
            if stage.name == "stage.replace":
                for match in re.finditer(plain(stage.value("expression")), line):
                    line = line.replace(match.group(1), "[redacted]")
        return line

    assert masked("Authorization: Bearer abcdef0123456789.xyz") == "Authorization: Bearer [redacted]"
    assert masked("postgres://kim:s3cret@db:5432/x") == "postgres://kim:[redacted]@db:5432/x"
    assert masked("the bearer of bad news") == "the bearer of bad news"


def test_expressions_have_nothing_that_re2_lacks() -> None:
    for form in ("application", "plain", "access"):
        for stage in lines.stages(form):
            for name in ("expression", "firstline"):
                pattern = plain(stage.value(name)) or ""
                assert not re.search(r"\(\?(?:[=!]|<[=!])|\\[1-9]|[*+?}]\+", pattern), pattern


def test_severities_have_one_spelling_each() -> None:
    templates = [plain(s.value("template")) for s in lines.stages("plain") if s.name == "stage.template"]
    (written,) = templates
    for word in ("warning", "notice", "critical", "crit", "alert", "emerg", "panic"):
        assert f'(eq $l \\"{word}\\")' in written or f'eq $l \\"{word}\\"' in written


def test_otlp_goes_to_each_store_of_the_stack(doktori: dict[tuple[str, str], Block]) -> None:
    (output,) = doktori["otelcol.processor.batch", "otlp"].blocks("output")
    assert {a.name: text(a.value) for a in output.attributes()} == {
        "metrics": "[otelcol.exporter.prometheus.otlp.input]",
        "logs": "[otelcol.exporter.otlphttp.loki.input]",
        "traces": "[otelcol.exporter.otlp.tempo.input]",
    }
    (client,) = doktori["otelcol.exporter.otlp", "tempo"].blocks("client")
    assert text(client.value("endpoint")).endswith('"tempo") + ":4317"')
    (client,) = blocks(stack("aegis", "kubernetes", alloy="1.11"))["otelcol.exporter.otlp", "jaeger"].blocks(
        "client"
    )
    assert plain(client.value("endpoint")) == "jaeger.monitoring.svc:4317"


def test_on_one_machine_the_receivers_of_otlp_do_not_collide() -> None:
    found = blocks(stack("doktori", "local"))
    (grpc,) = found["otelcol.receiver.otlp", "otlp"].blocks("grpc")
    (client,) = found["otelcol.exporter.otlp", "tempo"].blocks("client")
    assert plain(grpc.value("endpoint")) == "127.0.0.1:4317"
    assert plain(client.value("endpoint")) == "127.0.0.1:4327"


def test_bongsus_own_store_gets_otlp_and_log_files_with_a_token_from_a_file() -> None:
    found = stack("shop", alloy="1.11")
    orders = found.catalog.services["orders"].model_copy(update={"logs": ("/var/log/orders.log",)})
    services = {**found.catalog.services, "orders": orders}
    given = blocks(Stack(found.catalog.model_copy(update={"services": services}), "compose"))
    assert plain(given["local.file", "ingest_token"].value("filename")) == "/run/secrets/BONGSU_INGEST_TOKEN"
    assert plain(given["local.file", "ingest_token"].value("is_secret")) is True
    (client,) = given["otelcol.exporter.otlphttp", "bongsu"].blocks("client")
    assert text(client.value("auth")) == "otelcol.auth.bearer.bongsu.handler"
    (output,) = given["otelcol.processor.batch", "otlp"].blocks("output")
    assert {a.name for a in output.attributes()} == {"metrics", "logs", "traces"}
    process = given["loki.process", "application"]
    assert text(process.value("forward_to")) == "[otelcol.receiver.loki.bongsu.receiver]"
    (action,) = given["otelcol.processor.attributes", "bongsu"].blocks("action")
    assert plain(action.value("key")) == "service.name"


def test_in_a_cluster_the_agent_reads_the_containers_of_its_own_node() -> None:
    found = blocks(stack("observer", "kubernetes", alloy="1.11", loki="3.5"))
    pods = found["discovery.kubernetes", "pods"]
    (selectors,), (namespaces,) = pods.blocks("selectors"), pods.blocks("namespaces")
    assert text(selectors.value("field")) == (
        '"spec.nodeName=" + coalesce(sys.env("NODE_NAME"), constants.hostname)'
    )
    assert plain(namespaces.value("names")) == ["observer-prod"]
    rules = {plain(r.value("target_label")): r for r in found["discovery.relabel", "pods"].blocks("rule")}
    assert plain(rules["__path__"].value("replacement")) == "/var/log/pods/*$1/*.log"
    stages = [b.name for b in found["loki.process", "pods"].blocks()]
    assert stages[:2] == ["stage.cri", "stage.match"]
    assert not any(name == "prometheus.scrape" for name, _ in found)


@pytest.mark.parametrize(
    ("pod", "is_it"),
    [
        ("shop/orders-7d9f8b6c5d-x2x9z", True),
        ("shop/orders-0", True),
        ("shop/orders-x2x9z", True),
        ("shop/orders-worker-7d9f8b6c5d-x2x9z", False),
        ("other/orders-0", False),
        ("shop/preorders-0", False),
    ],
)
def test_pods_are_told_apart_by_the_names_that_kubernetes_gives_them(pod: str, is_it: bool) -> None:
    catalog = loads("name: x\nservices: {orders: {kind: fastapi, runs: {namespace: shop}}}")
    service = Stack(catalog).resolved["orders"]
    assert bool(re.fullmatch(pod_pattern(service), pod)) is is_it


ODD = """
name: odd
targets: {prometheus: "3.5", alloy: "1.11"}
scrape: {interval: 1m, timeout: 20s, path: /stats}
services:
  a-b: {kind: redis, targets: ["h:1", "https://h:2/m?x=1", "h:1/other"], labels: {job: redis, team: core}}
  a.b: {kind: redis, targets: "h:3", scrape: {interval: 5s}}
  seoul: {kind: node, runs: {host: seoul-1}}
  busan: {kind: node, runs: {host: busan-1}}
"""


def test_targets_of_one_service_may_differ() -> None:
    found = blocks(Stack(loads(ODD), "compose"))
    assert plain(found["prometheus.scrape", "a_b"].value("targets")) == [
        {"__address__": "h:1", "__metrics_path__": "/stats", "job": "redis", "team": "core"},
        {
            "__address__": "h:2",
            "__metrics_path__": "/m",
            "__scheme__": "https",
            "__param_x": "1",
            "job": "redis",
            "team": "core",
        },
        {
            "__address__": "h:1",
            "__metrics_path__": "/other",
            "instance": "h:1/other",
            "job": "redis",
            "team": "core",
        },
    ]
    other = found["prometheus.scrape", "a_b_2"]
    assert plain(other.value("metrics_path")) == "/stats"
    assert (plain(other.value("scrape_interval")), plain(other.value("scrape_timeout"))) == ("5s", "5s")


def test_each_machine_has_its_own_job() -> None:
    rules = [
        {a.name: plain(a.value) for a in rule.attributes()}
        for rule in blocks(Stack(loads(ODD), "local"))["discovery.relabel", "host"].blocks("rule")
    ]
    assert {"target_label": "job", "replacement": "seoul"} in rules
    assert {
        "source_labels": ["instance"],
        "regex": "busan-1",
        "target_label": "job",
        "replacement": "busan",
    } in rules


def test_a_password_in_a_target_is_refused_without_showing_it() -> None:
    catalog = loads(ODD.replace('"h:3"', '"http://kim:hunter2@h:3/m"'))
    with pytest.raises(StackError, match="target at h:3 holds a password") as refused:
        alloy.render(Stack(catalog, "compose"))
    assert "hunter2" not in str(refused.value)


def test_an_old_version_is_refused_with_what_to_do() -> None:
    with pytest.raises(StackError, match=r"1\.3\.0.* is too old.*1\.4 and later"):
        alloy.render(stack("doktori", alloy="1.3"))


def test_titles_are_in_the_catalogs_language() -> None:
    found = stack("doktori")
    assert "// 로그\n" in alloy.render(found)[CONFIGURATION]
    english = Stack(found.catalog.model_copy(update={"language": "en"}), "compose")
    assert "// Logs\n" in alloy.render(english)[CONFIGURATION]

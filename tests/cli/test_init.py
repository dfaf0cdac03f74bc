"""``bongsu init`` finds real services, says why, and writes what ``bongsu check`` accepts."""

import socket
import threading
import urllib.request
from pathlib import Path

import pytest

from bongsu.catalog import Catalog, load
from tests import live_servers
from tests.cli.conftest import Run, application, call, eventually

SCRAPE = """\
global: {scrape_interval: 1s}
scrape_configs:
  - job_name: shop
    static_configs: [{targets: ["ADDRESS"]}]
  - job_name: prometheus
    static_configs: [{targets: ["SELF"]}]
  - job_name: gone/away
    static_configs: [{targets: ["127.0.0.1:1"]}]
"""


def checked(run: Run, path: str = "bongsu.yaml") -> Catalog:
    result = run("check", path)
    assert result.exit_code == 0, result.output
    return load(Path(path), env={})


def test_without_a_place_to_look_it_writes_an_example(run: Run, tmp_path: Path) -> None:
    result = run("init", "--yes", "--name", "team")
    assert result.exit_code == 0
    assert "found no services" in result.output
    catalog = checked(run)
    assert (catalog.name, catalog.language, catalog.timezone) == ("team", "en", "Asia/Seoul")


def test_it_never_overwrites(run: Run) -> None:
    Path("bongsu.yaml").write_text("name: mine\n")
    result = run("init", "--yes")
    assert result.exit_code == 1
    assert "--force" in result.output
    assert Path("bongsu.yaml").read_text() == "name: mine\n"
    assert run("init", "--yes", "--force").exit_code == 0
    assert Path("bongsu.yaml").read_text() != "name: mine\n"


def test_a_person_is_asked_three_things(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    answers = iter(["shop", "ko", "Asia/Seoul"])
    questions = []

    def prompt(text: str, **_: object) -> str:
        questions.append(text)
        return next(answers)

    monkeypatch.setattr("bongsu.cli.init._interactive", lambda: True)
    monkeypatch.setattr("click.prompt", prompt)
    assert run("init").exit_code == 0
    assert len(questions) == 3
    catalog = checked(run)
    assert (catalog.name, catalog.language) == ("shop", "ko")
    assert "감시할 서비스" in Path("bongsu.yaml").read_text(encoding="utf-8")


def test_korean_help_and_messages(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BONGSU_LANGUAGE", "ko")
    assert "파일을 썼습니다" in run("init", "--yes").output


def test_pages_of_instrumented_applications(run: Run) -> None:
    with application("shop") as orders, application("till") as other:
        result = run("init", "--yes", "--metrics", orders, "--metrics", f"billing=http://{other}/metrics")
    assert result.exit_code == 0, result.output
    assert "the metrics of 12 of 12 signals are there" in result.output
    services = checked(run).services
    assert set(services) == {"shop", "billing"}
    assert (services["shop"].kind, services["shop"].prefix) == (("fastapi",), "shop")
    assert services["shop"].targets == (orders,)
    assert (services["billing"].kind, services["billing"].prefix) == (("fastapi",), "till")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--metrics", "http://127.0.0.1:1/metrics"], "http://127.0.0.1:1/metrics"),
        (["--metrics", "ftp://x"], "write it like"),
        (["--prometheus", "http://127.0.0.1:1"], "is Prometheus running there?"),
        (["--prometheus", "http://127.0.0.1:1", "--token-env", "NO_SUCH"], "NO_SUCH is not set"),
        (["--timezone", "Asia/Seol"], "did you mean 'Asia/Seoul'?"),
        (["--name", "my shop"], "letters, digits"),
        (["--prometheus", "http://a", "--otlp", "1"], "choose one of"),
        (["no/such/folder/bongsu.yaml"], "there is no folder"),
    ],
)
def test_mistakes_are_answered_with_what_to_do(run: Run, arguments: list[str], told: str) -> None:
    result = run("init", "--yes", *arguments)
    assert result.exit_code in {1, 2}
    assert told in result.output
    assert not Path("bongsu.yaml").exists()


def test_a_page_that_is_none_is_told_from_one(run: Run) -> None:
    with application("shop") as address:
        missing = run("init", "--yes", "--metrics", f"http://{address}/nothing")
        no_metrics = run("init", "--yes", "--metrics", f"http://{address}/openapi.json")
        no_api = run("init", "--yes", "--prometheus", f"http://{address}")
    assert "HTTP 404; give the address of its /metrics page" in missing.output
    assert "no metrics: line 1" in no_metrics.output
    assert "this is not the API of a Prometheus" in no_api.output


def test_a_busy_port_is_told(run: Run) -> None:
    with application("shop") as address:
        result = run("init", "--yes", "--otlp", "1", "--listen", address.partition(":")[2])
    assert result.exit_code == 1
    assert "--listen" in result.output


@pytest.mark.live
def test_the_services_of_a_real_prometheus(run: Run) -> None:
    with application("shop") as address:
        port = live_servers.free_port()
        config = SCRAPE.replace("ADDRESS", address).replace("SELF", f"127.0.0.1:{port}")
        with live_servers.prometheus(config=config) as server:
            config = config.replace(f"127.0.0.1:{port}", server.url.removeprefix("http://"))
            (server.directory / "prometheus.yml").write_text(config)
            assert run_reload(server.url)

            def scraped() -> bool:
                call(address, 1)
                output = run("init", "--yes", "--force", "--prometheus", server.url).output
                return all(part in output for part in ("12 of 12", "prometheus: the", "does not answer now"))

            eventually(scraped, 40)
            result = run("init", "--yes", "--force", "--prometheus", server.url)
    catalog = checked(run)
    assert catalog.services["shop"].kind == ("fastapi",)
    assert catalog.services["shop"].prefix == "shop"
    assert catalog.services["prometheus"].kind == ("prometheus",)
    assert catalog.services["gone-away"].kind == ("scraped",)
    assert catalog.services["gone-away"].labels == {"job": "gone/away"}
    assert "no metrics have been seen of it" in result.output
    assert "does not answer now: 127.0.0.1:1" in result.output


def run_reload(url: str) -> bool:
    request = urllib.request.Request(f"{url}/-/reload", method="POST")
    with urllib.request.urlopen(request, timeout=5) as response:
        return bool(response.status == 200)


def test_a_password_in_the_address_stays_out_of_the_catalog(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def none(*_: object, **__: object) -> list[object]:
        return []

    monkeypatch.setattr("bongsu.cli.discovery.prometheus.from_prometheus", none)
    result = run("init", "--yes", "--prometheus", "http://me:hush@127.0.0.1:9090")
    assert result.exit_code == 0
    text = Path("bongsu.yaml").read_text()
    assert "hush" not in text + result.output
    assert "${PROMETHEUS_URL}" in text


def test_services_and_calls_of_an_otlp_stream(run: Run) -> None:
    port = live_servers.free_port()
    sender = threading.Thread(target=send, args=(f"http://127.0.0.1:{port}",), daemon=True)
    sender.start()
    result = run("init", "--yes", "--otlp", "6", "--listen", port)
    sender.join(10)
    assert result.exit_code == 0, result.output
    services = checked(run).services
    assert set(services) == {"gateway", "orders"}
    assert services["gateway"].depends_on == ("orders",)
    assert services["orders"].kind == ("otel-http",)
    assert services["gateway"].kind == ("traced",)
    assert "also calls: db.internal:5432" in Path("bongsu.yaml").read_text()


def send(url: str) -> None:
    """A trace from ``gateway`` to ``orders`` to a database, and the HTTP metrics of ``orders``."""
    from opentelemetry import trace
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    port = int(url.rpartition(":")[2])

    def listening() -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) == 0

    eventually(listening)
    providers = {}
    for name in ("gateway", "orders"):
        providers[name] = TracerProvider(resource=Resource({"service.name": name}), shutdown_on_exit=False)
        providers[name].add_span_processor(BatchSpanProcessor(OTLPSpanExporter(f"{url}/v1/traces")))
    gateway, orders = (providers[name].get_tracer("test") for name in ("gateway", "orders"))
    about: dict[str, str | int] = {"server.address": "127.0.0.1", "server.port": 8102}
    with (
        gateway.start_as_current_span("GET /", kind=trace.SpanKind.SERVER),
        gateway.start_as_current_span("GET", kind=trace.SpanKind.CLIENT, attributes=about),
        orders.start_as_current_span("GET /orders", kind=trace.SpanKind.SERVER),
    ):
        database: dict[str, str | int] = {"server.address": "db.internal", "server.port": 5432}
        orders.start_span("SELECT", kind=trace.SpanKind.CLIENT, attributes=database).end()
    reader = PeriodicExportingMetricReader(OTLPMetricExporter(f"{url}/v1/metrics"), 60_000)
    meters = MeterProvider([reader], Resource({"service.name": "orders"}), shutdown_on_exit=False)
    duration = meters.get_meter("test").create_histogram("http.server.request.duration", "s")
    duration.record(0.1, {"http.route": "/orders", "http.response.status_code": 200})
    for provider in providers.values():
        provider.force_flush()
    meters.force_flush()
    meters.shutdown()

"""Bad input is refused with a clear 4xx, and nothing else is disturbed."""

import gzip
import json
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from bongsu.demo.inbox import InboxControl
from tests.chain.conftest import Chain, serving_inbox, webhook

pytestmark = pytest.mark.anyio

BAD = [
    ("/webhooks/alertmanager", b"not json", {}, 400, "the body is not JSON"),
    ("/webhooks/alertmanager", b'{"version":"4"}', {}, 400, "missing required field"),
    ("/webhooks/grafana", webhook(), {}, 400, "version is '4'; this endpoint takes grafana version '1'"),
    ("/webhooks/alertmanager", b"[" * 9_000_000, {}, 413, "at most"),
    ("/v1/traces", b"\xff\xff", {"content-type": "application/x-protobuf"}, 400, ""),
    ("/v1/logs", b"{", {"content-type": "application/json"}, 400, ""),
    ("/v1/metrics", b"{}", {"content-type": "text/plain"}, 415, ""),
    ("/v1/traces", b"junk", {"content-type": "application/json", "content-encoding": "gzip"}, 400, ""),
]


async def test_every_malformed_body_gets_a_clear_refusal_and_the_chain_goes_on(chain: Chain) -> None:
    for path, body, headers, status, says in BAD:
        answer = await chain.post(path, body, **headers)
        assert answer.status_code == status, (path, answer.status_code, answer.text)
        assert says in answer.text
        assert "Traceback" not in answer.text
    empty = gzip.compress(json.dumps({"resourceSpans": []}).encode())
    headers = {"content-type": "application/json", "content-encoding": "gzip"}
    assert (await chain.post("/v1/traces", empty, **headers)).status_code == 200
    await chain.post("/webhooks/alertmanager", webhook())
    await chain.until("delivered")


@pytest.mark.parametrize(
    "path", ["/webhooks/alertmanager", "/webhooks/grafana", "/v1/traces", "/v1/metrics", "/v1/logs"]
)
async def test_nothing_is_taken_without_a_credential(chain: Chain, path: str) -> None:
    assert (await chain.post(path, webhook(), token="")).status_code == 401
    assert (await chain.post(path, webhook(), token="wrong")).status_code == 401
    assert await chain.get("/api/incidents") == []


def test_a_broken_catalog_stops_the_start_with_its_place(tmp_path: Path) -> None:
    (tmp_path / "bongsu.yaml").write_text("name: a\nservises: {}\n")
    command = [sys.executable, "-m", "bongsu", "serve", str(tmp_path / "bongsu.yaml")]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 1
    assert "bongsu.yaml:2:1: unknown key 'servises'" in ended.stderr
    assert "Traceback" not in ended.stderr


async def test_a_malformed_scrape_is_told_with_its_line_and_the_others_go_on(tmp_path: Path) -> None:
    pages = {"/good": b"m 1\n", "/bad": b"m 1\nm{a= 2\n"}

    class Metrics(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("content-type", "text/plain; version=0.0.4")
            self.end_headers()
            self.wfile.write(pages[self.path])

        def log_message(self, *_: object) -> None:
            pass

    exporter = ThreadingHTTPServer(("127.0.0.1", 0), Metrics)
    threading.Thread(target=exporter.serve_forever, daemon=True).start()
    host = f"http://127.0.0.1:{exporter.server_port}"
    (tmp_path / "bongsu.yaml").write_text(
        "name: team\n"
        "sources: {local: {type: embedded, scrape_interval: 500ms}}\n"
        "services:\n"
        f"  good: {{kind: fastapi, targets: '{host}/good'}}\n"
        f"  bad: {{kind: fastapi, targets: '{host}/bad'}}\n"
    )
    with serving_inbox(InboxControl()) as (inbox, url):
        chain = Chain(tmp_path, inbox, url)
        await chain.start()
        try:
            states = await chain.until_targets(lambda rows: all(row["at"] for row in rows))
        finally:
            await chain.stop()
            exporter.shutdown()
    assert (states["good"]["up"], states["good"]["error"]) == (True, "")
    assert states["bad"]["up"] is False
    assert states["bad"]["error"].startswith("line 2")

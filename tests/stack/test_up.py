"""``bongsu up``: which programs it would start, how it keeps them running, and that nothing stays behind."""

import asyncio
import os
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from bongsu.catalog import loads
from bongsu.cli import main
from bongsu.processes import ProcessError
from bongsu.stack.local import Folders, Launch, plan, secrets, served
from bongsu.stack.model import Stack
from bongsu.supervisor import Child, Condition, Supervisor
from tests.live_servers import free_port, require

CATALOG = """\
name: corner
sources: {metrics: {type: prometheus, url: "http://127.0.0.1:9090"}}
services:
  shop: {kind: generic-http, prefix: shop, targets: "127.0.0.1:1"}
channels: {chat: {type: discord, webhook: {env: HOOK}}}
routes: [{to: chat}]
"""
SERVER = """\
import http.server, sys
class H(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers()
    def log_message(self, *a): pass
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), H).serve_forever()
"""


def folders(tmp_path: Path) -> Folders:
    return Folders(tmp_path / "stack", tmp_path / "data")


def test_what_is_not_installed_is_missing_with_the_way_to_install_it(tmp_path: Path) -> None:
    stack = Stack(loads(CATALOG))
    here: Callable[[str], str | None] = lambda name: f"/bin/{name}" if name == "prometheus" else None  # noqa: E731
    launches, missing = plan(stack, folders(tmp_path), here)
    assert [launch.system for launch in launches] == ["prometheus"]
    assert {m.system: m.install.en for m in missing}[
        "alertmanager"
    ] == "apt-get install prometheus-alertmanager"
    assert {m.system for m in missing} == {"alertmanager", "grafana"}


def test_either_name_of_a_program_will_do(tmp_path: Path) -> None:
    launches, _ = plan(Stack(loads(CATALOG)), folders(tmp_path), lambda name: name)
    found = {launch.system: launch.argv[0] for launch in launches}
    assert found["alertmanager"] == "alertmanager"
    debian: Callable[[str], str | None] = lambda name: name if name.startswith("prometheus") else None  # noqa: E731
    launches, _ = plan(Stack(loads(CATALOG)), folders(tmp_path), debian)
    assert {launch.system: launch.argv[0] for launch in launches}["alertmanager"] == "prometheus-alertmanager"


def test_every_program_listens_on_loopback_alone(tmp_path: Path) -> None:
    text = CATALOG + 'targets: {prometheus: "3.5", alertmanager: "0.28", alloy: "1.11", grafana: "12.0"}\n'
    launches, _ = plan(Stack(loads(text)), folders(tmp_path), lambda name: name)
    assert [a for launch in launches for a in launch.argv if "0.0.0.0" in a] == []
    assert all(launch.url.startswith("http://127.0.0.1:") for launch in launches)


def test_bongsu_asks_the_prometheus_that_is_started_instead_of_another_of_this_machine() -> None:
    elsewhere = CATALOG.replace("127.0.0.1:9090", "metrics.example.com")
    for text, url in ((CATALOG, "http://127.0.0.1:9191"), (elsewhere, "http://metrics.example.com")):
        stack = Stack(loads(text), addresses={"prometheus": "127.0.0.1:9191"})
        assert served(stack).sources["metrics"].url == url


def test_secrets_that_are_not_set_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    stack = Stack(loads(CATALOG))
    monkeypatch.delenv("HOOK", raising=False)
    assert secrets(stack, "in", "ad")[1] == ["HOOK"]
    monkeypatch.setenv("HOOK", "https://hook")
    found, absent = secrets(stack, "in", "ad")
    assert (dict(found), absent) == (
        {"BONGSU_INGEST_TOKEN": "in", "BONGSU_ADMIN_TOKEN": "ad", "HOOK": "https://hook"},
        [],
    )


def launch(system: str, port: int, *argv: str) -> Launch:
    url = f"http://127.0.0.1:{port}"
    return Launch(system, argv or (sys.executable, "-c", SERVER, str(port)), url, url, "restart")


async def until(holds: Callable[[], bool], seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.02)


def test_a_server_that_ends_is_started_anew_and_others_stay(tmp_path: Path) -> None:
    async def story() -> None:
        heard: list[tuple[str, Condition]] = []

        def changed(child: Child) -> None:
            heard.append((child.system, child.condition))

        launches = [launch("a", free_port()), launch("b", free_port())]
        keeper = Supervisor(launches, tmp_path, dict(os.environ), changed)
        await keeper.start()
        stopping = asyncio.Event()
        watching = asyncio.create_task(keeper.watch(stopping))
        first, second = (child.process.pid for child in keeper.children)
        assert first
        os.kill(first, signal.SIGKILL)
        await until(
            lambda: keeper.children[0].restarts == 1 and keeper.children[0].condition is Condition.READY
        )
        assert keeper.children[0].process.pid != first
        assert keeper.children[0].pause == 2.0
        assert keeper.children[1].process.pid == second
        stopping.set()
        await watching
        await keeper.stop()
        assert [child.process.pid for child in keeper.children] == [None, None]
        of_a = [
            condition for system, condition in heard if system == "a" and condition is not Condition.SILENT
        ]
        assert of_a == [Condition.READY, Condition.ENDED, Condition.STARTING, Condition.READY]

    asyncio.run(story())


def test_when_one_does_not_start_none_stays(tmp_path: Path) -> None:
    async def story() -> None:
        good, bad = (
            launch("good", free_port()),
            launch("bad", free_port(), "/bin/sh", "-c", "echo my reason; exit 3"),
        )
        keeper = Supervisor([good, bad], tmp_path, dict(os.environ))
        with pytest.raises(ProcessError, match="my reason"):
            await keeper.start()
        assert [child.process.pid for child in keeper.children] == [None, None]

    asyncio.run(story())


def test_a_server_that_takes_a_new_configuration_only_anew_is_started_anew(tmp_path: Path) -> None:
    async def story() -> None:
        keeper = Supervisor([launch("a", free_port()), launch("b", free_port())], tmp_path, dict(os.environ))
        await keeper.start()
        before = [child.process.pid for child in keeper.children]
        await keeper.reload({"a"})
        after = [child.process.pid for child in keeper.children]
        await keeper.stop()
        assert (before[0] != after[0], before[1] == after[1]) == (True, True)

    asyncio.run(story())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "bongsu.yaml").write_text(CATALOG)
    return tmp_path


def test_a_taken_port_is_told_with_the_way_out(folder: Path) -> None:
    require("prometheus", "prometheus-alertmanager")
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        arguments = ["up", str(folder / "bongsu.yaml"), "--data", str(folder / "data")]
        runner = CliRunner(env={"LANG": "C", "BONGSU_LANGUAGE": "en"})
        result = runner.invoke(main, [*arguments, "--port", f"prometheus={port}"])
    assert result.exit_code == 1
    assert f"port {port} of prometheus is taken: give another with --port prometheus=N" in result.output


def test_compose_says_why_it_cannot(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(folder))
    arguments = ["up", str(folder / "bongsu.yaml"), "--target", "compose", "--data", str(folder / "data")]
    result = CliRunner(env={"LANG": "C", "BONGSU_LANGUAGE": "en"}).invoke(main, arguments)
    assert result.exit_code == 1
    assert "docker is not installed; the files are in" in result.output
    assert (folder / "data/compose/compose.yaml").exists()


@pytest.fixture
def started(folder: Path) -> Iterator[tuple[subprocess.Popen[bytes], Path]]:
    """``bongsu up`` as people start it, once it runs."""
    require("prometheus", "prometheus-alertmanager")
    data, log = folder / "data", folder / "up.log"
    ports = [o for s in ("prometheus", "alertmanager", "bongsu") for o in ("--port", f"{s}={free_port()}")]
    command = [sys.executable, "-m", "bongsu", "up", str(folder / "bongsu.yaml"), "--data", str(data), *ports]
    env = {**os.environ, "HOOK": "https://discord.com/api/webhooks/1/hush", "BONGSU_LANGUAGE": "en"}
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, env=env)
    deadline = time.monotonic() + 90
    while not (data / "up.json").exists():
        if process.poll() is not None or time.monotonic() > deadline:
            pytest.fail(log.read_text())
        time.sleep(0.1)
    yield process, folder
    process.kill()
    process.wait()


def children(parent: int) -> list[int]:
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if (
                entry.name.isdigit()
                and int((entry / "stat").read_text().rsplit(")", 1)[1].split()[1]) == parent
            ):
                found.append(int(entry.name))
        except OSError:
            continue
    return found


@pytest.mark.live
def test_up_keeps_secrets_to_itself_takes_a_changed_catalog_and_leaves_nothing(
    started: tuple[subprocess.Popen[bytes], Path],
) -> None:
    process, folder = started
    secret = folder / "data/secrets/HOOK"
    assert stat.S_IMODE(secret.stat().st_mode) == 0o600
    rendered = [*(folder / "data/stack").rglob("*"), folder / "data/bongsu.yaml", folder / "up.log"]
    assert [p for p in rendered if p.is_file() and "hush" in p.read_text()] == []
    running = children(process.pid)
    assert len(running) == 3
    (folder / "bongsu.yaml").write_text(CATALOG.replace("127.0.0.1:1", "127.0.0.1:2"))
    deadline = time.monotonic() + 40
    while "the catalog changed; reloaded" not in (folder / "up.log").read_text():
        assert time.monotonic() < deadline, (folder / "up.log").read_text()
        time.sleep(0.1)
    assert "127.0.0.1:2" in (folder / "data/stack/prometheus/prometheus.yml").read_text()
    process.send_signal(signal.SIGTERM)
    assert process.wait(40) == 0
    assert [pid for pid in running if Path(f"/proc/{pid}").exists()] == []
    assert not (folder / "data/up.json").exists()
    assert "nothing is left running" in (folder / "up.log").read_text()

"""Real servers for tests: started on free loopback ports with their own data, stopped by process id."""

import shutil
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest


@dataclass(frozen=True)
class Server:
    """A running server. ``log`` holds what it printed."""

    url: str
    pid: int
    directory: Path
    log: Path


def require(*binaries: str) -> list[str]:
    """Paths of the binaries; skips the test, naming the missing one."""
    found = []
    for binary in binaries:
        path = shutil.which(binary)
        if path is None:
            pytest.skip(f"{binary} is not installed: this test needs the real server")
        found.append(path)
    return found


def free_port() -> int:
    """A loopback port that nobody listened on a moment ago."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


@contextmanager
def serve(
    command: Sequence[str], url: str, ready: str, directory: Path, *, timeout: float = 30.0
) -> Iterator[Server]:
    """Run ``command`` until the block ends; enters when ``ready`` (a URL) answers 2xx.

    A server that exits or stays unready within ``timeout`` seconds fails the test with its log.
    """
    log = directory / "server.log"
    with log.open("wb") as output:
        process = subprocess.Popen(command, cwd=directory, stdout=output, stderr=subprocess.STDOUT)
    try:
        deadline = time.monotonic() + timeout
        while not _answers(ready):
            if process.poll() is not None or time.monotonic() > deadline:
                pytest.fail(f"{command[0]} is not ready:\n{log.read_text(errors='replace')[-4000:]}")
            time.sleep(0.05)
        yield Server(url, process.pid, directory, log)
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextmanager
def prometheus(
    *,
    config: str = "",
    openmetrics: str = "",
    files: dict[str, str] | None = None,
    arguments: Sequence[str] = (),
) -> Iterator[Server]:
    """A Prometheus with ``config`` (YAML) and the past of ``openmetrics`` text; ``files`` lie beside it.

    Skips when ``prometheus`` or ``promtool`` is not installed.
    """
    binary, promtool = require("prometheus", "promtool")
    with tempfile.TemporaryDirectory(prefix="prometheus-") as name:
        directory, port = Path(name), free_port()
        data = directory / "data"
        data.mkdir()
        for path, text in {"prometheus.yml": config or "{}", **(files or {})}.items():
            (directory / path).write_text(text)
        if openmetrics:
            past = directory / "past.om"
            past.write_text(openmetrics)
            blocks = [promtool, "tsdb", "create-blocks-from", "openmetrics", str(past), str(data)]
            done = subprocess.run(blocks, capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stderr[-2000:]
        url = f"http://127.0.0.1:{port}"
        command = [
            binary,
            f"--config.file={directory / 'prometheus.yml'}",
            f"--storage.tsdb.path={data}",
            "--storage.tsdb.retention.time=100y",
            f"--web.listen-address=127.0.0.1:{port}",
            "--web.enable-lifecycle",
            *arguments,
        ]
        with serve(command, url, f"{url}/-/ready", directory) as server:
            yield server


@contextmanager
def alertmanager(*, config: str, arguments: Sequence[str] = ()) -> Iterator[Server]:
    """An Alertmanager with ``config`` (YAML), without clustering. Skips when it is not installed."""
    found = shutil.which("alertmanager") or shutil.which("prometheus-alertmanager")
    if found is None:
        pytest.skip("alertmanager is not installed: this test needs the real server")
    with tempfile.TemporaryDirectory(prefix="alertmanager-") as name:
        directory, port = Path(name), free_port()
        (directory / "alertmanager.yml").write_text(config)
        url = f"http://127.0.0.1:{port}"
        command = [
            found,
            f"--config.file={directory / 'alertmanager.yml'}",
            f"--storage.path={directory / 'data'}",
            f"--web.listen-address=127.0.0.1:{port}",
            "--cluster.listen-address=",
            *arguments,
        ]
        with serve(command, url, f"{url}/-/ready", directory) as server:
            yield server


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=1) as response:
            return 200 <= int(response.status) < 300
    except (urllib.error.URLError, OSError):
        return False

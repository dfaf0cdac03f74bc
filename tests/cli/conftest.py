"""A command line to run, an instrumented application to find, and a way to wait."""

import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import uvicorn
from click.testing import CliRunner, Result
from fastapi import FastAPI, HTTPException

from bongsu.cli import main
from bongsu_instrument import instrument
from tests.live_servers import free_port

Run = Callable[..., Result]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    """``run("init", "--yes")`` in an empty folder; no exception but an exit may leave a command."""
    for name in ("BONGSU_LANGUAGE", "LC_ALL", "BONGSU_ADMIN_TOKEN", "BONGSU_HOST", "BONGSU_PORT", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("LANG", "en_US.UTF-8")
    monkeypatch.setenv("TZ", "Asia/Seoul")
    monkeypatch.setenv("COLUMNS", "90")
    monkeypatch.chdir(tmp_path)

    def invoke(*arguments: object) -> Result:
        result = CliRunner().invoke(main, [str(argument) for argument in arguments])
        assert result.exception is None or isinstance(result.exception, SystemExit), result.output
        assert "Traceback" not in result.output
        return result

    return invoke


def eventually(check: Callable[[], bool], seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not check():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.1)


@contextmanager
def application(prefix: str) -> Iterator[str]:
    """``host:port`` of a FastAPI application that answered a few requests, one of them with 500."""
    app = FastAPI()
    instrument(app, prefix=prefix)

    @app.get("/orders/{number}")
    def order(number: int) -> int:
        if number == 13:
            raise HTTPException(500)
        return number

    server = uvicorn.Server(uvicorn.Config(app, port=free_port(), log_level="warning"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    eventually(lambda: server.started)
    address = f"127.0.0.1:{server.config.port}"
    call(address, 1, 2, 3)
    try:
        yield address
    finally:
        server.should_exit = True
        thread.join(10)


def call(address: str, *numbers: int) -> None:
    for number in numbers:
        with urllib.request.urlopen(f"http://{address}/orders/{number}", timeout=5) as response:
            response.read()

import asyncio
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from shop.settings import SERVICES
from shop.supervisor import Shop, ShopError, free_ports
from shop.worker import EXAMPLES, environment
from tests.shop.support import RunningShop, until

PROCESSES = len(SERVICES) + 1


def children(pid: int) -> set[int]:
    found = set()
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, parent = entry.read_text().rpartition(")")[2].split()[:2]
        except OSError:
            continue
        if int(parent) == pid and state != "Z":
            found.add(int(entry.parent.name))
    return found


def alive(pids: set[int]) -> set[int]:
    def runs(pid: int) -> bool:
        try:
            return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
        except OSError:
            return False

    return {pid for pid in pids if runs(pid)}


@pytest.fixture
def by_hand(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "shop", "--free-ports", "--fault", "error", "--logs", str(tmp_path)],
        env={**os.environ, "PYTHONPATH": str(EXAMPLES), "TMPDIR": str(tmp_path)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def introduction(process: subprocess.Popen[str]) -> str:
    assert process.stdout
    lines: list[str] = []
    while "bad-deploy" not in (lines[-1] if lines else ""):
        lines.append(process.stdout.readline())
        assert lines[-1], "".join(lines)
    return "".join(lines)


def test_by_hand_it_says_where_it_is_obeys_and_sums_up(by_hand: subprocess.Popen[str]) -> None:
    text = introduction(by_hand)
    assert by_hand.stdin
    assert by_hand.stdout
    assert re.search(r"\* error +payments", text)
    url = re.search(r"gateway +(http://\S+)", text)
    assert url
    assert httpx2.get(url[1] + "/products/tea-001").status_code == 200
    pids = children(by_hand.pid)
    assert len(pids) == PROCESSES
    until(lambda: "/checkout" in httpx2.get(f"{url[1]}/metrics").text)
    by_hand.stdin.write("clear\nflood\nlatency\nquit\n")
    by_hand.stdin.flush()
    output, _ = by_hand.communicate(timeout=10)
    assert "active: none" in output
    assert "no fault 'flood'" in output
    assert "active: latency" in output
    assert json.loads(output.splitlines()[-1])["requests"] > 0
    assert not alive(pids)


def test_killed_supervisor_takes_everything_along(by_hand: subprocess.Popen[str]) -> None:
    introduction(by_hand)
    pids = children(by_hand.pid)
    assert len(pids) == PROCESSES
    by_hand.send_signal(signal.SIGKILL)
    until(lambda: not alive(pids))


def test_killed_service_comes_back_with_its_fault(shop: RunningShop) -> None:
    shop.run(shop.shop.inject("latency"))
    before = shop.shop.pids["inventory"]
    assert before
    os.kill(before, signal.SIGKILL)

    def active() -> list[str]:
        try:
            return list(httpx2.get(shop.shop.urls["inventory"] + "/-/fault").json()["active"])
        except httpx2.TransportError:  # refused, or cut off while it was being killed
            return []

    assert until(active) == ["latency"]
    assert shop.shop.pids["inventory"] != before
    assert shop.shop.restarts["inventory"] == 1
    shop.run(shop.shop.clear())
    assert active() == []


def test_load_survives_a_crash_and_sums_up(shop: RunningShop) -> None:
    shop.run(shop.shop.start_load(rate=60, seed=3, websockets=1))
    with pytest.raises(ShopError, match="running already"):
        shop.run(shop.shop.start_load())
    shop.run(shop.shop.inject("crash"))
    until(lambda: shop.sink.logs("payments is unreachable", service="orders"))
    shop.run(shop.shop.clear())
    before = len(shop.sink.logs("paid: ", service="orders"))
    until(lambda: len(shop.sink.logs("paid: ", service="orders")) > before + 3)
    summary = shop.run(shop.shop.stop_load())
    assert summary["requests"] > 30
    assert summary["statuses"]["200"] > 0
    assert summary["statuses"]["201"] > 0
    assert 0 < summary["server_errors"] < summary["requests"]
    assert summary["updates"] > 0
    assert shop.run(shop.shop.stop_load()) == {}


def test_load_without_a_shop_ends_cleanly() -> None:
    nobody = f"--url=http://127.0.0.1:{free_ports()['gateway']}"
    load = subprocess.run(
        [sys.executable, "-m", "shop.load", nobody, "--seconds=1.5", "--rate=40"],
        env=environment({}),
        capture_output=True,
        text=True,
        timeout=10,
    )
    assert load.returncode == 0, load.stderr
    assert load.stderr == ""
    summary = json.loads(load.stdout)
    assert summary["unanswered"] == summary["requests"] > 0


def test_taken_port_is_refused_and_nothing_is_left(tmp_path: Path) -> None:
    ports = free_ports()

    async def open_shop() -> None:
        async with Shop(ports=ports, logs_dir=tmp_path):
            pass

    with socket.create_server(("127.0.0.1", ports["orders"])):
        before = children(os.getpid())
        with pytest.raises(ShopError, match=f"orders cannot listen on 127.0.0.1:{ports['orders']}"):
            asyncio.run(open_shop())
        assert children(os.getpid()) <= before


def test_failed_start_shows_the_end_of_the_log(tmp_path: Path) -> None:
    async def open_shop() -> None:
        async with Shop(logs_dir=tmp_path, env={"PYTHONWARNINGS": "", "PYTHONHOME": "/nowhere"}):
            pass

    began = time.monotonic()
    with pytest.raises(
        ShopError, match=r"ended with 1 instead of starting; the end of .*log:\n(.|\n)*encodings"
    ):
        asyncio.run(open_shop())
    assert time.monotonic() - began < 5

"""A drill goes in by the front door and is told like any alert, without calling on anybody."""

import subprocess
import sys

import pytest

from tests.chain.conftest import ADMIN, Chain

pytestmark = pytest.mark.anyio


def bongsu(*arguments: str, token: str = ADMIN) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "bongsu", *arguments]
    env = {"PATH": "/usr/bin:/bin", "BONGSU_ADMIN_TOKEN": token, "LANG": "C.UTF-8"}
    return subprocess.run(command, env=env, capture_output=True, text=True, timeout=90, check=False)


async def test_a_drill_is_shown_with_its_end_and_pings_nobody(chain: Chain) -> None:
    ended = bongsu("drill", "--server", chain.url)
    assert ended.returncode == 0, ended.stderr
    assert "every channel showed the drill" in ended.stdout
    [message] = chain.messages
    assert message["pings"] == []
    assert "Drill" in message["embeds"][0]["title"]


async def test_a_drill_that_a_channel_refuses_fails_and_says_so(chain: Chain) -> None:
    chain.inbox.alive = False
    ended = bongsu("drill", "--server", chain.url, "--seconds", "10")
    assert ended.returncode == 1
    assert "incidents" in ended.stdout
    assert "the chain did not hold" in ended.stderr


async def test_a_drill_without_a_server_or_token_says_what_to_do() -> None:
    assert "is the server running?" in bongsu("drill", "--server", "http://127.0.0.1:9").stderr
    assert "set BONGSU_ADMIN_TOKEN" in bongsu("drill", token="").stderr


async def test_the_report_of_a_running_server_tells_the_drill(chain: Chain) -> None:
    bongsu("drill", "--server", chain.url)
    ended = bongsu("report", str(chain.folder / "bongsu.yaml"), "--data", str(chain.folder / "data"))
    assert "| 1 | P4 | Drill" in ended.stdout, ended.stderr

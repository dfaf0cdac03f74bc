"""``bongsu why`` asks a real server about a stored incident and shows each claim beside its evidence."""

import asyncio
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from msgspec import structs
from simulated_shop import ONSET, SHOP, Fault, Shop, alert, request

from bongsu.analysis.archive import Archive
from bongsu.analysis.collect import collect
from bongsu.analysis.model import Analysis
from bongsu.analysis.rank import analyse
from bongsu.cli import main
from bongsu.incidents.record import Policy, record
from bongsu.incidents.store import Store
from tests import live_servers

TOKEN = "admin-token-of-the-test"
CATALOG = """\
name: shop
sources: {local: {type: embedded}}
services:
  payments: {kind: fastapi}
"""
Why = Callable[..., Result]


async def _stored(folder: Path, name: str) -> tuple[str, Analysis | None]:
    """An incident in the server's data; analysed where ``name`` is a fault of the simulated shop."""
    store = Store(folder / "incidents.sqlite")
    known = [alert(name or "inventory", "error_ratio")]
    [incident] = await store.write(lambda c: record(c, known, Policy(), ONSET + 40))
    analysis = None
    if name:
        shop = Shop(SHOP, 1, Fault("error", name, strength=0.9))
        evidence = await collect(request(shop, [alert("gateway")]), shop)
        analysis = analyse(evidence)
        evidence = structs.replace(evidence, incident=incident.id)
        await Archive(store).put(evidence, structs.replace(analysis, incident=incident.id))
    await store.close()
    return incident.id, analysis


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Why, Analysis]]:
    folder = tmp_path_factory.mktemp("why")
    (folder / "data").mkdir()
    (folder / "bongsu.yaml").write_text(CATALOG)
    (folder / "data/admin.token").write_text(TOKEN)
    _, analysis = asyncio.run(_stored(folder / "data", "payments"))
    asyncio.run(_stored(folder / "data", ""))
    assert analysis is not None
    url = f"http://127.0.0.1:{live_servers.free_port()}"
    argv = [sys.executable, "-m", "bongsu", "serve", "bongsu.yaml", "--port", url.rpartition(":")[2]]
    argv += ["--data", "data", "--no-watch"]

    def why(*arguments: str, language: str = "en_US.UTF-8") -> Result:
        place = ["--server", url, "--data", str(folder / "data")]
        env = {"LANG": language, "LC_ALL": None, "BONGSU_LANGUAGE": None, "BONGSU_ADMIN_TOKEN": None}
        return CliRunner(env=env).invoke(main, ["why", *arguments, *place])

    with live_servers.serve(argv, url, f"{url}/readyz", folder, timeout=60):
        yield why, analysis


def test_every_claim_stands_beside_its_evidence(served: tuple[Why, Analysis]) -> None:
    why, analysis = served
    result = why("1")
    assert result.exit_code == 0, result.output
    lines = [line.strip() for line in result.output.splitlines()]
    for claim in analysis.claims:
        if claim.kind != "cause":
            at = lines.index(f"- {claim.text.en}")
            assert lines[at + 1].startswith(claim.evidence[0])
    assert analysis.summary.en in lines
    assert analysis.confidence is not None
    assert analysis.confidence.text.en in lines


def test_it_speaks_korean(served: tuple[Why, Analysis]) -> None:
    why, analysis = served
    output = why("#1", language="ko_KR.UTF-8").output
    assert analysis.summary.ko in output
    assert "영향 범위" in output


def test_json_is_the_stored_analysis(served: tuple[Why, Analysis]) -> None:
    why, analysis = served
    document = json.loads(why("1", "--json").output)
    assert [claim["text"]["en"] for claim in document["analysis"]["claims"]] == [
        claim.text.en for claim in analysis.claims
    ]
    by_id = json.loads(why(document["incident"]["id"], "--json").output)
    assert by_id == document


def test_an_incident_that_is_not_analysed_says_so(served: tuple[Why, Analysis]) -> None:
    result = served[0]("2")
    assert result.exit_code == 1
    assert "not analysed yet" in result.output


def test_an_unknown_incident_names_those_there_are(served: tuple[Why, Analysis]) -> None:
    result = served[0]("77")
    assert result.exit_code == 1
    assert "there is no incident 77; the newest are #2, #1" in result.output

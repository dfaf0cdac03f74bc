"""What is stored comes back, also what an earlier version stored."""

from pathlib import Path

import msgspec
import pytest

from bongsu.analysis.archive import Archive
from bongsu.analysis.model import Analysis, Evidence, Gap, Say, Window
from bongsu.incidents.model import Alert, AlertStatus
from bongsu.incidents.record import Policy, record
from bongsu.incidents.store import Store
from bongsu.signals.model import Severity

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


async def _opened(store: Store) -> str:
    alert = Alert(
        source="watch",
        fingerprint="x",
        status=AlertStatus.FIRING,
        starts_at=1.0,
        name="x",
        severity=Severity.P1,
    )
    [incident] = await store.write(lambda c: record(c, [alert], Policy(), 1.0))
    return incident.id


def _documents(incident: str) -> tuple[Evidence, Analysis]:
    gaps = [Gap("logs: refused", "로그: refused"), Gap("short", "짧음", minor=True)]
    window = Window(0.0, 1.0)
    evidence = Evidence(
        incident=incident,
        collected_at=1.0,
        onset=0.0,
        window=window,
        baseline=window,
        alerts=[],
        depends_on={},
        gaps=gaps,
    )
    return evidence, Analysis(
        incident=incident, suspects=[], abstained=True, summary=Say("a", "가"), gaps=gaps
    )


async def test_gaps_come_back_in_both_languages_and_those_of_old_documents_in_english(tmp_path: Path) -> None:
    store = Store(tmp_path / "incidents.sqlite")
    archive = Archive(store)
    incident = await _opened(store)
    evidence, analysis = _documents(incident)
    await archive.put(evidence, analysis)
    assert await archive.evidence(incident) == evidence
    assert await archive.analysis(incident) == analysis
    for kind, document in (("evidence", evidence), ("analysis", analysis)):
        old = {**msgspec.to_builtins(document), "gaps": ["logs: refused"]}
        await store.put_document(incident, kind, msgspec.json.encode(old))
    said = [Gap("logs: refused", "logs: refused")]
    assert await archive.evidence(incident) == msgspec.structs.replace(evidence, gaps=said)
    assert await archive.analysis(incident) == msgspec.structs.replace(analysis, gaps=said)
    await store.close()

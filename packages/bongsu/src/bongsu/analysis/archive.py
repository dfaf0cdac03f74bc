"""Evidence and analysis of an incident, kept in the incident store as compressed JSON."""

from typing import TypeVar

import msgspec

from bongsu.analysis.model import Analysis, Evidence
from bongsu.incidents.store import Store

Document = TypeVar("Document", Evidence, Analysis)


class Archive:
    def __init__(self, store: Store) -> None:
        self._store = store

    async def put(self, evidence: Evidence, analysis: Analysis) -> None:
        await self._store.put_document(evidence.incident, "evidence", msgspec.json.encode(evidence))
        await self._store.put_document(evidence.incident, "analysis", msgspec.json.encode(analysis))

    async def evidence(self, incident_id: str) -> Evidence | None:
        body = await self._store.document(incident_id, "evidence")
        return _decoded(body, Evidence) if body is not None else None

    async def analysis(self, incident_id: str) -> Analysis | None:
        body = await self._store.document(incident_id, "analysis")
        return _decoded(body, Analysis) if body is not None else None


def _decoded(body: bytes, kind: type[Document]) -> Document:
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.ValidationError:
        return _of_old(body, kind)


def _of_old(body: bytes, kind: type[Document]) -> Document:
    """Documents of earlier versions say their gaps in English alone."""
    document = msgspec.json.decode(body)
    gaps = document.get("gaps", [])
    return msgspec.convert({**document, "gaps": [{"en": gap, "ko": gap} for gap in gaps]}, kind)

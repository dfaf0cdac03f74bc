"""Evidence and analysis of an incident, kept in the incident store as compressed JSON."""

import msgspec

from bongsu.analysis.model import Analysis, Evidence
from bongsu.incidents.store import Store


class Archive:
    def __init__(self, store: Store) -> None:
        self._store = store

    async def put(self, evidence: Evidence, analysis: Analysis) -> None:
        await self._store.put_document(evidence.incident, "evidence", msgspec.json.encode(evidence))
        await self._store.put_document(evidence.incident, "analysis", msgspec.json.encode(analysis))

    async def evidence(self, incident_id: str) -> Evidence | None:
        body = await self._store.document(incident_id, "evidence")
        return msgspec.json.decode(body, type=Evidence) if body is not None else None

    async def analysis(self, incident_id: str) -> Analysis | None:
        body = await self._store.document(incident_id, "analysis")
        return msgspec.json.decode(body, type=Analysis) if body is not None else None

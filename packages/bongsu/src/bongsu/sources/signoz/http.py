"""SigNoz's HTTP API, with an API key."""

from collections.abc import Mapping
from typing import Any

import httpx2

from bongsu.sources.base import Edge, SourceError, Span
from bongsu.sources.http import Backend
from bongsu.sources.signoz import rows

_QUERY = "api/v5/query_range"
_DEPENDENCIES = "api/v1/dependency_graph"


class HttpInterface:
    """``POST /api/v5/query_range`` for almost everything; a trace and the dependencies have their own."""

    topology = True

    def __init__(
        self,
        name: str,
        url: str,
        *,
        token: str,
        ca_file: str = "",
        timeout: float = 20.0,
        transport: httpx2.AsyncBaseTransport | None = None,
    ) -> None:
        self._backend = Backend(
            name,
            url,
            headers={"SIGNOZ-API-KEY": token},
            timeout=timeout,
            ca_file=ca_file,
            transport=transport,
        )

    async def query_range(self, body: Mapping[str, Any], what: str) -> Mapping[str, Any]:
        document = await self._backend.json("POST", _QUERY, what, json=body)
        if not isinstance(document, dict) or document.get("status") != "success":
            raise self.error(f"{what}: an answer that does not say success")
        return document

    async def trace(self, trace_id: str) -> list[Span] | None:
        path = f"api/v4/traces/{trace_id}/waterfall"
        status, document = await self._backend.ask("POST", path, "trace", json={"uncollapsedSpans": []})
        if status == 404 or isinstance(document, str):
            # Unknown to SigNoz, or the page that an older SigNoz shows for paths it does not have.
            return None
        if status != 200:
            raise self._backend.refusal(path, "trace", status, document)
        try:
            return rows.waterfall(document["data"])
        except (KeyError, TypeError, ValueError, AttributeError):
            raise self._backend.error(path, "trace: an answer that is no trace") from None

    async def dependencies(self, start: float, end: float) -> list[Edge]:
        body = {"start": str(round(start * 1e9)), "end": str(round(end * 1e9)), "tags": []}
        document = await self._backend.json("POST", _DEPENDENCIES, "dependencies", json=body)
        # A bare list, or within the envelope that other answers have.
        found = document.get("data") if isinstance(document, dict) else document
        try:
            return [
                Edge(str(row["parent"]), str(row["child"]), float(row["callCount"])) for row in found or ()
            ]
        except (KeyError, TypeError, ValueError):
            raise self._backend.error(_DEPENDENCIES, "dependencies: an answer without them") from None

    def error(self, text: str) -> SourceError:
        return self._backend.error(_QUERY, text)

    async def aclose(self) -> None:
        await self._backend.aclose()

"""Prometheus and what speaks its HTTP API: Mimir, Thanos, VictoriaMetrics."""

import math
from collections.abc import Callable
from typing import Any

import httpx2
import structlog

from bongsu.signals import promql
from bongsu.signals.query import FleetQuery
from bongsu.signals.sql import Steps
from bongsu.sources.answers import Answer, instant_samples, range_series
from bongsu.sources.base import Capability, Sample, Series, Source, SourceError

MAX_POINTS = 11_000
"""Prometheus refuses a range query with more steps; longer ones are asked in parts."""

_log = structlog.get_logger(__name__)


class PrometheusSource(Source):
    """Answers a fleet query with one PromQL expression, by POST to ``/api/v1/query`` or ``query_range``.

    It has no logs, spans or changes to tell of. ``token`` is sent as a bearer token.
    """

    capabilities = frozenset[Capability]({"metrics"})

    def __init__(
        self,
        name: str,
        url: str,
        *,
        token: str | None = None,
        timeout: float = 10.0,
        native_histograms: bool = False,
        transport: httpx2.AsyncBaseTransport | None = None,
    ) -> None:
        self._name = name
        self._native = native_histograms
        self._client = httpx2.AsyncClient(
            base_url=url.rstrip("/") + "/",
            auth=_bearer(token) if token else None,
            timeout=timeout,
            transport=transport,
        )

    @property
    def name(self) -> str:
        return self._name

    async def aclose(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def instant(self, query: FleetQuery, at: float) -> list[Sample]:
        """The signal's value for each service that has one; *presence* answers for every service."""
        if not query.services:
            return []
        form = {"query": self._compile(query), "time": f"{at:.3f}"}
        result = await self._ask("api/v1/query", form, query.name, "vector")
        answers = [Answer(at, _labels(row), _number(row["value"][1])) for row in result if "value" in row]
        return instant_samples(query, answers)

    async def range(self, query: FleetQuery, start: float, end: float, step: float) -> list[Series]:
        """The signal's values at ``start``, ``start + step`` … ``end`` for each service that has any."""
        if not query.services:
            return []
        expression = self._compile(query)
        try:
            millis = Steps(start, end, step).millis
        except ValueError as error:
            raise SourceError(f"{self._name}: {query.name}: {error}") from error
        answers: list[Answer] = []
        for first in range(0, len(millis), MAX_POINTS):
            part = millis[first : first + MAX_POINTS]
            form = {
                "query": expression,
                "start": f"{part[0] / 1000:.3f}",
                "end": f"{part[-1] / 1000:.3f}",
                "step": f"{millis.step / 1000:.3f}",
            }
            for row in await self._ask("api/v1/query_range", form, query.name, "matrix"):
                labels = _labels(row)
                answers += [Answer(at, labels, _number(text)) for at, text in row.get("values", ())]
        return range_series(query, [ms / 1000 for ms in millis], answers)

    def _compile(self, query: FleetQuery) -> str:
        try:
            return promql.compile(query, native_histograms=self._native)
        except ValueError as error:
            raise SourceError(f"{self._name}: {query.name}: {error}") from error

    async def _ask(self, path: str, form: dict[str, str], what: str, kind: str) -> list[dict[str, Any]]:
        try:
            response = await self._client.post(path, data=form)
        except httpx2.HTTPError as error:
            reason = str(error) or type(error).__name__
            raise self._error(path, f"{what}: no answer: {reason}") from error
        try:
            body = response.json()
        except ValueError:
            body = None
        if not isinstance(body, dict) or "status" not in body:
            text = " ".join(response.text.split())[:200]
            raise self._error(path, f"{what}: HTTP {response.status_code}, not an API answer: {text}")
        if body["status"] != "success":
            detail = f"{body.get('errorType', 'error')}: {body.get('error', 'no reason given')}"
            raise self._error(path, f"{what}: HTTP {response.status_code}: {detail}")
        for warning in body.get("warnings") or ():
            _log.warning("source.warning", source=self._name, query=what, warning=warning)
        return self._rows(body.get("data"), path, what, kind)

    def _rows(self, data: Any, path: str, what: str, kind: str) -> list[dict[str, Any]]:
        if not isinstance(data, dict) or not isinstance(data.get("result"), list):
            raise self._error(path, f"{what}: an answer without a result")
        found = data.get("resultType")
        if found == kind:
            return list(data["result"])
        if found == "scalar":
            return [{"metric": {}, "value": data["result"]}]
        raise self._error(path, f"{what}: the expression gives a {found}, where a {kind} is needed")

    def _error(self, path: str, text: str) -> SourceError:
        base = self._client.base_url
        port = f":{base.port}" if base.port else ""
        return SourceError(f"{self._name}: {base.scheme}://{base.host}{port}{base.path}{path}: {text}")


def _bearer(token: str) -> Callable[[httpx2.Request], httpx2.Request]:
    """A token for every request, also where the URL holds a user and password."""

    def add(request: httpx2.Request) -> httpx2.Request:
        request.headers["Authorization"] = f"Bearer {token}"
        return request

    return add


def _labels(row: dict[str, Any]) -> dict[str, str]:
    return {str(name): str(value) for name, value in row.get("metric", {}).items()}


def _number(text: str) -> float:
    """Prometheus writes values as strings, with ``NaN``, ``+Inf`` and ``-Inf``."""
    try:
        return float(text)
    except ValueError:
        return math.nan

"""Prometheus and what speaks its HTTP API: Mimir, Thanos, VictoriaMetrics."""

from collections.abc import Iterator
from typing import Any

import httpx2
import structlog

from bongsu.signals import promql
from bongsu.signals.query import FleetQuery
from bongsu.signals.sql import Steps
from bongsu.sources.answers import Answer, instant_samples, range_series
from bongsu.sources.base import Capability, Sample, Series, Source, SourceError
from bongsu.sources.http import Backend, bearer, excerpt

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
        tenant: str = "",
        ca_file: str = "",
        timeout: float = 10.0,
        native_histograms: bool = False,
        transport: httpx2.AsyncBaseTransport | None = None,
    ) -> None:
        self._name = name
        self._native = native_histograms
        self._backend = Backend(
            name,
            url,
            headers=bearer(token, tenant),
            timeout=timeout,
            ca_file=ca_file,
            transport=transport,
        )

    @property
    def name(self) -> str:
        return self._name

    async def aclose(self) -> None:
        await self._backend.aclose()

    async def instant(self, query: FleetQuery, at: float) -> list[Sample]:
        """The signal's value for each service that has one; *presence* answers for every service."""
        if not query.services:
            return []
        form = {"query": self._compile(query), "time": f"{at:.3f}"}
        result = await self._ask("api/v1/query", form, query.name, "vector")
        answers = [
            Answer(at, _labels(row), value) for row in result for _, value in self._points(row, query.name)
        ]
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
                answers += [Answer(at, labels, value) for at, value in self._points(row, query.name)]
        return range_series(query, [ms / 1000 for ms in millis], answers)

    def _compile(self, query: FleetQuery) -> str:
        try:
            return promql.compile(query, native_histograms=self._native)
        except ValueError as error:
            raise SourceError(f"{self._name}: {query.name}: {error}") from error

    async def _ask(self, path: str, form: dict[str, str], what: str, kind: str) -> list[dict[str, Any]]:
        status, body = await self._backend.ask("POST", path, what, data=form)
        if not isinstance(body, dict) or "status" not in body:
            raise self._backend.error(path, f"{what}: HTTP {status}, not an API answer: {excerpt(body)}")
        if body["status"] != "success":
            detail = f"{body.get('errorType', 'error')}: {body.get('error', 'no reason given')}"
            raise self._backend.error(path, f"{what}: HTTP {status}: {detail}")
        for warning in body.get("warnings") or ():
            _log.warning("source.warning", source=self._name, query=what, warning=warning)
        return self._rows(body.get("data"), path, what, kind)

    def _points(self, row: dict[str, Any], what: str) -> Iterator[tuple[float, float]]:
        """The times and values of a row."""
        points = [row["value"]] if "value" in row else row.get("values", ())
        try:
            for at, text in points:
                yield float(at), _number(text)
        except (TypeError, ValueError):
            raise self._backend.error(
                "api/v1", f"{what}: an answer with values that are no numbers"
            ) from None

    def _rows(self, data: Any, path: str, what: str, kind: str) -> list[dict[str, Any]]:
        if not isinstance(data, dict) or not isinstance(data.get("result"), list):
            raise self._backend.error(path, f"{what}: an answer without a result")
        found = data.get("resultType")
        if found == "scalar":
            return [{"metric": {}, "value": data["result"]}]
        if found != kind:
            raise self._backend.error(
                path, f"{what}: the expression gives a {found}, where a {kind} is needed"
            )
        if not all(
            isinstance(row, dict) and isinstance(row.get("metric", {}), dict) for row in data["result"]
        ):
            raise self._backend.error(path, f"{what}: an answer whose rows are no series")
        return list(data["result"])


def _labels(row: dict[str, Any]) -> dict[str, str]:
    return {str(name): str(value) for name, value in row.get("metric", {}).items()}


def _number(text: Any) -> float:
    """Prometheus writes values as strings, with ``NaN``, ``+Inf`` and ``-Inf``."""
    if not isinstance(text, str):
        raise ValueError(text)
    return float(text)

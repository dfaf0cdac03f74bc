"""Prometheus and what speaks its HTTP API: Mimir, Thanos, VictoriaMetrics."""

import weakref
from collections.abc import Iterator, Mapping
from typing import Unpack
from urllib.parse import quote_plus, urlencode

import msgspec
import structlog

from bongsu.signals import promql
from bongsu.signals.query import FleetQuery
from bongsu.signals.sql import Steps
from bongsu.sources.answers import Answer, Table, instant_samples
from bongsu.sources.base import Capability, Sample, Series, SourceError
from bongsu.sources.http import Access, HttpSource, excerpt

MAX_POINTS = 11_000
"""Prometheus refuses a range query with more steps; longer ones are asked in parts."""
MOST_VALUES = 250_000
"""So many values are asked for at once, were there one for each service and step: about 8 MB of answer."""

_FORM = {"Content-Type": "application/x-www-form-urlencoded"}

_log = structlog.get_logger(__name__)


class _Row(msgspec.Struct, frozen=True, gc=False):
    """One series of an answer; a native histogram has no value."""

    metric: dict[str, str] = {}
    value: tuple[float, str] | None = None
    values: list[tuple[float, str]] = []


class _Data(msgspec.Struct, frozen=True, rename="camel"):
    result_type: str
    result: msgspec.Raw


class _Body(msgspec.Struct, frozen=True, rename="camel"):
    status: str
    data: msgspec.Raw = msgspec.Raw(b"null")
    error_type: str | None = None
    error: str | None = None
    warnings: list[str] | None = None


_BODY = msgspec.json.Decoder(_Body)
_DATA = msgspec.json.Decoder(_Data)
_ROWS = msgspec.json.Decoder(list[_Row])
_SCALAR = msgspec.json.Decoder(tuple[float, str])
_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


_AHEAD = 60.0
"""Seconds by which a value may lie after the time that was asked for: clocks differ a little."""


class PrometheusSource(HttpSource):
    """Answers a fleet query with one PromQL expression, by POST to ``/api/v1/query`` or ``query_range``.

    It has no logs, spans or changes to tell of. ``token`` is sent as a bearer token.
    """

    capabilities = frozenset[Capability]({"metrics"})

    def __init__(
        self, name: str, url: str, *, native_histograms: bool = False, **access: Unpack[Access]
    ) -> None:
        access.setdefault("timeout", 10.0)
        super().__init__(name, url, **access)
        self._native = native_histograms
        self._compiled: dict[int, tuple[weakref.ref[FleetQuery], str]] = {}

    async def instant(self, query: FleetQuery, at: float) -> list[Sample]:
        """The signal's value for each service that has one; *presence* answers for every service."""
        if not query.services:
            return []
        rows = await self._ask("api/v1/query", query, {"time": f"{at:.3f}"}, "vector")
        answers = []
        for row in rows:
            for then, value in self._points(row, query.name):
                if then > at + _AHEAD:
                    raise self._error("api/v1/query", query, "a value of a time that is yet to come")
                answers.append(Answer(at, row.metric, value))
        return instant_samples(query, answers)

    async def range(self, query: FleetQuery, start: float, end: float, step: float) -> list[Series]:
        """The signal's values at ``start``, ``start + step`` … ``end`` for each service that has any."""
        if not query.services:
            return []
        try:
            millis = Steps(start, end, step).millis
        except ValueError as error:
            raise SourceError(f"{self.name}: {query.name}: {error}") from error
        table = Table(query, [ms / 1000 for ms in millis])
        size = max(1, min(MAX_POINTS, MOST_VALUES // len(query.services)))
        for first in range(0, len(millis), size):
            part = millis[first : first + size]
            times = {
                "start": f"{part[0] / 1000:.3f}",
                "end": f"{part[-1] / 1000:.3f}",
                "step": f"{millis.step / 1000:.3f}",
            }
            for row in await self._ask("api/v1/query_range", query, times, "matrix"):
                table.add(Answer(at, row.metric, value) for at, value in self._points(row, query.name))
        return table.series()

    def _parameter(self, query: FleetQuery) -> str:
        """The expression of ``query`` as a form parameter, kept while the query is: a fleet's is long."""
        number = id(query)
        kept = self._compiled.get(number)
        if kept is not None and kept[0]() is query:
            return kept[1]
        try:
            expression = promql.compile(query, native_histograms=self._native)
        except ValueError as error:
            raise SourceError(f"{self.name}: {query.name}: {error}") from error
        parameter = f"query={quote_plus(expression)}"
        gone = weakref.ref(query, lambda _: self._compiled.pop(number, None))
        self._compiled[number] = gone, parameter
        return parameter

    async def _ask(self, path: str, query: FleetQuery, times: Mapping[str, str], kind: str) -> list[_Row]:
        form = f"{self._parameter(query)}&{urlencode(times)}".encode()
        status, answer = await self._backend.ask_bytes("POST", path, query.name, content=form, headers=_FORM)
        try:
            body = _BODY.decode(answer)
        except _UNREADABLE:
            text = excerpt(answer[:1000].decode(errors="replace"))
            raise self._error(path, query, f"HTTP {status}, not an API answer: {text}") from None
        if body.status != "success":
            detail = f"{body.error_type or 'error'}: {body.error or 'no reason given'}"
            raise self._error(path, query, f"HTTP {status}: {detail}")
        for warning in body.warnings or ():
            _log.warning("source.warning", source=self.name, query=query.name, warning=warning)
        return self._rows(body.data, path, query, kind)

    def _rows(self, answer: msgspec.Raw, path: str, query: FleetQuery, kind: str) -> list[_Row]:
        try:
            data = _DATA.decode(answer)
        except _UNREADABLE:
            raise self._error(path, query, "an answer without a result") from None
        try:
            if data.result_type == "scalar":
                return [_Row(value=_SCALAR.decode(data.result))]
            if data.result_type == kind:
                return _ROWS.decode(data.result)
        except _UNREADABLE as error:
            raise self._error(path, query, f"an answer whose rows are no series: {error}") from None
        found = data.result_type
        raise self._error(path, query, f"the expression gives a {found}, where a {kind} is needed")

    def _points(self, row: _Row, what: str) -> Iterator[tuple[float, float]]:
        """The times and values of a row, which are written as text: ``NaN``, ``+Inf`` and ``-Inf`` too."""
        try:
            for at, text in row.values if row.value is None else (row.value,):
                yield at, float(text)
        except ValueError:
            raise self._backend.error(
                "api/v1", f"{what}: an answer with values that are no numbers"
            ) from None

    def _error(self, path: str, query: FleetQuery, text: str) -> SourceError:
        return self._backend.error(path, f"{query.name}: {text}")

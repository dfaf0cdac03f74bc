"""``GET /api/query``: one signal of one service over time, for programs and ``bongsu query``."""

import math
import time
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from fastapi import APIRouter, Depends, HTTPException, Response

from bongsu.api import admin_only
from bongsu.catalog import ResolvedService
from bongsu.catalog.errors import nearest
from bongsu.security import Credentials
from bongsu.signals.model import AnySignal
from bongsu.signals.query import FleetQuery
from bongsu.sources.base import Series, Source, SourceError

MAX_STEPS = 11_000
_HOUR = 3600.0
_COLUMNS = 240


def query_router(
    credentials: Credentials, services: Mapping[str, ResolvedService], source: Source
) -> APIRouter:
    """The router; ``source`` is where the server asks. Answers 400 and 404 say what is wrong."""
    router = APIRouter(prefix="/api", tags=["query"], dependencies=[Depends(admin_only(credentials))])

    @router.get("/query")
    async def query(
        service: str = "", signal: str = "", start: str = "", end: str = "", step: str = ""
    ) -> Response:
        """Values of ``signal`` from ``start`` to ``end`` (Unix seconds; the last hour unless given)."""
        asked = _asked(services, service, signal)
        until = _seconds("end", end, time.time())
        since = _seconds("start", start, until - _HOUR)
        every = _seconds("step", step, max((until - since) / _COLUMNS, 1.0))
        if not since < until:
            raise HTTPException(400, "start must lie before end")
        if every < 0.001 or (until - since) / every > MAX_STEPS:
            raise HTTPException(400, f"step must give at most {MAX_STEPS} values, and be 0.001 or more")
        try:
            found = await source.range(asked, since, until, every)
        except SourceError as error:
            raise HTTPException(502, str(error)) from None
        document = answer(asked, service, source.name, found, times(since, until, every))
        return Response(msgspec.json.encode(document), media_type="application/json")

    return router


def times(start: float, end: float, step: float) -> list[float]:
    """The times at which a range is evaluated."""
    first, last, width = round(start * 1000), round(end * 1000), max(1, round(step * 1000))
    return [ms / 1000 for ms in range(first, last + 1, width)]


def answer(
    query: FleetQuery, service: str, source: str, found: Sequence[Series], at: Sequence[float]
) -> dict[str, Any]:
    """The document: ``values`` is the worst of ``series`` at each of ``times``, as the watch judges it."""
    signal = query.signal
    series = [one for one in found if one.service == service]
    return {
        "service": service,
        "signal": query.name,
        "source": source,
        "unit": signal.unit,
        "worse": signal.worse,
        "help": {"en": signal.help.en, "ko": signal.help.ko},
        "threshold": {
            severity.value: {"op": limit.op, "value": limit.value, "for": limit.for_}
            for severity, limit in signal.thresholds.items()
        },
        "times": list(at),
        "values": _worst(signal, series, len(at)),
        "series": [{"labels": dict(one.labels), "values": list(one.values)} for one in series],
    }


def _worst(signal: AnySignal, series: Sequence[Series], length: int) -> list[float]:
    pick = max if signal.worse == "up" else min
    values = []
    for i in range(length):
        known = [one.values[i] for one in series if not math.isnan(one.values[i])]
        values.append(pick(known) if known else math.nan)
    return values


def _asked(services: Mapping[str, ResolvedService], service: str, signal: str) -> FleetQuery:
    if not service or not signal:
        raise HTTPException(
            400, "service and signal are needed: /api/query?service=orders&signal=error_ratio"
        )
    known = services.get(service)
    if known is None:
        raise HTTPException(404, f"there is no service {service!r}; {nearest(service, services)}")
    if signal not in known.signals:
        raise HTTPException(404, f"{service} has no signal {signal!r}; {nearest(signal, known.signals)}")
    return FleetQuery(signal, known.signals[signal], {service: known.labels_of(signal)}, known.source)


def _seconds(name: str, text: str, default: float) -> float:
    if not text:
        return default
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise HTTPException(400, f"{name} is a number of seconds, not {text[:40]!r}")
    return value

"""The alerting signals of an incident from before it began up to now, fresher than its stored evidence."""

import asyncio
import math
import time
from collections.abc import Mapping, Sequence

import structlog

from bongsu.analysis.model import MetricEvidence
from bongsu.incidents.model import Alert, Incident
from bongsu.signals.query import FleetQuery
from bongsu.sources.base import Source, SourceError

log = structlog.get_logger(__name__)

BEFORE_SECONDS = 300.0
AFTER_SECONDS = 60.0
POINTS = 300


class Recent:
    """Reads what a chart of an incident shows. A source that fails gives nothing: evidence is still there."""

    def __init__(self, source: Source, queries: Sequence[FleetQuery], *, finest: float) -> None:
        self._source = source
        self._finest = finest
        self._queries: Mapping[tuple[str, str], FleetQuery] = {
            (query.name, service): query for query in queries for service in query.services
        }

    async def metrics(self, incident: Incident, alerts: Sequence[Alert]) -> list[MetricEvidence]:
        """Every service's series of each signal that alerts, from five minutes before to a minute after."""
        wanted = {id(q): q for a in alerts if (q := self._queries.get((a.signal, a.service))) is not None}
        read = await asyncio.gather(*(self._read(query, incident, alerts) for query in wanted.values()))
        return [metric for metrics in read for metric in metrics]

    async def _read(
        self, query: FleetQuery, incident: Incident, alerts: Sequence[Alert]
    ) -> list[MetricEvidence]:
        end = min(time.time(), (incident.resolved_at or math.inf) + AFTER_SECONDS)
        start = incident.since - BEFORE_SECONDS
        step = max(self._finest, math.ceil((end - start) / POINTS))
        try:
            found = await self._source.range(query, start, end, step)
        except SourceError as error:
            log.warning("no fresh chart", incident=incident.id, signal=query.name, error=str(error))
            return []
        thresholds = {a.service: a.threshold for a in alerts if a.signal == query.name}
        return [
            MetricEvidence(
                id="",
                service=series.service,
                signal=query.name,
                unit=query.signal.unit,
                worse=query.signal.worse,
                times=list(series.times),
                values=[None if math.isnan(v) else v for v in series.values],
                threshold=thresholds.get(series.service),
            )
            for series in found
        ]

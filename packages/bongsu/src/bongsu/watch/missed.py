"""Rounds that did not take place, made up from the history that a source keeps."""

from collections.abc import Mapping

from bongsu.signals.query import FleetQuery
from bongsu.sources.base import Source, SourceError
from bongsu.watch.judgement import Answers, Asked, Judgement
from bongsu.watch.reading import Reading, key, steps

LONGEST = 3600.0
"""Seconds that are made up at most; what is older is for a report, not for a page."""

Round = tuple[Asked, Answers, float]


async def missed_rounds(source: Source, judgement: Judgement, now: float) -> list[Round]:
    """The rounds between the judgement's last one and ``now``; none unless more than one was missed.

    A signal whose history cannot be read is left out of them.
    """
    beat, last = judgement.interval, judgement.last
    if not last or now - last < 2.5 * beat:
        return []
    start = max(last, now - LONGEST) + beat
    times = [start + i * beat for i in range(int((now - start) / beat))]
    if not times:
        return []
    history = {}
    for query in judgement.queries:
        if query.signal.thresholds:
            try:
                history[key(query)] = (query, await source.range(query, times[0], times[-1], beat))
            except SourceError:
                continue
    asked = Asked([query for query, _ in history.values()], ())
    values = [steps(query, series, len(times)) for query, series in history.values()]
    return [
        (asked, Answers([_reading(q, v[i]) for q, v in zip(asked.signals, values, strict=True)]), at)
        for i, at in enumerate(times)
    ]


def _reading(query: FleetQuery, values: Mapping[str, float | None]) -> Reading:
    return Reading(query.name, query.signal, values, "", query.source)

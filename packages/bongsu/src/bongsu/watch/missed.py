"""Rounds that did not take place, made up from the history that a source keeps."""

from collections.abc import Mapping, Sequence

from bongsu.signals.query import FleetQuery
from bongsu.sources.base import Source, SourceError
from bongsu.watch.judgement import Answers, Asked, Judgement
from bongsu.watch.reading import Reading, steps

LONGEST = 3600.0
"""Seconds that are made up at most; what is older is for a report, not for a page."""
MOST_ROUNDS = 60
"""Rounds that are made up at most; where more were missed, they stand further apart."""
LATE = 4.0
"""Intervals after which a watch was away, and not just slow."""

Round = tuple[Asked, Answers, float]


async def missed_rounds(source: Source, judgement: Judgement, now: float) -> list[Round]:
    """The rounds between the judgement's last one and ``now``; none unless several were missed.

    A signal whose history cannot be read is left out of them, and so is a source at the times of which it
    knows nothing at all: it was away itself, which is no outage of its services.
    """
    last = judgement.last
    if not last or now - last < LATE * judgement.interval:
        return []
    start = max(last, now - LONGEST)
    step = max(judgement.interval, (now - start) / MOST_ROUNDS)
    times = [start + step * (i + 1) for i in range(int((now - start) / step))]
    times = [at for at in times if at < now]
    history = []
    for query in judgement.queries if times else ():
        if query.signal.thresholds:
            try:
                series = await source.range(query, times[0], times[-1], step)
            except SourceError:
                continue
            history.append((query, steps(query, series, len(times))))
    return [(*_round(history, index), at) for index, at in enumerate(times)]


def _round(
    history: Sequence[tuple[FleetQuery, Sequence[Mapping[str, float | None]]]], index: int
) -> tuple[Asked, Answers]:
    """What was there to be read at one of the times, of the sources that knew anything then."""
    awake = {
        query.source
        for query, values in history
        if any(value is not None for value in values[index].values())
    }
    known = [(query, values[index]) for query, values in history if query.source in awake]
    readings = [Reading(query.name, query.signal, values, "", query.source) for query, values in known]
    return Asked([query for query, _ in known], ()), Answers(readings)

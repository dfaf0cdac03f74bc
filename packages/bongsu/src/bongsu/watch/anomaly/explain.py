"""Why a series was paged about, as data."""

import msgspec
import numpy as np

from bongsu.watch.anomaly import history, novelty
from bongsu.watch.anomaly.bank import Floats
from bongsu.watch.anomaly.forecast import TERMS
from bongsu.watch.anomaly.history import History
from bongsu.watch.anomaly.residual import VIEWS
from bongsu.watch.anomaly.stream import Seen, Stream

DAY = 86400.0


class Similar(msgspec.Struct, frozen=True, kw_only=True):
    """The earlier hours most like the last ones."""

    hours_ago: int
    """Hours with data between the end of those and now."""
    distance: float
    """Mean difference of the hourly means, in the value's unit."""
    usual: float
    """What that distance usually is."""


class Explanation(msgspec.Struct, frozen=True, kw_only=True):
    """What was expected and what came. All values in the series' own unit unless said."""

    time: float
    expected: float
    observed: float
    scale: float
    """The usual absolute error of the forecast at this hour of the day."""
    residual: float
    """Observed minus expected, in scales."""
    usual: float
    """What the day's and week's profile has for this time."""
    last: float
    """The value before; with ``contributions`` it sums to ``expected``."""
    contributions: dict[str, float]
    strangest: str
    """The view in which the value was strangest against its own past: a name of `VIEWS`."""
    largest_in_days: int
    """Whole days, up to 28, without so large a residual."""
    similar: Similar | None


def explain(state: Stream, past: History, seen: Seen, time: float, index: int) -> Explanation:
    """Explain the value of the series at ``index``, which must have been read at ``time``."""
    origin = float(state.origin[index])
    outlook = seen.outlook
    before = float(outlook.last[index])
    weighed = outlook.weights[:, index] * outlook.terms[:, index]
    off = float(seen.y[index]) - float(outlook.expected[index])
    residual = off / float(seen.scale[index])
    records = seen.features[len(VIEWS) : 2 * len(VIEWS), index]
    return Explanation(
        time=time,
        expected=origin + float(outlook.expected[index]),
        observed=origin + float(seen.y[index]),
        scale=float(seen.scale[index]),
        residual=residual,
        usual=origin + float(outlook.usual[index]),
        last=origin + before,
        contributions={name: float(part) for name, part in zip(TERMS, weighed, strict=True)},
        strangest=VIEWS[int(np.argmax(records))],
        largest_in_days=history.largest_in(past, index, int(time // DAY), abs(residual)),
        similar=_similar(state, index),
    )


def _similar(state: Stream, index: int) -> Similar | None:
    known = state.novelty
    distance: Floats = novelty.distances(known, np.array([index]))[:, 0]
    nearest = int(np.argmin(distance))
    if not np.isfinite(distance[nearest]):
        return None
    return Similar(
        hours_ago=novelty.RING - novelty.WINDOW - nearest,
        distance=float(distance[nearest]),
        usual=float(known.usual[index]),
    )

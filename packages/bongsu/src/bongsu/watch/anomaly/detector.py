"""The anomaly detector: many series, one tick at a time, nothing of the future."""

import io
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bongsu.watch.anomaly import calibration, history, scorer, stream
from bongsu.watch.anomaly.bank import Array, Bank, Bools, Floats
from bongsu.watch.anomaly.calibration import Calibration
from bongsu.watch.anomaly.explain import Explanation, explain
from bongsu.watch.anomaly.forecast import Pace, Times
from bongsu.watch.anomaly.history import History
from bongsu.watch.anomaly.stream import Seen, Stream

VERSION = 1
BUDGET = 1.0
"""False pages a series-week."""
HOUR, DAY = 3600.0, 86400.0


@dataclass(slots=True)
class State(Bank):
    """Everything that is remembered, series last."""

    stream: Stream
    calibration: Calibration
    history: History

    @classmethod
    def fresh(cls, size: int) -> "State":
        return cls(Stream.fresh(size), Calibration.fresh(size), History.fresh(size))


@dataclass(frozen=True, slots=True)
class Scores:
    """What one tick said of each series, (S,), or a block of ticks, (T, S).

    ``score`` ranks strangeness over all series. ``page`` is the decision: while it holds, an alert should
    fire.
    ``expected`` is in the series' unit; ``residual`` in scales; both NaN where nothing was read.
    """

    score: Floats
    page: Bools
    expected: Times
    residual: Floats


class Detector:
    """Judges series that are sampled every ``step`` seconds.

    Each series is judged by its own past alone; the trees and thresholds that are pooled are fixed.
    ``budget`` is the false pages a series-week that the page threshold aims at.
    """

    def __init__(self, step: float, names: Sequence[str], *, budget: float = BUDGET) -> None:
        if not step > 0:
            raise ValueError(f"the step must be more than 0 seconds, not {step}")
        if not budget > 0:
            raise ValueError(f"the budget must be more than 0 false pages a week, not {budget}")
        self.step = float(step)
        self.budget = budget
        self._scorer = scorer.shipped()
        self._pace = Pace(self.step)
        self._state = State.fresh(0)
        self._seen: Seen | None = None
        self._time = np.zeros(0)
        self.names: tuple[str, ...] = ()
        self.add(names)

    def tick(
        self, time: float | Times, values: npt.ArrayLike, *, trust: npt.ArrayLike | None = None
    ) -> Scores:
        """Judge ``values`` (S,) read at ``time``, Unix seconds, one for all or one each (S,); then learn
        them.

        NaN is a value that was not read: it is not judged, and that series stays as it was. Where ``trust``
        (S,) is False a value is judged but teaches nothing of what is usual, as within a known incident.
        ValueError where the number of values is wrong.
        """
        value = np.asarray(values, dtype=np.float64)
        if value.shape != (len(self.names),):
            raise ValueError(
                f"expected {len(self.names)} values, one a series, not an array of {value.shape}"
            )
        at = np.broadcast_to(np.asarray(time, dtype=np.float64), value.shape)
        trusted = None if trust is None else np.asarray(trust, dtype=np.float32)
        state = self._state
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            seen = stream.tick(state.stream, at, value, self._phase, self._pace, trusted)
            age = seen.age
            raw = self._scorer.score(seen.features)
            lesson = seen.weight if trusted is None else seen.weight * trusted
            threshold = self._scorer.threshold(self.budget)
            judged = calibration.judge(
                state.calibration,
                raw,
                scorer.certain(seen.features),
                at,
                age,
                seen.weight,
                lesson,
                threshold,
                self.step,
            )
            residual = (seen.y - seen.outlook.expected) / seen.scale
            history.learn(state.history, (at // DAY).astype(np.int64), np.abs(residual), seen.weight)
            expected = np.where(seen.weight > 0, state.stream.origin + seen.outlook.expected, np.nan)
        self._seen, self._time = seen, np.array(at)
        residual = np.where(seen.weight > 0, residual, np.float32(np.nan)).astype(np.float32)
        return Scores(judged.score, judged.page, expected, residual)

    def feed(
        self, times: npt.ArrayLike, values: npt.ArrayLike, *, trust: npt.ArrayLike | None = None
    ) -> Scores:
        """Live through history: ``times`` (T,) or (T, S), ``values`` and ``trust`` (T, S). Leaves the state
        of T ticks."""
        at = np.asarray(times, dtype=np.float64)
        block = np.asarray(values, dtype=np.float64)
        trusted = np.ones(len(block), bool) if trust is None else np.asarray(trust)
        shape = (len(block), len(self.names))
        result = Scores(
            np.empty(shape, np.float32), np.empty(shape, bool), np.empty(shape), np.empty(shape, np.float32)
        )
        for row in range(len(block)):
            one = self.tick(at[row], block[row], trust=None if trust is None else trusted[row])
            result.score[row], result.page[row] = one.score, one.page
            result.expected[row], result.residual[row] = one.expected, one.residual
        return result

    def explain(self, name: str) -> Explanation | None:
        """Why the last value of a series was judged as it was; None where none was read. KeyError: no such
        series."""
        index = self._index(name)
        if self._seen is None or index >= len(self._time) or not self._seen.weight[index]:
            return None
        return explain(self._state.stream, self._state.history, self._seen, float(self._time[index]), index)

    def verdict(self, name: str, real: bool) -> None:
        """What people said of a page of a series. A false one raises its threshold for some weeks, within a
        bound;
        a real one never does. KeyError: no such series."""
        index = self._index(name)
        if not real:
            calibration.false_page(self._state.calibration, index)

    def raised(self, name: str) -> float:
        """By how much verdicts raise a series' threshold now, in units of the score."""
        return float(self._state.calibration.verdict[self._index(name)])

    def add(self, names: Iterable[str]) -> None:
        """Begin to watch more series. ValueError where one is watched already."""
        new = list(names)
        if len(set(self.names) | set(new)) < len(self.names) + len(new):
            raise ValueError("a series can be watched only once")
        self._state.extend(len(new))
        self._rename([*self.names, *new])

    def remove(self, names: Iterable[str]) -> None:
        """Forget series. KeyError: no such series."""
        gone = {self._index(name) for name in names}
        index = np.array([i for i in range(len(self.names)) if i not in gone], dtype=np.int64)
        self._state.keep(index)
        self._rename([self.names[i] for i in index.tolist()])

    def save(self) -> bytes:
        """All that is remembered; `restore` of it judges exactly as this detector would have."""
        buffer = io.BytesIO()
        arrays: dict[str, Array] = dict(self._state.arrays())
        head = np.array([float(VERSION), self.step, self.budget])
        names = np.frombuffer("\0".join(self.names).encode(), dtype=np.uint8)
        np.savez(buffer, _head=head, _names=names, **arrays)  # type: ignore[arg-type]
        return buffer.getvalue()

    @classmethod
    def restore(cls, saved: bytes) -> "Detector":
        """The detector that was saved. ValueError where the bytes are no state of this version."""
        try:
            with np.load(io.BytesIO(saved), allow_pickle=False) as archive:
                arrays = {name: archive[name] for name in archive.files}
            version, step, budget = arrays.pop("_head").tolist()
            text = arrays.pop("_names").tobytes().decode()
        except (OSError, ValueError, KeyError, EOFError, zlib.error) as error:
            raise ValueError(f"this is no saved state of an anomaly detector: {error}") from error
        if version != VERSION:
            raise ValueError(
                f"the saved state is of version {version:g}; this is version {VERSION}: learn again"
            )
        detector = cls(step, text.split("\0") if text else [], budget=budget)
        detector._state.load(arrays)
        return detector

    @property
    def bytes_per_series(self) -> float:
        """Bytes of state a series."""
        return sum(array.nbytes for _, array in self._state.arrays()) / max(len(self.names), 1)

    def _index(self, name: str) -> int:
        try:
            return self._where[name]
        except KeyError:
            raise KeyError(f"no series named {name!r} is watched") from None

    def _rename(self, names: Sequence[str]) -> None:
        self.names = tuple(names)
        self._where = {name: index for index, name in enumerate(names)}
        # Hours begin at another moment for each series, so that a tick closes the hours of only some.
        self._phase = np.array([float(zlib.crc32(name.encode()) % 3600) for name in names])
        self._seen, self._time = None, np.zeros(0)

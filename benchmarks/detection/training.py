"""Training the shipped scorer on labelled sets, and judging it on series whose families it has not seen."""

import sys
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from bongsu.watch.anomaly import calibration, scorer, stream
from bongsu.watch.anomaly.calibration import Calibration
from bongsu.watch.anomaly.forecast import Pace
from bongsu.watch.anomaly.scorer import Scorer
from bongsu.watch.anomaly.stream import FEATURES, Stream

from . import boosting, data, scoring
from .boosting import Bags, Forest
from .data import Series
from .running import blocks
from .scoring import EARLY, GRACE, LATE, Case, Outcome

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

ROUNDS = 90
FOLDS = 4
RATES = (0.1, 0.25, 0.5, 1.0, 2.0, 4.0)
PLAIN = [f for f in FEATURES if f.startswith(("z_", "record_", "novelty"))]
TAILS = [f for f in FEATURES if f.startswith(("beyond_", "rare"))]
SHAPE = ["tail_3", "tail_6", "fast", "slow", "over", "under"]
REST = ["relative", "ratio", "at_hour", "over_day", "under_day", "age"]
VARIANTS = (PLAIN, PLAIN + TAILS, PLAIN + TAILS + SHAPE, PLAIN + TAILS + SHAPE + REST)
RISING = ("z_", "record_", "rare", "beyond_", "novelty", "over", "under", "at_hour")


@dataclass(slots=True)
class Labelled:
    """A set ready to train on. ``features`` (N, F), ``bag`` and ``owner`` (N,) over all its moments, series
    by series."""

    name: str
    series: list[Series]
    cases: list[Case]
    offsets: Ints
    features: npt.NDArray[np.float32]
    owner: Ints
    bag: Ints
    label: list[float]
    weight: list[float]
    worth: npt.NDArray[np.bool_]

    def part(self, array: npt.NDArray[np.generic], i: int) -> npt.NDArray[np.generic]:
        return array[self.offsets[i] : self.offsets[i + 1]]


def load(folder: Path, cache: Path | None) -> Labelled:
    """Read a labelled set and compute its features; ``cache`` keeps them between runs."""
    series = data.read(folder)
    labels = data.read_labels(folder)
    if labels is None:
        raise ValueError(f"{folder} has no labels.csv: it cannot be trained on")
    cases = [Case.of(one, labels.get(one.name, [])) for one in series]
    offsets = np.cumsum([0, *(len(one.ts) for one in series)])
    kept = cache / f"{folder.name}.npy" if cache else None
    if kept and kept.exists():
        features = np.load(kept)
    else:
        features = _features(folder.name, series, offsets)
        if kept:
            np.save(kept, features)
    bag, label, weight = _bags(series, cases, labels)
    owner = np.repeat(np.arange(len(series)), np.diff(offsets))
    worth = scorer.worth(features.T)
    return Labelled(folder.name, series, cases, offsets, features, owner, bag, label, weight, worth)


def _features(name: str, series: Sequence[Series], offsets: Ints) -> npt.NDArray[np.float32]:
    result = np.empty((int(offsets[-1]), len(FEATURES)), np.float32)
    for block in blocks(series):
        print(f"{name}: features of {len(block.index)} series at {block.step} s", file=sys.stderr)
        state, pace = Stream.fresh(len(block.index)), Pace(float(block.step))
        phase = np.array([float(zlib.crc32(one.encode()) % 3600) for one in block.names])
        for row in range(len(block.ts)):
            with np.errstate(all="ignore"):
                seen = stream.tick(state, block.ts[row], block.value[row], phase, pace)
            for column, i in enumerate(block.index):
                if row < len(series[i].ts):
                    result[offsets[i] + row] = seen.features[:, column]
    return result


def _bags(
    series: Sequence[Series], cases: Sequence[Case], labels: dict[str, list[tuple[int, int]]]
) -> tuple[Ints, list[float], list[float]]:
    """Each moment's bag, −1 for none: an incident, or a free hour. Both sides of each set weigh the same."""
    incidents = sum(len(case.incidents) for case in cases)
    weeks = sum(case.weeks for case in cases)
    bags: list[Ints] = []
    label: list[float] = []
    weight: list[float] = []
    for one, case in zip(series, cases, strict=True):
        bag = np.full(len(one.ts), -1, np.int64)
        judged = one.ts >= one.scored_from
        free = judged.copy()
        for start, end in labels.get(one.name, []):
            free &= (one.ts < start - EARLY) | (one.ts > end + LATE)
        hours, inverse = np.unique(one.ts[free] // 3600, return_inverse=True)
        bag[free] = len(label) + inverse
        label += [0.0] * len(hours)
        weight += [1 / weeks] * len(hours)
        for start, end in case.incidents:
            during = judged & (one.ts >= start) & (one.ts <= max(end, start + GRACE))
            bag[during] = len(label)
            label.append(1.0)
            weight.append(1 / max(incidents, 1))
        bags.append(bag)
    return np.concatenate(bags), label, weight


def _stack(sets: Sequence[Labelled], chosen: Callable[[Labelled, int], bool]) -> Bags:
    x, bag, group, label, weight = [], [], [], [], []
    bags = groups = 0
    for one in sets:
        wanted = np.array([chosen(one, i) for i in range(len(one.series))])[one.owner]
        rows = np.flatnonzero(wanted & one.worth & (one.bag >= 0))
        x.append(one.features[rows])
        bag.append(one.bag[rows] + bags)
        group.append(one.owner[rows] + groups)
        label += one.label
        weight += one.weight
        bags, groups = bags + len(one.label), groups + len(one.series)
    return Bags(
        np.concatenate(x), np.concatenate(bag), np.concatenate(group), np.array(label), np.array(weight)
    )


def train(sets: Sequence[Labelled], chosen: Callable[[Labelled, int], bool]) -> Forest:
    """The mean of one forest a variant of the features, on the chosen series."""
    bags = _stack(sets, chosen)
    rising = np.array([name.startswith(RISING) for name in FEATURES])
    forests = [
        boosting.fit(bags, np.array([FEATURES.index(f) for f in variant]), rising, ROUNDS, seed)
        for seed, variant in enumerate(VARIANTS)
    ]
    return boosting.average(forests)


def as_scorer(forest: Forest, thresholds: Sequence[float]) -> Scorer:
    return Scorer(
        forest.feature,
        forest.above.astype(np.float32),
        forest.value.astype(np.float32),
        forest.base,
        np.asarray(RATES, np.float32),
        np.asarray(thresholds, np.float32),
    )


def family(one: Labelled, i: int, by: str) -> str:
    """What is left out together: series of one folder or, where names have none, of one beginning."""
    name = one.series[i].name
    if by == "series":
        return f"{one.name}/{name}"
    return f"{one.name}/{name.split('/')[0] if '/' in name else one.series[i].ts[0]}"


@dataclass(frozen=True, slots=True)
class Held:
    """Scores and page strengths of each set's series, judged part only, from models that never saw their
    family."""

    score: list[list[Floats]]
    strength: list[list[Floats]]


def cross_validate(sets: Sequence[Labelled], by: str) -> Held:
    """``by`` "family", "series" or "set"."""
    fold: dict[str, int] = {}
    for number, one in enumerate(sets):
        names = sorted({family(one, i, by) for i in range(len(one.series))})
        fold |= {name: number if by == "set" else k % FOLDS for k, name in enumerate(names)}
    raws = [np.full(len(one.features), scorer.DULL, np.float32) for one in sets]
    for number in sorted(set(fold.values())):
        print(f"leaving out fold {number} of {by}", file=sys.stderr)
        kept = {name for name, where in fold.items() if where != number}
        forest = train(sets, partial(_among, kept, by))
        model = as_scorer(forest, [0.0] * len(RATES))
        for one, raw in zip(sets, raws, strict=True):
            out = np.array([fold[family(one, i, by)] == number for i in range(len(one.series))])[one.owner]
            rows = np.flatnonzero(out & one.worth)
            raw[rows] = model.score(one.features[rows].T)
    judged = [_calibrate(one, raw) for one, raw in zip(sets, raws, strict=True)]
    return Held([score for score, _ in judged], [strength for _, strength in judged])


def _among(kept: set[str], by: str, one: Labelled, i: int) -> bool:
    return family(one, i, by) in kept


def _calibrate(one: Labelled, raw: npt.NDArray[np.float32]) -> tuple[list[Floats], list[Floats]]:
    score, strength = np.full(len(raw), -20.0), np.full(len(raw), -20.0)
    certain = scorer.certain(one.features.T)
    for block in blocks(one.series):
        state = Calibration.fresh(len(block.index))
        heads = one.offsets[block.index]
        ends = one.offsets[np.array(block.index) + 1]
        for row in range(len(block.ts)):
            at = np.minimum(heads + row, ends - 1)
            inside = heads + row < ends
            weight = (np.isfinite(block.value[row]) & inside).astype(np.float32)
            age = ((block.ts[row] - block.ts[0]) / 86400).astype(np.float32)
            said = calibration.judge(
                state, raw[at], certain[at], block.ts[row], age, weight, weight, 99.0, float(block.step)
            )
            score[at[inside]], strength[at[inside]] = said.score[inside], said.strength[inside]
    kept = [one.series[i].ts >= one.series[i].scored_from for i in range(len(one.series))]
    parts = range(len(one.series))
    return (
        [score[one.offsets[i] : one.offsets[i + 1]][kept[i]] for i in parts],
        [strength[one.offsets[i] : one.offsets[i + 1]][kept[i]] for i in parts],
    )


def thresholds(sets: Sequence[Labelled], held: Held) -> list[float]:
    """For each of `RATES` the lowest threshold whose false pages a series-week are within it on every set."""
    every = np.concatenate([part for parts in held.strength for part in parts])
    tried = np.quantile(every[every > -15], 1 - np.geomspace(1e-5, 0.3, 160))
    rates = [
        max(
            scoring.at_threshold(one.cases, strength, float(threshold)).false_rate
            for one, strength in zip(sets, held.strength, strict=True)
        )
        for threshold in tried
    ]
    found = []
    for rate in RATES:
        over = [k for k, one in enumerate(rates) if one > rate]
        found.append(float(tried[max((over[0] if over else len(tried)) - 1, 0)]))
    return found


def describe(sets: Sequence[Labelled], held: Held, threshold: float) -> list[str]:
    """One line a set: recall at 1 and 0.1 false pages a week, NAB, and the page threshold's recall and false
    rate."""
    lines = []
    for one, score, strength in zip(sets, held.score, held.strength, strict=True):
        paged: Outcome = scoring.at_threshold(one.cases, strength, threshold)
        lines.append(
            f"{one.name:8} R@1 {scoring.recall_at(one.cases, score, 1.0).recall:.3f}"
            f"  R@.1 {scoring.recall_at(one.cases, score, 0.1).recall:.3f}"
            f"  NAB {scoring.nab_score(one.cases, score):5.1f}"
            f"  | pages: recall {paged.recall:.3f}, false a week {paged.false_rate:.2f}"
        )
    return lines

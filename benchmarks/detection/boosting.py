"""Boosted oblivious trees for bags of moments: an incident is as strange as its strangest moment, so is an
hour."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.uint8]

BINS = 48
CUTS = np.concatenate([np.linspace(0.05, 0.85, 17), 1 - np.geomspace(0.12, 0.0003, 30)])
"""Quantiles between bins: pages are decided in the tails."""
DEPTH = 3
RATE = 0.1
RIDGE = 0.002
"""In units of the total weight, 1, of all bags."""
STEP = 0.5
"""No leaf moves a score further."""


@dataclass(frozen=True, slots=True)
class Bags:
    """Moments ``x`` (N, F) in bags: ``bag`` (N,), ``group`` (N,) of series; ``label`` and ``weight`` (B,) of
    bags."""

    x: npt.NDArray[np.float32]
    bag: Ints
    group: Ints
    label: Floats
    weight: Floats


@dataclass(frozen=True, slots=True)
class Forest:
    """``feature`` and ``above`` (T, D), ``value`` (T, 2^D) and the score to begin from."""

    feature: Ints
    above: Floats
    value: Floats
    base: float


@dataclass(slots=True)
class _Sorted:
    """Moments in order of bag: where bags begin, each moment's bag, and the features' bins (F, N)."""

    starts: Ints
    owner: Ints
    codes: Codes
    group: Ints
    label: Floats
    weight: Floats
    edges: list[Floats]


def fit(bags: Bags, features: Ints, rising: npt.NDArray[np.bool_], rounds: int, seed: int) -> Forest:
    """Newton boosting of the weighted logistic loss of each bag's greatest score.

    ``features`` are those that may be asked about; the score never falls in a feature that is ``rising``
    (F,).
    Each tree sees three series in five and half the features.
    """
    data = _sort(bags)
    rng = np.random.default_rng(seed)
    positive = float((data.weight * data.label).sum())
    base = float(np.log(positive / (data.weight.sum() - positive)))
    score = np.full(len(data.owner), base)
    trees: list[tuple[list[tuple[int, int]], Floats]] = []
    groups = int(data.group.max()) + 1
    for _ in range(rounds):
        g, h = _gradient(data, score)
        chosen = (rng.random(groups) < 0.6)[data.group]
        rows = np.flatnonzero((h > h.max() * 1e-5) & chosen)
        some = rng.permutation(features)[: max(1, len(features) // 2)]
        questions, leaf = _grow(data, rows, g[rows], h[rows], some)
        value = _leaves(leaf, g[rows], h[rows], [rising[f] for f, _ in questions])
        trees.append((questions, value))
        place = np.zeros(len(score), np.int64)
        for f, b in questions:
            place = place * 2 + (data.codes[f] > b)
        score += value[place]
    feature = np.array([[f for f, _ in q] for q, _ in trees])
    above = np.array([[data.edges[f][b] for f, b in q] for q, _ in trees])
    return Forest(feature, above, np.array([v for _, v in trees]), base)


def average(forests: Sequence[Forest]) -> Forest:
    """One forest whose score is the mean of several."""
    return Forest(
        np.concatenate([one.feature for one in forests]),
        np.concatenate([one.above for one in forests]),
        np.concatenate([one.value for one in forests]) / len(forests),
        sum(one.base for one in forests) / len(forests),
    )


def _sort(bags: Bags) -> _Sorted:
    order = np.argsort(bags.bag, kind="stable")
    bag = bags.bag[order]
    starts = np.flatnonzero(np.concatenate([[True], bag[1:] != bag[:-1]]))
    lengths = np.diff(np.concatenate([starts, [len(bag)]]))
    edges, codes = [], np.empty((bags.x.shape[1], len(bag)), np.uint8)
    for f in range(bags.x.shape[1]):
        column = bags.x[order, f]
        edges.append(np.unique(np.quantile(column, CUTS)).astype(np.float32))
        codes[f] = np.searchsorted(edges[f], column, "left")
    weight = bags.weight[bag[starts]]
    return _Sorted(
        starts,
        np.repeat(np.arange(len(starts)), lengths),
        codes,
        bags.group[order],
        bags.label[bag[starts]],
        weight / weight.sum(),
        [edge.astype(np.float64) for edge in edges],
    )


def _gradient(data: _Sorted, score: Floats) -> tuple[Floats, Floats]:
    """Of each moment: its bag's, shared by the soft maximum."""
    most = np.maximum.reduceat(score, data.starts)
    share = np.exp(score - most[data.owner])
    share /= np.add.reduceat(share, data.starts)[data.owner]
    p = 1 / (1 + np.exp(-most))
    g = data.weight * (p - data.label)
    h = data.weight * p * (1 - p)
    return g[data.owner] * share, h[data.owner] * share


def _grow(
    data: _Sorted, rows: Ints, g: Floats, h: Floats, features: Ints
) -> tuple[list[tuple[int, int]], Ints]:
    codes = {int(f): data.codes[f][rows].astype(np.int64) for f in features}
    leaf = np.zeros(len(rows), np.int64)
    questions: list[tuple[int, int]] = []
    for level in range(DEPTH):
        best, found = -1.0, (int(features[0]), 0)
        for f, code in codes.items():
            edges = len(data.edges[f])
            if not edges:
                continue
            size = (1 << level) * BINS
            key = leaf * BINS + code
            left_g = np.bincount(key, g, size).reshape(-1, BINS).cumsum(axis=1)
            left_h = np.bincount(key, h, size).reshape(-1, BINS).cumsum(axis=1)
            all_g, all_h = left_g[:, -1:], left_h[:, -1:]
            gain = left_g**2 / (left_h + RIDGE) + (all_g - left_g) ** 2 / (all_h - left_h + RIDGE)
            gains = (gain - all_g**2 / (all_h + RIDGE)).sum(axis=0)[:edges]
            if gains.max() > best:
                best, found = float(gains.max()), (f, int(gains.argmax()))
        questions.append(found)
        leaf = leaf * 2 + (codes[found[0]] > found[1])
    return questions, leaf


def _leaves(leaf: Ints, g: Floats, h: Floats, rising: Sequence[np.bool_]) -> Floats:
    count = 1 << DEPTH
    weight = np.bincount(leaf, h, count).astype(np.float64)
    value = -RATE * np.bincount(leaf, g, count) / (weight + RIDGE)
    weight = weight + 1e-9
    places = np.arange(count)
    for _ in range(8):
        for level, up in enumerate(rising):
            if not up:
                continue
            bit = 1 << (DEPTH - 1 - level)
            low = places[(places & bit) == 0]
            high = low | bit
            mean = (value[low] * weight[low] + value[high] * weight[high]) / (weight[low] + weight[high])
            falls = value[low] > value[high]
            value[low] = np.where(falls, mean, value[low])
            value[high] = np.where(falls, mean, value[high])
    return np.asarray(np.clip(value, -STEP, STEP))

"""Small boosted trees that turn features without a scale into one score.

They are trained by ``scripts/train_anomaly_scorer.py`` and shipped as ``scorer.npz``, which says on what.
"""

from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

from bongsu.watch.anomaly.bank import Array, Bools, Floats
from bongsu.watch.anomaly.residual import VIEWS
from bongsu.watch.anomaly.stream import FEATURES

DULL = -8.0
"""The score of what is not worth asking the trees about."""
CHUNK = 512
QUICK = 4
"""The first views, which move first."""


@dataclass(frozen=True, slots=True)
class Scorer:
    """Oblivious trees: ``feature`` and ``above`` (T, D) of each level's question, ``value`` (T, 2^D) of the
    leaves.

    ``rates`` and ``thresholds`` (R,): the page threshold for so many false pages a series-week, as
    cross-validated.
    """

    feature: npt.NDArray[np.int64]
    above: Floats
    value: Floats
    base: float
    rates: Floats
    thresholds: Floats

    def score(self, features: Floats) -> Floats:
        """The score (S,) of ``features`` (F, S): the log odds of an incident, were half of all hours one."""
        result = np.full(features.shape[1], DULL, np.float32)
        asked = np.flatnonzero(worth(features))
        depth = self.feature.shape[1]
        leaves = self.value.ravel()
        rows = (np.arange(len(self.value)) << depth).astype(np.uint16)[:, None]
        for begin in range(0, len(asked), CHUNK):
            index = asked[begin : begin + CHUNK]
            some = features[:, index]
            leaf = np.zeros((len(self.value), len(index)), np.uint16)
            for level in range(depth):
                leaf <<= 1
                leaf |= some[self.feature[:, level]] > self.above[:, level, None]
            leaf += rows
            result[index] = np.maximum(np.take(leaves, leaf).sum(axis=0) + self.base, DULL)
        return result

    def threshold(self, rate: float) -> float:
        """The page threshold for a budget of false pages a series-week."""
        return float(np.interp(np.log(rate), np.log(self.rates), self.thresholds))


def worth(features: Floats) -> Bools:
    """Which series (S,) are a day old and strange enough in some view to ask the trees about."""
    views = len(VIEWS)
    novel = features[FEATURES.index("novelty")] > np.float32(np.log1p(4))
    strange = features[:QUICK].max(axis=0) > np.float32(np.log1p(5))
    record = features[views : views + QUICK].max(axis=0) > np.float32(-0.2)
    return np.asarray((strange | record | novel) & (features[FEATURES.index("age")] >= 1))


def certain(features: Floats) -> Floats:
    """How far (S,), 0 to 1, a value is beyond doubt, in a young series too: 16 scales off its forecast, and
    three to six times further than it ever was."""
    record = features[FEATURES.index("record_forecast")]
    far = features[FEATURES.index("z_forecast")] > np.float32(np.log1p(16))
    return np.asarray(far * np.clip((record - np.log(3)) / np.log(2), 0, 1), np.float32)


def read(file: BinaryIO) -> Scorer:
    """Read what `arrays` wrote. ValueError where the features are not those of this version."""
    saved = np.load(file, allow_pickle=False)
    if tuple(saved["features"].tolist()) != FEATURES:
        raise ValueError("the scorer was trained on other features: train it again")
    return Scorer(
        saved["feature"].astype(np.int64),
        saved["above"],
        saved["value"],
        float(saved["base"]),
        saved["rates"],
        saved["thresholds"],
    )


def arrays(scorer: Scorer, trained_on: str) -> dict[str, Array]:
    """What `read` reads, for ``np.savez_compressed``."""
    return {
        "features": np.array(FEATURES),
        "trained_on": np.array(trained_on),
        "feature": scorer.feature.astype(np.uint8),
        "above": scorer.above.astype(np.float32),
        "value": scorer.value.astype(np.float32),
        "base": np.array(scorer.base),
        "rates": scorer.rates.astype(np.float32),
        "thresholds": scorer.thresholds.astype(np.float32),
    }


@cache
def shipped() -> Scorer:
    """The scorer of this package."""
    with (files("bongsu.watch.anomaly") / "scorer.npz").open("rb") as file:
        return read(file)  # type: ignore[arg-type]

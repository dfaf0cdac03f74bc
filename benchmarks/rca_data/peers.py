"""Published rankings from metrics alone, beside which the engine is measured. Our own implementations."""

from collections.abc import Callable, Mapping

import numpy as np

from bongsu.analysis.series import Floats, values_in
from rca_data.case import Case


def random_guess(case: Case) -> Mapping[str, float]:
    """Every candidate alike."""
    return {}


def n_sigma(case: Case) -> Mapping[str, float]:
    """A service's score: the largest |x − mean| / standard deviation of any of its metrics."""

    def centre(before: Floats) -> tuple[float, float]:
        return float(before.mean()), float(before.std())

    return _furthest(case, centre)


def baro(case: Case) -> Mapping[str, float]:
    """RobustScorer of Pham, Ha and Zhang, "BARO: Robust Root Cause Analysis for Microservices via
    Multivariate Bayesian Online Change Point Detection", FSE 2024: the largest |x − median| / IQR of any of a
    service's metrics."""

    def centre(before: Floats) -> tuple[float, float]:
        upper, middle, lower = np.percentile(before, [75, 50, 25])
        return float(middle), float(upper - lower)

    return _furthest(case, centre)


def _furthest(case: Case, centre: Callable[[Floats], tuple[float, float]]) -> Mapping[str, float]:
    """A metric that never moved before has scale 1."""
    found: dict[str, float] = {}
    for metric in case.metrics():
        before, during = values_in(metric, case.baseline), values_in(metric, case.window)
        if before.size < 2 or not during.size:
            continue
        middle, scale = centre(before)
        score = float(np.abs(during - middle).max()) / (scale or 1.0)
        found[metric.service] = max(found.get(metric.service, 0.0), score)
    return found


PEERS: Mapping[str, Callable[[Case], Mapping[str, float]]] = {
    "random": random_guess,
    "n-sigma": n_sigma,
    "BARO": baro,
}

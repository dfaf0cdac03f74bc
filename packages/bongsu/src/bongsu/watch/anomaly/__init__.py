"""The learned anomaly detector: a forecast a series, its errors in several views, pooled into pages on a
budget."""

from bongsu.watch.anomaly.detector import BUDGET, Detector, Scores
from bongsu.watch.anomaly.explain import Explanation, Similar

__all__ = ["BUDGET", "Detector", "Explanation", "Scores", "Similar"]

"""AC@k and Avg@5 in expectation: tied services are as likely in one order as in another."""

import math
from collections.abc import Mapping, Sequence

from rca_data.case import Case


def hit(scores: Mapping[str, float], candidates: Sequence[str], truth: str, k: int) -> float:
    """P(``truth`` among the first ``k``), ties broken at random; unscored candidates tie at the end."""
    everyone = sorted({*candidates, *scores})
    if truth not in everyone:
        return 0.0
    own = scores.get(truth, float("-inf"))
    better = sum(scores.get(name, float("-inf")) > own for name in everyone)
    ties = sum(scores.get(name, float("-inf")) == own for name in everyone)
    return min(1.0, max(0.0, (k - better) / ties))


def summary(
    results: Sequence[tuple[Case, Mapping[str, float], str]], ks: Sequence[int] = (1, 3)
) -> dict[str, float]:
    """``AC@k`` and ``Avg@5`` over (case, scores, true service)."""
    count = max(1, len(results))

    def accuracy(k: int) -> float:
        return sum(hit(scores, case.candidates, truth, k) for case, scores, truth in results) / count

    found = {f"AC@{k}": accuracy(k) for k in ks}
    found["Avg@5"] = sum(accuracy(k) for k in range(1, 6)) / 5
    return found


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least ``share`` of ``values`` do not exceed; 0 of none."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)] if ordered else 0.0

"""``increase`` in plain Python, as Prometheus defines it, one window at a time."""

from itertools import pairwise

import numpy as np


def increase(
    times: np.ndarray, values: np.ndarray, at: int, window: int, *, old: bool = False
) -> float | None:
    """The increase over the ``window`` ms before ``at`` (ms), extrapolated; None with fewer than two samples.

    ``old`` is how Prometheus before 2.52 limited extrapolation to zero: before, not after, it cut the
    distance to the window's start down to half a sample's.
    """
    inside = (times > at - window) & (times <= at)
    t, v = times[inside], values[inside]
    if len(t) < 2:
        return None
    growth = v[-1] - v[0] + sum(a for a, b in pairwise(v) if b < a)
    span = int(t[-1] - t[0])
    mean = span / (len(t) - 1)
    head, tail = int(t[0]) - (at - window), at - int(t[-1])
    zero = span * v[0] / growth if growth > 0 and v[0] >= 0 else np.inf
    if old:
        head = min(head, zero)
    lead_in = mean / 2 if head >= mean * 1.1 else head
    lead_out = mean / 2 if tail >= mean * 1.1 else tail
    return float(growth * (span + min(lead_in, zero) + lead_out) / span)

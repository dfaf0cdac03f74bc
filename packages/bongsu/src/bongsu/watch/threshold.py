"""Judgement by threshold: which conditions of a signal a value meets."""

import math

from bongsu.incidents.model import Condition
from bongsu.signals.model import AnySignal


def conditions(signal: AnySignal, value: float | None) -> list[Condition]:
    """Those that ``value`` meets, the worst first.

    A missing value (None) meets none: an absent error ratio is no error. Where the signal says
    ``absent: alert``, as presence does, it meets those of all thresholds, whatever they compare with. NaN is
    a value: it is compared.
    """
    if value is None and signal.absent != "alert":
        return []
    read = None if value is None or math.isnan(value) else value
    met = [item for item in signal.thresholds.items() if value is None or item[1].holds(value)]
    return [
        Condition(kind="threshold", severity=severity, value=read, limit=threshold.value)
        for severity, threshold in sorted(met, key=lambda item: item[0].rank)
    ]

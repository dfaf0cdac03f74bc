"""Values and conditions as a person reads them, with their units."""

import math

from bongsu.analysis.wording import quantity
from bongsu.cli import say
from bongsu.signals.model import Threshold
from bongsu.signals.quantities import format_duration

_UNITS = {
    "ratio": ("share", "비율"),
    "s": ("seconds", "초"),
    "bytes": ("bytes", "바이트"),
    "per_second": ("per second", "초당"),
    "count": ("number", "개수"),
    "bool": ("1 yes, 0 no", "1 예, 0 아니요"),
    "celsius": ("°C", "°C"),
    "bytes_per_second": ("bytes per second", "초당 바이트"),
}
_SIZES = (("TiB", 2.0**40), ("GiB", 2.0**30), ("MiB", 2.0**20), ("KiB", 2.0**10))


def unit_name(unit: str) -> str:
    """What the unit is called."""
    return say(*_UNITS.get(unit, (unit, unit)))


def value_text(value: float, unit: str) -> str:
    """``340 ms``, ``2.4%``, ``26.0 h``, ``no data`` for NaN."""
    if math.isnan(value):
        return say("no data", "데이터 없음")
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    if unit == "s" and abs(value) >= 120:
        return _long(value)
    if unit == "s" and value < 0:
        return f"-{value_text(-value, unit)}"
    if unit == "celsius":
        return f"{value:.3g} °C"
    if unit == "count" and value == round(value) and abs(value) < 1e7:
        return f"{value:.0f}"
    said = quantity(value, "bytes" if unit == "bytes_per_second" else unit)
    text = say(said.en, said.ko).replace(" %", "%")
    return f"{text}/s" if unit == "bytes_per_second" else text


def threshold_text(threshold: Threshold, unit: str) -> str:
    """``> 5% for 5m``: the exact value in the unit that a person would choose."""
    hold = f" for {format_duration(threshold.for_)}" if threshold.for_ else ""
    return f"{threshold.op} {_exact(threshold.value, unit)}{hold}"


def _exact(value: float, unit: str) -> str:
    if unit == "ratio":
        return f"{100 * value:g}%"
    if unit == "s" and value >= 0 and (value == 0 or round(value * 1000) / 1000 == value):
        whole = next(
            (f"{value / size:g}{name}" for name, size in (("d", 86400), ("h", 3600)) if _even(value, size)),
            "",
        )
        return whole or format_duration(value)
    if unit in {"bytes", "bytes_per_second"}:
        per = "/s" if unit == "bytes_per_second" else ""
        for name, size in _SIZES:
            if value and (value / size * 4).is_integer():
                return f"{value / size:g} {name}{per}"
        return f"{value:g} B{per}"
    if unit == "per_second":
        return f"{value:g}/s"
    return f"{value:g} °C" if unit == "celsius" else f"{value:g}"


def _even(value: float, size: int) -> bool:
    return value >= 2 * size and value % size == 0


def _long(seconds: float) -> str:
    for name, size in (("d", 86400.0), ("h", 3600.0)):
        if abs(seconds) >= 2 * size:
            return f"{seconds / size:.1f} {name}"
    return f"{seconds / 60:.0f} min"

"""Durations, sizes and ratios as people write them: ``5m``, ``250 MiB``, ``5%``, ``300 ms``."""

import math
import re
from decimal import Decimal
from typing import Annotated

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema

_DURATION_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
_DURATION_PART = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|d|w)\s*")

_BASE_UNITS: dict[str, tuple[str, float]] = {
    "%": ("ratio", 0.01),
    "ns": ("s", 1e-9),
    "us": ("s", 1e-6),
    "µs": ("s", 1e-6),
    "ms": ("s", 1e-3),
    "s": ("s", 1.0),
    "min": ("s", 60.0),
    "m": ("s", 60.0),
    "h": ("s", 3600.0),
    "d": ("s", 86400.0),
    "B": ("bytes", 1.0),
    "kB": ("bytes", 1e3),
    "MB": ("bytes", 1e6),
    "GB": ("bytes", 1e9),
    "TB": ("bytes", 1e12),
    "KiB": ("bytes", 2.0**10),
    "MiB": ("bytes", 2.0**20),
    "GiB": ("bytes", 2.0**30),
    "TiB": ("bytes", 2.0**40),
    "/s": ("per_second", 1.0),
    "/min": ("per_second", 1 / 60),
    "/m": ("per_second", 1 / 60),
    "/h": ("per_second", 1 / 3600),
}
_QUANTITY = re.compile(r"([+-]?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)\s*([A-Za-zµ%/]*)")


def parse_duration(text: object) -> float:
    """Seconds for ``90s``, ``1h30m`` or a bare number of seconds; ValueError says what is allowed."""
    if isinstance(text, bool):
        raise ValueError("a duration is written like 30s, 5m or 1h30m")
    if isinstance(text, int | float):
        seconds = float(text)
    else:
        raw = str(text).strip()
        parts = list(_DURATION_PART.finditer(raw))
        if not parts or "".join(p.group(0) for p in parts) != raw:
            raise ValueError(f"{raw!r} is not a duration; write it like 30s, 5m, 1h30m or 7d")
        seconds = sum(float(p.group(1)) * _DURATION_UNITS[p.group(2)] for p in parts)
    if not math.isfinite(seconds) or seconds < 0:
        raise ValueError("a duration must be zero or more")
    return seconds


def format_duration(seconds: float) -> str:
    """The shortest exact spelling that Prometheus accepts: ``5m``, ``1h30m``, ``500ms``."""
    millis = round(seconds * 1000)
    if millis == 0:
        return "0s"
    parts = []
    for unit, size in (("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)):
        count, millis = divmod(millis, size)
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts)


def parse_quantity(text: object) -> tuple[float, str | None]:
    """``(value in base units, dimension)``; dimension is ratio, s, bytes, per_second, or None if bare."""
    if isinstance(text, bool):
        raise ValueError("a number is expected, with a unit where it has one: 5%, 2 s, 250 MiB")
    if isinstance(text, int | float):
        return float(text), None
    raw = str(text).strip()
    match = _QUANTITY.fullmatch(raw)
    if match is None:
        raise ValueError(f"{raw!r} is not a quantity; write it like 5%, 300 ms, 250 MiB, 0.1/s or 12")
    number, unit = float(match.group(1)), match.group(2)
    if not unit:
        return number, None
    if unit not in _BASE_UNITS:
        raise ValueError(f"unit {unit!r} is not known; known units: {', '.join(_BASE_UNITS)}")
    dimension, factor = _BASE_UNITS[unit]
    return number * factor, dimension


def _quantity_value(text: object) -> float:
    return parse_quantity(text)[0]


Duration = Annotated[
    float,
    BeforeValidator(parse_duration),
    PlainSerializer(format_duration, when_used="json"),
    WithJsonSchema({"type": ["string", "number"], "description": "A duration such as 30s, 5m or 1h30m"}),
]
Quantity = Annotated[
    float,
    BeforeValidator(_quantity_value),
    WithJsonSchema({"type": ["string", "number"], "description": "A quantity such as 5%, 2 s or 250 MiB"}),
]


def number(value: float) -> str:
    """Twelve digits that count, without an exponent."""
    text = format(Decimal(repr(float(f"{value:.12g}"))), "f")
    return text.removesuffix(".0")

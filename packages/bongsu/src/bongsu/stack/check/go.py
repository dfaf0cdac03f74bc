"""Durations as Go's ``time.ParseDuration`` reads them, which knows no days."""

import math
import re

_PART = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|μs|ms|s|m|h)")
_UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}


def parse_go_duration(text: object) -> float:
    """Seconds; ValueError for what Go refuses, such as ``7d``."""
    raw = str(text).strip()
    if raw == "0":
        return 0.0
    parts = list(_PART.finditer(raw.removeprefix("-").removeprefix("+")))
    if not parts or "".join(p.group() for p in parts) != raw.removeprefix("-").removeprefix("+"):
        raise ValueError(f"{raw!r} is not a duration of Go: hours are the largest unit, write 168h")
    seconds = math.fsum(float(p.group(1)) * _UNITS[p.group(2)] for p in parts)
    return -seconds if raw.startswith("-") else seconds


def format_go_duration(seconds: float) -> str:
    """The shortest exact spelling in h, m, s and ms."""
    millis = round(seconds * 1000)
    parts = []
    for unit, size in (("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)):
        count, millis = divmod(millis, size)
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts) or "0s"

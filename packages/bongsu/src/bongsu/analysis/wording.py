"""Numbers as people read them at night, in English and Korean."""

from bongsu.analysis.model import Say


def percent(ratio: float) -> str:
    """``34``, ``0.4`` for 0.34, 0.004: the sign is the sentence's."""
    value = 100 * ratio
    return f"{value:.0f}" if value >= 9.95 or value == 0 else f"{value:.2g}"


def seconds(value: float) -> str:
    """``820 ms``, ``1.4 s``."""
    if value < 0.0995:
        return f"{1000 * value:.2g} ms"
    if value < 0.9995:
        return f"{1000 * value:.0f} ms"
    return f"{value:.1f} s" if value < 99.95 else f"{value:.0f} s"


def size(value: float) -> str:
    """``240 MiB``."""
    for unit, factor in (("GiB", 2.0**30), ("MiB", 2.0**20), ("KiB", 2.0**10)):
        if abs(value) >= factor:
            return f"{value / factor:.1f} {unit}" if unit == "GiB" else f"{value / factor:.0f} {unit}"
    return f"{value:.0f} B"


def quantity(value: float, unit: str) -> Say:
    """A figure with its unit: a metric's, or whole, calls, times or duration (seconds)."""
    match unit:
        case "ratio":
            return Say(f"{percent(value)} %", f"{percent(value)}%")
        case "s":
            return Say(seconds(value), seconds(value))
        case "bytes":
            return Say(size(value), size(value))
        case "per_second":
            return Say(f"{value:.3g}/s", f"초당 {value:.3g}")
        case "cores":
            return Say(f"{value:.2g} cores", f"{value:.2g}코어")
        case "whole":
            return Say(f"{value:,.0f}", f"{value:,.0f}")
        case "calls":
            return Say(f"{value:,.0f} {'call' if value == 1 else 'calls'}", f"{value:,.0f}건")
        case "times":
            return Say("once" if value == 1 else f"{value:,.0f} times", f"{value:,.0f}번")
        case "duration":
            return minutes(value)
        case _:
            return Say(f"{value:.3g}", f"{value:.3g}")


def clip(text: str, longest: int = 120) -> str:
    """``text`` on one line, cut with an ellipsis."""
    line = " ".join(text.split())
    return line if len(line) <= longest else line[: longest - 1] + "…"


def minutes(value: float) -> Say:
    """A stretch of time: ``40 s``, ``12 min``, ``2 h``; ``value`` in seconds."""
    if value < 90:
        return Say(f"{value:.0f} s", f"{value:.0f}초")
    if value < 5400:
        return Say(f"{value / 60:.0f} min", f"{value / 60:.0f}분")
    return Say(f"{value / 3600:.1f} h", f"{value / 3600:.1f}시간")

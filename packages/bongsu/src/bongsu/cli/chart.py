"""A chart of one signal in the terminal: bars, the line of each threshold, and where there is no data."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo

from bongsu.cli import say
from bongsu.cli.values import threshold_text, value_text
from bongsu.signals.model import Threshold

ROWS = 8
_NEAR = 3.0
"""A threshold is drawn when it is at most so many times as high as the values."""


@dataclass(frozen=True, slots=True)
class Glyphs:
    """What the chart is drawn with. ``bars`` go from nothing to a full cell."""

    bars: str
    line: str
    axis: str
    base: str
    gap: str
    dash: str


UNICODE = Glyphs(" ▁▂▃▄▅▆▇█", "┄", "┤", "─", "·", "–")
ASCII = Glyphs(" :#", "-", "|", "_", ".", "-")

Paint = Callable[[str], str]


@dataclass(frozen=True, slots=True)
class Plot:
    """What is drawn: a value for each column (NaN where there is none), and the thresholds by severity."""

    times: Sequence[float]
    values: Sequence[float]
    unit: str
    thresholds: Sequence[tuple[str, Threshold]]
    zone: tzinfo


@dataclass(frozen=True, slots=True)
class _Scale:
    low: float
    high: float

    def eighths(self, value: float, steps: int) -> int:
        """How many parts of the chart's height the bar takes; at least one above the floor."""
        if value <= self.low:
            return 0
        share = 1.0 if math.isinf(value) else min(1.0, (value - self.low) / (self.high - self.low))
        return max(1, round(share * ROWS * steps))

    def row(self, value: float) -> int:
        """The row, from the bottom, through which the line of a threshold goes."""
        return min(ROWS - 1, int((value - self.low) / (self.high - self.low) * ROWS))


def draw(plot: Plot, glyphs: Glyphs = UNICODE, bad: Paint = str) -> list[str]:
    """The chart's lines. ``bad`` paints the bars that meet a threshold."""
    known = [value for value in plot.values if not math.isnan(value)]
    if not known:
        return [say("no data in this time", "이 시간에는 데이터가 없습니다")]
    shown, hidden = _thresholds(plot, known)
    scale = _scale(known, [threshold.value for _, threshold in shown])
    lines = _body(plot, scale, shown, glyphs, bad)
    for severity, threshold in shown:
        lines.append(f"{glyphs.line * 2} {severity} {threshold_text(threshold, plot.unit)}")
    for severity, threshold in hidden:
        where = say("off the chart", "차트 밖")
        lines.append(f"   {severity} {threshold_text(threshold, plot.unit)} ({where})")
    return [*lines, *_summary(plot, known, glyphs)]


def _thresholds(
    plot: Plot, known: Sequence[float]
) -> tuple[list[tuple[str, Threshold]], list[tuple[str, Threshold]]]:
    """Those that fit on the chart without flattening the values, and the rest. The nearest fits zeros."""
    top = max((abs(value) for value in known if math.isfinite(value)), default=0.0)
    ordered = sorted(plot.thresholds, key=lambda pair: abs(pair[1].value))
    shown = [pair for pair in ordered if abs(pair[1].value) <= _NEAR * top]
    if not shown and top == 0.0:
        shown = ordered[:1]
    return shown, [pair for pair in ordered if pair not in shown]


def _scale(known: Sequence[float], marks: Sequence[float]) -> _Scale:
    finite = [value for value in (*known, *marks) if math.isfinite(value)]
    low, high = min([0.0, *finite]), max([0.0, *finite])
    return _Scale(low, high if high > low else low + 1.0)


def _body(
    plot: Plot, scale: _Scale, shown: Sequence[tuple[str, Threshold]], glyphs: Glyphs, bad: Paint
) -> list[str]:
    marks = {scale.row(threshold.value): severity for severity, threshold in reversed(shown)}
    labels = {
        ROWS - 1: scale.high,
        ROWS // 2: scale.low + (scale.high - scale.low) * (ROWS // 2 + 0.5) / ROWS,
    }
    texts = {row: value_text(value, plot.unit) for row, value in labels.items()}
    floor = value_text(scale.low, plot.unit)
    width = max(len(text) for text in [*texts.values(), floor])
    bars = _bars(plot, scale, shown, glyphs)
    lines = []
    for row in reversed(range(ROWS)):
        cells = [_cell(parts - row * (len(glyphs.bars) - 1), row in marks, glyphs) for parts, _ in bars]
        painted = _painted(cells, [is_bad for _, is_bad in bars], glyphs, bad)
        lines.append(f"{texts.get(row, ''):>{width}} {glyphs.axis}{painted} {marks.get(row, '')}".rstrip())
    base = "".join(glyphs.gap if math.isnan(value) else glyphs.base for value in plot.values)
    lines.append(f"{floor:>{width}} {glyphs.axis}{base}")
    lines.append(_clock(plot, width))
    return lines


def _bars(
    plot: Plot, scale: _Scale, shown: Sequence[tuple[str, Threshold]], glyphs: Glyphs
) -> list[tuple[int, bool]]:
    """Height in parts of a cell, and whether a threshold is met, of each column."""
    steps = len(glyphs.bars) - 1
    return [
        (0, False)
        if math.isnan(value)
        else (scale.eighths(value, steps), any(threshold.holds(value) for _, threshold in shown))
        for value in plot.values
    ]


def _cell(parts: int, mark: bool, glyphs: Glyphs) -> str:
    if parts <= 0:
        return glyphs.line if mark else " "
    return glyphs.bars[min(parts, len(glyphs.bars) - 1)]


def _painted(cells: Sequence[str], is_bad: Sequence[bool], glyphs: Glyphs, bad: Paint) -> str:
    """The cells, with each run of bars that meet a threshold painted at once."""
    text, run = "", ""
    for cell, painted in zip(cells, is_bad, strict=True):
        if painted and cell in glyphs.bars and cell != " ":
            run += cell
            continue
        text, run = text + (bad(run) if run else "") + cell, ""
    return text + (bad(run) if run else "")


def _clock(plot: Plot, width: int) -> str:
    first, last = (_time(plot, at, plot.times[-1] - plot.times[0]) for at in (plot.times[0], plot.times[-1]))
    room = max(1, len(plot.times) - len(first) - len(last))
    return f"{'':>{width}}  {first}{' ' * room}{last}"


def _time(plot: Plot, at: float, span: float) -> str:
    form = "%H:%M:%S" if span < 600 else "%H:%M" if span < 86400 else "%m-%d %H:%M"
    return datetime.fromtimestamp(at, plot.zone).strftime(form)


def _summary(plot: Plot, known: Sequence[float], glyphs: Glyphs) -> list[str]:
    span = plot.times[-1] - plot.times[0]

    def at(value: float) -> str:
        return _time(plot, plot.times[list(plot.values).index(value)], span)

    low, high = min(known), max(known)
    words = [
        f"{say('now', '지금')} {_now(plot, span)}",
        f"{say('min', '최소')} {value_text(low, plot.unit)} ({at(low)})",
        f"{say('max', '최대')} {value_text(high, plot.unit)} ({at(high)})",
    ]
    missing = len(plot.values) - len(known)
    if not missing:
        return ["  ".join(words)]
    gaps = say(
        f"no data in {missing} of {len(plot.values)} columns (marked {glyphs.gap})",
        f"{len(plot.values)}칸 중 {missing}칸에 데이터 없음 ({glyphs.gap} 표시)",
    )
    return ["  ".join(words), gaps]


def _now(plot: Plot, span: float) -> str:
    last = plot.values[-1]
    if not math.isnan(last):
        return value_text(last, plot.unit)
    index = max(i for i, value in enumerate(plot.values) if not math.isnan(value))
    before, when = value_text(plot.values[index], plot.unit), _time(plot, plot.times[index], span)
    return say(f"no data, {before} at {when}", f"데이터 없음, {when}에 {before}")

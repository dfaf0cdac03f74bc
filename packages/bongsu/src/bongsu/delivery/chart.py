"""A chart as PNG, for destinations that show pictures. Readable at the width of a phone."""

import asyncio
import io
import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import tzinfo
from typing import TYPE_CHECKING, Any, Literal

from bongsu.delivery import axis, fonts, words
from bongsu.delivery.message import ChartMarker, ChartSeries, ChartSpec

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Theme = Literal["dark", "light"]
WIDTH, HEIGHT = 1000, 420
_DPI = 100
_TITLE_PX, _TEXT_PX = 32, 26
_LABELLED_MARKERS = 3

# matplotlib's font and text caches are shared by all figures and not made for several threads.
_painter = ThreadPoolExecutor(max_workers=1, thread_name_prefix="chart")


@dataclass(frozen=True, slots=True)
class _Palette:
    ground: str
    text: str
    faint: str
    grid: str
    main: str
    context: str
    threshold: str
    shade: str
    change: str


_PALETTES: dict[Theme, _Palette] = {
    "dark": _Palette(
        "#1e1f22", "#f2f3f5", "#a5a9b1", "#3a3c42", "#5eb1ff", "#6f7682", "#ff7b72", "#f2555a", "#d2a8ff"
    ),
    "light": _Palette(
        "#ffffff", "#1c1e21", "#5f6670", "#e3e5e8", "#0b68cb", "#a3a9b2", "#c62a2f", "#e5484d", "#7c3aed"
    ),
}


@dataclass(frozen=True, slots=True)
class _Pen:
    """What every part of the drawing needs."""

    spec: ChartSpec
    palette: _Palette
    face: fonts.Typeface
    zone: tzinfo
    start: float
    end: float

    @property
    def markers(self) -> list[ChartMarker]:
        """Those inside the picture, oldest first."""
        inside = (m for m in self.spec.markers if self.start <= m.at <= self.end)
        return sorted(inside, key=lambda m: m.at)

    def style(self, pixels: float, colour: str) -> dict[str, Any]:
        from matplotlib.font_manager import FontProperties

        properties = FontProperties(family=list(self.face.families), size=pixels * 72 / _DPI)
        # Text may come from telemetry: a dollar sign in it is no formula.
        return {"fontproperties": properties, "color": colour, "parse_math": False}

    def text(self, raw: str, limit: int = 60) -> str:
        return fonts.drawable(raw, self.face, limit)


async def chart_png(
    spec: ChartSpec, *, width: int = WIDTH, height: int = HEIGHT, theme: Theme = "dark"
) -> bytes:
    """``render_png`` in the one drawing thread, so that the event loop goes on and no two drawings meet."""
    loop = asyncio.get_running_loop()
    return await loop.run_in_executor(
        _painter, lambda: render_png(spec, width=width, height=height, theme=theme)
    )


async def warm_up() -> None:
    """Load the drawing library and the fonts, so that the first incident's picture need not wait for them."""
    await chart_png(ChartSpec(title="", unit="count", series=()))


def render_png(spec: ChartSpec, *, width: int = WIDTH, height: int = HEIGHT, theme: Theme = "dark") -> bytes:
    """Draw ``spec`` as a PNG of ``width`` × ``height`` pixels.

    Not for several threads at a time; ``chart_png`` sees to that. ValueError when a series has not as
    many values as times.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    for series in spec.series:
        if len(series.times) != len(series.values):
            raise ValueError(
                f"series {series.label!r} has {len(series.times)} times, {len(series.values)} values"
            )
    start, end = axis.span(spec)
    pen = _Pen(spec, _PALETTES[theme], fonts.typeface(), words.zone(spec.timezone), start, end)
    figure = Figure(figsize=(width / _DPI, height / _DPI), dpi=_DPI, facecolor=pen.palette.ground)
    canvas = FigureCanvasAgg(figure)
    _draw(figure, pen, width, height)
    out = io.BytesIO()
    canvas.print_png(out, metadata={"Software": None})  # type: ignore[no-untyped-call]
    return out.getvalue()


def _draw(figure: "Figure", pen: _Pen, width: int, height: int) -> None:
    axes = _axes(figure, pen, width, height)
    _frame(axes, pen)
    days = axis.days(pen.start, pen.end, pen.zone)
    room = (width - 60 - axis.breadth(days) * (_TEXT_PX - 2)) / _TITLE_PX
    title, faint = pen.style(_TITLE_PX, pen.palette.text), pen.style(_TEXT_PX - 2, pen.palette.faint)
    figure.text(20 / width, 1 - 18 / height, axis.fit(pen.text(pen.spec.title, 200), room), va="top", **title)
    figure.text(1 - 20 / width, 1 - 23 / height, days, va="top", ha="right", **faint)
    _shade(axes, pen)
    drawn = [_line(axes, pen, series) for series in sorted(pen.spec.series, key=lambda s: s.role == "main")]
    if not any(drawn):
        nothing = words.phrases(pen.spec.language).no_data
        axes.text(0.5, 0.5, nothing, ha="center", va="center", transform=axes.transAxes, **faint)
    _threshold(axes, pen)
    _markers(axes, pen)
    _legend(axes, pen)


def _axes(figure: "Figure", pen: _Pen, width: int, height: int) -> "Axes":
    """The plot's place, its limits and its labelled ticks."""
    lowest, highest = axis.bounds(pen.spec, headroom=0.16 + 0.15 * min(len(pen.markers), _LABELLED_MARKERS))
    ticks, labels = axis.value_ticks(pen.spec, lowest, highest)
    left = 30 + round(max(map(axis.breadth, labels), default=2) * _TEXT_PX)
    top, bottom, right = 72, 56, 28
    axes = figure.add_axes(
        (left / width, bottom / height, 1 - (left + right) / width, 1 - (top + bottom) / height)
    )
    axes.set_facecolor(pen.palette.ground)
    axes.set_xlim(pen.start, pen.end)
    axes.set_ylim(lowest, highest)
    axes.set_yticks(ticks, labels)
    axes.set_xticks(*axis.time_ticks(pen.start, pen.end, pen.zone))
    return axes


def _frame(axes: "Axes", pen: _Pen) -> None:
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color(pen.palette.grid)
    axes.grid(axis="y", color=pen.palette.grid, linewidth=1)
    axes.set_axisbelow(True)
    axes.tick_params(length=0, pad=8)
    style = pen.style(_TEXT_PX, pen.palette.faint)
    for label in (*axes.get_xticklabels(), *axes.get_yticklabels()):
        label.update(style)
    axes.tick_params(
        labelcolor=pen.palette.faint, labelsize=_TEXT_PX * 72 / _DPI, labelfontfamily=list(pen.face.families)
    )


def _shade(axes: "Axes", pen: _Pen) -> None:
    if pen.spec.shade is None:
        return
    since, until = pen.spec.shade
    first = max(since, pen.start)
    last = pen.end if until is None else min(until, pen.end)
    if last <= first:
        return
    axes.axvspan(first, last, color=pen.palette.shade, alpha=0.16, linewidth=0)
    axes.axvline(first, color=pen.palette.shade, alpha=0.7, linewidth=1.5)
    if until is not None and until <= pen.end:
        axes.axvline(last, color=pen.palette.shade, alpha=0.7, linewidth=1.5)


def _line(axes: "Axes", pen: _Pen, series: ChartSeries) -> bool:
    """Draw one series; False when it has no value at all."""
    xs, ys = axis.broken(series)
    if all(map(math.isnan, ys)):
        return False
    main = series.role == "main"
    colour = pen.palette.main if main else pen.palette.context
    step = "steps-post" if pen.spec.unit == "bool" else "default"
    axes.plot(xs, ys, color=colour, linewidth=3 if main else 1.8, drawstyle=step, solid_capstyle="round")
    padded = [math.nan, *ys, math.nan]
    alone = [
        i
        for i, y in enumerate(ys)
        if not math.isnan(y) and math.isnan(padded[i]) and math.isnan(padded[i + 2])
    ]
    axes.plot([xs[i] for i in alone], [ys[i] for i in alone], "o", color=colour, markersize=5)
    return True


def _threshold(axes: "Axes", pen: _Pen) -> None:
    value = pen.spec.threshold
    if value is None or not math.isfinite(value) or pen.spec.unit == "bool":
        return
    axes.axhline(value, color=pen.palette.threshold, linewidth=2, linestyle=(0, (5, 3)))
    number = words.number(value, pen.spec.unit, pen.spec.language)
    lowest, highest = axes.get_ylim()
    above = value < lowest + 0.85 * (highest - lowest)
    right = axis.room_at_right(pen.spec, value, pen.start, pen.end)
    axes.annotate(
        words.phrases(pen.spec.language).threshold.format(number),
        (1.0 if right else 0.0, value),
        xycoords=("axes fraction", "data"),
        xytext=(-4 if right else 4, 5 if above else -5),
        textcoords="offset pixels",
        ha="right" if right else "left",
        va="bottom" if above else "top",
        bbox={"facecolor": pen.palette.ground, "edgecolor": "none", "alpha": 0.72, "pad": 2},
        **pen.style(_TEXT_PX, pen.palette.threshold),
    )


def _markers(axes: "Axes", pen: _Pen) -> None:
    for index, marker in enumerate(pen.markers):
        axes.axvline(marker.at, color=pen.palette.change, linewidth=2, linestyle=(0, (2, 2)))
        if index < _LABELLED_MARKERS:
            _marker_label(axes, pen, marker, index)


def _marker_label(axes: "Axes", pen: _Pen, marker: ChartMarker, row: int) -> None:
    late = marker.at > (pen.start + pen.end) / 2
    axes.annotate(
        "▼ " + pen.text(marker.label or words.phrases(pen.spec.language).change, 34),
        (marker.at, 1.0),
        xycoords=("data", "axes fraction"),
        xytext=(-6 if late else 6, -2 - row * (_TEXT_PX + 8)),
        textcoords="offset pixels",
        ha="right" if late else "left",
        va="top",
        bbox={"facecolor": pen.palette.ground, "edgecolor": "none", "alpha": 0.72, "pad": 2},
        **pen.style(_TEXT_PX - 1, pen.palette.change),
    )


def _legend(axes: "Axes", pen: _Pen) -> None:
    if len(pen.spec.series) < 2:
        return
    from matplotlib.lines import Line2D

    colours = {"main": pen.palette.main, "context": pen.palette.context}
    ordered = sorted(pen.spec.series, key=lambda s: s.role != "main")[:5]
    handles = [
        Line2D([], [], color=colours[s.role], linewidth=3 if s.role == "main" else 1.8) for s in ordered
    ]
    style = pen.style(_TEXT_PX - 2, pen.palette.text)
    legend = axes.legend(
        handles,
        ["" for _ in ordered],
        loc="upper left",
        frameon=True,
        framealpha=0.72,
        facecolor=pen.palette.ground,
        edgecolor="none",
        prop=style["fontproperties"],
    )
    for text, series in zip(legend.get_texts(), ordered, strict=True):
        text.update({"color": pen.palette.text, "parse_math": False})
        text.set_text(pen.text(series.label, 30))

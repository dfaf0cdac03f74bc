import asyncio
import logging
import struct
import warnings
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bongsu.delivery import axis, fonts, words
from bongsu.delivery.chart import chart_png, render_png
from bongsu.delivery.message import ChartMarker, ChartSeries, ChartSpec

NOW = 1_795_237_385.0


def size(png: bytes) -> tuple[int, int]:
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    assert png.endswith(b"IEND\xaeB`\x82")
    return struct.unpack(">II", png[16:24])


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_a_chart_is_a_png_of_the_size_asked_for(chart: ChartSpec, theme: str) -> None:
    png = render_png(chart, width=800, height=300, theme=theme)
    assert size(png) == (800, 300)
    assert len(png) < 200_000


def test_the_same_chart_gives_the_same_bytes(chart: ChartSpec) -> None:
    assert render_png(chart) == render_png(chart)


@pytest.mark.parametrize(
    "text", ["결제 오류율 상승", "뷁쀍 드문 글자", "$\\frac{x}$ %", "😀 \u200b\u202e\x00", ""]
)
def test_text_is_drawn_without_missing_glyphs(
    chart: ChartSpec, text: str, caplog: pytest.LogCaptureFixture
) -> None:
    spec = replace(
        chart,
        title=text,
        series=(*chart.series, replace(chart.series[0], label=text, role="context")),
        markers=(ChartMarker(NOW - 100, text),),
    )
    with warnings.catch_warnings(), caplog.at_level(logging.WARNING):
        warnings.simplefilter("error")
        render_png(spec)
    assert not caplog.records


def test_the_bundled_font_has_the_syllables_in_daily_use() -> None:
    face = fonts.typeface(system=False)
    assert fonts.FAMILY in face.families
    daily = "결제 주문 재고 게이트웨이 응답 시간 백분위 장애 긴급 복구 배포 초과 데이터 없음"
    assert fonts.drawable(daily, face) == daily
    assert fonts.FONT_FILE.stat().st_size < 500_000


def test_a_rare_syllable_is_spelled_out_on_a_bare_server() -> None:
    face = fonts.typeface(system=False)
    assert fonts.drawable("쀍", face) == "ㅃㅞㄺ"
    assert fonts.drawable("a\u200b\u202eb\x00\nc", face) == "ab c"


def test_lines_break_at_gaps_and_missing_values() -> None:
    series = ChartSeries("x", (0, 10, 20, 30, 100, 110), (1, None, 3, 4, 5, 6))
    times, values = axis.broken(series)
    assert [v != v for v in values] == [False, True, False, False, True, False, False]
    assert times == [0, 10, 20, 30, 40, 100, 110]


@pytest.mark.parametrize(
    ("unit", "top", "label"),
    [
        ("ratio", 0.62, "20%"),
        ("s", 0.8, "200 ms"),
        ("s", 4.0, "1 s"),
        ("bytes", 300 * 2**20, "100 MiB"),
        ("per_second", 42, "10/s"),
    ],
)
def test_the_axis_is_labelled_in_the_signals_unit(unit: str, top: float, label: str) -> None:
    spec = ChartSpec("t", unit, (ChartSeries("a", (0, 1), (0.0, top)),))
    _, labels = axis.value_ticks(spec, *axis.bounds(spec, 0.16))
    assert label in labels


def test_times_are_in_the_charts_zone() -> None:
    zone = words.zone("Asia/Seoul")
    _, labels = axis.time_ticks(NOW - 600, NOW, zone)
    assert labels[0] == "13:54"
    assert axis.days(NOW - 600, NOW, zone) == "11-21 KST"


values = st.one_of(st.none(), st.floats(allow_nan=True, allow_infinity=True), st.floats(0, 1))


@settings(max_examples=150, deadline=None)
@given(
    st.lists(values, max_size=20),
    st.sampled_from(["ratio", "s", "bytes", "per_second", "count", "bool", "celsius"]),
    st.one_of(st.none(), st.floats(-1e9, 1e9)),
)
def test_every_series_has_an_axis(points: list[float | None], unit: str, threshold: float | None) -> None:
    points = [p if p is None or abs(p) < 1e15 or p != p else None for p in points]
    series = ChartSeries("a", tuple(10.0 * i for i in range(len(points))), tuple(points))
    spec = ChartSpec("t", unit, (series,), threshold)
    lowest, highest = axis.bounds(spec, 0.16)
    assert lowest < highest
    ticks, labels = axis.value_ticks(spec, lowest, highest)
    assert len(ticks) == len(labels) <= 9
    assert len(set(labels)) == len(labels)
    start, end = axis.span(spec)
    assert 1 <= len(axis.time_ticks(start, end, words.zone("UTC"))[0]) <= 8


def test_empty_and_single_points_are_drawn() -> None:
    for series in ((), (ChartSeries("a", (), ()),), (ChartSeries("a", (NOW,), (1.0,)),)):
        render_png(ChartSpec("t", "ratio", series, language="ko"))


def test_times_and_values_must_match() -> None:
    with pytest.raises(ValueError, match="2 times, 1 values"):
        render_png(ChartSpec("t", "s", (ChartSeries("a", (1, 2), (1,)),)))


@pytest.mark.anyio
async def test_charts_drawn_together_do_not_disturb_each_other(chart: ChartSpec) -> None:
    other = replace(chart, title="orders", unit="s", threshold=0.5)
    expected = {spec.title: render_png(spec) for spec in (chart, other)}
    drawn = await asyncio.gather(*(chart_png(spec) for spec in (chart, other) * 4))
    assert drawn == [expected[spec.title] for spec in (chart, other) * 4]

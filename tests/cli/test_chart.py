"""What the terminal shows of a signal, to the character."""

import math
from zoneinfo import ZoneInfo

import pytest

from bongsu.cli.chart import ASCII, UNICODE, Plot, draw
from bongsu.cli.values import threshold_text, value_text
from bongsu.signals.model import Threshold

START = 1_700_000_000.0
NAN = math.nan


@pytest.fixture(autouse=True)
def english(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BONGSU_LANGUAGE", "en")


def condition(text: str) -> Threshold:
    return Threshold.model_validate(text)


def plot(values: list[float], unit: str, **thresholds: str) -> Plot:
    times = [START + 60 * i for i in range(len(values))]
    limits = [(severity, condition(text)) for severity, text in thresholds.items()]
    return Plot(times, values, unit, limits, ZoneInfo("Asia/Seoul"))


SLOW = [0.2, 0.3, 0.25, NAN, NAN, 0.3, 0.6, 1.2, 2.0, 1.5, 0.4, 0.3, 0.2, 0.2, 0.2, 0.2]

UNICODE_CHART = """\
2.0 s ┤        █
      ┤        █
      ┤        ██
1.1 s ┤       ▆██
      ┤┄┄┄┄┄┄┄███┄┄┄┄┄┄ P2
      ┤      ▃███
      ┤ ▂   ▂████▅▂
      ┤▆██  ███████▆▆▆▆
 0 ms ┤───··───────────
       07:13      07:28
┄┄ P2 > 800ms for 5m
   P1 > 30s (off the chart)
now 200 ms  min 200 ms (07:13)  max 2.0 s (07:21)
no data in 2 of 16 columns (marked ·)"""

ASCII_CHART = """\
2.0 s |        #
      |        #
      |        ##
1.1 s |       ###
      |-------###------ P2
      |      :###
      |      ####:
      |###  ###########
 0 ms |___..___________"""


def test_a_chart_with_a_gap_and_two_thresholds() -> None:
    lines = draw(plot(SLOW, "s", P1="> 30s", P2="> 800ms for 5m"))
    assert "\n".join(lines) == UNICODE_CHART


def test_plain_ascii() -> None:
    lines = draw(plot(SLOW, "s", P2="> 800ms"), ASCII)
    assert all(line.isascii() for line in lines)
    assert "\n".join(lines[:9]) == ASCII_CHART


def test_bars_that_meet_a_threshold_are_painted() -> None:
    lines = draw(plot(SLOW, "s", P2="> 800ms"), UNICODE, lambda text: f"<{text}>")
    assert lines[2] == "      ┤        <██>"
    assert lines[0].count("<") == 1


def test_zeros_are_data_and_the_nearest_threshold_gives_the_scale() -> None:
    lines = draw(plot([0.0] * 12, "ratio", P1="> 50%", P2="> 5%"))
    assert lines[0] == "  5% ┤┄┄┄┄┄┄┄┄┄┄┄┄ P2"
    assert lines[8] == "  0% ┤────────────"
    assert "P1 > 50% (off the chart)" in lines[-2]
    assert not any("no data" in line for line in lines)


def test_the_end_of_data_is_not_now() -> None:
    lines = draw(plot([1.0, 1.0, 0.0, NAN], "bool", P1="< 1 for 2m"))
    assert lines[-2].startswith("now no data, 0 at 07:15")
    assert lines[-1] == "no data in 1 of 4 columns (marked ·)"


def test_nothing_at_all() -> None:
    assert draw(plot([NAN] * 5, "s")) == ["no data in this time"]


def test_infinity_and_negative_values_stay_on_the_chart() -> None:
    assert "max +Inf" in draw(plot([1.0, math.inf], "s"))[-1]
    lines = draw(plot([-5.0, 5.0], "celsius"))
    assert lines[8].split()[0] == "-5"


@pytest.mark.parametrize(
    ("text", "unit", "expected"),
    [
        ("> 5% for 5m", "ratio", "> 5% for 5m"),
        ("> 99.9%", "ratio", "> 99.9%"),
        ("> 500ms for 5s", "s", "> 500ms for 5s"),
        ("> 26h", "s", "> 26h"),
        ("< 14d for 1h", "s", "< 14d for 1h"),
        ("> 90s", "s", "> 1m30s"),
        (">= 1.5 GiB", "bytes", ">= 1.5 GiB"),
        ("> 250 MiB", "bytes", "> 250 MiB"),
        ("> 1 MB", "bytes", "> 1e+06 B"),
        ("> 10/s", "per_second", "> 10/s"),
        ("< 1 for 2m", "bool", "< 1 for 2m"),
    ],
)
def test_conditions_as_people_write_them(text: str, unit: str, expected: str) -> None:
    assert threshold_text(condition(text), unit) == expected


@pytest.mark.parametrize(
    ("value", "unit", "expected"),
    [
        (0.024, "ratio", "2.4%"),
        (0.34, "s", "340 ms"),
        (93600.0, "s", "26.0 h"),
        (14 * 86400.0, "s", "14.0 d"),
        (-7200.0, "s", "-2.0 h"),
        (2.0**28, "bytes", "256 MiB"),
        (2.0**20, "bytes_per_second", "1 MiB/s"),
        (12345.0, "count", "12345"),
        (NAN, "s", "no data"),
    ],
)
def test_values_as_people_read_them(value: float, unit: str, expected: str) -> None:
    assert value_text(value, unit) == expected

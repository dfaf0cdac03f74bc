import math

import pytest

from bongsu.delivery import words
from bongsu.signals.model import Severity

NOW = 1_795_237_385.0


@pytest.mark.parametrize(
    ("value", "unit", "english", "korean"),
    [
        (0.123, "ratio", "12.3 %", "12.3%"),
        (0.05, "ratio", "5 %", "5%"),
        (0.9999, "ratio", "99.99 %", "99.99%"),
        (1.0, "ratio", "100 %", "100%"),
        (0.0004, "ratio", "0.04 %", "0.04%"),
        (0.85, "s", "850 ms", "850 ms"),
        (2.3, "s", "2.3 s", "2.3초"),
        (0.00031, "s", "310 µs", "310 µs"),
        (0.99999, "s", "1 s", "1초"),
        (192, "s", "3 min 12 s", "3분 12초"),
        (312 * 2**20, "bytes", "312 MiB", "312 MiB"),
        (1000, "bytes", "1,000 B", "1,000 B"),
        (1.4 * 2**30, "bytes_per_second", "1.4 GiB/s", "1.4 GiB/s"),
        (4.2, "per_second", "4.2/s", "4.2/s"),
        (12345.6, "count", "12,346", "12,346"),
        (61.2, "celsius", "61.2 °C", "61.2 °C"),
        (0, "bool", "down", "응답 없음"),
        (1, "bool", "up", "정상"),
        (None, "s", "no data", "데이터 없음"),
        (math.nan, "s", "no data", "데이터 없음"),
        (math.inf, "s", "∞", "∞"),
        (-0.0, "count", "0", "0"),
        (-0.5, "s", "-500 ms", "-500 ms"),
    ],
)
def test_numbers_have_units(value: float | None, unit: str, english: str, korean: str) -> None:
    assert words.number(value, unit, "en") == english
    assert words.number(value, unit, "ko") == korean


@pytest.mark.parametrize(
    ("seconds", "english", "korean"),
    [
        (0.4, "0.4 s", "0.4초"),
        (8, "8 s", "8초"),
        (59.6, "1 min", "1분"),
        (192, "3 min 12 s", "3분 12초"),
        (3905, "1 h 5 min", "1시간 5분"),
        (100_000, "1 d 3 h", "1일 3시간"),
        (86_400 + 5, "1 d", "1일"),
        (-3, "0 s", "0초"),
    ],
)
def test_durations_have_two_parts(seconds: float, english: str, korean: str) -> None:
    assert words.duration(seconds, "en") == english
    assert words.duration(seconds, "ko") == korean


def test_a_limit_says_which_side() -> None:
    assert words.limit(0.12, 0.05, "ratio", "en") == "above 5 %"
    assert words.limit(0.12, 0.05, "ratio", "ko") == "기준 5% 초과"
    assert words.limit(0.01, 0.05, "ratio", "ko") == "기준 5% 미만"
    assert words.limit(None, 0.05, "ratio", "en") == "threshold 5 %"
    assert words.limit(0.0, 1.0, "bool", "en") == ""


def test_times_are_local() -> None:
    assert words.local_time(NOW, "Asia/Seoul", "en") == "21 Nov 14:03:05 KST"
    assert words.local_time(NOW, "Asia/Seoul", "ko") == "11월 21일 14:03:05 (KST)"
    assert words.local_time(NOW, "Asia/Seoul", "ko", year=True) == "2026년 11월 21일 14:03:05 (KST)"
    assert words.local_time(NOW, "No/Such", "en") == "21 Nov 05:03:05 UTC"
    assert "+04" in words.local_time(NOW, "Asia/Dubai", "en")


def test_every_severity_looks_different() -> None:
    looks = [words.SEVERITIES[severity] for severity in Severity]
    assert len({look.emoji for look in looks}) == len({look.colour for look in looks}) == len(looks)
    assert words.SEVERITIES[Severity.P1].in_("ko") == "P1 긴급"

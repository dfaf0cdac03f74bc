"""How numbers, times and states are said to people, in English and in Korean.

Korean phrases stand before or after a value without a particle, so that they read well whatever the value.
"""

import math
from dataclasses import dataclass
from datetime import datetime, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from babel.dates import format_datetime, get_timezone_name
from babel.numbers import format_decimal

from bongsu.delivery.message import MessageState
from bongsu.signals.model import Severity


@dataclass(frozen=True, slots=True)
class SeverityLook:
    emoji: str
    colour: int
    """24-bit RGB."""
    en: str
    ko: str

    def in_(self, language: str) -> str:
        return self.ko if language == "ko" else self.en


SEVERITIES = {
    Severity.P1: SeverityLook("🔴", 0xE5484D, "P1 critical", "P1 긴급"),
    Severity.P2: SeverityLook("🟠", 0xF76B15, "P2 high", "P2 높음"),
    Severity.P3: SeverityLook("🟡", 0xE2B203, "P3 warning", "P3 주의"),
    Severity.P4: SeverityLook("🔵", 0x3E8EDE, "P4 info", "P4 참고"),
}
RESOLVED_EMOJI, RESOLVED_COLOUR = "✅", 0x30A46C
ACKNOWLEDGED_EMOJI = "👀"


@dataclass(frozen=True, slots=True)
class Phrases:
    """Every fixed phrase of a message. ``{}`` takes a value that needs no particle."""

    open: str
    acknowledged: str
    acknowledged_by: str
    resolved: str
    resolved_after: str
    what: str
    since: str
    lasted: str
    recovered_at: str
    owner: str
    no_owner: str
    state: str
    suspect: str
    other_suspects: str
    changes: str
    logs: str
    links: str
    gaps: str
    threshold: str
    above: str
    below: str
    no_value: str
    up: str
    down: str
    more: str
    chart_alt: str
    incident: str
    change: str
    no_data: str
    axis: dict[str, str]


_EN = Phrases(
    open="Open",
    acknowledged="Acknowledged",
    acknowledged_by="Acknowledged by {}",
    resolved="Resolved",
    resolved_after="Resolved after {}",
    what="What broke",
    since="Since",
    lasted="Lasted",
    recovered_at="Recovered",
    owner="Owner",
    no_owner="nobody is declared",
    state="State",
    suspect="First suspect: {}",
    other_suspects="Also suspected: {}",
    changes="Changes before it",
    logs="Error logs",
    links="Links",
    gaps="Could not be checked",
    threshold="threshold {}",
    above="above {}",
    below="below {}",
    no_value="no data",
    up="up",
    down="down",
    more="… and {} more",
    chart_alt="Chart: {}",
    incident="Incident",
    change="Change",
    no_data="No data in this window",
    axis={"per_second": "per second", "bytes_per_second": "per second", "count": "count"},
)
_KO = Phrases(
    open="진행 중",
    acknowledged="담당자 확인",
    acknowledged_by="{} 확인 중",
    resolved="복구됨",
    resolved_after="{} 만에 복구",
    what="증상",
    since="발생 시각",
    lasted="지속 시간",
    recovered_at="복구 시각",
    owner="담당",
    no_owner="지정되지 않음",
    state="상태",
    suspect="유력 원인: {}",
    other_suspects="다른 후보: {}",
    changes="직전 변경 사항",
    logs="에러 로그",
    links="바로 가기",
    gaps="확인하지 못한 항목",
    threshold="기준 {}",
    above="기준 {} 초과",
    below="기준 {} 미만",
    no_value="데이터 없음",
    up="정상",
    down="응답 없음",
    more="… 외 {}건",
    chart_alt="차트: {}",
    incident="장애 구간",
    change="변경",
    no_data="이 구간에는 데이터가 없습니다",
    axis={"per_second": "초당", "bytes_per_second": "초당", "count": "개수"},
)


def phrases(language: str) -> Phrases:
    """The Korean phrases for ``ko``, the English ones for every other language."""
    return _KO if language == "ko" else _EN


def state_word(state: MessageState, language: str) -> str:
    words = phrases(language)
    return {"open": words.open, "acknowledged": words.acknowledged, "resolved": words.resolved}[state]


def number(value: float | None, unit: str, language: str = "en") -> str:
    """``value`` (in base units: s, bytes, ratio …) as people read it: 12.3 %, 850 ms, 312 MiB, 4.2/s."""
    words = phrases(language)
    if value is None or math.isnan(value):
        return words.no_value
    if math.isinf(value):
        return "∞" if value > 0 else "-∞"
    match unit:
        case "ratio":
            return f"{_percent(value, language)}{'%' if language == 'ko' else ' %'}"
        case "s":
            return _seconds(value, language)
        case "bytes":
            return _bytes(value, language)
        case "bytes_per_second":
            return f"{_bytes(value, language)}/s"
        case "per_second":
            return f"{_digits(value, language)}/s"
        case "celsius":
            return f"{_digits(value, language)} °C"
        case "bool":
            return words.up if value >= 1 else words.down
        case _:
            return _digits(value, language)


def limit(value: float | None, threshold: float | None, unit: str, language: str = "en") -> str:
    """``above 5 %``, ``기준 5% 초과``; without a value, ``threshold 5 %``; empty where it says nothing."""
    if threshold is None or unit == "bool":
        return ""
    words = phrases(language)
    said = number(threshold, unit, language)
    if value is None or math.isnan(value) or value == threshold:
        return words.threshold.format(said)
    return (words.above if value > threshold else words.below).format(said)


def duration(seconds: float, language: str = "en") -> str:
    """The two largest parts: ``3 min 12 s``, ``3분 12초``, ``2 d 4 h``; below a minute ``8 s``, ``0.4 s``."""
    seconds = max(0.0, seconds)
    names = ("일", "시간", "분", "초") if language == "ko" else (" d", " h", " min", " s")
    if seconds < 1:
        return f"{_digits(seconds, language)}{names[3]}"
    rest = round(seconds)
    counts = []
    for size in (86400, 3600, 60, 1):
        count, rest = divmod(rest, size)
        counts.append(count)
    first = next(i for i, count in enumerate(counts) if count)
    parts = [(counts[i], names[i]) for i in range(first, min(first + 2, 4)) if counts[i]]
    return " ".join(f"{count}{name}" for count, name in parts)


def zone(name: str) -> tzinfo:
    """The named time zone; UTC where the name is not known."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return ZoneInfo("UTC")


def local_time(at: float, timezone: str, language: str = "en", *, year: bool = False) -> str:
    """``21 Nov 14:03:05 KST`` or ``11월 21일 14:03:05 (KST)`` of Unix seconds ``at``."""
    moment = datetime.fromtimestamp(at, zone(timezone))
    if language == "ko":
        text = format_datetime(moment, ("y년 " if year else "") + "M월 d일 HH:mm:ss", locale="ko")
        return f"{text} ({_zone_name(moment)})"
    text = format_datetime(moment, f"d MMM{' y' if year else ''} HH:mm:ss", locale="en")
    return f"{text} {_zone_name(moment)}"


def _zone_name(moment: datetime) -> str:
    name = moment.tzname() or "UTC"
    if name[:1] in "+-":
        return get_timezone_name(moment, width="short", locale="en")
    return name


def _digits(value: float, language: str) -> str:
    """Three significant digits, no more than are there: 0.012, 4.2, 62.5, 1,234."""
    size = abs(value)
    if size >= 100 or value == int(value):
        return format_decimal(round(value), "#,##0", locale=language if language == "ko" else "en")
    places = 1 if size >= 10 else 2 if size >= 1 else min(6, 2 - math.floor(math.log10(size)))
    text = f"{value:.{places}f}".rstrip("0").rstrip(".")
    return "0" if text in {"-0", ""} else text


def _percent(value: float, language: str) -> str:
    # 99.99 % and 100 % are different promises.
    if 0.99 < value < 1:
        return f"{math.floor(value * 100_000) / 1000:.3f}".rstrip("0")
    return _digits(value * 100, language)


def _seconds(value: float, language: str) -> str:
    size = abs(value)
    if size >= 60:
        return ("-" if value < 0 else "") + duration(size, language)
    # 0.9996 s is a second to a reader, not 1,000 ms.
    if size >= 0.9995 or size == 0:
        return f"{_digits(value, language)}{'초' if language == 'ko' else ' s'}"
    for factor, name in ((1e3, "ms"), (1e6, "µs")):
        if size * factor >= 1:
            return f"{_digits(value * factor, language)} {name}"
    return f"{_digits(value * 1e9, language)} ns"


def _bytes(value: float, language: str) -> str:
    scaled = value
    for name in ("B", "KiB", "MiB", "GiB", "TiB"):
        if abs(scaled) < 1023.5 or name == "TiB":
            return f"{_digits(scaled, language)} {name}"
        scaled /= 1024
    raise AssertionError("unreachable")

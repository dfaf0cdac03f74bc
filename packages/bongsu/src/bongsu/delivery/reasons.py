"""What an alert says besides its value and threshold: which other conditions name the same problem."""

from collections.abc import Sequence

from bongsu.delivery import words
from bongsu.incidents.model import Condition

_BURNS = {
    "en": "the error budget of {name} burns {times}× as fast as it may",
    "ko": "{name} 에러 예산이 허용 속도의 {times}배로 소진 중",
}
_USUAL = {"en": "usually about {value}", "ko": "평소에는 약 {value}"}
_LARGEST = {"en": "the strangest in {days} days", "ko": "최근 {days}일 중 가장 이례적"}


def reasons(conditions: Sequence[Condition], unit: str, language: str) -> tuple[str, ...]:
    """A phrase for each condition that is no threshold."""
    return tuple(
        phrase
        for condition in conditions
        if condition.kind != "threshold"
        for phrase in _said(condition, unit, language)
    )


def _said(condition: Condition, unit: str, language: str) -> list[str]:
    if condition.kind == "burn_rate":
        form = _BURNS.get(language, _BURNS["en"])
        times = f"{condition.value:.1f}" if condition.value is not None else "?"
        return [form.format(name=condition.detail.get("objective", ""), times=times)]
    found = []
    if condition.limit is not None:
        usual = words.number(max(condition.limit, 0.0), unit, language)
        found.append(_USUAL.get(language, _USUAL["en"]).format(value=usual))
    days = condition.detail.get("largest_in_days")
    if isinstance(days, float | int) and days >= 2:
        found.append(_LARGEST.get(language, _LARGEST["en"]).format(days=f"{days:.0f}"))
    return found

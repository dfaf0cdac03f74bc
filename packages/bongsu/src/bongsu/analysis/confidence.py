"""How sure an analysis is, in words, with how often such a first suspect was right.

The counts are what ``benchmarks/rca.py --score --quiet`` prints over its labelled failures and quiet
windows, where naming anybody is wrong. The engine was developed on these: elsewhere it will be right less
often.
"""

from bongsu.analysis.model import Confidence, Say

_BANDS = (("high", 0.7, 28, 28), ("moderate", 0.5, 64, 65), ("low", 0.0, 15, 16))
"""Level, least score, right, of."""
_WORDS = {
    "high": Say("High confidence", "확신도 높음"),
    "moderate": Say("Moderate confidence", "확신도 보통"),
    "low": Say("Low confidence", "확신도 낮음"),
}


def level_of(score: float) -> str:
    return next(level for level, least, _, _ in _BANDS if score >= least)


def confidence(score: float) -> Confidence:
    """Of the first suspect's score."""
    level, _, right, of = next(band for band in _BANDS if score >= band[1])
    said = _WORDS[level]
    return Confidence(
        level=level,
        right=right,
        of=of,
        text=Say(
            f"{said.en}: in failures whose cause is known, a first suspect like this one was right "
            f"{right} of {of} times.",
            f"{said.ko}: 원인이 밝혀진 장애에서 이 정도 점수의 1순위는 {of}번 중 {right}번 맞았습니다.",
        ),
    )

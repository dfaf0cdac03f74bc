"""Alert rules of objectives: how fast the error budget burns, in several windows at once."""

from collections.abc import Iterator

from bongsu.catalog.objectives import URGENCIES, Urgency
from bongsu.signals.model import Quantile, Severity, Threshold
from bongsu.signals.quantities import format_duration
from bongsu.stack.burn_rate import Slo, objectives_of
from bongsu.stack.panels import spell
from bongsu.stack.recording import EVERY, group_of
from bongsu.stack.rule import VALUES, WORDS, About, Part, Rule, labels_of, links, name_of, word

_UNMEASURED_SECONDS = 900.0
_BURNING = {"en": "the error budget burns too fast", "ko": "오류 예산이 너무 빨리 소진됨"}
_BURN = {
    "en": "{value} of events are bad; over {period}, {target} must be good. Told at {pairs}",
    "ko": "실패 비율 {value}, 목표는 {period} 동안 {target} 성공. 알림 조건: {pairs}",
}
_PAIR = {
    "en": "{factor} times the allowed rate within {long}",
    "ko": "{long} 동안 허용 속도의 {factor}배",
}
_UNMEASURED = {
    "en": "no histogram bucket ends at {below}: the objective cannot be measured",
    "ko": "{below}에서 끝나는 히스토그램 버킷이 없어 목표를 측정할 수 없음",
}


def objective_rules(about: About, language: str) -> Iterator[Rule]:
    """The rules of every objective of the services; they read what ``recording_rules`` of these records."""
    for slo in objectives_of(about.services.values()):
        yield from _of_one(slo, about, language)


def _of_one(slo: Slo, about: About, language: str) -> Iterator[Rule]:
    """One rule for pages, one for tickets, and one that tells of a histogram without the bucket."""
    service = about.services[slo.service]
    if isinstance(slo.query.signal, Quantile):
        yield _unmeasured(slo, about, language)
    for urgency in URGENCIES:
        pairs = slo.pairs(urgency)
        if not pairs:
            continue
        severity = slo.severity(urgency, service.spec.tier)
        limit = Threshold(op=">", value=min(pair.limit for pair in pairs))
        body = {
            "alert": name_of(slo.name, "burning", WORDS[severity], slo.service),
            "expr": " or ".join(f"({slo.burning(pair)})" for pair in pairs),
            "for": "0s",
            "labels": labels_of(slo.query, severity, about) | {"objective": slo.name},
            "annotations": _objective_notes(slo, limit, about, language, _burn_text(slo, urgency, language)),
        }
        group, every = group_of(slo, urgency), EVERY[urgency]
        yield Rule(group, slo.query, severity, limit, "", body, slo, urgency, every)


def _unmeasured(slo: Slo, about: About, language: str) -> Rule:
    threshold = Threshold(op=">", value=0.0, **{"for": _UNMEASURED_SECONDS})
    text = word(_UNMEASURED, language).format(below=spell(slo.objective.below or 0.0, slo.query.signal.unit))
    notes = _objective_notes(slo, threshold, about, language, text) | {"summary": f"{slo.service}: {text}"}
    body = {
        "alert": name_of(slo.name, "unmeasured", slo.service),
        "expr": slo.unmeasured(),
        "for": format_duration(threshold.for_),
        "labels": labels_of(slo.query, Severity.P3, about) | {"objective": slo.name},
        "annotations": notes,
    }
    group = group_of(slo, "page")
    return Rule(group, slo.query, Severity.P3, threshold, "", body, slo, None, EVERY["page"])


def _burn_text(slo: Slo, urgency: Urgency, language: str) -> str:
    pairs = ", ".join(
        word(_PAIR, language).format(factor=f"{pair.limit / slo.budget:.3g}", long=format_duration(pair.long))
        for pair in slo.pairs(urgency)
    )
    return word(_BURN, language).format(
        value=VALUES["ratio"],
        target=spell(slo.objective.target, "ratio"),
        period=format_duration(slo.objective.period),
        pairs=pairs,
    )


def _objective_notes(
    slo: Slo, threshold: Threshold, about: About, language: str, text: str
) -> dict[str, str]:
    notes = {
        "summary": f"{slo.service} {slo.name}: {word(_BURNING, language)}",
        "description": text,
        "value": "{{ $value }}",
        "threshold": f"{threshold.value!r}",
        "unit": "ratio",
        "for": format_duration(threshold.for_),
    }
    return notes | links(Part(slo.query.name, slo.service, slo.query), about)

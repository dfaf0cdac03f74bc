"""Rank the suspects: a pure, deterministic function of stored evidence."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from msgspec import structs

from bongsu.analysis.argument import argue, plainest
from bongsu.analysis.blame import Verdict, blame
from bongsu.analysis.channels import PRIOR, SUSPECTING
from bongsu.analysis.claims import with_text
from bongsu.analysis.confidence import confidence
from bongsu.analysis.formula import Facts
from bongsu.analysis.model import Analysis, Blame, Evidence, Reason, Say, Suspect
from bongsu.analysis.paths import PathCheck
from bongsu.analysis.symptom import well
from bongsu.analysis.wording import clip

_LEAST_SCORE = 0.37
"""Below this the best suspect does not stand out from noise."""
_SURE_SCORE = 0.6
"""What it takes where the alerting service itself shows nothing."""
_CLEAR_SCORE = 0.45
"""Below this the best suspect must also lead the next by a tenth."""
_MOST_SUSPECTS = 5
_INDIRECT = frozenset({"latency", "resources", "logs"})
"""Channels that also move in a service which merely suffers from its callee."""
_SUFFERS = 0.5


@dataclass(frozen=True, slots=True)
class _Case:
    """What the channels say of one service; each reason's score is weighted."""

    service: str
    reasons: Sequence[Reason]

    @property
    def amount(self) -> float:
        return sum(reason.score for reason in self.reasons)


def analyse(evidence: Evidence) -> Analysis:
    """The suspects, best first, or an abstention."""
    return conclude(evidence, rank(evidence))


def rank(evidence: Evidence) -> list[Suspect]:
    """Every service that any channel suspects, best first, whether or not it stands out.

    For each service the weighted scores of the channels are summed, damped where a deviating callee explains
    them, multiplied by what changed and by the trust in the path from the alerts, and saturated:
    ``score = 1 − exp(−Σ)``. Ties are broken by name.
    """
    check = PathCheck(evidence)
    facts = Facts(evidence)
    cases = _cases(facts)
    raw = {case.service: 1 - math.exp(-case.amount) for case in cases}
    priors = PRIOR(evidence)
    suspects = []
    for case in cases:
        below = max((raw.get(callee, 0.0) for callee in check.hot_below(case.service)), default=0.0)
        reasons = [_damped(reason, 1 - _SUFFERS * below) for reason in case.reasons]
        amount = sum(reason.score for reason in reasons) * check.trust(case.service)
        prior = priors.get(case.service)
        if prior is not None:
            amount *= 1 + prior.score
            reasons += [told] if (told := with_text(prior, facts)) else []
        reasons.sort(key=lambda reason: (-reason.score, reason.channel))
        score = round(1 - math.exp(-amount), 6)
        suspects.append(Suspect(service=case.service, score=score, reasons=reasons))
    suspects.sort(key=lambda suspect: (-suspect.score, suspect.service))
    return suspects


def _cases(facts: Facts) -> list[_Case]:
    """What does not follow from the evidence is no reason."""
    found: dict[str, list[Reason]] = {}
    for channel, weight in SUSPECTING:
        for service, reason in channel(facts.evidence).items():
            told = with_text(reason, facts)
            if told is not None:
                weighted = structs.replace(told, score=round(weight * told.score, 6))
                found.setdefault(service, []).append(weighted)
    return [_Case(service, reasons) for service, reasons in sorted(found.items())]


def _damped(reason: Reason, factor: float) -> Reason:
    if reason.channel not in _INDIRECT:
        return reason
    return structs.replace(reason, score=round(reason.score * factor, 6))


def conclude(evidence: Evidence, suspects: Sequence[Suspect]) -> Analysis:
    """The analysis that the ranking amounts to: at most five suspects, or an abstention; and its claims."""
    healthy = well(evidence)
    abstained = not _stands_out(suspects, _SURE_SCORE if healthy else _LEAST_SCORE)
    verdict = blame(evidence, {suspect.service: suspect.score for suspect in suspects})
    named = [] if abstained else [s for s in suspects if s.score >= 0.1][:_MOST_SUSPECTS]
    told, claims = argue(Facts(evidence), named, None if healthy else verdict)
    return Analysis(
        incident=evidence.incident,
        suspects=told,
        abstained=abstained,
        summary=_nothing(evidence) if abstained else _summary(suspects[0], PathCheck(evidence)),
        gaps=list(evidence.gaps),
        blame=None if healthy else _blamed(verdict),
        claims=claims,
        confidence=None if abstained else confidence(suspects[0].score),
    )


def _blamed(verdict: Verdict) -> Blame | None:
    change = verdict.change
    if change is None:
        return None
    named = ", ".join(verdict.words)
    what = clip(change.summary or change.ref, 80)
    return Blame(
        change=change.id,
        score=round(verdict.score, 6),
        text=Say(
            f"The change “{what}” fits what is seen ({named}).",
            f"“{what}” 변경이 증상과 들어맞습니다({named}).",
        ),
    )


def _stands_out(suspects: Sequence[Suspect], least: float) -> bool:
    if not suspects or suspects[0].score < least:
        return False
    if suspects[0].score >= _CLEAR_SCORE or len(suspects) == 1:
        return True
    return suspects[1].score < 0.9 * suspects[0].score


def _summary(best: Suspect, check: PathCheck) -> Say:
    reason, path = plainest(best), check.path(best.service)
    en, ko = (reason.text.en, reason.text.ko) if reason else ("", "")
    if path is not None and len(path.services) > 1:
        way = " → ".join(path.services)
        en, ko = f"{en} Path: {way}.", f"{ko} 경로: {way}."
    return Say(f"Most likely cause: {best.service}. {en}", f"가장 유력한 원인: {best.service}. {ko}")


def _nothing(evidence: Evidence) -> Say:
    if any(not gap.minor for gap in evidence.gaps):
        return Say(
            "No cause found: nothing that could be read stands out from before. Some evidence is missing.",
            "원인을 찾지 못했습니다. 확인한 범위에서는 이전과 뚜렷이 다른 점이 없습니다. "
            "일부 자료는 읽지 못했습니다.",
        )
    return Say(
        "No cause found: no service stands out from before.",
        "원인을 찾지 못했습니다. 이전과 뚜렷이 다른 서비스가 없습니다.",
    )

"""From suspects and a verdict to the claims of an analysis, in the order in which people read them."""

from collections.abc import Sequence

from msgspec import structs

from bongsu.analysis.blame import Verdict
from bongsu.analysis.claims import cause, check, claim_of, fitting
from bongsu.analysis.formula import Facts, FormulaError
from bongsu.analysis.impact import impact
from bongsu.analysis.model import Claim, Reason, Suspect

_PLAINNESS = ("presence", "failures", "latency", "edges", "resources", "structure", "logs")
_NEAR = 0.5


def plainest(suspect: Suspect) -> Reason | None:
    """Of the suspect's reasons at least half as strong as the strongest, the one that people grasp first."""
    reasons = [reason for reason in suspect.reasons if reason.channel in _PLAINNESS]
    most = max((reason.score for reason in reasons), default=0.0)
    near = [reason for reason in reasons if reason.score >= _NEAR * most]
    return min(near, key=lambda reason: _PLAINNESS.index(reason.channel), default=None)


def argue(
    facts: Facts, suspects: Sequence[Suspect], verdict: Verdict | None
) -> tuple[list[Suspect], list[Claim]]:
    """The suspects with each reason naming its claim, and the claims: the cause, the reasons of each suspect,
    the change that fits, how far it all reaches. Only claims that the check lets stand."""
    found: list[Claim] = []
    if suspects:
        best = plainest(suspects[0])
        first = cause(suspects[0].service, best, facts) if best else None
        found += [first] if first else []
    told = []
    for suspect in suspects:
        reasons = [_claimed(reason, suspect.service, facts, found) for reason in suspect.reasons]
        told.append(structs.replace(suspect, reasons=reasons))
    if verdict is not None and verdict.change is not None:
        found.append(fitting(verdict.change.id, verdict.words, facts))
    found += impact(facts)
    named = [structs.replace(claim, id=f"A{number}") for number, claim in enumerate(found, 1)]
    return told, check(named, facts).standing


def _claimed(reason: Reason, service: str, facts: Facts, found: list[Claim]) -> Reason:
    """``reason`` with the id of its claim, which joins ``found``; two suspects may share a sentence."""
    if reason.says is None:
        return reason
    try:
        claim = claim_of("reason", service, reason.says, facts, reason.evidence)
    except FormulaError:
        return structs.replace(reason, says=None)
    found.append(claim)
    return structs.replace(reason, says=None, claim=f"A{len(found)}")

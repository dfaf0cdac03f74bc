"""Claims: the sentences of an analysis, each tied to evidence, and the check that each follows from it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import isclose

from msgspec import structs

from bongsu.analysis.exhibit import describe
from bongsu.analysis.formula import Facts, FormulaError, references
from bongsu.analysis.model import (
    ChangeEvidence,
    Claim,
    Evidence,
    LogEvidence,
    MetricEvidence,
    Reason,
    Say,
    Statement,
)
from bongsu.analysis.statement import follow, state, written
from bongsu.analysis.vocabulary import words as words_of

_MOST_ALIKE = 3


@dataclass(frozen=True, slots=True)
class Checked:
    """What became of each claim; ``dropped`` with why, in English."""

    kept: Sequence[Claim] = ()
    corrected: Sequence[Claim] = ()
    dropped: Sequence[tuple[Claim, str]] = ()

    @property
    def standing(self) -> list[Claim]:
        """Kept and corrected claims by id, shortest id first."""
        return sorted((*self.kept, *self.corrected), key=lambda claim: (len(claim.id), claim.id))


def check(claims: Iterable[Claim], evidence: Evidence | Facts) -> Checked:
    """Recomputes every figure of every claim.

    A claim whose figures or text differ from what the evidence gives is corrected. One that cites nothing, or
    evidence that is not there, or reads evidence that it does not cite, is dropped; so is one whose formulas
    cannot be computed, whose condition is false, or whose sentence holds a number of its own.
    """
    facts = evidence if isinstance(evidence, Facts) else Facts(evidence)
    kept: list[Claim] = []
    corrected: list[Claim] = []
    dropped: list[tuple[Claim, str]] = []
    for claim in claims:
        try:
            right = _right(claim, facts)
        except FormulaError as error:
            dropped.append((claim, str(error)))
        else:
            (kept if _same(claim, right) else corrected).append(right)
    return Checked(kept, corrected, dropped)


def _right(claim: Claim, facts: Facts) -> Claim:
    read = cited_by(claim.says)
    if not claim.evidence or not read:
        raise FormulaError("cites no evidence")
    if not read <= set(claim.evidence):
        raise FormulaError(f"reads {', '.join(sorted(read - set(claim.evidence)))} without citing it")
    for name in claim.evidence:
        if name not in facts.rows:
            raise FormulaError(f"{name}: no such evidence")
    says = follow(claim.says, facts)
    return structs.replace(claim, says=says, text=written(says), shown=_shown(claim.evidence, facts))


def _same(claim: Claim, right: Claim) -> bool:
    if claim.text != right.text or claim.shown != right.shown:
        return False
    pairs = [(figure.value, right.says.figures[name].value) for name, figure in claim.says.figures.items()]
    return all(_equal(one, other) for one, other in pairs)


def _equal(one: float | str | None, other: float | str | None) -> bool:
    if isinstance(one, float | int) and isinstance(other, float | int):
        return isclose(one, other, rel_tol=1e-9, abs_tol=1e-12)
    return one == other


def cited_by(says: Statement) -> frozenset[str]:
    """Ids of all the evidence that the statement's formulas read."""
    formulas = [figure.formula for figure in says.figures.values()] + ([says.holds] if says.holds else [])
    return frozenset[str]().union(*(references(formula) for formula in formulas))


def claim_of(kind: str, service: str, says: Statement, facts: Facts, also: Iterable[str] = ()) -> Claim:
    """A claim without id that cites what it reads and ``also``; raises FormulaError where it does not
    follow."""
    says = follow(says, facts)
    cited = list(dict.fromkeys([*also, *sorted(cited_by(says), key=lambda name: (name[0], len(name), name))]))
    return Claim(
        id="",
        kind=kind,
        service=service,
        text=written(says),
        evidence=cited,
        shown=_shown(cited, facts),
        says=says,
    )


def _shown(names: Iterable[str], facts: Facts) -> dict[str, Say]:
    return {name: describe(name, facts) for name in names}


def with_text(reason: Reason, facts: Facts) -> Reason | None:
    """``reason`` with its sentence; None where what it says does not follow from the evidence."""
    if reason.says is None:
        return reason
    try:
        says = follow(reason.says, facts)
    except FormulaError:
        return None
    return structs.replace(reason, says=says, text=written(says))


def naming(service: str, facts: Facts, near: Sequence[str] = ()) -> str:
    """A formula that gives the name ``service``: from the rows ``near`` if they have it, else from any; empty
    where none has."""
    for name in (*near, *facts.rows):
        row = facts.rows.get(name)
        for part in ("service", "callee", "caller"):
            if getattr(row, part, None) == service:
                return f"{name}.{part}"
    return ""


def fitting(change: str, words: Iterable[str], facts: Facts) -> Claim:
    """That a change fits what is seen; cites the log lines and metrics that share its ``words``."""
    rows: Sequence[LogEvidence | MetricEvidence] = (*facts.evidence.logs, *facts.evidence.metrics)
    telling = set(words)
    alike = [row.id for row in rows if telling & set(words_of(_text(row)))][:_MOST_ALIKE]
    row: ChangeEvidence = facts.rows[change]
    figures = {"what": (f"{change}.{'summary' if row.summary else 'ref'}", "short")}
    en, ko = "at onset", "장애 시작 무렵의"
    if row.at < facts.evidence.onset:
        en, ko = "{ago} before onset", "장애 시작 {ago} 전의"
        figures["ago"] = (f"before_onset({change}.at)", "duration")
    says = state(
        f"The change “{{what}}”, {en}, fits what is seen.",
        f"{ko} “{{what}}” 변경이 증상과 들어맞습니다.",
        holds="",
        **figures,
    )
    return claim_of("change", row.service, says, facts, [change, *alike])


def _text(row: LogEvidence | MetricEvidence) -> str:
    return row.signal if isinstance(row, MetricEvidence) else f"{row.template} {row.example}"


def cause(service: str, reason: Reason, facts: Facts) -> Claim | None:
    """That ``service`` is the likely cause, for its strongest ``reason``."""
    who = naming(service, facts, reason.evidence)
    if not who:
        return None
    says = state("Most likely cause: {service}.", "가장 유력한 원인: {service}.", service=(who, "text"))
    return claim_of("cause", service, says, facts, reason.evidence)

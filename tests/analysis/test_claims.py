"""Claims: what follows from the evidence stays, what does not is corrected or dropped."""

import asyncio
import re
from functools import cache

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from msgspec import structs
from simulated_shop import FAULTS, request, scenario

from bongsu.analysis.claims import check, cited_by
from bongsu.analysis.collect import collect
from bongsu.analysis.formula import Facts, FormulaError, references
from bongsu.analysis.model import Analysis, Claim, Evidence, Figure, Say, Statement
from bongsu.analysis.rank import analyse

KINDS = [*FAULTS, "healthy"]


@cache
def studied(kind: str) -> tuple[Facts, Analysis]:
    case = scenario(kind, 3)
    evidence = asyncio.run(collect(request(case.shop, case.alerts, onset_error=case.onset_error), case.shop))
    return Facts(evidence), analyse(evidence)


def claims_of(kind: str) -> list[Claim]:
    return studied(kind)[1].claims


ANY_CLAIM = st.sampled_from(FAULTS).flatmap(
    lambda kind: st.tuples(st.just(kind), st.sampled_from(claims_of(kind)))
)


@pytest.mark.parametrize("kind", FAULTS)
def test_every_claim_of_an_analysis_stands_as_it_is(kind: str) -> None:
    facts, analysis = studied(kind)
    checked = check(analysis.claims, facts)
    assert analysis.claims
    assert list(checked.standing) == analysis.claims
    assert not checked.corrected
    assert not checked.dropped


@pytest.mark.parametrize("kind", FAULTS)
def test_every_reason_is_a_claim_with_the_same_sentence(kind: str) -> None:
    analysis = studied(kind)[1]
    said = {claim.id: claim for claim in analysis.claims}
    for suspect in analysis.suspects:
        for reason in suspect.reasons:
            assert said[reason.claim].text == reason.text
            assert said[reason.claim].service == suspect.service


@given(ANY_CLAIM, st.data())
def test_a_tampered_figure_is_corrected(picked: tuple[str, Claim], data: st.DataObject) -> None:
    kind, claim = picked
    name = data.draw(st.sampled_from(sorted(claim.says.figures)))
    right = claim.says.figures[name]
    wrong: float | str = (
        data.draw(st.floats(-1e9, 1e9)) if isinstance(right.value, float) else data.draw(st.text(max_size=20))
    )
    assume(
        wrong != pytest.approx(right.value, rel=1e-6)
        if isinstance(right.value, float)
        else wrong != right.value
    )
    figures = {**claim.says.figures, name: Figure(right.formula, right.unit, wrong)}
    tampered = structs.replace(claim, says=structs.replace(claim.says, figures=figures))
    checked = check([tampered], studied(kind)[0])
    assert list(checked.corrected) == [claim]


@given(ANY_CLAIM, st.integers(0, 10**6))
def test_a_tampered_number_in_the_text_is_corrected(picked: tuple[str, Claim], number: int) -> None:
    kind, claim = picked
    wrong = re.sub(r"\d+", str(number), claim.text.en)
    assume(wrong != claim.text.en)
    checked = check([structs.replace(claim, text=Say(wrong, claim.text.ko))], studied(kind)[0])
    assert list(checked.corrected) == [claim]


@given(ANY_CLAIM, st.integers(0, 10**6))
def test_a_number_that_no_formula_gives_is_dropped(picked: tuple[str, Claim], number: int) -> None:
    kind, claim = picked
    template = structs.replace(claim.says.template, en=f"{claim.says.template.en} {number} users left.")
    assert check(
        [structs.replace(claim, says=structs.replace(claim.says, template=template))], studied(kind)[0]
    ).dropped


@given(ANY_CLAIM)
def test_an_uncited_claim_is_dropped(picked: tuple[str, Claim]) -> None:
    kind, claim = picked
    ((_, why),) = check([structs.replace(claim, evidence=[])], studied(kind)[0]).dropped
    assert "cites no evidence" in why


@given(ANY_CLAIM, st.data())
def test_evidence_that_is_read_must_be_cited(picked: tuple[str, Claim], data: st.DataObject) -> None:
    kind, claim = picked
    hidden = data.draw(st.sampled_from(sorted(cited_by(claim.says))))
    rest = [name for name in claim.evidence if name != hidden]
    ((_, why),) = check([structs.replace(claim, evidence=rest)], studied(kind)[0]).dropped
    assert hidden in why or "cites no evidence" in why


@given(ANY_CLAIM)
def test_evidence_that_is_not_there_drops_the_claim(picked: tuple[str, Claim]) -> None:
    kind, claim = picked
    invented = structs.replace(claim, evidence=[*claim.evidence, "M99999"])
    assert check([invented], studied(kind)[0]).dropped


@given(st.sampled_from(FAULTS), st.data())
def test_a_sentence_that_says_the_opposite_is_dropped(kind: str, data: st.DataObject) -> None:
    facts, analysis = studied(kind)
    directed = [claim for claim in analysis.claims if " > " in claim.says.holds]
    assume(directed)
    claim = data.draw(st.sampled_from(directed))
    left, right = claim.says.holds.split(" > ")
    turned = structs.replace(claim, says=structs.replace(claim.says, holds=f"{right} > {left}"))
    assert check([turned], facts).dropped


def test_changed_evidence_changes_the_sentence() -> None:
    facts, analysis = studied("error")
    claim = next(c for c in analysis.claims if "itself failed" in c.text.en)
    now = next(c for c in facts.evidence.calls if c.id in claim.evidence and c.window == "incident")
    halved = structs.replace(now, exclusive_errors=now.exclusive_errors // 2)
    calls = [halved if call.id == now.id else call for call in facts.evidence.calls]
    corrected = check([claim], structs.replace(facts.evidence, calls=calls)).corrected
    assert corrected
    assert corrected[0].text != claim.text


def test_reach_and_confidence_are_said() -> None:
    analysis = studied("error")[1]
    said = [claim.text.en for claim in analysis.claims if claim.kind == "impact"]
    assert any(text.startswith("Services that fail or are slow: ") for text in said)
    assert any("failed" in text for text in said)
    assert analysis.confidence is not None
    assert f"{analysis.confidence.right} of {analysis.confidence.of}" in analysis.confidence.text.en


def test_nothing_is_said_of_a_cause_when_none_is_named() -> None:
    analysis = studied("healthy")[1]
    assert analysis.abstained
    assert analysis.confidence is None
    assert not [claim for claim in analysis.claims if claim.kind in ("cause", "reason")]


class TestFormula:
    facts = studied("error")[0]

    @pytest.mark.parametrize(
        ("formula", "value"),
        [
            ("ratio(1, 4)", 0.25),
            ("difference(5, 7)", -2.0),
            ("sum(1, 2, 3)", 6.0),
            ("length(incident)", facts.evidence.window.end - facts.evidence.window.start),
        ],
    )
    def test_arithmetic(self, formula: str, value: float) -> None:
        assert self.facts.value(formula) == value

    def test_failed_requests_are_summed_up_over_time(self) -> None:
        errors = next(m for m in self.facts.evidence.metrics if m.signal == "error_ratio")
        rate = next(
            m
            for m in self.facts.evidence.metrics
            if m.signal == "request_rate" and m.service == errors.service
        )
        times = [float(at) for at in range(0, 60, 10)]
        made = structs.replace(
            self.facts.evidence,
            window=structs.replace(self.facts.evidence.window, start=0.0, end=60.0),
            metrics=[
                structs.replace(errors, times=times, values=[0.5] * 6),
                structs.replace(rate, times=times, values=[4.0] * 6),
            ],
        )
        assert Facts(made).value(f"weighed({errors.id}, {rate.id})") == pytest.approx(0.5 * 4.0 * 60)

    @pytest.mark.parametrize(
        "formula",
        [
            "",
            "ratio(1, 0)",
            "mean(C1, incident)",
            "mean(M1, yesterday)",
            "C1.__class__",
            "C1.nothing",
            "().__class__",
            "__import__('os')",
            "[x for x in (1,)]",
            "open('/etc/passwd')",
            "1 + 1",
            "True",
            "M1",
            "incident",
            "sum(" * 40 + ")" * 40,
            "sum(" + "1," * 5000 + "1)",
        ],
    )
    def test_what_is_no_figure_is_refused(self, formula: str) -> None:
        with pytest.raises(FormulaError):
            self.facts.value(formula)

    @given(st.text(max_size=80))
    def test_any_text_is_a_figure_or_refused(self, formula: str) -> None:
        try:
            value = self.facts.value(formula)
        except FormulaError:
            return
        assert isinstance(value, float | str)

    def test_references_are_the_evidence_alone(self) -> None:
        assert references("ratio(mean(M1, incident), C2.count)") == {"M1", "C2"}


def test_a_claim_written_by_somebody_else_is_held_to_the_same() -> None:
    facts, _ = studied("error")
    evidence: Evidence = facts.evidence
    call = evidence.calls[0]
    says = Statement(
        Say("{service} served {count} calls.", "{service} 호출 {count}건."),
        {
            "service": Figure(f"{call.id}.service", "text", "somebody else"),
            "count": Figure(f"{call.id}.count", "whole", 1.0),
        },
    )
    claim = Claim(
        id="A1", kind="reason", service="", text=Say("I made this up.", ""), evidence=[call.id], says=says
    )
    (right,) = check([claim], evidence).corrected
    assert right.text.en == f"{call.service} served {call.count:,} calls."

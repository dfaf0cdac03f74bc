"""The ranking against simulated faults and healthy windows, over many seeds."""

import asyncio

import msgspec
import pytest
from simulated_shop import FAULTS, SHOP, Fault, Scenario, Shop, Topology, alert, request, scenario

from bongsu.analysis.collect import collect
from bongsu.analysis.formula import Facts
from bongsu.analysis.model import Analysis, Evidence
from bongsu.analysis.rank import analyse

SEEDS = range(10)


def evidence_of(case: Scenario) -> Evidence:
    return asyncio.run(collect(request(case.shop, case.alerts, onset_error=case.onset_error), case.shop))


def first(analysis: Analysis) -> str:
    return analysis.suspects[0].service if analysis.suspects else ""


@pytest.mark.parametrize("topology", [SHOP, None], ids=["shop", "random"])
@pytest.mark.parametrize("kind", FAULTS)
def test_culprit_ranks_first(kind: str, topology: Topology | None) -> None:
    cases = [scenario(kind, seed, topology) for seed in SEEDS]
    right = [first(analyse(evidence_of(case))) == case.culprit for case in cases]
    assert sum(right) >= 0.95 * len(right) - 0.5


@pytest.mark.parametrize("topology", [SHOP, None], ids=["shop", "random"])
def test_abstains_when_all_is_well(topology: Topology | None) -> None:
    found = [analyse(evidence_of(scenario("healthy", seed, topology))) for seed in range(20)]
    assert sum(one.abstained for one in found) >= 19
    for one in found:
        if one.abstained:
            assert not one.suspects
            assert one.summary.en.startswith("No cause found")
            assert one.summary.ko.startswith("원인을 찾지 못했습니다")


@pytest.mark.parametrize("kind", ["error", "latency", "crash"])
def test_metrics_alone_are_enough(kind: str) -> None:
    right = 0
    for seed in SEEDS:
        case = scenario(kind, seed)
        case.shop.spans_.clear()
        right += first(analyse(evidence_of(case))) == case.culprit
    assert right >= len(SEEDS) - 1


@pytest.mark.parametrize("kind", FAULTS)
def test_evidence_survives_json_and_the_ranking_is_the_same(kind: str) -> None:
    evidence = evidence_of(scenario(kind, 3))
    read = msgspec.json.decode(msgspec.json.encode(evidence), type=Evidence)
    assert msgspec.json.encode(read) == msgspec.json.encode(evidence)
    assert msgspec.json.encode(analyse(read)) == msgspec.json.encode(analyse(evidence))


def test_order_of_evidence_rows_does_not_matter() -> None:
    evidence = evidence_of(scenario("error", 5))
    turned = msgspec.structs.replace(
        evidence,
        calls=evidence.calls[::-1],
        edges=evidence.edges[::-1],
        metrics=evidence.metrics[::-1],
        alerts=evidence.alerts[::-1],
    )
    assert [(s.service, s.score) for s in analyse(turned).suspects] == [
        (s.service, s.score) for s in analyse(evidence).suspects
    ]


def test_the_service_that_suffers_ranks_below_the_one_that_fails() -> None:
    shop = Shop(SHOP, 1, Fault("error", "payments", strength=0.9))
    analysis = analyse(evidence_of(Scenario(shop, [alert("gateway"), alert("orders")], 0.0)))
    names = [suspect.service for suspect in analysis.suspects]
    assert names[0] == "payments"
    assert all(s.score < 0.5 * analysis.suspects[0].score for s in analysis.suspects[1:])
    assert "gateway → orders → payments" in analysis.summary.en


def test_reasons_name_evidence_that_exists_and_speak_both_languages() -> None:
    evidence = evidence_of(scenario("deploy-errors", 2))
    known = set(Facts(evidence).rows)
    analysis = analyse(evidence)
    assert analysis.suspects
    for suspect in analysis.suspects:
        for reason in suspect.reasons:
            assert reason.evidence
            assert set(reason.evidence) <= known
            assert reason.text.en
            assert reason.text.ko
            assert reason.score >= 0


def test_a_change_alone_makes_no_suspect() -> None:
    shop = Shop(SHOP, 4, Fault("deploy-errors", "payments", strength=0.0))
    healthy = Shop(SHOP, 4, None)
    healthy.changes_ = shop.changes_
    analysis = analyse(evidence_of(Scenario(healthy, [alert("gateway")], 0.0)))
    assert analysis.abstained


def test_the_sentence_reads_well() -> None:
    shop = Shop(SHOP, 1, Fault("error", "payments", strength=0.9))
    best = analyse(evidence_of(Scenario(shop, [alert("gateway")], 0.0))).suspects[0]
    failing = next(reason for reason in best.reasons if reason.channel == "failures")
    assert failing.text.en.startswith("payments itself failed ")
    assert " % of " in failing.text.en
    assert "calls to " in failing.text.en
    assert failing.text.ko.startswith("payments 자체에서 ")
    assert "실패했습니다" in failing.text.ko

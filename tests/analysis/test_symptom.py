"""What deviates while the alert's own signal is well explains little; with nothing wrong, none is named."""

import random

from bongsu.analysis.channels.links import link_gaps
from bongsu.analysis.exclusive import exclusive_latency
from bongsu.analysis.model import Evidence, LinkEvidence, MetricEvidence, Window
from bongsu.analysis.rank import analyse
from bongsu.analysis.symptom import well

STEP, BEFORE, DURING = 60.0, 200, 6
TIMES = [STEP * n for n in range(BEFORE + DURING)]
ONSET = STEP * BEFORE


def latency(service: str, usual: float, during: list[float]) -> MetricEvidence:
    noise = random.Random(service)
    before = [usual * (1 + 0.02 * noise.gauss(0, 1)) for _ in range(BEFORE)]
    return MetricEvidence(
        id=service,
        service=service,
        signal="latency",
        unit="s",
        worse="up",
        times=TIMES,
        values=[*before, *during],
    )


def evidence(*metrics: MetricEvidence, links: tuple[LinkEvidence, ...] = ()) -> Evidence:
    return Evidence(
        incident="i",
        collected_at=TIMES[-1],
        onset=ONSET,
        window=Window(ONSET, TIMES[-1]),
        baseline=Window(0.0, ONSET - STEP),
        alerts=[{"service": "web", "signal": "latency"}],
        depends_on={"web": ["search", "batch"], "search": [], "batch": []},
        metrics=list(metrics),
        links=list(links),
    )


def test_a_callee_that_is_slow_with_the_alert_outranks_one_that_is_slow_all_the_while() -> None:
    found = exclusive_latency(
        evidence(
            latency("web", 0.1, [0.1, 0.1, 0.2, 0.2, 0.1, 0.1]),
            latency("search", 0.05, [0.05, 0.05, 0.15, 0.15, 0.05, 0.05]),
            latency("batch", 0.5, [0.75] * 6),
        ),
        "latency",
    )
    assert found["search"].score > (found["batch"].score if "batch" in found else 0.0)


def test_an_alerting_service_that_shows_nothing_is_well() -> None:
    assert well(evidence(latency("web", 0.1, [0.1] * 6)))
    assert not well(evidence(latency("web", 0.1, [0.1, 0.1, 0.3, 0.3, 0.3, 0.3])))


def test_nobody_is_well_of_whom_nothing_was_read() -> None:
    assert not well(evidence())


def test_no_cause_is_named_for_a_little_drift_beside_a_healthy_alerting_service() -> None:
    analysis = analyse(evidence(latency("web", 0.1, [0.1] * 6), latency("batch", 0.5, [0.7] * 6)))
    assert analysis.abstained
    assert analysis.blame is None


def link(caller: str, callee: str, gaps: list[float], before: list[float] | None = None) -> LinkEvidence:
    server = [0.01] * len(TIMES)
    usual = before or [0.001] * BEFORE
    client = [0.01 + gap for gap in (*usual, *gaps)]
    return LinkEvidence(
        id=f"{caller}-{callee}", caller=caller, callee=callee, times=TIMES, client=client, server=server
    )


def test_the_end_most_of_whose_connections_are_slow_is_blamed() -> None:
    links = (
        link("web", "search", [0.001] * 6),
        link("web", "cart", [0.5] * 6),
        link("cart", "store", [0.4] * 6),
        link("web", "batch", [0.001] * 6),
        link("search", "store", [0.001] * 6),
    )
    found = link_gaps(evidence(links=links))
    assert max(found, key=lambda name: found[name].score) == "cart"


def test_a_connection_that_is_often_slow_is_no_news() -> None:
    often = [0.5 if n % 3 == 0 else 0.001 for n in range(BEFORE)]
    fresh, familiar = link("web", "search", [0.5] * 6), link("web", "search", [0.5] * 6, often)
    assert link_gaps(evidence(links=(fresh,)))["search"].score > 0.5
    reason = link_gaps(evidence(links=(familiar,))).get("search")
    assert reason is None or reason.score < 0.1

"""Several reasons that name one problem are one alert that has them all."""

from typing import Any

from bongsu.incidents.model import Alert, Condition
from bongsu.signals.model import Ratio, Severity
from bongsu.watch.judge import Judge

SIGNAL = Ratio.model_validate(
    {"form": "ratio", "metric": "m", "thresholds": {"P2": "> 5%", "P1": "> 50% for 10s"}}
)
BURNS = Condition(
    kind="burn_rate", severity=Severity.P1, value=20.0, limit=14.4, detail={"objective": "availability"}
)
UNUSUAL = Condition(kind="anomaly", severity=Severity.P3, value=0.04, limit=0.001)


def steps(*rounds: tuple[float | None, list[Condition]]) -> list[list[Alert]]:
    judge: Any = Judge(resolve_after=0)
    return [
        judge.step("error_ratio", SIGNAL, {"a": value}, float(second), {"a": more})
        for second, (value, more) in enumerate(rounds)
    ]


def test_a_threshold_and_an_objective_are_one_alert_with_both_reasons_the_worst_first() -> None:
    [[alert]] = steps((0.08, [BURNS]))
    assert [c.kind for c in alert.conditions] == ["burn_rate", "threshold"]
    assert alert.severity is Severity.P1
    assert (alert.value, alert.threshold) == (None, None), "a burn rate is not in the signal's unit"


def test_a_reason_that_comes_later_is_added_to_the_alert_that_fires() -> None:
    [[first], [second], third] = steps((0.08, []), (0.08, [UNUSUAL]), (0.08, [UNUSUAL]))
    assert (second.fingerprint, second.starts_at) == (first.fingerprint, first.starts_at)
    assert [c.kind for c in second.conditions] == ["threshold", "anomaly"]
    assert third == [], "it is told once"


def test_a_reason_that_does_not_come_from_a_threshold_fires_alone() -> None:
    [[alert]] = steps((0.0, [UNUSUAL]))
    assert (alert.severity, alert.value, alert.threshold) == (Severity.P3, 0.04, 0.001)


def test_the_alert_lasts_until_the_last_of_its_reasons_is_gone() -> None:
    _, while_one_lasts, gone = steps((0.08, [BURNS]), (0.0, [BURNS]), (0.0, []))
    assert while_one_lasts == []
    assert [a.status.value for a in gone] == ["resolved"]


def test_a_worse_reason_makes_the_alert_worse() -> None:
    _, [worse] = steps((0.08, []), (0.08, [BURNS]))
    assert worse.severity is Severity.P1

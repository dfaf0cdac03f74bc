"""A message says every reason for which a signal is bad, in the words of its reader."""

from bongsu.delivery.reasons import reasons
from bongsu.incidents.model import Condition
from bongsu.signals.model import Severity

BURNS = Condition(
    kind="burn_rate", severity=Severity.P1, value=20.04, limit=14.4, detail={"objective": "availability"}
)
UNUSUAL = Condition(
    kind="anomaly", severity=Severity.P3, value=1.0, limit=182.3, detail={"largest_in_days": 23.0}
)
OVER = Condition(kind="threshold", severity=Severity.P2, value=0.08, limit=0.05)


def test_a_threshold_needs_no_reason_beside_its_value() -> None:
    assert reasons([OVER], "ratio", "en") == ()


def test_a_burning_budget_says_how_fast() -> None:
    assert reasons([OVER, BURNS], "ratio", "en") == (
        "the error budget of availability burns 20.0× as fast as it may",
    )
    assert reasons([BURNS], "ratio", "ko") == ("availability 에러 예산이 허용 속도의 20.0배로 소진 중",)


def test_what_is_unusual_says_what_is_usual_and_since_when_it_was_not_so() -> None:
    assert reasons([UNUSUAL], "per_second", "en") == ("usually about 182/s", "the strangest in 23 days")

"""A source that does not answer is an alert of its own."""

from zoneinfo import ZoneInfo

from bongsu.incidents.model import Alert
from bongsu.watch.health import Health
from bongsu.watch.reading import Reading
from tests.sources.generated import signal

SIGNAL = signal(form="gauge", metric="m")
NOON = 1_699_239_600.0
"""12:00 in Seoul."""


def reading(source: str, error: str = "") -> Reading:
    return Reading("q", SIGNAL, {"a": None}, error, source)


def told(health: Health, *readings: Reading, at: float) -> list[Alert]:
    return health.step(readings, NOON + at)


def test_it_is_told_once_after_a_while_with_its_beginning_and_reason() -> None:
    health = Health(600.0, ZoneInfo("Asia/Seoul"), "ko")
    assert told(health, reading("east", "east: no answer"), at=0) == []
    [alert] = told(health, reading("east", "east: no answer"), at=600)
    assert alert.summary.startswith("12:00부터 east에서 데이터를 받지 못하고")
    assert alert.annotations["description"] == "east: no answer"
    assert (alert.service, alert.since) == ("", NOON)
    assert told(health, reading("east", "east: no answer"), at=900) == []


def test_it_ends_when_the_source_answers() -> None:
    health = Health(0.0, ZoneInfo("UTC"))
    [began] = told(health, reading("east", "down"), at=0)
    [ended] = told(health, reading("east"), at=300)
    assert (ended.fingerprint, ended.status.value) == (began.fingerprint, "resolved")


def test_one_question_that_cannot_be_answered_is_not_a_source_that_is_down() -> None:
    health = Health(0.0, ZoneInfo("UTC"))
    assert told(health, reading("east", "raw PromQL"), reading("east"), at=0) == []


def test_each_source_is_judged_by_itself() -> None:
    health = Health(0.0, ZoneInfo("UTC"))
    [alert] = told(health, reading("east", "down"), reading("west"), at=0)
    assert "east" in alert.summary

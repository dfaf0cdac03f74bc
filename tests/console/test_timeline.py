"""Every kind of event is said in both languages, and signals are said by what they mean."""

import re

import pytest

from bongsu.console.timeline import said
from bongsu.incidents.model import Detail, Event
from tests.console.memory import Shop

DEPS = Shop().deps()
ALERT: Detail = {"alert": "HighErrors", "service": "orders", "signal": "error_ratio"}
FAILING = "orders: share of requests that fail (5xx)"
CASES: list[tuple[str, Detail, str]] = [
    ("first_bad_sample", ALERT, FAILING),
    ("opened", ALERT, FAILING),
    ("alert", ALERT, FAILING),
    ("alert_resolved", ALERT, FAILING),
    ("reopened", ALERT, f"{FAILING} · again, soon after it had recovered"),
    (
        "joined",
        ALERT | {"why": "depends_on", "other": "payments"},
        f"{FAILING} · orders depends on payments",
    ),
    ("joined", ALERT | {"why": "dependent", "other": "gateway"}, f"{FAILING} · gateway depends on orders"),
    (
        "joined",
        ALERT | {"why": "same_service", "other": "orders"},
        f"{FAILING} · orders is already part of this incident",
    ),
    ("escalated", ALERT | {"before": "P2", "after": "P1"}, f"{FAILING} · P2 high → P1 critical"),
    ("analysed", {"suspect": "payments"}, "Most likely cause: payments"),
    ("analysed", {"suspect": None}, "Nothing stood out enough to name a cause."),
    ("analysis_failed", {"error": "KeyError"}, "It stopped with an error: KeyError"),
    ("delivered", {"channel": "ops"}, "Sent to ops"),
    ("refused", {"channel": "ops", "error": "403"}, "ops did not take it: 403"),
    ("resolved", {}, "Every alert has recovered."),
    ("closed", {}, "Every channel that was told shows the end."),
]
KINDS = dict.fromkeys(kind for kind, _, _ in CASES)


def event(kind: str, detail: Detail | None = None, text: str = "") -> Event:
    return Event(incident="x", at=0.0, kind=kind, detail=detail or {}, text=text)


@pytest.mark.parametrize(("kind", "detail", "sentence"), CASES)
def test_an_event_is_said_in_both_languages(kind: str, detail: Detail, sentence: str) -> None:
    assert said(event(kind, detail), DEPS, "en") == sentence
    korean = said(event(kind, detail), DEPS, "ko")
    assert re.search(r"[가-힣]", korean)
    assert "error_ratio" not in korean
    assert "requests" not in korean


def test_an_alert_that_the_catalog_does_not_know_keeps_its_own_words() -> None:
    detail: Detail = {"alert": "disk of db-1 is full", "service": "", "signal": ""}
    assert said(event("alert", detail), DEPS, "ko") == "disk of db-1 is full"


def test_a_persons_words_are_left_alone() -> None:
    assert said(event("note", text="되돌리는 중"), DEPS, "en") == "되돌리는 중"


@pytest.mark.parametrize("kind", [*KINDS, "acknowledged", "silenced", "unheard_of"])
@pytest.mark.parametrize("language", ["en", "ko"])
def test_an_event_without_detail_still_says_what_it_said(kind: str, language: str) -> None:
    told = said(event(kind, text="payments joined because gateway depends on it"), DEPS, language)
    assert told


@pytest.mark.parametrize("kind", KINDS)
def test_a_detail_that_lacks_what_is_asked_for_is_no_error(kind: str) -> None:
    assert isinstance(said(event(kind, {"strange": 1.5}), DEPS, "ko"), str)

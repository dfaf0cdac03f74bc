"""Every phrase is there in both languages, is used, and asks for the same values."""

import re
from pathlib import Path
from string import Formatter

import pytest

import bongsu.console
from bongsu.console.phrases import PHRASES
from bongsu.incidents.model import Event

CONSOLE = Path(bongsu.console.__file__).parent
SOURCES = "".join(p.read_text(encoding="utf-8") for s in ("*.html", "*.py") for p in CONSOLE.rglob(s))


def _fields(text: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(text) if name}


@pytest.mark.parametrize("key", PHRASES)
def test_a_phrase_has_both_languages(key: str) -> None:
    en, ko = PHRASES[key]
    assert en.strip()
    assert ko.strip()
    assert _fields(en) == _fields(ko)
    needs_no_korean = key == "language_name"
    assert needs_no_korean or re.search(r"[가-힣]", ko)
    assert key == "language_name" or "(한국어)" in en or not re.search(r"[가-힣]", en)


def test_templates_ask_only_for_phrases_that_exist() -> None:
    asked = set(re.findall(r"""\b(?:r\.)?t\("(\w+)"[,)]""", SOURCES))
    assert len(asked) > 80
    assert asked <= PHRASES.keys()
    assert {f"{key}_one" for key in re.findall(r'r\.count\("(\w+)"', SOURCES)} <= PHRASES.keys()


def test_every_phrase_is_used() -> None:
    said = SOURCES.replace((CONSOLE / "phrases.py").read_text(encoding="utf-8"), "")
    asked = set(re.findall(r'"(\w+)"', said))
    prefixes = (
        "condition_",
        "event_",
        "error_",
        "delivery_",
        "trace_",
        "filter_",
        "theme_",
        "state_",
        "span_",
        "watching_",
    )
    unused = {k for k in PHRASES if k not in asked and not k.startswith(prefixes)}
    assert unused <= {"P1", "P2", "P3", "P4"}


def test_every_kind_of_event_has_its_phrase() -> None:
    source = Path(__import__(Event.__module__, fromlist=["x"]).__file__).read_text(encoding="utf-8")
    kinds = re.search(r'kind: str\n    """(first_bad_sample.*?)\."""', source, re.DOTALL)
    assert kinds
    for kind in re.split(r",\s+", kinds[1]):
        assert f"event_{kind}" in PHRASES

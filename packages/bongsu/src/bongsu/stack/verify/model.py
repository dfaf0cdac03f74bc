"""What a verification says, and where it looks."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from bongsu.signals.model import Text


class State(StrEnum):
    OK = "ok"
    BAD = "bad"
    SKIPPED = "skipped"
    """Not judged: it is not asked for, or what it depends on is bad already."""


@dataclass(frozen=True, slots=True)
class Line:
    """One thing that must hold."""

    check: str
    """What kind of thing: ``scrape``, ``rules loaded``."""
    subject: str
    """Of which service or system; empty where there is one only."""
    state: State
    why: Text
    fix: Text = field(default_factory=lambda: Text(en=""))

    @property
    def name(self) -> str:
        return f"{self.check} {self.subject}".strip()


def said(en: str, ko: str) -> Text:
    """One sentence in both languages."""
    return Text(en=en, ko=ko)


def ok(check: str, subject: str, why: Text) -> Line:
    return Line(check, subject, State.OK, why)


def bad(check: str, subject: str, why: Text, fix: Text) -> Line:
    return Line(check, subject, State.BAD, why, fix)


def skipped(check: str, subject: str, why: Text, fix: Text | None = None) -> Line:
    return Line(check, subject, State.SKIPPED, why, fix or Text(en=""))


@dataclass(frozen=True, slots=True)
class Places:
    """Where the systems are asked; an empty URL is not asked at all."""

    prometheus: str = ""
    alertmanager: str = ""
    grafana: str = ""
    server: str = ""
    blackbox: str = ""
    tokens: Mapping[str, str] = field(default_factory=dict, repr=False)
    """System → the bearer token that it is asked with."""
    ingest_token: str = field(default="", repr=False)
    """What Bongsu's webhook is tried with where Alertmanager's own token cannot be read here."""
    direct: bool = True
    """Whether the services' own endpoints are asked too."""

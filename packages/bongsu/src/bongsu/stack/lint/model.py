"""What the lint reads and what it finds."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from bongsu.catalog.errors import Place
from bongsu.signals.model import Text


@dataclass(frozen=True, slots=True)
class RuleText:
    """One rule of a rule file, and where its parts stand."""

    group: str
    name: str
    alert: bool
    """False for a recording rule."""
    expr: str
    hold: float
    """Seconds of ``for``."""
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    places: Mapping[str, Place]
    """``rule`` and each of its keys → where that stands."""

    def place(self, key: str) -> Place:
        return self.places.get(key, self.places["rule"])


@dataclass(frozen=True, slots=True)
class Finding:
    """One mistake, why it is one, and what to write instead."""

    place: Place
    rule: str
    check: str
    why: Text
    better: str = ""
    """PromQL or YAML to write instead; empty where words say it."""


@dataclass(frozen=True, slots=True)
class Known:
    """What all files together say, for checks that look beyond one rule."""

    absent: frozenset[str] = frozenset()
    """Metrics that some rule looks for with ``absent`` or ``absent_over_time``."""
    scrape: float = 15.0
    """Seconds between two samples."""


@dataclass(frozen=True, slots=True)
class Context:
    """One rule under examination."""

    rule: RuleText
    tree: Any
    """Its expression, parsed."""
    known: Known = field(default_factory=Known)

    def finding(self, check: str, en: str, ko: str, better: str = "", at: str = "expr") -> Finding:
        return Finding(self.rule.place(at), self.rule.name, check, Text(en=en, ko=ko), better)


Check = Callable[[Context], Iterator[Finding]]

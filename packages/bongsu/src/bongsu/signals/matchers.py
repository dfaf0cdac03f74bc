"""What selects a signal's series: the catalog's matchers and the identity of the services asked for."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from bongsu.signals.query import FleetQuery

_META = frozenset("\\.+*?()|[]{}^$")


@dataclass(frozen=True, slots=True)
class Matcher:
    """One condition on a label; a missing label counts as the empty string, as in Prometheus."""

    label: str
    op: Literal["=", "!=", "=~", "!~"]
    value: str
    """Literal text for ``=`` and ``!=``, else an RE2 expression that must match as a whole."""


def parse_matchers(match: Mapping[str, str]) -> list[Matcher]:
    """``{status: "5..", handler: "!/health"}`` → ``status=~"5.."``, ``handler!="/health"``."""
    return [_matcher(label, text) for label, text in match.items()]


def _matcher(label: str, text: str) -> Matcher:
    negated, pattern = text.startswith("!"), text.removeprefix("!")
    if _META.isdisjoint(pattern):
        return Matcher(label, "!=" if negated else "=", pattern)
    return Matcher(label, "!~" if negated else "=~", pattern)


def escape_regex(text: str) -> str:
    """``text`` as an RE2 expression that matches nothing else."""
    return "".join("\\" + char if char in _META else char for char in text)


def identity_values(query: FleetQuery) -> dict[str, list[str]]:
    """Identity label → the sorted distinct values that the fleet's services have for it."""
    return {name: sorted({labels[name] for labels in query.services.values()}) for name in query.identity}


def group_labels(query: FleetQuery) -> tuple[str, ...]:
    """The labels that tell answer rows apart: the identity, then the signal's own ``by``."""
    identity = query.identity
    return identity + tuple(label for label in query.signal.by if label not in identity)

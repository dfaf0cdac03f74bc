"""The catalog's routes as routes of Alertmanager: who is told of which alerts, and when.

Each route of a catalog that takes an alert adds its channels, whereas Alertmanager tells a receiver once for
every route that matches. The routes of a channel are therefore cut into boxes that do not overlap, and a
channel is told by the one box that an alert lies in.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from bongsu.catalog.models import Route
from bongsu.signals.model import Hours, Severity
from bongsu.stack.hours import hours_text, maintenance_name
from bongsu.stack.model import Stack
from bongsu.stack.rules import WORDS

EVERY_SEVERITY = frozenset(Severity)


@dataclass(frozen=True, slots=True)
class Names:
    """A set of names, or of all names but these."""

    names: frozenset[str] = frozenset()
    others: bool = True

    @classmethod
    def only(cls, names: Iterable[str]) -> "Names":
        return cls(frozenset(names), others=False)

    def __bool__(self) -> bool:
        return self.others or bool(self.names)

    def __invert__(self) -> "Names":
        return Names(self.names, not self.others)

    def __and__(self, other: "Names") -> "Names":
        if self.others and other.others:
            return Names(self.names | other.names)
        if self.others:
            return Names.only(other.names - self.names)
        if other.others:
            return Names.only(self.names - other.names)
        return Names.only(self.names & other.names)

    def __or__(self, other: "Names") -> "Names":
        return ~(~self & ~other)

    def __sub__(self, other: "Names") -> "Names":
        return self & ~other


@dataclass(frozen=True, slots=True)
class Box:
    """Alerts of these severities, of these services."""

    severities: frozenset[Severity] = EVERY_SEVERITY
    services: Names = Names()

    def __bool__(self) -> bool:
        return bool(self.severities) and bool(self.services)

    def __and__(self, other: "Box") -> "Box":
        return Box(self.severities & other.severities, self.services & other.services)

    def __sub__(self, other: "Box") -> "tuple[Box, ...]":
        parts = (
            Box(self.severities - other.severities, self.services),
            Box(self.severities & other.severities, self.services - other.services),
        )
        return tuple(part for part in parts if part)

    def matchers(self) -> list[str]:
        """An alert without a severity that is known is a warning, as it is to Bongsu."""
        found = []
        rest = EVERY_SEVERITY - self.severities
        if Severity.P3 not in self.severities:
            found.append(_matcher("severity", [WORDS[s] for s in sorted(self.severities)]))
        elif rest:
            found.append(_matcher("severity", [WORDS[s] for s in sorted(rest)], negative=True))
        if self.services.names:
            found.append(_matcher("service", sorted(self.services.names), negative=self.services.others))
        return found


@dataclass(frozen=True, slots=True)
class Telling:
    """How the alerts of a box are told."""

    during: tuple[str, ...] = ()
    """The intervals in which they are told; always unless given."""
    mute: tuple[str, ...] = ()
    """The intervals in which they are not."""
    mention: bool | Literal["here"] = True

    def merged(self, other: "Telling") -> "Telling":
        during = tuple(dict.fromkeys([*self.during, *other.during])) if self.during and other.during else ()
        mute = tuple(dict.fromkeys([*self.mute, *other.mute]))
        here: bool | Literal["here"] = "here" if "here" in (self.mention, other.mention) else False
        return Telling(during, mute, here or bool(self.mention or other.mention))


Piece = tuple[Box, Telling]


def channel_pieces(stack: Stack, channel: str) -> list[Piece]:
    """What is told on a channel, in boxes that do not overlap."""
    pieces: list[Piece] = []
    for route in stack.catalog.routes:
        if channel in route.to:
            pieces = _laid(pieces, _box(route, stack), _telling(route))
    return joined(muted(stack, pieces))


def muted(stack: Stack, pieces: Sequence[Piece]) -> list[Piece]:
    """The pieces, silent in the maintenance windows of their services."""
    for window in stack.catalog.maintenance:
        name = maintenance_name(window, stack.catalog.zone)
        where = Box(services=Names.only(window.services) if window.services else Names())
        pieces = [part for piece in pieces for part in _silenced(piece, where, name)]
    return list(pieces)


def joined(pieces: Iterable[Piece]) -> list[Piece]:
    """The same in as few boxes as share their severities or their services."""
    by_services: dict[tuple[Telling, Names], frozenset[Severity]] = {}
    for box, telling in pieces:
        key = (telling, box.services)
        by_services[key] = by_services.get(key, frozenset()) | box.severities
    by_severities: dict[tuple[Telling, frozenset[Severity]], Names] = {}
    for (telling, services), severities in by_services.items():
        place = (telling, severities)
        by_severities[place] = by_severities.get(place, Names.only(())) | services
    return [(Box(severities, services), telling) for (telling, severities), services in by_severities.items()]


def interval_names(stack: Stack) -> Mapping[str, tuple[Hours, ...]]:
    """The intervals that routes speak of, by name."""
    return {_during_name(route): route.during for route in stack.catalog.routes if route.during}


def _laid(pieces: Sequence[Piece], box: Box, telling: Telling) -> list[Piece]:
    """The pieces with one more route on top."""
    laid: list[Piece] = []
    rest = [box] if box else []
    for old, told in pieces:
        shared = old & box
        if not shared:
            laid.append((old, told))
            continue
        laid += [(part, told) for part in old - shared]
        laid.append((shared, told.merged(telling)))
        rest = [part for whole in rest for part in whole - shared]
    return laid + [(part, telling) for part in rest]


def _silenced(piece: Piece, where: Box, name: str) -> list[Piece]:
    box, telling = piece
    shared = box & where
    if not shared:
        return [piece]
    quiet = replace(telling, mute=(*telling.mute, name))
    return [(shared, quiet), *((part, telling) for part in box - shared)]


def _box(route: Route, stack: Stack) -> Box:
    """An owner's alerts are those of its services: a rule for many services names no owner."""
    services = Names.only(route.services) if route.services else Names()
    if route.owners:
        owned = (name for name, service in stack.resolved.items() if service.owner in route.owners)
        services &= Names.only(owned)
    return Box(frozenset(route.severity) or EVERY_SEVERITY, services)


def _telling(route: Route) -> Telling:
    return Telling((_during_name(route),) if route.during else (), (), route.mention)


def _during_name(route: Route) -> str:
    return ", ".join(hours_text(hours) for hours in route.during)


def _matcher(label: str, values: Sequence[str], *, negative: bool = False) -> str:
    if len(values) == 1:
        return f'{label}{"!=" if negative else "="}"{values[0]}"'
    # A dot in brackets needs no backslash, which YAML, Alertmanager and RE2 each read in their own way.
    pattern = "|".join(value.replace(".", "[.]") for value in values)
    return f'{label}{"!~" if negative else "=~"}"{pattern}"'

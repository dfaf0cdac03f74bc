"""Which kinds a service is of, by the metrics that it shows: the kinds' own signals are the evidence."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from bongsu.catalog.models import Kind, Service
from bongsu.catalog.resolve import kind_signals, placeholders
from bongsu.signals.model import AnySignal, Expr, Gauge, Presence, Quantile, Ratio

Labels = Mapping[str, frozenset[str]]
"""Label → the values that were seen."""

Metrics = Mapping[str, Labels | None]
"""Metric → its labels; None where nobody looked."""

_PREFIX = "{prefix}"
_PLACEHOLDER = re.compile(r"\{(\w+)\}")
_ENOUGH_OF_OWN_NAMES = 0.25
_ENOUGH_OF_ANY_PREFIX = 0.5
_WORTH_JOINING = 2


@dataclass(frozen=True, slots=True)
class Seen:
    """A service as its telemetry shows it."""

    job: str
    """What its telemetry calls it; empty where nothing names it."""
    metrics: Metrics
    targets: tuple[str, ...] = ()
    """Where its metrics were read."""
    down: tuple[str, ...] = ()
    """Those of them that do not answer now, each with the reason."""
    calls: Mapping[str, int] = field(default_factory=dict)
    """Called service or address → how often."""


@dataclass(frozen=True, slots=True)
class Match:
    """A kind that a service's metrics speak for."""

    kind: str
    prefix: str
    """With its underscore: ``shop_``."""
    variables: Mapping[str, str]
    """Placeholders whose value differs from the kind's own."""
    answered: tuple[str, ...]
    """The signals whose metrics are there."""
    missing: tuple[str, ...]
    alike: tuple[str, ...] = ()
    """Other kinds that the same metrics speak for as well."""
    keys: frozenset[frozenset[str]] = field(default=frozenset(), repr=False)
    rank: int = field(default=0, repr=False)


@dataclass(frozen=True, slots=True)
class _Need:
    """A metric that a signal reads: ``name`` may begin with ``{prefix}``, ``match`` is as the kind has it."""

    name: str
    match: Mapping[str, str]


@dataclass(slots=True)
class _Reading:
    """One kind's signals against one service's metrics, under one prefix."""

    prefix: str
    values: Mapping[str, str]
    answered: dict[str, frozenset[str]] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)
    variables: dict[str, str] = field(default_factory=dict)


def choose(metrics: Metrics, kinds: Mapping[str, Kind]) -> list[Match]:
    """The kinds that explain the most of ``metrics``, the best first; none when no kind is recognised.

    A kind with a scrape of its own comes before what is only a part of a service, and that before what other
    kinds build on. A kind joins the first one when it explains two more signals; one that others build on
    joins only its like, as what an exporter says of its own process is not said of what it watches.
    """
    bases = {base for kind in kinds.values() for base in kind.extends}
    chosen: list[Match] = []
    covered: set[frozenset[str]] = set()
    while True:
        prefix = next((m.prefix for m in chosen if m.prefix), None)
        matches = (_match(name, metrics, kinds, prefix) for name in kinds)
        fits = [replace(m, rank=_rank(m.kind, kinds, bases)) for m in matches if m is not None]
        if chosen and chosen[0].kind not in bases:
            fits = [match for match in fits if match.kind not in bases]
        best = max(fits, key=lambda m: _strength(m, covered, first=not chosen), default=None)
        if best is None or len(best.keys - covered) < (_WORTH_JOINING if chosen else 1):
            return chosen
        alike = tuple(m.kind for m in fits if m.kind != best.kind and _same(m, best))
        chosen.append(replace(best, alike=alike))
        covered |= best.keys


def _same(one: Match, other: Match) -> bool:
    return set(one.answered) == set(other.answered) and set(one.missing) == set(other.missing)


def _rank(kind: str, kinds: Mapping[str, Kind], bases: set[str]) -> int:
    """2 for a whole service, 1 for one that others build on, 0 for a part."""
    signals = kind_signals(Service(kind=(kind,)), kinds).values()
    whole = any(isinstance(signal, Presence) and not signal.select for signal in signals)
    return (1 if kind in bases else 2) if whole else 0


def _strength(match: Match, covered: set[frozenset[str]], *, first: bool) -> tuple[int, int, int]:
    return (match.rank if first else 0, len(match.keys - covered), -len(match.missing))


def wanted_labels(names: Sequence[str], kinds: Mapping[str, Kind]) -> set[str]:
    """Those of the metrics ``names`` whose labels help to tell kinds apart."""
    wanted: set[str] = set()
    for kind in kinds:
        values = placeholders(Service(kind=(kind,)), kinds)
        for signal in _evidence(kind, kinds).values():
            for need in _needs(signal):
                if need.match:
                    name = _filled(need.name, values, keep_prefix=True)
                    wanted.update(found for found, _ in _candidates(name, names))
    return wanted


def _match(kind: str, metrics: Metrics, kinds: Mapping[str, Kind], fixed: str | None) -> Match | None:
    signals = _evidence(kind, kinds)
    values = placeholders(Service(kind=(kind,)), kinds)
    prefixes = _prefixes(signals, values, metrics, kinds) if fixed is None else [fixed, ""]
    readings = [_read(signals, metrics, values, prefix) for prefix in prefixes]
    best = max(readings, key=lambda r: (len(r.answered), -len(r.prefix)), default=None)
    if best is None or not best.answered or not _enough(kind, best, kinds):
        return None
    uses = any(_PREFIX in need.name for name in best.answered for need in _needs(signals[name]))
    return Match(
        kind,
        best.prefix if uses else "",
        best.variables,
        tuple(best.answered),
        tuple(best.missing),
        keys=frozenset(best.answered.values()),
    )


def _evidence(kind: str, kinds: Mapping[str, Kind]) -> dict[str, AnySignal]:
    """The signals that a service's own metrics can answer. A scrape's ``up`` speaks for every kind alike."""
    found = kind_signals(Service(kind=(kind,)), kinds)
    return {n: s for n, s in found.items() if not isinstance(s, Presence | Expr) and not s.select}


def _enough(kind: str, reading: _Reading, kinds: Mapping[str, Kind]) -> bool:
    """Whether enough of what the kind adds is there, and of each kind that it builds on."""
    evidence = _evidence(kind, kinds)
    own = {name: evidence[name] for name in kinds[kind].signals if name in evidence}
    if own:
        anywhere = any(_PREFIX in need.name for signal in own.values() for need in _needs(signal))
        share = _ENOUGH_OF_ANY_PREFIX if anywhere else _ENOUGH_OF_OWN_NAMES
        there = sum(name in reading.answered for name in own)
        if there < max(share * len(own), min(2, len(own)) * (not anywhere)):
            return False
    return all(_enough(base, reading, kinds) for base in kinds[kind].extends)


def _read(
    signals: Mapping[str, AnySignal], metrics: Metrics, values: Mapping[str, str], prefix: str
) -> _Reading:
    reading = _Reading(prefix, {**values, "prefix": prefix})
    for name, signal in signals.items():
        needs = _needs(signal)
        names = [_filled(need.name, reading.values) for need in needs]
        if all(
            n in metrics and _fits(need, metrics[n], reading) for n, need in zip(names, needs, strict=True)
        ):
            reading.answered[name] = frozenset(names)
        else:
            reading.missing.append(name)
    return reading


def _needs(signal: AnySignal) -> list[_Need]:
    match signal:
        case Ratio():
            return [_Need(signal.metric, signal.match), _Need(signal.of or signal.metric, signal.of_match)]
        case Quantile():
            return [_Need(f"{signal.metric}_bucket", {}), _Need(f"{signal.metric}_count", signal.match)]
        case Gauge() if signal.divisor is not None:
            return [_Need(signal.metric, signal.match), _Need(signal.divisor, signal.divisor_match)]
        case Expr():
            return []
    return [_Need(signal.metric, signal.match)]


def _fits(need: _Need, labels: Labels | None, reading: _Reading) -> bool:
    """Whether the metric has the labels that are matched; a placeholder may stand for one of another name."""
    if labels is None:
        return True
    for said, pattern in need.match.items():
        text = _filled(pattern, reading.values)
        if _filled(said, {**reading.values, **reading.variables}) in labels:
            continue
        placeholder = _PLACEHOLDER.fullmatch(said)
        other = _label_like(text, labels) if placeholder else ""
        if placeholder and other:
            reading.variables[placeholder[1]] = other
        elif not text.startswith("!"):
            return False
    return True


def _label_like(pattern: str, labels: Labels) -> str:
    """The one label whose values look like what ``pattern`` matches: ``5..`` like 200 and 404."""
    try:
        if pattern.startswith("!"):
            left_out = re.compile(pattern[1:])
            found = [n for n, values in labels.items() if any(left_out.fullmatch(v) for v in values)]
        else:
            alike = re.compile(re.sub(r"\d", r"\\d", pattern))
            found = [n for n, values in labels.items() if values and all(map(alike.fullmatch, values))]
    except re.error:
        return ""
    return found[0] if len(found) == 1 else ""


def _prefixes(
    signals: Mapping[str, AnySignal], values: Mapping[str, str], metrics: Metrics, kinds: Mapping[str, Kind]
) -> list[str]:
    """What ``{prefix}`` may stand for; never the namespace of a metric that a kind names in full."""
    taken = _namespaces(kinds)
    found = {""}
    for signal in signals.values():
        for need in _needs(signal):
            template = _filled(need.name, values, keep_prefix=True)
            found.update(prefix for _, prefix in _candidates(template, metrics))
    return sorted(prefix for prefix in found if prefix.partition("_")[0] not in taken)


def _candidates(template: str, names: Sequence[str] | Metrics) -> Iterator[tuple[str, str]]:
    """``(metric, prefix)`` of each metric that the template may mean."""
    if not template.startswith(_PREFIX):
        if template in names:
            yield template, ""
        return
    rest = template.removeprefix(_PREFIX)
    for name in names:
        prefix = name[: len(name) - len(rest)]
        if name.endswith(rest) and (not prefix or prefix.endswith(("_", ":"))):
            yield name, prefix


def _namespaces(kinds: Mapping[str, Kind]) -> set[str]:
    names: set[str] = set()
    for kind in kinds.values():
        for signal in kind.signals.values():
            if not isinstance(signal, Presence):
                names.update(need.name for need in _needs(signal) if not need.name.startswith("{"))
    return {name.partition("_")[0] for name in names}


def _filled(text: str, values: Mapping[str, str], *, keep_prefix: bool = False) -> str:
    for name, value in values.items():
        if not (keep_prefix and name == "prefix"):
            text = text.replace(f"{{{name}}}", value)
    return text


def without_circles(
    calls: Mapping[str, Mapping[str, int]],
) -> tuple[dict[str, list[str]], list[tuple[str, str]]]:
    """Caller → callees, without the weaker direction of what calls in a circle; and what was left out."""
    kept: dict[str, list[str]] = {caller: [] for caller in calls}
    left_out = []
    edges = [(count, caller, callee) for caller, found in calls.items() for callee, count in found.items()]
    for _, caller, callee in sorted(edges, key=lambda edge: (-edge[0], edge[1:])):
        if caller == callee:
            continue
        if _reaches(kept, callee, caller):
            left_out.append((caller, callee))
        else:
            kept.setdefault(caller, []).append(callee)
    return {caller: sorted(callees) for caller, callees in kept.items()}, left_out


def _reaches(graph: Mapping[str, Sequence[str]], start: str, end: str) -> bool:
    waiting, seen = [start], set()
    while waiting:
        name = waiting.pop()
        if name == end:
            return True
        if name not in seen:
            seen.add(name)
            waiting.extend(graph.get(name, ()))
    return False

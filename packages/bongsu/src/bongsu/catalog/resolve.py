"""A service with everything that its kinds and the catalog's defaults give it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from bongsu.catalog.kinds import builtin_kinds
from bongsu.catalog.models import Catalog, Defaults, Kind, Service, Thresholds
from bongsu.signals.model import AnySignal, Threshold
from bongsu.signals.query import FleetQuery


@dataclass(frozen=True, slots=True)
class ResolvedService:
    name: str
    spec: Service
    owner: str
    source: str
    labels: Mapping[str, str]
    signals: Mapping[str, AnySignal]
    """With metric names filled in and the thresholds of all three levels merged."""


def kind_signals(service: Service, kinds: Mapping[str, Kind]) -> dict[str, AnySignal]:
    """The signals of the service's kinds, bases first, then its own; a later one of a name replaces."""
    signals: dict[str, AnySignal] = {}

    def add(name: str) -> None:
        for base in kinds[name].extends:
            add(base)
        signals.update(kinds[name].signals)

    for kind in service.kind:
        add(kind)
    return {**signals, **service.signals}


def resolve(catalog: Catalog) -> dict[str, ResolvedService]:
    """Every service of the catalog, resolved, by name."""
    kinds = {**builtin_kinds(), **catalog.kinds}
    shared: dict[tuple[tuple[str, ...], str], dict[str, AnySignal]] = {}
    resolved = {}
    for name, spec in catalog.services.items():
        key = (spec.kind, spec.prefix)
        if key not in shared:
            plain = kind_signals(spec.model_copy(update={"signals": {}}), kinds)
            values = _placeholders(spec, kinds)
            shared[key] = {n: _shaped(_filled(s, values), n, catalog.defaults) for n, s in plain.items()}
        signals = shared[key]
        if spec.signals or spec.thresholds:
            own = {n: _filled(s, _placeholders(spec, kinds)) for n, s in spec.signals.items()}
            signals = {n: _tuned(s, n, spec.thresholds) for n, s in {**signals, **own}.items()}
        resolved[name] = ResolvedService(
            name=name,
            spec=spec,
            owner=spec.owner or catalog.defaults.owner,
            source=spec.source or catalog.defaults.source or next(iter(catalog.sources), ""),
            labels=spec.labels or {"job": name},
            signals=signals,
        )
    return resolved


def fleet_queries(services: Iterable[ResolvedService]) -> list[FleetQuery]:
    """One query for each distinct signal: services that share its data and label names are asked at once."""
    groups: dict[tuple[str, str, tuple[str, ...]], tuple[AnySignal, dict[str, Mapping[str, str]]]] = {}
    keys: dict[int, str] = {}
    for service in services:
        identity = tuple(sorted(service.labels))
        for name, signal in service.signals.items():
            if id(signal) not in keys:
                keys[id(signal)] = signal.model_dump_json(exclude={"thresholds", "help"})
            key = (name, keys[id(signal)], identity)
            groups.setdefault(key, (signal, {}))[1][service.name] = service.labels
    return [FleetQuery(name, signal, members) for (name, _, _), (signal, members) in groups.items()]


def _placeholders(spec: Service, kinds: Mapping[str, Kind]) -> dict[str, str]:
    values: dict[str, str] = {}
    for kind in spec.kind:
        values |= kinds[kind].defaults
    if spec.prefix:
        values["prefix"] = spec.prefix
    prefix = values.get("prefix", "")
    values["prefix"] = prefix if not prefix or prefix.endswith(("_", ":")) else f"{prefix}_"
    return values


def _filled(signal: AnySignal, values: Mapping[str, str]) -> AnySignal:
    update = {}
    for field in ("metric", "of", "divisor", "expr"):
        text = getattr(signal, field, None)
        if text and "{" in text:
            for name, value in values.items():
                text = text.replace(f"{{{name}}}", value)
            update[field] = text
    return signal.model_copy(update=update) if update else signal


def _shaped(signal: AnySignal, name: str, defaults: Defaults) -> AnySignal:
    if defaults.window is not None:
        signal = signal.model_copy(update={"window": defaults.window})
    return _tuned(signal, name, defaults.thresholds)


def _tuned(signal: AnySignal, name: str, overrides: Thresholds) -> AnySignal:
    levels = overrides.get(name)
    if not levels:
        return signal
    kept = {severity: t for severity, t in signal.thresholds.items() if severity not in levels}
    kept |= {severity: t for severity, t in levels.items() if isinstance(t, Threshold)}
    return signal.model_copy(update={"thresholds": kept})

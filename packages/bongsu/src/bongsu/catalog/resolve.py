"""A service with everything that its kinds and the catalog's defaults give it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from bongsu.catalog.kinds import builtin_kinds
from bongsu.catalog.models import Catalog, Defaults, Kind, Service, Thresholds
from bongsu.signals.model import AnySignal, Exclusion, Expr, ExprTest, InputSeries, Threshold
from bongsu.signals.query import FleetQuery

_TEMPLATES = (
    "metric",
    "of",
    "divisor",
    "expr",
    "match",
    "of_match",
    "divisor_match",
    "unless",
    "by",
    "select",
    "tests",
)


@dataclass(frozen=True, slots=True)
class ResolvedService:
    name: str
    spec: Service
    owner: str
    source: str
    labels: Mapping[str, str]
    signals: Mapping[str, AnySignal]
    """With metric names filled in and the thresholds of all three levels merged."""
    selectors: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """Signal → the labels that select its series, for those that the service's own labels do not."""

    def labels_of(self, signal: str) -> Mapping[str, str]:
        """The labels that select the series of ``signal``."""
        return self.selectors.get(signal, self.labels)


def kind_signals(service: Service, kinds: Mapping[str, Kind]) -> dict[str, AnySignal]:
    """The signals of the service's kinds, bases first, then its own; a later one of a name replaces."""
    signals: dict[str, AnySignal] = {}

    def add(name: str) -> None:
        kind = kinds[name]
        for base in kind.extends:
            add(base)
        for signal_name, signal in kind.signals.items():
            if kind.select and not signal.select:
                signal = signal.model_copy(update={"select": kind.select})
            signals[signal_name] = signal

    for kind in service.kind:
        add(kind)
    return {**signals, **service.signals}


def resolve(catalog: Catalog) -> dict[str, ResolvedService]:
    """Every service of the catalog, resolved, by name."""
    kinds = {**builtin_kinds(), **catalog.kinds}
    shared: dict[tuple[Any, ...], dict[str, AnySignal]] = {}
    resolved = {}
    for name, spec in catalog.services.items():
        labels = spec.labels or {"job": name}
        values = placeholders(spec, kinds)
        key = (spec.kind, *sorted(values.items()))
        if key not in shared:
            plain = kind_signals(spec.model_copy(update={"signals": {}}), kinds)
            shared[key] = {n: _shaped(filled(s, values), n, catalog.defaults) for n, s in plain.items()}
        signals = shared[key]
        if spec.signals or spec.thresholds or spec.active:
            own = {n: filled(s, values) for n, s in spec.signals.items()}
            signals = {n: _own(s, n, spec) for n, s in {**signals, **own}.items()}
        selectors = _selectors(signals, _places(name, spec))
        resolved[name] = ResolvedService(
            name=name,
            spec=spec,
            owner=spec.owner or catalog.defaults.owner,
            source=spec.source or catalog.defaults.source or next(iter(catalog.sources), ""),
            labels=labels,
            signals={n: _grouped(s, selectors.get(n, labels)) for n, s in signals.items()},
            selectors=selectors,
        )
    return resolved


def fleet_queries(services: Iterable[ResolvedService], *, by_source: bool = False) -> list[FleetQuery]:
    """One query for each distinct signal: services that share its data and label names are asked at once.

    ``by_source``: and whose metrics the same source has.
    """
    groups: dict[tuple[str, str, tuple[str, ...], str], tuple[AnySignal, dict[str, Mapping[str, str]]]] = {}
    keys: dict[int, str] = {}
    for service in services:
        for name, signal in service.signals.items():
            if id(signal) not in keys:
                keys[id(signal)] = signal.model_dump_json(exclude={"help"})
            labels = service.labels_of(name)
            source = service.source if by_source else ""
            key = (name, keys[id(signal)], tuple(sorted(labels)), source)
            groups.setdefault(key, (signal, {}))[1][service.name] = labels
    return [
        FleetQuery(name, signal, members, source)
        for (name, _, _, source), (signal, members) in groups.items()
    ]


def placeholders(spec: Service, kinds: Mapping[str, Kind]) -> dict[str, str]:
    """What ``{prefix}`` and the like stand for in the signals of a service."""
    values: dict[str, str] = {}

    def add(name: str) -> None:
        for base in kinds[name].extends:
            add(base)
        values.update(kinds[name].defaults)

    for kind in spec.kind:
        add(kind)
    values |= spec.variables
    prefix = spec.prefix or values.get("prefix", "")
    values["prefix"] = prefix if not prefix or prefix.endswith(("_", ":")) else f"{prefix}_"
    return values


def filled(signal: AnySignal, values: Mapping[str, str]) -> AnySignal:
    """The signal with a value for each placeholder that ``values`` names."""

    def fill(given: Any) -> Any:
        match given:
            case str():
                for name, value in values.items():
                    given = given.replace(f"{{{name}}}", value)
                return given
            case dict():
                return {fill(k): fill(v) for k, v in given.items()}
            case tuple():
                return tuple(fill(part) for part in given)
            case Exclusion():
                return Exclusion(metric=fill(given.metric), match=fill(given.match))
            case ExprTest():
                return given.model_copy(update={"series": fill(given.series)})
            case InputSeries():
                filled_in = {"metric": fill(given.metric), "labels": fill(given.labels)}
                return given.model_copy(update=filled_in)
            case _:
                return given

    update = {n: fill(v) for n in _TEMPLATES if (v := getattr(signal, n, None))}
    return signal.model_copy(update=update) if update else signal


def _places(name: str, spec: Service) -> dict[str, str]:
    """What the placeholders of ``select`` stand for."""
    runs = spec.runs
    return {
        "name": name,
        "namespace": runs.namespace,
        "deployment": runs.deployment or name,
        "statefulset": runs.statefulset or name,
        "container": runs.container or runs.compose or name,
        "volume": runs.volume,
        "host": runs.host,
    }


def _selectors(signals: Mapping[str, AnySignal], places: Mapping[str, str]) -> dict[str, dict[str, str]]:
    selectors = {}
    for name, signal in signals.items():
        found = {}
        for label, text in signal.select.items():
            for place, value in places.items():
                text = text.replace(f"{{{place}}}", value)
            if text:
                found[label] = text
        if found:
            selectors[name] = found
    return selectors


def _grouped(signal: AnySignal, labels: Mapping[str, str]) -> AnySignal:
    """Raw PromQL with the labels that its answer is grouped by."""
    if not isinstance(signal, Expr) or "{by}" not in signal.expr:
        return signal
    by = dict.fromkeys([*sorted(labels), *signal.by])
    return signal.model_copy(update={"expr": signal.expr.replace("{by}", ", ".join(by))})


def _own(signal: AnySignal, name: str, spec: Service) -> AnySignal:
    tuned = _tuned(signal, name, spec.thresholds)
    return tuned.model_copy(update={"active": spec.active[name]}) if name in spec.active else tuned


def _shaped(signal: AnySignal, name: str, defaults: Defaults) -> AnySignal:
    if defaults.window is not None and "window" not in signal.model_fields_set:
        signal = signal.model_copy(update={"window": defaults.window})
    return _tuned(signal, name, defaults.thresholds)


def _tuned(signal: AnySignal, name: str, overrides: Thresholds) -> AnySignal:
    levels = overrides.get(name)
    if not levels:
        return signal
    kept = {severity: t for severity, t in signal.thresholds.items() if severity not in levels}
    kept |= {severity: t for severity, t in levels.items() if isinstance(t, Threshold)}
    return signal.model_copy(update={"thresholds": kept})

"""Checks between the parts of a catalog: names that must exist, cycles, thresholds that cannot happen."""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, get_args

from pydantic import BaseModel

from bongsu.catalog.errors import Problem, nearest
from bongsu.catalog.models import Catalog, Kind, Service, unmeasurable
from bongsu.catalog.resolve import filled, kind_signals, placeholders
from bongsu.catalog.tree import Node
from bongsu.signals.model import AnySignal, Threshold

Path = tuple[str | int, ...]

_SECTIONS = ("services", "owners", "sources", "channels", "kinds")
_PLACEHOLDER = re.compile(r"\{(\w+)\}")
_DIMENSIONS = {"ratio": {"ratio"}, "s": {"s"}, "bytes": {"bytes"}, "per_second": {"per_second"}}


def check(catalog: Catalog, root: Node, builtin: Mapping[str, Kind]) -> list[Problem]:
    """Every dangling name, cycle and impossible threshold, at its place.

    ``catalog`` may lack parts of ``root`` that have problems of their own: their names still count.
    """
    names = {section: _declared(root, section) for section in _SECTIONS}
    names["kinds"] |= builtin.keys()
    problems = [
        Problem(root.at(path), f"there is no {what} {name!r}", nearest(name, known))
        for path, what, name, known in _references(catalog, names)
        if name not in known
    ]
    circles = list(_circles(catalog, root))
    kinds = {**builtin, **catalog.kinds}
    whole = {base for kind in kinds.values() for base in kind.extends} <= kinds.keys()
    if whole and not any(problem.message.startswith("kinds") for problem in circles):
        problems += _threshold_problems(catalog, root, kinds)
    return problems + circles


def _declared(root: Node, section: str) -> set[str]:
    value = root.value.get(section, (None, Node({}, root.place)))[1].value
    return set(value) if isinstance(value, dict) else set()


Reference = tuple[Path, str, str, Iterable[str]]
Names = Mapping[str, set[str]]
"""Section of the catalog → the names that it declares."""


def _references(catalog: Catalog, names: Names) -> Iterator[Reference]:
    for name, kind in catalog.kinds.items():
        yield from _each(("kinds", name, "extends"), "kind", kind.extends, names["kinds"])
    for name, service in catalog.services.items():
        yield from _service_references(("services", name), service, names)
    yield from _one(("defaults", "owner"), "owner", catalog.defaults.owner, names["owners"])
    yield from _one(("defaults", "source"), "source", catalog.defaults.source, names["sources"])
    for name, owner in catalog.owners.items():
        turns = owner.oncall.members if owner.oncall else ()
        yield from _each(("owners", name, "oncall", "members"), "owner", turns, names["owners"])
        yield from _each(("owners", name, "members"), "owner", owner.members, names["owners"])
    if catalog.report is not None:
        yield from _each(("report", "to"), "channel", catalog.report.to, names["channels"])
    for index, route in enumerate(catalog.routes):
        yield from _each(("routes", index, "to"), "channel", route.to, names["channels"])
        yield from _each(("routes", index, "services"), "service", route.services, names["services"])
        yield from _each(("routes", index, "owners"), "owner", route.owners, names["owners"])
    for index, window in enumerate(catalog.maintenance):
        yield from _each(("maintenance", index, "services"), "service", window.services, names["services"])


def _service_references(at: Path, service: Service, names: Names) -> Iterator[Reference]:
    yield from _each((*at, "kind"), "kind", service.kind, names["kinds"])
    yield from _each((*at, "depends_on"), "service", service.depends_on, names["services"])
    yield from _one((*at, "owner"), "owner", service.owner, names["owners"])
    yield from _one((*at, "source"), "source", service.source, names["sources"])


def _one(path: Path, what: str, name: str, known: Iterable[str]) -> Iterator[Reference]:
    if name:
        yield path, what, name, known


def _each(path: Path, what: str, names: Iterable[str], known: Iterable[str]) -> Iterator[Reference]:
    for index, name in enumerate(names):
        yield (*path, index), what, name, known


def _circles(catalog: Catalog, root: Node) -> Iterator[Problem]:
    for cycle in _cycles({n: k.extends for n, k in catalog.kinds.items()}):
        yield Problem(
            root.at(("kinds", cycle[0]), key=True), f"kinds extend one another: {' → '.join(cycle)}"
        )
    for cycle in _cycles({n: s.depends_on for n, s in catalog.services.items()}):
        message = f"services depend on one another in a circle: {' → '.join(cycle)}"
        yield Problem(
            root.at(("services", cycle[0], "depends_on")), message, "leave out the weaker direction"
        )


def _cycles(graph: Mapping[str, Iterable[str]]) -> Iterator[list[str]]:
    """One cycle for each strongly connected knot that depth-first search meets."""
    done: set[str] = set()
    for start in graph:
        trail: list[str] = []
        stack: list[tuple[str, Iterator[str]]] = []
        if start not in done:
            stack.append((start, iter(graph.get(start, ()))))
            trail.append(start)
        while stack:
            _, children = stack[-1]
            child = next(children, None)
            if child is None:
                stack.pop()
                done.add(trail.pop())
            elif child in trail:
                yield [*trail[trail.index(child) :], child]
            elif child not in done:
                stack.append((child, iter(graph.get(child, ()))))
                trail.append(child)


def _threshold_problems(catalog: Catalog, root: Node, kinds: Mapping[str, Kind]) -> Iterator[Problem]:
    for name, kind in catalog.kinds.items():
        for signal_name, signal in kind.signals.items():
            for severity, threshold in signal.thresholds.items():
                at: Path = ("kinds", name, "signals", signal_name, "thresholds", severity.value)
                yield from _impossible(signal, threshold, root, at)
    for name, service in catalog.services.items():
        if not kinds.keys() >= set(service.kind):
            continue
        signals = kind_signals(service, kinds)
        for signal_name, signal in service.signals.items():
            for severity, threshold in signal.thresholds.items():
                at = ("services", name, "signals", signal_name, "thresholds", severity.value)
                yield from _impossible(signal, threshold, root, at)
        yield from _overrides(service, name, signals, root)
        yield from _named(service, name, signals, root)
        yield from _unfilled(service, name, signals, kinds, root)
    everything = {s for kind in kinds.values() for s in kind.signals}
    for signal_name in catalog.defaults.thresholds.keys() - everything:
        place = root.at(("defaults", "thresholds", signal_name), key=True)
        yield Problem(place, f"no kind has a signal {signal_name!r}", nearest(signal_name, everything))


def _overrides(
    service: Service, name: str, signals: Mapping[str, AnySignal], root: Node
) -> Iterator[Problem]:
    for signal_name, levels in service.thresholds.items():
        at: Path = ("services", name, "thresholds", signal_name)
        if signal_name not in signals:
            yield Problem(
                root.at(at, key=True),
                f"this service has no signal {signal_name!r}",
                nearest(signal_name, signals),
            )
            continue
        for severity, threshold in levels.items():
            if isinstance(threshold, Threshold):
                yield from _impossible(signals[signal_name], threshold, root, (*at, severity.value))


def _named(service: Service, name: str, signals: Mapping[str, AnySignal], root: Node) -> Iterator[Problem]:
    """Signals that objectives, runbooks and active hours speak of."""
    for objective_name, objective in service.objectives.items():
        if objective.signal not in signals:
            place = root.at(("services", name, "objectives", objective_name, "signal"))
            yield Problem(
                place, f"there is no signal {objective.signal!r}", nearest(objective.signal, signals)
            )
            continue
        wrong = unmeasurable(objective, signals[objective.signal])
        if wrong is not None:
            yield Problem(root.at(("services", name, "objectives", objective_name)), *wrong)
    for section, names in (("runbooks", service.runbooks), ("active", service.active)):
        for signal_name in names.keys() - signals.keys():
            place = root.at(("services", name, section, signal_name), key=True)
            yield Problem(place, f"this service has no signal {signal_name!r}", nearest(signal_name, signals))


def _unfilled(
    service: Service,
    name: str,
    signals: Mapping[str, AnySignal],
    kinds: Mapping[str, Kind],
    root: Node,
) -> Iterator[Problem]:
    """Placeholders of metric names that nothing gives a value, each once."""
    values = placeholders(service, kinds)
    told: set[str] = set()
    for signal in signals.values():
        ready = filled(signal, values)
        metrics = (getattr(ready, part, None) or "" for part in ("metric", "of", "divisor"))
        told.update(found for text in metrics for found in _PLACEHOLDER.findall(text))
    for placeholder in sorted(told):
        message = f"the kinds of this service need a value for {placeholder!r}"
        hint = f"give it with: variables: {{{placeholder}: …}}"
        yield Problem(root.at(("services", name), key=True), message, hint)


def _impossible(signal: AnySignal, threshold: Threshold, root: Node, at: Path) -> Iterator[Problem]:
    expected = _DIMENSIONS.get(signal.unit)
    if threshold.dimension and expected and threshold.dimension not in expected:
        message = f"this signal is measured in {signal.unit}, the threshold in {threshold.dimension}"
        yield Problem(root.at(at), message)
    if signal.unit == "ratio" and _never(threshold, 0.0, 1.0):
        hint = "a ratio lies between 0 and 1; write 5% or 0.05"
        yield Problem(root.at(at), f"the condition {str(threshold)!r} can never hold", hint)


def _never(threshold: Threshold, low: float, high: float) -> bool:
    match threshold.op:
        case ">":
            return threshold.value >= high
        case ">=" | "==":
            return threshold.value > high
        case "<":
            return threshold.value <= low
        case "<=":
            return threshold.value < low
        case _:
            return False


def allowed_keys(loc: Path) -> list[str]:
    """The keys that the model at ``loc`` of a catalog allows."""
    current: Any = Catalog
    for part in loc:
        current = _step(current, part)
        if current is None:
            return []
    model = next((m for m in _models(current)), None)
    return sorted({f.alias or n for n, f in model.model_fields.items()}) if model else []


def _step(annotation: Any, part: str | int) -> Any:
    for model in _models(annotation):
        for name, field in model.model_fields.items():
            if part in {name, field.alias}:
                return field.annotation
    for option in _flatten(annotation):
        args = get_args(option)
        if getattr(option, "__origin__", None) is dict:
            return args[1]
        if getattr(option, "__origin__", None) is tuple:
            return args[0]
    for model in _models(annotation):
        tags = [get_args(f.annotation) for n, f in model.model_fields.items() if n in {"form", "type"}]
        if any(part in tag for tag in tags):
            return model
    return None


def _flatten(annotation: Any) -> Iterator[Any]:
    args = get_args(annotation)
    origin = getattr(annotation, "__origin__", None)
    if origin in {dict, tuple} or not args:
        yield annotation
        return
    for arg in args:
        yield from _flatten(arg)


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    for option in _flatten(annotation):
        if isinstance(option, type) and issubclass(option, BaseModel):
            yield option

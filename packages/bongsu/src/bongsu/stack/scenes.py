"""The series that a service has while its signal has a given value, from the signal's form alone."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from bongsu.signals.matchers import Matcher, parse_matchers
from bongsu.signals.model import Age, AnySignal, Expr, Gauge, Increase, Presence, Quantile, Rate, Ratio
from bongsu.signals.quantities import number
from bongsu.stack.series import Series, near_misses, solve

_EXTRA = ("replica", "shard", "worker", "slot")
_COUNTED = 1000.0
_DIVISOR = 100.0


class NoSceneError(Exception):
    """No series can be made up that give the signal this value; the text says why."""


@dataclass(frozen=True, slots=True)
class Scene:
    """How a service is to look."""

    value: float
    other: float
    """A value on the other side of the threshold: what series that must not count would show."""
    threshold: float
    traffic: float = 10.0
    """Events a second, where the form has a floor."""
    divisor: float = _DIVISOR
    numerator: bool = True
    excluded: float = 0.0
    """What the metric of ``unless`` says."""


@dataclass(frozen=True, slots=True)
class Place:
    """Whose series: the labels of the group, and those of them that may be changed."""

    labels: Mapping[str, str]
    identity: Sequence[str]
    step: float
    """Seconds between two samples."""

    @property
    def free(self) -> list[str]:
        return [label for label in self.labels if label not in self.identity]


def place(signal: AnySignal, identity: Mapping[str, str], step: float) -> Place:
    """Where the series of the service with these identity labels lie; NoSceneError when nothing can match."""
    matchers = [m for m in all_matchers(signal) if m.label in signal.by]
    labels = solve(matchers, (), identity)
    if labels is None:
        raise NoSceneError("no labels were found that its matchers accept")
    rest = {label: "a" for label in signal.by if label not in labels}
    return Place({**labels, **rest}, tuple(identity), step)


def all_matchers(signal: AnySignal) -> list[Matcher]:
    matchers = parse_matchers(signal.match)
    if isinstance(signal, Ratio):
        matchers += parse_matchers(signal.of_match)
    if isinstance(signal, Gauge):
        matchers += parse_matchers(signal.divisor_match)
    return matchers


def series(signal: AnySignal, at: Place, scene: Scene) -> list[Series]:
    """The series that count and those that miss by one matcher, for one service and group."""
    match signal:
        case Rate() | Increase():
            return list(_counter(signal, at, scene))
        case Ratio():
            return list(_ratio(signal, at, scene))
        case Quantile():
            return list(_histogram(signal, at, scene))
        case Gauge():
            return list(_gauge(signal, at, scene))
        case Age():
            return list(_age(signal, at, scene))
        case Presence():
            return list(_presence(signal, at, scene))
        case Expr():
            raise NoSceneError("raw PromQL does not say which series it reads")


def _counter(signal: Rate | Increase, at: Place, scene: Scene) -> Iterator[Series]:
    per_second = scene.value / signal.window if isinstance(signal, Increase) else scene.value
    matchers = parse_matchers(signal.match)
    for labels in _pair(signal, _met(matchers, at)):
        yield _growing(signal.metric, labels, per_second / 2, at)
    limit = scene.threshold / signal.window if isinstance(signal, Increase) else scene.threshold
    for labels in near_misses(matchers, at.labels, at.free):
        yield _growing(signal.metric, labels, 100 * (abs(limit) + abs(per_second) + 1), at)


def same_events(signal: Ratio) -> bool:
    return signal.of in (None, signal.metric)


def _ratio(signal: Ratio, at: Place, scene: Scene) -> Iterator[Series]:
    part, whole = scene.traffic * scene.value, scene.traffic
    if not same_events(signal):
        yield from _counted(signal, signal.metric, signal.match, at, part if scene.numerator else None, whole)
        rate = whole if scene.divisor else 0.0
        yield from _counted(signal, signal.of or "", signal.of_match, at, rate, whole)
        return
    ours, theirs = parse_matchers(signal.match), parse_matchers(signal.of_match)
    both = solve([*theirs, *ours], (), at.labels)
    if scene.numerator:
        for labels in _pair(signal, both if both is not None else _met(ours, at)):
            yield _growing(signal.metric, labels, part / 2, at)
    rest = next(iter(_rest(ours, theirs, at)), None)
    if rest is None:
        raise NoSceneError("its numerator and its denominator are the same events")
    if scene.divisor:
        inside = part if both is not None and scene.numerator else 0.0
        for labels in _pair(signal, rest):
            yield _growing(signal.metric, labels, (whole - inside) / 2, at)
    for labels in _strangers(ours, theirs, at):
        yield _growing(signal.metric, labels, 50 * whole, at)


def _rest(ours: Sequence[Matcher], theirs: Sequence[Matcher], at: Place) -> Iterator[dict[str, str]]:
    """Labels of events that only the denominator counts."""
    for missed in ours:
        others = [m for m in [*theirs, *ours] if m != missed]
        for require in (others, list(theirs)):
            found = solve(require, [missed], at.labels) if missed not in theirs else None
            if found is not None:
                yield found


def _strangers(ours: Sequence[Matcher], theirs: Sequence[Matcher], at: Place) -> Iterator[dict[str, str]]:
    """Labels of events that neither side counts, each for a single matcher of the denominator."""
    for missed in dict.fromkeys(theirs):
        rest = [m for m in theirs if m != missed]
        if missed in ours:
            found = solve([*rest, *(m for m in ours if m != missed)], [missed], at.labels)
        else:
            tries = (solve([*rest, *(m for m in ours if m != o)], [missed, o], at.labels) for o in ours)
            found = next((labels for labels in tries if labels is not None), None)
        if found is not None:
            yield found


def _counted(
    signal: AnySignal, metric: str, match: Mapping[str, str], at: Place, rate: float | None, scale: float
) -> Iterator[Series]:
    matchers = parse_matchers(match)
    if rate is not None:
        for labels in _pair(signal, _met(matchers, at)):
            yield _growing(metric, labels, rate / 2, at)
    for labels in near_misses(matchers, at.labels, at.free):
        yield _growing(metric, labels, 50 * scale, at)


def _histogram(signal: Quantile, at: Place, scene: Scene) -> Iterator[Series]:
    """All but a few observations on the value's side of the threshold; what misses is on the other side."""
    if scene.threshold <= 0:
        raise NoSceneError("a histogram has no bucket below a threshold of zero")
    matchers = parse_matchers(signal.match)
    most, few = _pair(signal, _met(matchers, at))
    slim = min(signal.q, 1 - signal.q)
    yield from _buckets(signal, most, scene.value, scene, scene.traffic * (1 - slim / 10), at)
    yield from _buckets(signal, few, scene.other, scene, scene.traffic * slim / 10, at)
    for labels in near_misses(matchers, at.labels, at.free):
        yield from _buckets(signal, labels, scene.other, scene, scene.traffic * 100 / slim, at)


def _buckets(
    signal: Quantile, labels: Mapping[str, str], value: float, scene: Scene, rate: float, at: Place
) -> Iterator[Series]:
    low = value <= scene.threshold
    bounds = [scene.threshold * share for share in (0.9, 1.0, 1.1)]
    shares = (0, 1, 1, 1) if low else (0, 0, 1, 1)
    for bound, share in zip([*map(number, bounds), "+Inf"], shares, strict=True):
        yield _growing(f"{signal.metric}_bucket", {**labels, "le": bound}, rate * share, at)
    yield _growing(f"{signal.metric}_count", labels, rate, at)


def _gauge(signal: Gauge, at: Place, scene: Scene) -> Iterator[Series]:
    if signal.divisor == signal.metric:
        raise NoSceneError("a metric divided by itself")
    value = scene.value
    if signal.divisor is not None:
        value = (1 - value if signal.complement else value) * (scene.divisor or _DIVISOR)
    elif signal.complement:
        value = 1 - value
    reach = 100 * (abs(value) + abs(scene.threshold) + 1)
    yield from _levels(
        signal, signal.metric, signal.match, at, value, -reach if signal.agg == "min" else reach
    )
    if signal.divisor is not None:
        far = 0.01 if signal.agg == "min" else 100.0
        yield from _levels(
            signal, signal.divisor, signal.divisor_match, at, scene.divisor, far * abs(scene.divisor)
        )
    if signal.unless is not None:
        matchers = parse_matchers(signal.unless.match)
        yield Series(signal.unless.metric, _met(matchers, at), scene.excluded)
        for labels in near_misses(matchers, at.labels, at.free):
            yield Series(signal.unless.metric, labels, 1.0)


def _levels(
    signal: Gauge, metric: str, match: Mapping[str, str], at: Place, value: float, stranger: float
) -> Iterator[Series]:
    matchers = parse_matchers(match)
    two = _aggregated(signal.agg, value)
    for labels, level in zip(_pair(signal, _met(matchers, at)), two, strict=True):
        yield Series(metric, labels, level)
    for labels in near_misses(matchers, at.labels, at.free):
        yield Series(metric, labels, stranger)


def _aggregated(agg: str, value: float) -> tuple[float, float]:
    """Two levels that come to ``value`` by this aggregation and to something else by any other."""
    match agg:
        case "sum":
            return value / 2, value / 2
        case "avg":
            return (value / 2, value * 1.5) if value else (-1.0, 1.0)
        case "max":
            return value, (value / 2 if value > 0 else value - 1)
        case _:
            return value, (value * 2 if value > 0 else value + 1)


def _age(signal: Age, at: Place, scene: Scene) -> Iterator[Series]:
    matchers = parse_matchers(signal.match)
    sign = 1 if signal.left else -1
    ages = (scene.value, scene.value + abs(scene.value) + abs(scene.threshold) + 100)
    for labels, age in zip(_pair(signal, _met(matchers, at)), ages, strict=True):
        yield Series(signal.metric, labels, sign * age, at.step)
    stranger = -sign * 10 * (abs(scene.value) + abs(scene.threshold) + 1000)
    for labels in near_misses(matchers, at.labels, at.free):
        yield Series(signal.metric, labels, stranger, at.step)


def _presence(signal: Presence, at: Place, scene: Scene) -> Iterator[Series]:
    matchers = parse_matchers(signal.match)
    for labels, level in zip(_pair(signal, _met(matchers, at)), (scene.value, 0.0), strict=True):
        yield Series(signal.metric, labels, level)
    for labels in near_misses(matchers, at.labels, at.free):
        yield Series(signal.metric, labels, 1.0)


def _met(matchers: Iterable[Matcher], at: Place) -> dict[str, str]:
    labels = solve(matchers, (), at.labels)
    if labels is None:
        raise NoSceneError("no labels were found that its matchers accept")
    return labels


def _pair(signal: AnySignal, labels: Mapping[str, str]) -> tuple[dict[str, str], dict[str, str]]:
    """Two series that only a label apart from all others tells apart."""
    used = {*labels, *(m.label for m in all_matchers(signal))}
    extra = next(name for name in _EXTRA if name not in used)
    return {**labels, extra: "1"}, {**labels, extra: "2"}


def _growing(metric: str, labels: Mapping[str, str], per_second: float, at: Place) -> Series:
    growth = per_second * at.step
    # A counter far above zero: Prometheus does not extrapolate below it.
    return Series(metric, labels, _COUNTED + 100 * round(growth), growth)

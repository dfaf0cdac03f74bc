"""Which series each service must have, with which labels: what its signals ask for."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from bongsu.catalog import ResolvedService
from bongsu.signals import promql as compiler
from bongsu.signals.model import AnySignal, Expr, Gauge, Presence, Quantile, Ratio
from bongsu.signals.query import FleetQuery
from bongsu.stack.check import promql


@dataclass(frozen=True, slots=True)
class Expected:
    """A metric that the signals of a service read."""

    service: str
    metric: str
    labels: frozenset[str]
    """What it must be labelled with, beside the service's own labels."""
    selector: str
    """The inside of the braces that select the service: ``job="orders"``."""
    signals: frozenset[str]


def of_service(service: ResolvedService) -> list[Expected]:
    """Every metric of the service's signals once; presence is left to what scrapes."""
    found: dict[tuple[str, str], tuple[set[str], set[str]]] = {}
    for name, signal in service.signals.items():
        own = service.labels_of(name)
        selector = compiler.fleet_selector(FleetQuery(name, signal, {service.name: own}))
        for metric, labels in _metrics(signal):
            if not _applies(service, metric):
                continue
            wanted, signals = found.setdefault((metric, selector), (set(), set()))
            wanted.update(labels - own.keys())
            signals.add(name)
    return [
        Expected(service.name, metric, frozenset(labels), selector, frozenset(signals))
        for (metric, selector), (labels, signals) in found.items()
    ]


def _metrics(signal: AnySignal) -> Iterator[tuple[str, set[str]]]:
    by = set(signal.by)
    match signal:
        case Presence():
            return
        case Expr():
            for selector in _selectors(signal):
                yield selector.metric, set(selector.labels - {"bongsu_selector"})
        case Quantile():
            labels = by | signal.match.keys()
            yield f"{signal.metric}_bucket", labels | {"le"}
            yield f"{signal.metric}_count", labels
        case Ratio():
            yield signal.metric, by | signal.match.keys()
            if signal.of:
                yield signal.of, by | signal.of_match.keys()
        case Gauge():
            yield signal.metric, by | signal.match.keys()
            if signal.divisor:
                yield signal.divisor, by | signal.divisor_match.keys()
        case _:
            yield signal.metric, by | signal.match.keys()


def _selectors(signal: Expr) -> Iterator[promql.Selector]:
    text = compiler.expression(signal, 'bongsu_selector="x"', signal.by, "5m").replace("{by}", "job")
    try:
        yield from (found for found in promql.selectors(text) if found.metric)
    except ValueError:
        return


def _applies(service: ResolvedService, metric: str) -> bool:
    """A prober tells of certificates only where it met one."""
    if not metric.startswith("probe_ssl_"):
        return True
    return any(target.startswith("https://") for target in service.spec.targets)


def names_query(selector: str) -> str:
    """The names of the series that a selector finds now."""
    return f"count by (__name__) ({{{selector}}})"


def labelled_query(expected: Expected, label: str) -> str:
    """How many series of the metric have the label."""
    return f'count({expected.metric}{{{expected.selector},{label}!=""}})'


def one_query(expected: Expected) -> str:
    """One series of the metric with all its labels."""
    return f"topk(1, {expected.metric}{{{expected.selector}}})"


def rows(data: object) -> list[Mapping[str, str]]:
    """The label sets of a query's answer."""
    result = data.get("result") if isinstance(data, Mapping) else None
    return [row["metric"] for row in result if "metric" in row] if isinstance(result, list) else []

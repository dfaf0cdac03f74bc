"""One PromQL expression for a signal of a whole fleet.

Windows are left-open in Prometheus 3 and closed in Prometheus 2; nothing here depends on the difference.
"""

import re
from collections.abc import Mapping, Sequence

from bongsu.signals.matchers import (
    Matcher,
    escape_regex,
    group_labels,
    identity_values,
    parse_matchers,
)
from bongsu.signals.model import Age, AnySignal, Expr, Gauge, Quantile, Ratio
from bongsu.signals.quantities import format_duration
from bongsu.signals.query import FleetQuery

_METRIC = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
_LABEL = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_ESCAPES = str.maketrans({"\\": "\\\\", '"': '\\"', "\n": "\\n"})


def compile(query: FleetQuery, *, native_histograms: bool = False) -> str:  # noqa: A001
    """The expression that answers ``query`` for all its services at once, grouped by identity and ``by``.

    ValueError when the query names no service, or a metric or label that PromQL cannot spell.
    """
    if not query.services:
        raise ValueError(f"query {query.name!r} names no service")
    window = format_duration(query.signal.window)
    by = group_labels(query)
    return expression(query.signal, fleet_selector(query), by, window, native_histograms=native_histograms)


def expression(
    signal: AnySignal,
    selector: str,
    by: Sequence[str],
    window: str,
    *,
    native_histograms: bool = False,
) -> str:
    """``signal`` as PromQL over the series that ``selector`` names, grouped by the labels ``by``.

    ``selector`` is the inside of the braces (``job="orders"``; may hold a dashboard's variables), ``window``
    anything that may stand in square brackets. Every form is empty where it has no data, never NaN:
    *ratio* and *quantile* need more than ``floor`` events a second, a divisor must be above zero, and what
    ``unless`` names is left out.
    """
    group = f" by ({', '.join(_label(name) for name in by)}) "
    match signal:
        case Ratio():
            return _ratio(signal, selector, group, window)
        case Quantile():
            return _quantile(signal, selector, by, window, native_histograms)
        case Gauge():
            return _gauge(signal, selector, by, window)
        case Age():
            return _age(signal, selector, group, window)
        case Expr():
            return _expr(signal, selector, window)
    series = _series(signal.metric, selector, signal.match)
    match signal.form:
        case "rate" | "increase":
            return f"sum{group}({signal.form}({series}[{window}]))"
        case _:
            return f"max{group}({series})"


def fleet_selector(query: FleetQuery) -> str:
    """``job=~"a|b"`` for a fleet, ``job="a"`` for one service; one matcher for each identity label."""
    return ",".join(_one_of(name, values) for name, values in identity_values(query).items())


def selector_text(matchers: Sequence[Matcher]) -> str:
    """Matchers as the inside of PromQL's braces."""
    return ",".join(f"{_label(m.label)}{m.op}{quote(m.value)}" for m in matchers)


def quote(text: str) -> str:
    """A PromQL string literal."""
    return f'"{text.translate(_ESCAPES)}"'


def _one_of(name: str, values: Sequence[str]) -> str:
    if len(values) == 1:
        return f"{_label(name)}={quote(values[0])}"
    return f"{_label(name)}=~{quote('|'.join(escape_regex(value) for value in values))}"


def _series(metric: str, selector: str, match: Mapping[str, str]) -> str:
    inside = ",".join(part for part in (selector, selector_text(parse_matchers(match))) if part)
    if _METRIC.fullmatch(metric):
        return f"{metric}{{{inside}}}"
    return "{" + ",".join(part for part in (f"__name__={quote(metric)}", inside) if part) + "}"


def _label(name: str) -> str:
    if not _LABEL.fullmatch(name):
        raise ValueError(f"{name!r} is not a label name; write letters, digits and underscores")
    return name


def _ratio(signal: Ratio, selector: str, group: str, window: str) -> str:
    part = _series(signal.metric, selector, signal.match)
    whole = _series(signal.of or signal.metric, selector, signal.of_match)
    events = f"sum{group}(rate({whole}[{window}]))"
    return f"(sum{group}(rate({part}[{window}])) or 0 * {events}) / ({events} > {_number(signal.floor)})"


def _quantile(signal: Quantile, selector: str, by: Sequence[str], window: str, native: bool) -> str:
    group = f" by ({', '.join(_label(name) for name in by)}) "
    q, floor = _number(signal.q), _number(signal.floor)
    if native:
        rates = f"sum{group}(rate({_series(signal.metric, selector, signal.match)}[{window}]))"
        return f"histogram_quantile({q}, {rates}) and histogram_count({rates}) > {floor}"
    with_le = f" by ({', '.join([*by, 'le'])}) "
    buckets = _series(f"{signal.metric}_bucket", selector, signal.match)
    count = _series(f"{signal.metric}_count", selector, signal.match)
    quantile = f"histogram_quantile({q}, sum{with_le}(rate({buckets}[{window}])))"
    return f"{quantile} and sum{group}(rate({count}[{window}])) > {floor}"


def _gauge(signal: Gauge, selector: str, by: Sequence[str], window: str) -> str:
    labels = ", ".join(_label(name) for name in by)
    group = f" by ({labels}) "
    value = f"{signal.agg}{group}({_over(signal, selector, window)})"
    if signal.divisor is not None:
        divisor = f"{signal.agg}{group}({_series(signal.divisor, selector, signal.divisor_match)})"
        value = f"{value} / ({divisor} > 0)"
    if signal.complement:
        value = f"1 - {value}" if signal.divisor is None else f"1 - ({value})"
    if signal.unless is not None:
        excluded = _series(signal.unless.metric, selector, signal.unless.match)
        value = f"{value} unless on ({labels}) (max{group}({excluded}) > 0)"
    return value


def _age(signal: Age, selector: str, group: str, window: str) -> str:
    series = _over(signal, selector, window)
    return f"min{group}({series}) - time()" if signal.left else f"time() - max{group}({series})"


def _over(signal: Gauge | Age, selector: str, window: str) -> str:
    """The series' present values, or what is taken of their samples within the window."""
    series = _series(signal.metric, selector, signal.match)
    return series if signal.over is None else f"{signal.over}_over_time({series}[{window}])"


def _expr(signal: Expr, selector: str, window: str) -> str:
    inside = ",".join(part for part in (selector, selector_text(parse_matchers(signal.match))) if part)
    return signal.expr.replace("$selector", inside).replace("$window", window)


def _number(value: float) -> str:
    return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)

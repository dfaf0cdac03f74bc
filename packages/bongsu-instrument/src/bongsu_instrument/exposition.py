"""The two text formats of `/metrics`: Prometheus text 0.0.4 and OpenMetrics 1.0."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import accumulate, pairwise
from typing import NamedTuple

TEXT_CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
OPENMETRICS_CONTENT_TYPE = "application/openmetrics-text; version=1.0.0; charset=utf-8"

_METRIC_NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
_LABEL_NAME = re.compile(r"(?!__)[a-zA-Z_][a-zA-Z0-9_]*")


class Exemplar(NamedTuple):
    """One observation and the sampled span it was made in.

    `value` has the unit of its metric, `timestamp` is Unix time in seconds.
    """

    trace_id: int
    span_id: int
    value: float
    timestamp: float

    def render(self) -> str:
        """The suffix of an OpenMetrics sample line."""
        return (
            f' # {{trace_id="{self.trace_id:032x}",span_id="{self.span_id:016x}"}}'
            f" {self.value!r} {self.timestamp:.3f}"
        )


def check_metric_name(name: str) -> str:
    """Return `name`, or raise `ValueError` when it is not a legal metric name."""
    if not _METRIC_NAME.fullmatch(name):
        raise ValueError(f"not a metric name: {name!r}")
    return name


def check_label_names(names: Iterable[str], *, reserved: Iterable[str] = ()) -> tuple[str, ...]:
    """Return `names` as a tuple, or raise `ValueError` when one is illegal or repeated."""
    checked = tuple(names)
    for name in checked:
        if not _LABEL_NAME.fullmatch(name) or name in reserved:
            raise ValueError(f"not a label name: {name!r}")
    if len(set(checked)) != len(checked):
        raise ValueError(f"repeated label name in {checked!r}")
    return checked


def escape_label(value: str) -> str:
    """Escape a label value; the rules are the same in both formats."""
    return value.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')


def format_labels(names: Sequence[str], values: Sequence[str]) -> str:
    """Label pairs without braces: `method="GET",path="/"`."""
    return ",".join(f'{name}="{escape_label(value)}"' for name, value in zip(names, values, strict=True))


def format_number(value: float) -> str:
    """A sample value; whole numbers lose their fraction, infinities get their Prometheus names."""
    if isinstance(value, int):
        return str(value)
    if value == float("inf"):
        return "+Inf"
    if value == float("-inf"):
        return "-Inf"
    if value != value:
        return "NaN"
    return repr(value)


def format_header(name: str, kind: str, documentation: str, *, openmetrics: bool) -> str:
    """The HELP and TYPE lines of a family. OpenMetrics names a counter without its `_total`."""
    text = documentation.replace("\\", "\\\\").replace("\n", "\\n")
    if openmetrics:
        text = text.replace('"', '\\"')
        if kind == "counter":
            name = name.removesuffix("_total")
    return f"# HELP {name} {text}\n# TYPE {name} {kind}\n"


def histogram_template(name: str, labels: str, bounds: Sequence[float]) -> str:
    """A `%` template for one histogram: a count a bucket, `+Inf` included, then the sum and the count."""
    labels = labels.replace("%", "%%")
    separator = "," if labels else ""
    les = [*(format_number(float(bound)) for bound in bounds), "+Inf"]
    lines = [f'{name}_bucket{{{labels}{separator}le="{le}"}} %d\n' for le in les]
    braces = f"{{{labels}}}" if labels else ""
    return "".join(lines) + f"{name}_sum{braces} %s\n{name}_count{braces} %d\n"


def histogram_values(buckets: Sequence[int], total: float) -> list[int | str]:
    """What fills a `histogram_template`: `buckets` are plain counts, the last one beyond every bound."""
    values: list[int | str] = list(accumulate(buckets))
    values += [format_number(total), values[-1]]
    return values


def add_exemplars(block: str, exemplars: Sequence[Exemplar | None]) -> str:
    """Append to the n-th line of a histogram block the n-th exemplar."""
    lines = block.split("\n")
    for index, exemplar in enumerate(exemplars):
        if exemplar is not None:
            lines[index] += exemplar.render()
    return "\n".join(lines)


def check_bounds(bounds: Iterable[float]) -> tuple[float, ...]:
    """Bucket bounds as floats without a final infinity; they must increase and not be negative."""
    checked = tuple(float(bound) for bound in bounds)
    if checked and checked[-1] == float("inf"):
        checked = checked[:-1]
    if not checked or not checked[0] >= 0 or any(not low < high for low, high in pairwise(checked)):
        raise ValueError(f"bucket bounds must increase from zero or more: {checked!r}")
    return checked


def prefers_openmetrics(accept: str) -> bool:
    """Whether an `Accept` header asks for OpenMetrics at least as much as for plain text."""
    openmetrics = text = 0.0
    for part in accept.lower().split(","):
        media_type, *parameters = (piece.strip() for piece in part.split(";"))
        if media_type == "application/openmetrics-text":
            openmetrics = max(openmetrics, _quality(parameters))
        elif media_type == "text/plain":
            text = max(text, _quality(parameters))
    return openmetrics > 0 and openmetrics >= text


def _quality(parameters: Iterable[str]) -> float:
    for parameter in parameters:
        if parameter.startswith("q="):
            try:
                return float(parameter[2:])
            except ValueError:
                return 0.0
    return 1.0

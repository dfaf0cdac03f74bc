"""OTLP names as Prometheus spells them: the compatibility specification's escaping, with suffixes.

Follows "OTLP Metric points to Prometheus" of the OpenTelemetry specification, as Prometheus' receiver does
by default (``UnderscoreEscapingWithSuffixes``).
"""

import json
import re
from collections.abc import Iterable, Mapping

from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

_UNITS = {
    "d": "days",
    "h": "hours",
    "min": "minutes",
    "s": "seconds",
    "ms": "milliseconds",
    "us": "microseconds",
    "ns": "nanoseconds",
    "By": "bytes",
    "KiBy": "kibibytes",
    "MiBy": "mebibytes",
    "GiBy": "gibibytes",
    "TiBy": "tibibytes",
    "KBy": "kilobytes",
    "MBy": "megabytes",
    "GBy": "gigabytes",
    "TBy": "terabytes",
    "m": "meters",
    "V": "volts",
    "A": "amperes",
    "J": "joules",
    "W": "watts",
    "g": "grams",
    "Cel": "celsius",
    "Hz": "hertz",
    "1": "",
    "%": "percent",
}
_PER = {"s": "second", "m": "minute", "h": "hour", "d": "day", "w": "week", "mo": "month", "y": "year"}
_NOT_NAME = re.compile(r"[^a-zA-Z0-9:]+")
_NOT_LABEL = re.compile(r"[^a-zA-Z0-9_]")


def metric_name(name: str, unit: str, *, counter: bool = False, gauge: bool = False) -> str:
    """``http.server.duration`` in ``ms`` → ``http_server_duration_milliseconds``; counters get ``_total``."""
    words = [word for word in _NOT_NAME.split(name) if word]
    main, _, per = unit.partition("/")
    suffix = _unit(main, _UNITS)
    if suffix and suffix not in words:
        words.append(suffix)
    divisor = _unit(per, _PER)
    if divisor and divisor not in words:
        words += ["per", divisor]
    if counter:
        words = [*(word for word in words if word != "total"), "total"]
    elif gauge and unit == "1":
        words = [*(word for word in words if word != "ratio"), "ratio"]
    joined = "_".join(words)
    return f"_{joined}" if joined[:1].isdigit() else joined


def label_name(name: str) -> str:
    """An attribute's name as a label's: ``http.route`` → ``http_route``, ``2xx`` → ``key_2xx``."""
    label = _NOT_LABEL.sub("_", name)
    if label[:1].isdigit():
        return f"key_{label}"
    if label.startswith("_") and not label.startswith("__"):
        return f"key{label}"
    return label


def labels(attributes: Iterable[KeyValue]) -> dict[str, str]:
    """Attributes as labels; values whose names become alike are joined with ``;`` in order of name."""
    found: dict[str, str] = {}
    for attribute in sorted(attributes, key=lambda a: a.key):
        name, value = label_name(attribute.key), text(attribute.value)
        if name:
            found[name] = f"{found[name]};{value}" if name in found else value
    return found


def attributes(pairs: Iterable[KeyValue]) -> dict[str, str]:
    """Attributes under their own names, with values as text."""
    return {pair.key: text(pair.value) for pair in pairs}


def text(value: AnyValue) -> str:
    """A value as a person would write it; lists and maps as JSON."""
    plain = _plain(value)
    if isinstance(plain, str):
        return plain
    return "" if plain is None else json.dumps(plain, ensure_ascii=False)


def _plain(value: AnyValue) -> object:
    match value.WhichOneof("value"):
        case None:
            return None
        case "array_value":
            return [_plain(item) for item in value.array_value.values]
        case "kvlist_value":
            return {pair.key: _plain(pair.value) for pair in value.kvlist_value.values}
        case "bytes_value":
            return value.bytes_value.hex()
        case kind:
            found: object = getattr(value, kind)
            return found


def _unit(unit: str, known: Mapping[str, str]) -> str:
    """A unit's word; annotations in braces say nothing."""
    unit = "" if "{" in unit else unit.strip()
    unit = known.get(unit, unit)
    return "_".join(word for word in _NOT_NAME.split(unit) if word)

"""Spans as tests write them, and as OTLP's JSON has them."""

import base64
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

KINDS = {"internal": 1, "server": 2, "client": 3, "producer": 4, "consumer": 5}


@dataclass(frozen=True)
class Recorded:
    """A span: ``trace`` and ``span`` are numbers; times are Unix seconds."""

    trace: int
    span: int
    service: str
    start: float
    duration: float = 0.1
    parent: int = 0
    name: str = "GET /"
    kind: str = "server"
    error: bool = False
    attributes: dict[str, str] = field(default_factory=dict)

    @property
    def trace_id(self) -> str:
        return f"{self.trace:032x}"

    @property
    def span_id(self) -> str:
        return f"{self.span:016x}"

    @property
    def parent_id(self) -> str:
        return f"{self.parent:016x}" if self.parent else ""

    @property
    def nanos(self) -> int:
        return round(self.start * 1e9)


def resource_spans(spans: Iterable[Recorded], *, as_base64: bool = False) -> list[dict[str, Any]]:
    """``resourceSpans`` with ids in hex (OTLP's JSON), or in base64 and enums by name (protobuf's JSON)."""

    def identifier(text: str) -> str:
        return base64.b64encode(bytes.fromhex(text)).decode() if as_base64 else text

    return [
        {
            "resource": {"attributes": _attributes({"service.name": s.service})},
            "scopeSpans": [
                {
                    "scope": {"name": "test"},
                    "spans": [
                        {
                            "traceId": identifier(s.trace_id),
                            "spanId": identifier(s.span_id),
                            "parentSpanId": identifier(s.parent_id),
                            "name": s.name,
                            "kind": f"SPAN_KIND_{s.kind.upper()}" if as_base64 else KINDS[s.kind],
                            "startTimeUnixNano": str(s.nanos),
                            "endTimeUnixNano": str(s.nanos + round(s.duration * 1e9)),
                            "attributes": _attributes(s.attributes),
                            "status": {"code": 2} if s.error else {},
                        }
                    ],
                }
            ],
        }
        for s in spans
    ]


def traces_of(spans: Sequence[Recorded]) -> dict[str, list[Recorded]]:
    """Trace id → its spans."""
    found: dict[str, list[Recorded]] = {}
    for span in spans:
        found.setdefault(span.trace_id, []).append(span)
    return found


def _attributes(values: dict[str, str]) -> list[dict[str, Any]]:
    return [{"key": name, "value": {"stringValue": value}} for name, value in values.items()]

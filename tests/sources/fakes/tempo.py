"""A Tempo: TraceQL search by service and status, and traces by id as protobuf's JSON."""

import json
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from tests.sources.fakes.otlp import Recorded, resource_spans, traces_of
from tests.sources.fakes.server import Asked, Reply, Server, serve

_SERVICE = re.compile(r'resource\.service\.name = ("(?:[^"\\]|\\.)*")')


@contextmanager
def tempo(spans: Sequence[Recorded], *, tenant: str = "") -> Iterator[Server]:
    """Serves ``/api/search`` and ``/api/v2/traces/{id}``; 400 for TraceQL that it cannot read."""
    traces = traces_of(spans)

    def search(asked: Asked) -> Reply:
        query, start, end = asked.query["q"], int(asked.query["start"]), int(asked.query["end"])
        rest = _SERVICE.sub("S", query)
        if not re.fullmatch(
            r"\{ (S( \|\| S)*)? \}|\{ \(S( \|\| S)*\) && status = error \}|\{ status = error \}", rest
        ):
            return Reply(400, b"invalid TraceQL query: parse error", {"content-type": "text/plain"})
        if start >= end:
            return Reply(400, b"http parameter start must be before end", {"content-type": "text/plain"})
        names = [json.loads(name) for name in _SERVICE.findall(query)]
        found = [
            {"traceID": trace_id.lstrip("0"), "startTimeUnixNano": str(min(s.nanos for s in members))}
            for trace_id, members in traces.items()
            if any(
                start <= s.start < end
                and (not names or s.service in names)
                and (s.error or "status = error" not in query)
                for s in members
            )
        ]
        limited = found[: int(asked.query["limit"])]
        return Reply(200, {"traces": limited, "metrics": {}} if limited else {"metrics": {}})

    def answer(asked: Asked) -> Reply:
        if asked.headers.get("x-scope-orgid", "") != tenant:
            return Reply(401, b"no org id", {"content-type": "text/plain"})
        if asked.path == "/api/search":
            return search(asked)
        trace_id = asked.path.removeprefix("/api/v2/traces/").zfill(32)
        if trace_id not in traces:
            return Reply(404, b"trace not found", {"content-type": "text/plain"})
        return Reply(200, {"trace": {"resourceSpans": resource_spans(traces[trace_id], as_base64=True)}})

    with serve(answer) as server:
        yield server

"""A Loki: LogQL of one selector with line and label filters, in pages, with its limits."""

import json
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from tests.sources.fakes.server import Asked, Reply, Server, serve

MOST = 5000
_QUERY = re.compile(
    r'\{(?P<label>\w+)=~"(?P<names>(?:[^"\\]|\\.)*)"\}'
    r'(?: \| (?P<level>\w+)=~"(?P<levels>[^"]*)")?(?: \|~ `(?P<text>[^`]*)`)?'
)


@dataclass(frozen=True)
class Line:
    nanos: int
    service: str
    text: str
    labels: dict[str, str] = field(default_factory=dict)
    metadata: dict[str, str] = field(default_factory=dict)
    """Structured metadata, ``detected_level`` among it."""


@contextmanager
def loki(lines: Sequence[Line], *, tenant: str = "", label: str = "service_name") -> Iterator[Server]:
    """Serves ``GET /loki/api/v1/query_range``; 401 for another tenant, 400 for what Loki refuses."""

    def answer(asked: Asked) -> Reply:
        if asked.path != "/loki/api/v1/query_range":
            return Reply(404, b"404 page not found\n", {"content-type": "text/plain"})
        if asked.headers.get("x-scope-orgid", "") != tenant:
            return Reply(401, b"no org id\n", {"content-type": "text/plain"})
        query, limit = asked.query["query"], int(asked.query["limit"])
        match = _QUERY.fullmatch(query)
        if match is None or match["label"] != label:
            return Reply(400, b"parse error : syntax error\n", {"content-type": "text/plain"})
        if limit > MOST:
            said = f"max entries limit per query exceeded, limit > max_entries_limit ({limit} > {MOST})\n"
            return Reply(400, said.encode(), {"content-type": "text/plain"})
        return Reply(200, _found(asked, match, limit))

    def _found(asked: Asked, match: re.Match[str], limit: int) -> dict:
        start, end = int(asked.query["start"]), int(asked.query["end"])
        assert asked.query["direction"] == "backward"
        names = json.loads(f'"{match["names"]}"')
        chosen = [
            line
            for line in sorted(lines, key=lambda line: -line.nanos)
            if start <= line.nanos < end
            and re.fullmatch(names, line.service)
            and (not match["level"] or re.fullmatch(match["levels"], line.metadata.get(match["level"], "")))
            and (not match["text"] or re.search(match["text"], line.text))
        ][:limit]
        streams: dict[tuple[tuple[str, str], ...], list[list[str]]] = {}
        for line in chosen:
            stream = {label: line.service, **line.labels, **line.metadata}
            streams.setdefault(tuple(sorted(stream.items())), []).append([str(line.nanos), line.text])
        result = [{"stream": dict(stream), "values": values} for stream, values in streams.items()]
        return {"status": "success", "data": {"resultType": "streams", "result": result, "stats": {}}}

    with serve(answer) as server:
        yield server

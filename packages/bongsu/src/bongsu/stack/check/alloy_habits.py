"""Configurations that Alloy takes, and that do not do what was meant."""

import re
from collections.abc import Iterator

from bongsu.stack.alloy.tree import Binary, Block, Expr, Literal
from bongsu.stack.check.alloy_values import spelled
from bongsu.stack.check.go import parse_go_duration

Mistake = tuple[int, str, str]
"""Line, message, fix."""

_PUSH, _WRITE = "/loki/api/v1/push", "/api/v1/write"
_LOOKAROUND = re.compile(r"\(\?(?:[=!]|<[=!])")


def habits(block: Block) -> Iterator[Mistake]:
    match block.name:
        case "prometheus.scrape":
            yield from _scrape(block)
        case "loki.write":
            yield from _ending(block, _PUSH)
        case "prometheus.remote_write":
            yield from _ending(block, _WRITE)
        case "otelcol.exporter.otlp":
            yield from _port(block, ":4318", "this exporter speaks gRPC, and 4318 is OTLP over HTTP", ":4317")
        case "otelcol.exporter.otlphttp":
            yield from _port(block, ":4317", "this exporter speaks HTTP, and 4317 is OTLP over gRPC", ":4318")
    yield from _expressions(block)


def _scrape(block: Block) -> Iterator[Mistake]:
    interval, timeout = _seconds(block.value("scrape_interval")), _seconds(block.value("scrape_timeout"))
    if block.value("scrape_interval") is None:
        yield block.line, "without scrape_interval this is scraped once a minute", 'set it: "15s"'
    if (timeout or 10.0) > (interval or 60.0):
        yield block.line, "scrape_timeout is longer than scrape_interval", "make it as long at most"
    targets = block.value("targets")
    name = spelled(targets) if targets is not None else ""
    if name.startswith("prometheus.exporter."):
        family = name.split(".")[2]
        yield (
            block.line,
            f'these targets carry job="integrations/{family}", which no rule of the catalog asks for',
            "send them through discovery.relabel with target_label job",
        )


def _ending(block: Block, path: str) -> Iterator[Mistake]:
    for endpoint in block.blocks("endpoint"):
        url = _tail(endpoint.value("url"))
        if url is not None and not url.endswith(path):
            yield endpoint.line, f"the URL does not end in {path}", f"append {path}"


def _port(block: Block, port: str, message: str, fix: str) -> Iterator[Mistake]:
    for client in block.blocks("client"):
        endpoint = _tail(client.value("endpoint")) or ""
        if endpoint.rstrip("/").endswith(port):
            yield client.line, message, f"write {fix}"


def _expressions(block: Block) -> Iterator[Mistake]:
    for inner in block.blocks():
        yield from _expressions(inner)
    if block.name not in ("stage.regex", "stage.replace", "stage.multiline", "rule"):
        return
    for name in ("expression", "firstline", "regex"):
        pattern = _tail(block.value(name)) or ""
        if _LOOKAROUND.search(pattern):
            yield (
                block.line,
                f"{block.name} > {name}: RE2 has no lookahead or lookbehind",
                "match it directly",
            )
        elif block.name == "stage.regex" and pattern and "(?P<" not in pattern and "(?<" not in pattern:
            yield block.line, "stage.regex extracts nothing without a named group", "write (?P<name>…)"


def _tail(value: Expr | None) -> str | None:
    """The text that an expression ends with, where it is written down."""
    match value:
        case Literal():
            return value.text.strip('"`') if value.text[:1] in ('"', "`") else None
        case Binary(operator="+"):
            return _tail(value.right)
        case _:
            return None


def _seconds(value: Expr | None) -> float | None:
    try:
        return parse_go_duration(_tail(value))
    except ValueError:
        return None

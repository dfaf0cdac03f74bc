"""Grafana Alloy as the one agent: the machine's and the services' metrics, their logs, and OTLP."""

from bongsu.stack.alloy.layout import layout
from bongsu.stack.alloy.logs import logs
from bongsu.stack.alloy.metrics import metrics
from bongsu.stack.alloy.otlp import otlp
from bongsu.stack.alloy.tree import Block, Body, Comment, Statement, block
from bongsu.stack.files import HEADER
from bongsu.stack.model import Stack, StackError
from bongsu.stack.systems import Version

OLDEST = Version(1, 4)
"""The first with ``sys.env`` and the other functions that are named with a dot."""

_TITLES = {
    "en": ("Metrics", "Logs", "OTLP from applications: traces, metrics, logs"),
    "ko": ("메트릭", "로그", "애플리케이션이 보내는 OTLP: 트레이스, 메트릭, 로그"),
}


def render(stack: Stack) -> dict[str, str]:
    """``config.alloy``. StackError for versions that this is not right for."""
    version = stack.version("alloy")
    if version < OLDEST:
        raise StackError(
            f'targets: alloy: "{version}" is too old: configuration is generated for 1.4 and later; '
            "upgrade Alloy"
        )
    return {"alloy/config.alloy": layout(configuration(stack))}


def configuration(stack: Stack) -> Body:
    """The agent's whole configuration as data."""
    head = Comment("//" + HEADER.strip().removeprefix("#"))
    body: list[Statement] = [head, _spaced(block("logging", level="warn", format="logfmt"))]
    parts = (metrics(stack), logs(stack), otlp(stack))
    for title, blocks in zip(_TITLES[stack.catalog.language], parts, strict=True):
        if blocks:
            body += [Comment(f"// {title}", spaced=True), *blocks]
    return tuple(body)


def _spaced(found: Block) -> Block:
    return Block(found.name, found.label, found.body, spaced=True)

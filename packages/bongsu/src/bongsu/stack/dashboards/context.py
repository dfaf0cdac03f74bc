"""What people want to see beside the signals: topics as YAML files, drawn with the services' matchers."""

from functools import cache
from importlib.resources import files
from typing import Any

from pydantic import Field

from bongsu.catalog import tree
from bongsu.signals.model import Model, Text
from bongsu.stack.dashboards.views import Query, chart


class Context(Model):
    """A chart of several lines that nothing is judged by."""

    title: Text
    help: Text
    unit: str
    """Grafana's name of the unit."""
    stacked: bool = False
    lines: dict[str, str]
    """What a line is called → PromQL, with ``$selector`` for the matchers."""


class Part(Model):
    """A row of a dashboard: signals by name, then context."""

    title: Text = Text(en="")
    signals: tuple[str, ...] = ()
    contexts: dict[str, Context] = Field(default_factory=dict)


class Topic(Model):
    """A dashboard of all services of these kinds, or of each of them."""

    title: Text
    kinds: frozenset[str]
    each: bool = False
    parts: dict[str, Part]


@cache
def topics() -> dict[str, Topic]:
    """Every shipped topic by name."""
    found = {}
    for file in sorted((files(__package__) / "topics").iterdir(), key=lambda entry: entry.name):
        if file.name.endswith(".yaml"):
            root = tree.parse(file.read_text(encoding="utf-8"), file.name)
            found[file.name.removesuffix(".yaml")] = Topic.model_validate(root.plain())
    return found


def drawn(context: Context, panel_id: int, selector: str, language: str) -> dict[str, Any]:
    """The chart of ``context`` for the series that ``selector`` names."""
    queries = [Query(expr.replace("$selector", selector), legend) for legend, expr in context.lines.items()]
    return chart(
        panel_id,
        context.title.in_(language),
        context.help.in_(language),
        queries,
        context.unit,
        stacked=context.stacked,
    )

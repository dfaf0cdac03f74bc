"""Grafana: its data sources, dashboards and, where there is no Alertmanager, its alerting."""

from bongsu.stack.dashboards import dashboards, to_json
from bongsu.stack.grafana.alerting import render as alerting
from bongsu.stack.grafana.datasources import render as data_sources
from bongsu.stack.grafana.deletions import carried
from bongsu.stack.grafana.provider import render as provider
from bongsu.stack.model import Stack


def render(stack: Stack) -> dict[str, str]:
    """Everything that Grafana is provisioned with, and the removal of what an earlier render left."""
    files = {
        **data_sources(stack),
        **provider(stack),
        **alerting(stack),
        **stack.once("dashboards", lambda: _boards(stack)),
    }
    return carried(files, stack.earlier)


def _boards(stack: Stack) -> dict[str, str]:
    boards = dashboards(stack.catalog, stack.services)
    return {f"grafana/dashboards/{name}": to_json(board) for name, board in boards.items()}

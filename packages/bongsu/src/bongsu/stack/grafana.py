"""Grafana: its dashboards."""

from bongsu.stack.dashboards import dashboards, to_json
from bongsu.stack.model import Stack


def render(stack: Stack) -> dict[str, str]:
    """Everything that Grafana is provisioned with."""
    found = dashboards(stack.catalog, stack.services)
    return {f"grafana/dashboards/{name}": to_json(dashboard) for name, dashboard in found.items()}

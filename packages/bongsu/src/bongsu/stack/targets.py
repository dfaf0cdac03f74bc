"""What is generated for each place: the one table to which a system or place is added."""

from collections.abc import Callable, Mapping

from bongsu.stack import (
    alertmanager,
    alloy,
    blackbox_exporter,
    bongsu_server,
    compose,
    grafana,
    jaeger,
    kubernetes,
    loki,
    operator,
    prometheus,
    tempo,
    terraform,
)
from bongsu.stack.model import Place, Stack

Files = dict[str, str]
"""Path → text."""

CONFIGURATION: Mapping[str, Callable[[Stack], Files]] = {
    "prometheus": prometheus.render,
    "alertmanager": alertmanager.render,
    "grafana": grafana.render,
    "loki": loki.render,
    "tempo": tempo.render,
    "jaeger": jaeger.render,
    "alloy": alloy.render,
    "blackbox-exporter": blackbox_exporter.render,
    "bongsu": bongsu_server.render,
}
"""System → its own files, with paths that begin with its name."""

MANIFESTS: Mapping[Place, Callable[[Stack, Mapping[str, Files]], Files]] = {
    "compose": compose.render,
    "kubernetes": kubernetes.render,
    "operator": operator.render,
    "terraform": terraform.render,
}
"""Place → what runs the systems there, given their own files."""


def render(stack: Stack) -> dict[str, Files]:
    """The files of each system of the stack, and under the place's name those that run them there."""
    files = {system: CONFIGURATION[system](stack) for system in stack.systems if system in CONFIGURATION}
    if stack.place in MANIFESTS:
        files[stack.place] = MANIFESTS[stack.place](stack, dict(files))
    return files

"""Prometheus' files of rules as PrometheusRules."""

import textwrap
from collections.abc import Mapping
from pathlib import PurePosixPath

from bongsu.stack.files import HEADER, to_yaml
from bongsu.stack.kubernetes.objects import dns_name, object_of
from bongsu.stack.model import Stack
from bongsu.stack.operator.monitors import API, labelled

RULES = "prometheus/rules/"


def prometheus_rules(stack: Stack, files: Mapping[str, str]) -> dict[str, str]:
    """A PrometheusRule for each file of rules. Its groups are the file's own text, moved two columns in."""
    found = {}
    for path in sorted(files):
        if not path.startswith(RULES):
            continue
        stem = PurePosixPath(path).stem
        name = dns_name(f"bongsu-{stem}", limit=200)
        namespace = stack.catalog.kubernetes.namespace
        head = object_of("PrometheusRule", name, namespace, api=API, labelled=labelled(stack, stem))
        groups = textwrap.indent(files[path].removeprefix(HEADER), "  ")
        found[f"operator/rules/{stem}.yaml"] = f"{to_yaml(head)}spec:\n{groups}"
    return found

"""The stack beside a Prometheus Operator, as kube-prometheus-stack installs it."""

from bongsu.stack.operator.manifests import render

__all__ = ["render"]

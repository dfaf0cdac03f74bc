"""Where services run, and what the configuration generated for those places needs to know."""

from typing import Annotated

from pydantic import AfterValidator, Field, model_validator

from bongsu.catalog.errors import nearest
from bongsu.signals.model import Model
from bongsu.signals.quantities import Duration, Quantity

TARGETS = (
    "alertmanager",
    "alloy",
    "argocd",
    "blackbox-exporter",
    "grafana",
    "jaeger",
    "kubernetes",
    "loki",
    "node-exporter",
    "operator",
    "prometheus",
    "tempo",
    "terraform",
)


def _target(name: str) -> str:
    if name not in TARGETS:
        raise ValueError(f"no configuration is generated for {name!r}; {nearest(name, TARGETS)}")
    return name


Target = Annotated[str, AfterValidator(_target), Field(examples=["prometheus"])]


class Scrape(Model):
    """How metrics are collected."""

    interval: Duration | None = None
    """How often."""
    timeout: Duration | None = None
    """How long a target may take to answer."""
    path: str = Field(default="", pattern=r"^(/\S*)?$")
    """Where the metrics are; ``/metrics`` unless given."""
    port: str = ""
    """The name of the port in the Kubernetes Service."""

    @model_validator(mode="after")
    def _timeout_fits(self) -> "Scrape":
        if self.interval and self.timeout and self.timeout > self.interval:
            raise ValueError("a scrape's timeout cannot be longer than its interval")
        return self


class Placement(Model):
    """Where a service runs."""

    namespace: str = ""
    """Its Kubernetes namespace."""
    deployment: str = ""
    """Its Deployment; the service's name unless given."""
    statefulset: str = ""
    """Its StatefulSet; the service's name unless given."""
    container: str = ""
    """Its container; the service's name unless given."""
    volume: str = ""
    """Its PersistentVolumeClaim; all of the namespace unless given."""
    argocd: str = ""
    """The ArgoCD application that deploys it."""
    compose: str = ""
    """Its service in the Compose file."""
    host: str = ""
    """The machine that it runs on."""
    labels: dict[str, str] = Field(default_factory=dict)
    """The labels of its Service and pods; ``app.kubernetes.io/name: <its Deployment>`` unless given."""
    service: bool = True
    """Whether a Kubernetes Service stands in front of it; without one its pods are scraped themselves."""
    helm: str = Field(default="", pattern=r"^([A-Za-z][\w-]*(\.[A-Za-z][\w-]*)*)?$")
    """Where in the values of its Helm chart the chart's own ServiceMonitor is set: ``serviceMonitor``. Values
    that switch it on are then generated instead of a ServiceMonitor."""


class Retention(Model):
    """How long the generated stack keeps telemetry."""

    metrics: Duration = 15 * 86400.0
    """In Prometheus."""
    containers: Duration | None = None
    """Container metrics, where they may go sooner; as ``metrics`` unless given."""
    logs: Duration = 14 * 86400.0
    """In Loki."""
    traces: Duration = 7 * 86400.0
    """In Tempo or Jaeger."""


class Kubernetes(Model):
    """The cluster that generated manifests are for."""

    namespace: str = "monitoring"
    """Where Prometheus and Grafana run."""
    release: str = ""
    """The ``release`` label by which the Prometheus Operator picks monitors and rules up."""
    argocd: str = "argocd"
    """The namespace of ArgoCD's applications."""
    storage_class: str = ""
    """The StorageClass of its volumes; the cluster's default unless given."""
    repository: str = Field(default="", pattern=r"^\S*$")
    """The git repository that holds the generated manifests, for ArgoCD."""
    path: str = "."
    """Their folder in it."""
    revision: str = "HEAD"
    """The branch, tag or commit that ArgoCD follows."""


class WireGuardPeer(Model):
    """A machine that may reach the host."""

    public_key: str = Field(pattern=r"^[A-Za-z0-9+/]{43}=$")
    """Its WireGuard public key."""
    address: str = Field(pattern=r"^\d{1,3}(\.\d{1,3}){3}$")
    """Its address within the tunnel: ``10.8.0.2``."""


class Host(Model):
    """The one machine that Terraform makes for a Compose stack; people reach it through WireGuard only."""

    region: str = "ap-northeast-2"
    """The AWS region."""
    instance_type: str = "t4g.small"
    """How big it is."""
    disk: Quantity = 30 * 2.0**30
    """Its disk, in bytes."""
    tunnel: str = Field(default="10.8.0.0/24", pattern=r"^\d{1,3}(\.\d{1,3}){3}/\d{1,2}$")
    """The network of the tunnel; the host has its first address."""
    peers: dict[str, WireGuardPeer] = Field(default_factory=dict)
    """Who may connect, by name."""

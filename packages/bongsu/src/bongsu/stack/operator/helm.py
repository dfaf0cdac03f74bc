"""Values for Helm charts: those of kube-prometheus-stack, and of the services whose charts make a monitor."""

from collections.abc import Mapping
from typing import Any

from bongsu.catalog import ResolvedService
from bongsu.signals.quantities import format_duration
from bongsu.stack import prometheus
from bongsu.stack.files import to_yaml
from bongsu.stack.kubernetes.objects import dns_name, unshared
from bongsu.stack.kubernetes.pods import SECRET
from bongsu.stack.kubernetes.workloads import GRAFANA_PASSWORD, Workload, secrets_folder
from bongsu.stack.model import Stack
from bongsu.stack.operator.monitors import metrics_path, port_of, relabelings, timing

ALERTMANAGER_SECRET = "bongsu-alertmanager"  # noqa: S105 - the name of an object
ALERTMANAGER_FILES = "bongsu-alertmanager-files"
GRAFANA_USER = "GRAFANA_ADMIN_USER"
CHART = "helm/kube-prometheus-stack/values.yaml"
_SELECTORS = ("serviceMonitor", "podMonitor", "probe", "rule", "scrapeConfig")
Values = dict[str, Any]
_TEMPLATES = "/etc/alertmanager/config_out/templates"
"""The configuration names its templates from where the operator puts it."""


def chart_values(
    stack: Stack, loads: Mapping[str, Workload], *, alerts: bool = False, templates: bool = False
) -> dict[str, str]:
    """What kube-prometheus-stack has to know, once, so that all else is picked up from manifests."""
    values: Values = {}
    if "prometheus" in loads:
        values["prometheus"] = {"prometheusSpec": _prometheus(stack, loads["prometheus"])}
    if "alertmanager" in loads:
        values["alertmanager"] = {
            "alertmanagerSpec": _alertmanager(stack, loads["alertmanager"], templates=templates)
        }
    if "grafana" in loads:
        values["grafana"] = _grafana(stack, loads["grafana"], alerts=alerts)
    return {CHART: to_yaml(unshared(values))} if values else {}


def _prometheus(stack: Stack, load: Workload) -> Values:
    spec: Values = {
        "image": {"tag": load.image.rsplit(":", 1)[1]},
        "retention": format_duration(prometheus.retention(stack)),
        "scrapeInterval": format_duration(stack.catalog.scrape.interval or 15.0),
        "evaluationInterval": format_duration(stack.catalog.scrape.interval or 15.0),
        "storageSpec": _storage(stack, load),
    }
    if "--web.enable-remote-write-receiver" in load.arguments:
        spec["enableRemoteWriteReceiver"] = True
    features = [a.partition("=")[2] for a in load.arguments if a.startswith("--enable-feature=")]
    if features:
        spec["enableFeatures"] = [name for text in features for name in text.split(",")]
    if not stack.catalog.kubernetes.release:
        # Without a release label to go by, every monitor and rule of the cluster counts.
        spec |= {f"{name}SelectorNilUsesHelmValues": False for name in _SELECTORS}
    if load.secrets:
        spec |= _secret_mount(stack, load)
    return spec


def _alertmanager(stack: Stack, load: Workload, *, templates: bool) -> Values:
    """The configuration is a Secret that kustomize makes, as it changes with the catalog, not with the chart.

    An AlertmanagerConfig would take only the alerts of its own namespace, and no secret from a file.
    """
    spec: Values = {
        "image": {"tag": load.image.rsplit(":", 1)[1]},
        "useExistingSecret": True,
        "configSecret": ALERTMANAGER_SECRET,
        "storage": _storage(stack, load),
        **(_secret_mount(stack, load) if load.secrets else {}),
    }
    if templates:
        volume = {"name": "bongsu-files", "configMap": {"name": ALERTMANAGER_FILES}}
        mount = {"name": "bongsu-files", "mountPath": _TEMPLATES, "readOnly": True}
        spec["volumes"] = [*spec.get("volumes", []), volume]
        spec["volumeMounts"] = [*spec.get("volumeMounts", []), mount]
    return spec


def _storage(stack: Stack, load: Workload) -> Values:
    spec: Values = {
        "accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": f"{load.disk}Gi"}},
    }
    if stack.catalog.kubernetes.storage_class:
        spec["storageClassName"] = stack.catalog.kubernetes.storage_class
    return {"volumeClaimTemplate": {"spec": spec}}


def _secret_mount(stack: Stack, load: Workload) -> Values:
    items = [{"key": name, "path": name} for name in load.secrets]
    mount = {"name": "bongsu-secrets-files", "mountPath": secrets_folder(stack), "readOnly": True}
    return {
        "volumes": [{"name": "bongsu-secrets-files", "secret": {"secretName": SECRET, "items": items}}],
        "volumeMounts": [mount],
    }


def _grafana(stack: Stack, load: Workload, *, alerts: bool) -> Values:
    """Dashboards and datasources come through its sidecars. The chart's own password is known to all."""
    sidecar: Values = {
        "dashboards": {
            "enabled": True,
            "label": "grafana_dashboard",
            "labelValue": "1",
            "folderAnnotation": "grafana_folder",
            "provider": {"foldersFromFilesStructure": True},
        },
        "datasources": {"enabled": True, "label": "grafana_datasource", "defaultDatasourceEnabled": False},
    }
    if alerts:
        sidecar["alerts"] = {"enabled": True, "label": "grafana_alert"}
    values: Values = {
        "image": {"tag": load.image.rsplit(":", 1)[1]},
        "admin": {"existingSecret": SECRET, "userKey": GRAFANA_USER, "passwordKey": GRAFANA_PASSWORD},
        "sidecar": sidecar,
    }
    others = [name for name in load.secrets if name != GRAFANA_PASSWORD]
    if others:
        values["extraSecretMounts"] = [
            {
                "name": "bongsu-secrets-files",
                "secretName": SECRET,
                "mountPath": secrets_folder(stack),
                "readOnly": True,
                "items": [{"key": name, "path": name} for name in others],
            }
        ]
    return values


def service_values(stack: Stack) -> dict[str, str]:
    """For each service whose own chart makes its ServiceMonitor: the values that switch it on."""
    found = {}
    for service in stack.services:
        keys = service.spec.runs.helm
        if keys:
            values: Values = _monitor_values(stack, service)
            for key in reversed(keys.split(".")):
                values = {key: values}
            found[f"helm/{dns_name(service.name)}/values.yaml"] = to_yaml(unshared(values))
    return found


def _monitor_values(stack: Stack, service: ResolvedService) -> Values:
    interval, timeout = timing(stack, service)
    release = stack.catalog.kubernetes.release
    values: Values = {
        "enabled": True,
        "port": port_of(stack, service),
        "path": metrics_path(stack, service),
        "interval": interval,
    }
    if timeout:
        values["scrapeTimeout"] = timeout
    if release:
        values["labels"] = {"release": release}
    return {**values, "relabelings": relabelings(service)}

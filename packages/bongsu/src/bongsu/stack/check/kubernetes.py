"""What Kubernetes would refuse of the manifests, or take and leave broken: names that lead nowhere."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from bongsu.stack.check.compose import unpinned
from bongsu.stack.check.model import Finding
from bongsu.stack.kubernetes.kustomize_check import Generated, check_kustomization, generated
from bongsu.stack.kubernetes.reading import Manifest, Manifests, manifests

_PODS = ("Deployment", "StatefulSet", "DaemonSet")
_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?")
_DNS_LABEL = frozenset({"Service", "Namespace"})


def check(files: Mapping[str, str]) -> Iterator[Finding]:
    """Findings about every manifest among these files, and about ``kustomization.yaml``."""
    yield from check_kustomization(files)
    found, findings = manifests(files)
    yield from findings
    made = generated(files)
    for manifest in found.all:
        yield from _name(manifest)
        if manifest.kind in _PODS:
            yield from _workload(manifest, found, made)
        elif manifest.kind == "Service":
            yield from _service(manifest, found)
        elif manifest.kind in ("PodDisruptionBudget", "NetworkPolicy"):
            yield from _selecting(manifest, found)
        elif manifest.kind in ("ClusterRoleBinding", "RoleBinding"):
            yield from _binding(manifest, found)
    yield from _doubles(found)


def _name(manifest: Manifest) -> Iterator[Finding]:
    longest = 63 if manifest.kind in _DNS_LABEL else 253
    if not _NAME.fullmatch(manifest.name) or len(manifest.name) > longest:
        yield manifest.finding("metadata.name", f"{manifest.name!r} is not a name that Kubernetes takes")
    for key, value in {**manifest.labels, **manifest.pod_labels}.items():
        if (
            not re.fullmatch(r"(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?", str(value))
            or len(str(value)) > 63
        ):
            yield manifest.finding(
                "metadata.labels", f"{value!r} is not a value that the label {key} can have"
            )


def _doubles(found: Manifests) -> Iterator[Finding]:
    seen: set[tuple[str, str, str]] = set()
    for manifest in found.all:
        key = (manifest.kind, manifest.namespace, manifest.name)
        if key in seen:
            yield manifest.finding("metadata.name", f"there are two {manifest.kind}s of this name")
        seen.add(key)


def _workload(manifest: Manifest, found: Manifests, made: Generated) -> Iterator[Finding]:
    spec = manifest.spec
    selector = _at(spec, "selector", "matchLabels")
    if not selector or not selector.items() <= manifest.pod_labels.items():
        message = "the selector does not match the labels of its own pods"
        yield manifest.finding("spec.selector.matchLabels", message, "write the same labels in both")
    pod = manifest.pod
    account = pod.get("serviceAccountName")
    if account and not found.has("ServiceAccount", manifest.namespace, account):
        yield manifest.finding(
            "spec.template.spec.serviceAccountName", f"there is no ServiceAccount {account!r}"
        )
    volumes = {volume.get("name"): volume for volume in pod.get("volumes") or []}
    for volume in volumes.values():
        yield from _volume(manifest, volume, found, made)
    for container in pod.get("containers") or []:
        yield from _container(manifest, container, volumes, made)


def _volume(
    manifest: Manifest, volume: Mapping[str, Any], found: Manifests, made: Generated
) -> Iterator[Finding]:
    where = f"spec.template.spec.volumes.{volume.get('name')}"
    sources = [volume, *_at(volume, "projected", "sources", default=[])]
    for source in sources:
        for kind, key in (("configMap", "name"), ("secret", "name"), ("secret", "secretName")):
            reference = source.get(kind)
            if isinstance(reference, dict) and key in reference:
                items = [item.get("key") for item in reference.get("items") or []]
                yield from _reference(manifest, where, kind, reference[key], items, made)
    claim = _at(volume, "persistentVolumeClaim", "claimName", default="")
    if not claim:
        return
    if not found.has("PersistentVolumeClaim", manifest.namespace, claim):
        yield manifest.finding(where, f"there is no PersistentVolumeClaim {claim!r}")
    security = _at(manifest.pod, "securityContext")
    if security.get("runAsUser") != 0 and "fsGroup" not in security:
        message = "a volume belongs to root, and the pod's user cannot write to it"
        yield manifest.finding("spec.template.spec.securityContext", message, "add fsGroup")
    if manifest.kind == "Deployment" and _at(manifest.spec, "strategy").get("type") != "Recreate":
        message = "an update starts a second pod on a volume that only one may have"
        yield manifest.finding("spec.strategy", message, "write type: Recreate")


def _reference(
    manifest: Manifest, where: str, kind: str, name: str, keys: list[Any], made: Generated
) -> Iterator[Finding]:
    known = made.config_maps if kind == "configMap" else made.secrets
    held = known.get((manifest.namespace, name))
    if held is None:
        title = "ConfigMap" if kind == "configMap" else "Secret"
        yield manifest.finding(where, f"there is no {title} {name!r} in {manifest.namespace}")
        return
    for key in keys:
        if key not in held:
            yield manifest.finding(where, f"{name} has no key {key!r}")


def _container(
    manifest: Manifest, container: Mapping[str, Any], volumes: Mapping[Any, Any], made: Generated
) -> Iterator[Finding]:
    where = f"spec.template.spec.containers.{container.get('name')}"
    if unpinned(str(container.get("image", ""))):
        message = f"the image {container.get('image')!r} is not the same tomorrow"
        yield manifest.finding(f"{where}.image", message, "name a version")
    for mount in container.get("volumeMounts") or []:
        if mount.get("name") not in volumes:
            yield manifest.finding(f"{where}.volumeMounts", f"there is no volume {mount.get('name')!r}")
    paths = [mount.get("mountPath") for mount in container.get("volumeMounts") or []]
    for path in {path for path in paths if paths.count(path) > 1}:
        yield manifest.finding(f"{where}.volumeMounts", f"two volumes lie at {path}")
    ports = {port.get("name"): port.get("containerPort") for port in container.get("ports") or []}
    for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
        for how in ("httpGet", "tcpSocket"):
            port = _at(container, probe, how).get("port")
            if port is not None and port not in ports and port not in ports.values():
                yield manifest.finding(f"{where}.{probe}", f"there is no port {port!r}")
    for variable in container.get("env") or []:
        reference = _at(variable, "valueFrom", "secretKeyRef")
        if reference:
            place = f"{where}.env.{variable.get('name')}"
            yield from _reference(manifest, place, "secret", reference["name"], [reference["key"]], made)
    if not _at(container, "resources", "limits").get("memory"):
        message = "nothing bounds its memory, so it can take that of its neighbours"
        yield manifest.finding(f"{where}.resources", message, "add limits.memory")


def _service(manifest: Manifest, found: Manifests) -> Iterator[Finding]:
    selector = manifest.spec.get("selector") or {}
    pods = found.selected(manifest.namespace, selector)
    if not selector or not pods:
        yield manifest.finding("spec.selector", "no pod has these labels")
        return
    names = {p.get("name") for pod in pods for c in pod.containers for p in c.get("ports") or []}
    for port in manifest.spec.get("ports") or []:
        target = port.get("targetPort", port.get("port"))
        if isinstance(target, str) and target not in names:
            yield manifest.finding(f"spec.ports.{port.get('name')}", f"no pod has a port {target!r}")


def _selecting(manifest: Manifest, found: Manifests) -> Iterator[Finding]:
    key = "selector" if manifest.kind == "PodDisruptionBudget" else "podSelector"
    labels = _at(manifest.spec, key, "matchLabels")
    pods = found.selected(manifest.namespace, labels)
    if not pods:
        yield manifest.finding(f"spec.{key}", "no pod has these labels")
        return
    names = {p.get("name") for pod in pods for c in pod.containers for p in c.get("ports") or []}
    for rule in manifest.spec.get("ingress") or []:
        for port in rule.get("ports") or []:
            if isinstance(port.get("port"), str) and port["port"] not in names:
                yield manifest.finding("spec.ingress", f"no pod has a port {port['port']!r}")


def _binding(manifest: Manifest, found: Manifests) -> Iterator[Finding]:
    role = manifest.body.get("roleRef") or {}
    if not found.has(role.get("kind", ""), "", role.get("name", "")):
        yield manifest.finding("roleRef", f"there is no {role.get('kind')} {role.get('name')!r}")
    for subject in manifest.body.get("subjects") or []:
        if not found.has("ServiceAccount", subject.get("namespace", ""), subject.get("name", "")):
            yield manifest.finding("subjects", f"there is no ServiceAccount {subject.get('name')!r}")


def _at(value: Mapping[str, Any], *keys: str, default: Any = None) -> Any:
    """The value at a path of keys; an empty mapping, or ``default``, where there is none."""
    found: Any = value
    for key in keys:
        found = found.get(key) if isinstance(found, dict) else None
    if found is None:
        return {} if default is None else default
    return found

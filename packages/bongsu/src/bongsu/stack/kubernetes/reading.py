"""The Kubernetes objects of a folder, and which of them a name or a label leads to."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from bongsu.stack.check.model import Finding
from bongsu.stack.check.shapes import documents

FOLDERS = ("kubernetes/", "operator/", "argocd/")


@dataclass(frozen=True)
class Manifest:
    """One object, and the file that holds it."""

    file: str
    body: Mapping[str, Any]

    @property
    def kind(self) -> str:
        return str(self.body.get("kind", ""))

    @cached_property
    def _metadata(self) -> Mapping[str, Any]:
        found = self.body.get("metadata")
        return found if isinstance(found, dict) else {}

    @property
    def name(self) -> str:
        return str(self._metadata.get("name", ""))

    @property
    def namespace(self) -> str:
        return str(self._metadata.get("namespace", ""))

    @property
    def labels(self) -> Mapping[str, str]:
        return self._metadata.get("labels") or {}

    @property
    def spec(self) -> Mapping[str, Any]:
        found = self.body.get("spec")
        return found if isinstance(found, dict) else {}

    @property
    def _template(self) -> Mapping[str, Any]:
        found = self.spec.get("template")
        return found if isinstance(found, dict) else {}

    @property
    def pod(self) -> Mapping[str, Any]:
        """The specification of its pods; empty for what has none."""
        return self._template.get("spec") or {}

    @property
    def pod_labels(self) -> Mapping[str, str]:
        return (self._template.get("metadata") or {}).get("labels") or {}

    @property
    def containers(self) -> list[Mapping[str, Any]]:
        return self.pod.get("containers") or []

    def finding(self, where: str, message: str, fix: str = "") -> Finding:
        return Finding(self.file, f"{self.kind} {self.name}: {where}", message, fix)


@dataclass(frozen=True)
class Manifests:
    all: tuple[Manifest, ...]

    @cached_property
    def _names(self) -> frozenset[tuple[str, str, str]]:
        return frozenset((m.kind, m.namespace, m.name) for m in self.all)

    @cached_property
    def _pods(self) -> tuple[Manifest, ...]:
        return tuple(m for m in self.all if m.pod)

    def has(self, kind: str, namespace: str, name: str) -> bool:
        return (kind, namespace, name) in self._names

    def selected(self, namespace: str, labels: Mapping[str, str]) -> list[Manifest]:
        """What runs pods that have all of these labels."""
        return [m for m in self._pods if m.namespace == namespace and labels.items() <= m.pod_labels.items()]


def manifests(files: Mapping[str, str]) -> tuple[Manifests, list[Finding]]:
    """Every object in the folders of manifests, and what is no object."""
    found: list[Manifest] = []
    findings: list[Finding] = []
    for path, text in sorted(files.items()):
        if not path.startswith(FOLDERS) or not path.endswith(".yaml"):
            continue
        read, wrong = documents(path, text)
        findings += wrong
        for document in read:
            if not isinstance(document, dict) or not document.get("kind") or not document.get("apiVersion"):
                findings.append(Finding(path, "", "an object needs apiVersion, kind and metadata.name"))
            else:
                found.append(Manifest(path, document))
    return Manifests(tuple(found)), findings

"""What kustomize would refuse of ``kustomization.yaml``, and what it makes."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

from bongsu.stack.check.model import Finding
from bongsu.stack.check.shapes import entries, mapping, unknown_keys, words

KUSTOMIZATION = "kustomization.yaml"
SECRETS = "secrets.env.example"
SECRET = "bongsu-secrets"  # noqa: S105 - the name of an object
LIMIT = 1_048_576
"""Bytes of a ConfigMap or Secret."""
_KEYS = words(
    "apiVersion kind metadata namespace namePrefix nameSuffix commonAnnotations commonLabels labels "
    "resources components configMapGenerator secretGenerator generatorOptions images replicas patches "
    "patchesStrategicMerge patchesJson6902 replacements transformers generators validators helmCharts "
    "configurations crds openapi buildMetadata sortOptions vars"
)
_KEY = re.compile(r"[-._a-zA-Z0-9]+")


@dataclass
class Generated:
    """(namespace, name) → the keys that it has."""

    config_maps: dict[tuple[str, str], set[str]] = field(default_factory=dict)
    secrets: dict[tuple[str, str], set[str]] = field(default_factory=dict)


def generated(files: Mapping[str, str]) -> Generated:
    """What kustomize makes, and the Secret whose keys ``secrets.env.example`` lists."""
    document, _ = mapping(KUSTOMIZATION, files.get(KUSTOMIZATION, "{}"))
    made = Generated()
    for generator, into in (("configMapGenerator", made.config_maps), ("secretGenerator", made.secrets)):
        for entry in entries(document.get(generator)):
            keys = {key for key, _ in _files(entry)}
            into[str(entry.get("namespace", "")), str(entry.get("name", ""))] = keys
    listed = set(re.findall(r"^([\w.-]+)=", files.get(SECRETS, ""), re.MULTILINE))
    for namespace in {namespace for namespace, _ in (*made.config_maps, *made.secrets)}:
        made.secrets.setdefault((namespace, SECRET), listed)
    return made


def check_kustomization(files: Mapping[str, str]) -> Iterator[Finding]:
    """Findings about ``kustomization.yaml``; none where there is none."""
    if KUSTOMIZATION not in files:
        return
    document, findings = mapping(KUSTOMIZATION, files[KUSTOMIZATION])
    yield from findings
    yield from unknown_keys(KUSTOMIZATION, "", document, _KEYS)
    resources = document.get("resources") or []
    for path in resources:
        if path not in files:
            yield Finding(KUSTOMIZATION, "resources", f"there is no file {path!r}")
    for path in {path for path in resources if resources.count(path) > 1} if len(resources) < 200 else ():
        yield Finding(KUSTOMIZATION, "resources", f"{path!r} is named twice")
    for generator in ("configMapGenerator", "secretGenerator"):
        names: set[Any] = set()
        for entry in entries(document.get(generator)):
            name = entry.get("name")
            if (entry.get("namespace"), name) in names:
                yield Finding(KUSTOMIZATION, generator, f"{name!r} is generated twice")
            names.add((entry.get("namespace"), name))
            yield from _entry(f"{generator}.{name}", entry, files)


def _entry(where: str, entry: Mapping[str, Any], files: Mapping[str, str]) -> Iterator[Finding]:
    size = 0
    keys: set[str] = set()
    for key, path in _files(entry):
        if path not in files:
            yield Finding(KUSTOMIZATION, where, f"there is no file {path!r}")
        if PurePosixPath(path).is_absolute() or ".." in PurePosixPath(path).parts:
            yield Finding(
                KUSTOMIZATION, where, f"{path!r} is outside the folder, where kustomize reads nothing"
            )
        if not _KEY.fullmatch(key):
            yield Finding(KUSTOMIZATION, where, f"{key!r} is not a key that a ConfigMap can have")
        if key in keys:
            yield Finding(KUSTOMIZATION, where, f"the key {key!r} is there twice")
        keys.add(key)
        size += len(files.get(path, "").encode()) + len(key)
    if size > LIMIT:
        message = f"{size} bytes are more than Kubernetes keeps in one object ({LIMIT})"
        yield Finding(KUSTOMIZATION, where, message)


def _files(entry: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for text in entry.get("files") or []:
        key, sign, path = str(text).partition("=")
        yield (key, path) if sign else (PurePosixPath(str(text)).name, str(text))

"""Kubernetes objects as data: names, labels, and the text of a file that holds several."""

import hashlib
import re
from collections.abc import Mapping, Sequence
from typing import Any

from bongsu.stack.files import HEADER, to_yaml

Object = dict[str, Any]
PART_OF = {"app.kubernetes.io/part-of": "bongsu"}
KEEP = {"argocd.argoproj.io/sync-options": "Prune=false,Delete=false"}
"""ArgoCD leaves what holds data, when the catalog no longer names it."""


def dns_name(text: str, *, limit: int = 63) -> str:
    """A name that Kubernetes takes, and that no other text gets."""
    name = re.sub(r"[^a-z0-9-]+", "-", text.lower()).strip("-")
    if name == text and len(name) <= limit:
        return name
    digest = hashlib.sha256(text.encode()).hexdigest()[:6]
    return f"{name[: limit - 7].rstrip('-')}-{digest}" if name else f"x{digest}"


def labels(name: str) -> dict[str, str]:
    return {"app.kubernetes.io/name": name, **PART_OF}


def object_of(
    kind: str,
    name: str,
    namespace: str = "",
    *,
    api: str = "v1",
    labelled: Mapping[str, str] | None = None,
    annotations: Mapping[str, str] | None = None,
    **rest: Any,
) -> Object:
    """One object; ``namespace`` is empty for what belongs to the cluster."""
    metadata: Object = {"name": name}
    if namespace:
        metadata["namespace"] = namespace
    metadata["labels"] = dict(labelled if labelled is not None else labels(name))
    if annotations:
        metadata["annotations"] = dict(annotations)
    return {"apiVersion": api, "kind": kind, "metadata": metadata, **rest}


def text_of(objects: Sequence[Object]) -> str:
    """One file of several documents."""
    return HEADER + "---\n".join(to_yaml(unshared(part)).removeprefix(HEADER) for part in objects)


def unshared(value: Any) -> Any:
    """A copy in which no part occurs twice, as YAML would write an alias for the second."""
    match value:
        case dict():
            return {key: unshared(part) for key, part in value.items()}
        case list() | tuple():
            return [unshared(part) for part in value]
        case _:
            return value

"""The stack that a catalog asks for: which systems, where each is reached, and which services it watches."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import PurePosixPath
from typing import Any, Literal, TypeVar, get_args

import bongsu
from bongsu.catalog import Catalog, ResolvedService, resolve
from bongsu.catalog.secrets import Secret
from bongsu.stack.systems import SYSTEMS, Version

T = TypeVar("T")
Place = Literal["local", "compose", "kubernetes", "operator", "terraform"]
PLACES: tuple[Place, ...] = get_args(Place)
_NO_PROMQL = frozenset({"signoz", "datadog"})
_USUAL = ("prometheus", "alertmanager", "grafana")


class StackError(ValueError):
    """What the catalog asks for cannot be configured; the text says why, and what to do."""


@dataclass(frozen=True)
class Stack:
    """One catalog on one place. Pure data: nothing is read or written."""

    catalog: Catalog
    place: Place = "local"
    addresses: Mapping[str, str] = field(default_factory=dict)
    """System → ``host:port``, where it is not at its usual place."""
    secrets_folder: str = ""
    """Where a ``local`` stack's secret files lie."""
    earlier: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Path → text of an earlier render: systems that do not forget by themselves are told what went."""

    made: dict[str, Any] = field(default_factory=dict, repr=False, compare=False)
    """What is the same on every place, made once; see ``once``."""

    def on(self, place: Place) -> "Stack":
        """The same catalog on another place."""
        return replace(self, place=place)

    def once(self, name: str, make: Callable[[], T]) -> T:
        """What ``make`` gives, made by the first place that asks for it: it may not depend on the place."""
        if name not in self.made:
            self.made[name] = make()
        found: T = self.made[name]
        return found

    @cached_property
    def resolved(self) -> Mapping[str, ResolvedService]:
        """Every service of the catalog."""
        return self.once("resolved", lambda: resolve(self.catalog))

    @cached_property
    def services(self) -> tuple[ResolvedService, ...]:
        """The services whose metrics Prometheus has, in the catalog's order."""
        return tuple(s for s in self.resolved.values() if not self._elsewhere(s))

    @cached_property
    def elsewhere(self) -> tuple[str, ...]:
        """The services whose metrics are where PromQL is not spoken."""
        return tuple(name for name, s in self.resolved.items() if self._elsewhere(s))

    @cached_property
    def systems(self) -> tuple[str, ...]:
        """The systems of this stack, in the order of the table of systems; Bongsu is always one."""
        asked = set(self.catalog.targets) & set(SYSTEMS) or set(_USUAL if self.services else ())
        if any("probe_success" in s.signals for s in self.services):
            asked.add("blackbox-exporter")
        if any("node" in s.spec.kind for s in self.services) and "alloy" not in asked:
            asked.add("node-exporter")
        return tuple(name for name in SYSTEMS if name in asked or name == "bongsu")

    def has(self, system: str) -> bool:
        return system in self.systems

    def address(self, system: str) -> str:
        """``host:port`` by which the other systems of the stack reach ``system``."""
        if system in self.addresses:
            return self.addresses[system]
        host = {"local": "127.0.0.1", "compose": system, "terraform": system}.get(self.place)
        if host is None:
            host = f"{self.name_of(system)}.{self.catalog.kubernetes.namespace}.svc"
        return f"{host}:{SYSTEMS[system].port}"

    def url(self, system: str) -> str:
        return f"http://{self.address(system)}"

    def name_of(self, system: str) -> str:
        """The name of the Kubernetes Service in front of ``system``."""
        if self.place == "operator" and system in ("prometheus", "alertmanager"):
            return f"{system}-operated"
        return system

    def version(self, system: str) -> Version:
        """The declared version, or the one that Bongsu generates for by default."""
        if system == "bongsu":
            return Version.parse(bongsu.__version__)
        return Version.parse(self.catalog.targets.get(system) or SYSTEMS[system].version)

    def image(self, system: str) -> str:
        """The image with a tag that names the whole version."""
        known = SYSTEMS[system]
        repository = self.catalog.images.get(system, known.image)
        return f"{repository}:{known.tag.format(version=self.version(system))}"

    def secret_file(self, secret: Secret) -> str:
        """Where the systems of the stack find the value of ``secret``; one folder holds them all."""
        folder = {"local": self.secrets_folder or "secrets", "compose": "/run/secrets"}.get(
            self.place, "/run/secrets" if self.place == "terraform" else "/etc/bongsu/secrets"
        )
        return f"{folder}/{secret_name(secret)}"

    def _elsewhere(self, service: ResolvedService) -> bool:
        source = self.catalog.sources.get(service.source)
        return source is not None and source.type in _NO_PROMQL


def secret_name(secret: Secret) -> str:
    """The name of the file that holds a secret: that of its variable, or of its file."""
    return secret.env or PurePosixPath(secret.file).name

"""What dashboards are drawn for: a catalog, some of its services, and the systems beside them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

from bongsu.catalog import Catalog, ResolvedService
from bongsu.catalog.kinds import builtin_kinds
from bongsu.catalog.models import Kind, LokiSource
from bongsu.catalog.resolve import placeholders
from bongsu.signals import promql
from bongsu.signals.model import Text
from bongsu.stack.model import Stack

_ROUTES = {"spring-boot": "uri", "otel-http": "http_route", "http": "{route}"}
"""Kind → the label that names the endpoint in its request metrics."""


@dataclass(frozen=True)
class Scope:
    catalog: Catalog
    services: tuple[ResolvedService, ...]

    @classmethod
    def of(cls, catalog: Catalog, services: Iterable[ResolvedService]) -> "Scope":
        return cls(catalog, tuple(services))

    @cached_property
    def stack(self) -> Stack:
        return Stack(self.catalog)

    @cached_property
    def kinds(self) -> Mapping[str, Kind]:
        return {**builtin_kinds(), **self.catalog.kinds}

    @property
    def judged_by_grafana(self) -> bool:
        """Whether Grafana evaluates the rules, there being no Alertmanager."""
        return grafana_judges(self.stack)

    @property
    def has_logs(self) -> bool:
        return self.stack.has("loki")

    @property
    def traces(self) -> str:
        """``tempo``, ``jaeger``, or nothing."""
        return next((name for name in ("tempo", "jaeger") if self.stack.has(name)), "")

    @cached_property
    def log_label(self) -> str:
        """The stream label by which Loki knows a service."""
        sources = (s for s in self.catalog.sources.values() if isinstance(s, LokiSource))
        return next((source.service_label for source in sources), "service_name")

    def say(self, text: Text) -> str:
        return text.in_(self.catalog.language)

    def called(self, service: ResolvedService) -> str:
        return self.say(service.spec.title) or service.name

    def kinds_of(self, service: ResolvedService) -> frozenset[str]:
        """The service's kinds and all that they build on."""
        found: set[str] = set()
        waiting = list(service.spec.kind)
        while waiting:
            name = waiting.pop()
            if name not in found:
                found.add(name)
                waiting += self.kinds[name].extends
        return frozenset(found)

    def route_label(self, service: ResolvedService) -> str:
        """The label that names the endpoint of a request; empty for what serves none."""
        kinds = self.kinds_of(service)
        label = next((label for kind, label in _ROUTES.items() if kind in kinds), "")
        for name, value in placeholders(service.spec, self.kinds).items():
            label = label.replace(f"{{{name}}}", value)
        return label


def grafana_judges(stack: Stack) -> bool:
    """Whether Grafana evaluates the rules from files and tells Bongsu, as no Alertmanager does."""
    return stack.has("grafana") and not stack.has("alertmanager")


def selector_of(labels: Mapping[str, str]) -> str:
    """``{job: api}`` as the inside of PromQL's braces."""
    return ",".join(f"{name}={promql.quote(value)}" for name, value in sorted(labels.items()))


def known_by_job(services: Iterable[ResolvedService]) -> bool:
    """Whether each service's ``job`` is its name, so that rows and variables can speak of services."""
    return all(dict(service.labels) == {"job": service.name} for service in services)

"""The sources that a catalog declares, opened: the one table to which a kind of backend is added."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from bongsu.catalog import Catalog
from bongsu.catalog.secrets import Secret, SecretError
from bongsu.sources.base import (
    Capability,
    Change,
    Edge,
    LogRecord,
    Sample,
    Series,
    Source,
    SourceError,
    Span,
)
from bongsu.sources.sources import Sources

if TYPE_CHECKING:
    from bongsu.sources.embedded.store import EmbeddedStore
    from bongsu.sources.http import Access


def open_sources(catalog: Catalog, telemetry: "EmbeddedStore | None") -> Sources:
    """Every declared source, and the embedded store where there is one. None is asked anything yet.

    One whose secret cannot be read raises SourceError when it is asked.
    """
    members: dict[str, Source] = {}
    for name, spec in catalog.sources.items():
        if spec.type == "embedded":
            assert telemetry is not None
            members[name] = _embedded(telemetry, name)
            continue
        if spec.type not in OPENING:
            members[name] = Unavailable(name, f"sources of type {spec.type} cannot be read by this version")
            continue
        try:
            members[name] = OPENING[spec.type](name, spec)
        except (SecretError, SourceError) as error:
            members[name] = Unavailable(name, str(error).removeprefix(f"{name}: "))
        except OSError as error:
            reason = error.strerror or str(error)
            members[name] = Unavailable(
                name, f"cannot use the certificates of ca_file {spec.ca_file}: {reason}"
            )
    if telemetry is not None and not any(spec.type == "embedded" for spec in catalog.sources.values()):
        members["embedded"] = _embedded(telemetry, "embedded")
    default = catalog.defaults.source or next((n for n, m in members.items() if m.able("metrics")), "")
    return Sources(members, default)


def _embedded(telemetry: "EmbeddedStore", name: str) -> Source:
    from bongsu.sources.embedded.source import EmbeddedSource

    return EmbeddedSource(telemetry, name)


def _access(spec: Any) -> "Access":
    return {
        "token": _value(spec.token),
        "tenant": getattr(spec, "tenant", ""),
        "ca_file": spec.ca_file,
        "timeout": spec.timeout,
    }


def _prometheus(name: str, spec: Any) -> Source:
    from bongsu.sources.prometheus import PrometheusSource

    return PrometheusSource(name, spec.url, **_access(spec))


def _loki(name: str, spec: Any) -> Source:
    from bongsu.sources.loki import LokiSource

    return LokiSource(name, spec.url, service_label=spec.service_label, **_access(spec))


def _tempo(name: str, spec: Any) -> Source:
    from bongsu.sources.tempo import TempoSource

    return TempoSource(name, spec.url, **_access(spec))


def _jaeger(name: str, spec: Any) -> Source:
    from bongsu.sources.jaeger import JaegerSource

    return JaegerSource(name, spec.url, **_access(spec))


def _signoz(name: str, spec: Any) -> Source:
    from bongsu.sources.signoz import Interface, SignozSource

    token = spec.token.reveal()
    interface: Interface
    if spec.via == "http":
        from bongsu.sources.signoz.http import HttpInterface

        interface = HttpInterface(name, spec.url, token=token, ca_file=spec.ca_file, timeout=spec.timeout)
    elif spec.command:
        from bongsu.sources.signoz.mcp import over_stdio

        interface = over_stdio(
            name, spec.command, spec.args, url=spec.url, token=token, env=spec.env, timeout=spec.timeout
        )
    else:
        from bongsu.sources.signoz.mcp import over_http

        interface = over_http(name, spec.url, token=token, ca_file=spec.ca_file, timeout=spec.timeout)
    return SignozSource(name, interface)


def _datadog(name: str, spec: Any) -> Source:
    from bongsu.sources.datadog import DatadogSource

    return DatadogSource(
        name,
        spec.url or f"https://api.{spec.site}",
        api_key=spec.api_key.reveal(),
        application_key=spec.application_key.reveal(),
        ca_file=spec.ca_file,
        timeout=spec.timeout,
    )


OPENING: Mapping[str, Callable[[str, Any], Source]] = {
    "prometheus": _prometheus,
    "loki": _loki,
    "tempo": _tempo,
    "jaeger": _jaeger,
    "signoz": _signoz,
    "datadog": _datadog,
}
"""Type → what opens a source of it from its name and specification."""


def _value(secret: Secret | None) -> str | None:
    return secret.reveal() if secret is not None else None


class Unavailable(Source):
    """A source that cannot be asked; each question is answered with the reason."""

    capabilities = frozenset[Capability]({"metrics", "logs", "spans", "topology", "changes"})

    def __init__(self, name: str, reason: str) -> None:
        self._name = name
        self._reason = reason

    @property
    def name(self) -> str:
        return self._name

    def _refuse(self) -> SourceError:
        return SourceError(f"{self._name}: {self._reason}")

    async def instant(self, query: Any, at: float) -> list[Sample]:
        raise self._refuse()

    async def range(self, query: Any, start: float, end: float, step: float) -> list[Series]:
        raise self._refuse()

    async def logs(self, *_: Any, **__: Any) -> list[LogRecord]:
        raise self._refuse()

    async def spans(self, *_: Any, **__: Any) -> list[Span]:
        raise self._refuse()

    async def trace(self, trace_id: str) -> list[Span]:
        raise self._refuse()

    async def topology(self, start: float, end: float) -> list[Edge]:
        raise self._refuse()

    async def changes(self, start: float, end: float) -> list[Change]:
        raise self._refuse()

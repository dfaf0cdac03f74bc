"""One question for a whole fleet: a signal and the services it is asked of."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from bongsu.signals.model import AnySignal


@dataclass(frozen=True)
class FleetQuery:
    """``signal`` asked of every service in ``services`` at once.

    ``services`` maps a service's name to the labels that select its telemetry (``{"job": "orders"}``);
    all share the same label names, ``identity``, which the answer is grouped by.
    """

    name: str
    signal: AnySignal
    services: Mapping[str, Mapping[str, str]]
    source: str = ""
    """The source that has these services' metrics; the catalog's default where empty."""

    @cached_property
    def identity(self) -> tuple[str, ...]:
        return tuple(sorted(next(iter(self.services.values()), {})))

    def service_of(self, labels: Mapping[str, str]) -> str | None:
        """The service that an answer row with these labels belongs to."""
        return self._index.get(tuple(labels.get(name, "") for name in self.identity))

    @cached_property
    def _index(self) -> dict[tuple[str, ...], str]:
        names = self.identity
        return {tuple(sel[n] for n in names): service for service, sel in self.services.items()}

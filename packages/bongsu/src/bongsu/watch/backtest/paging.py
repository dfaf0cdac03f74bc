"""When people would have been called: as deliveries are made, once a channel, and edited from then on."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from bongsu.incidents.model import Incident
from bongsu.signals.model import Severity

Told = Callable[[Incident], Mapping[str, bool]]
"""The channels whose routes take an incident as it now is, and whether each calls on somebody."""
Why = Literal["opened", "escalated"]


@dataclass(frozen=True, slots=True)
class Page:
    """A moment at which one or more channels that call on somebody got an incident for the first time."""

    at: float
    incident: int
    """Its number."""
    service: str
    severity: Severity
    channels: tuple[str, ...]
    why: Why
    """``escalated``: its severity brought it to channels that had not been told of it."""


@dataclass(slots=True)
class Pager:
    """Follows incidents as the live workflow does: the channels are found after ``wait`` seconds, in which an
    incident gathers alerts, and again at each change; one that was told is only edited."""

    told: Told
    wait: float
    _waiting: dict[str, tuple[Incident, float, float]] = field(default_factory=dict)
    """Incident → as it now is, when it opened, when its channels are found."""
    _shown: dict[str, set[str]] = field(default_factory=dict)
    _episodes: dict[str, int] = field(default_factory=dict)

    def changed(self, incidents: Sequence[Incident], now: float) -> list[Page]:
        """The pages that the changes of a round lead to at once."""
        pages = []
        for incident in incidents:
            before = self._waiting.get(incident.id)
            if before is not None:
                self._waiting[incident.id] = (incident, *before[1:])
            elif self._episodes.get(incident.id) != incident.episode:
                self._waiting[incident.id] = (incident, now, now + self.wait)
            else:
                pages += self._tell(incident, now)
            self._episodes[incident.id] = incident.episode
        return pages

    def due(self, now: float) -> list[Page]:
        """The pages of incidents that have gathered their first alerts before ``now``."""
        ready = [name for name, (_, _, at) in self._waiting.items() if at < now]
        pages = []
        for name in ready:
            incident, opened, _ = self._waiting.pop(name)
            pages += self._tell(incident, opened)
        return pages

    def _tell(self, incident: Incident, at: float) -> list[Page]:
        shown = self._shown.get(incident.id)
        new = {
            channel: calls for channel, calls in self.told(incident).items() if channel not in (shown or ())
        }
        why: Why = "opened" if shown is None else "escalated"
        self._shown.setdefault(incident.id, set()).update(new)
        called = tuple(channel for channel, calls in new.items() if calls)
        if not called:
            return []
        return [Page(at, incident.number, incident.service, incident.severity, called, why)]

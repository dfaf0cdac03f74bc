"""What a message to people says, before any destination's form is given to it. Times are Unix seconds."""

from dataclasses import dataclass
from typing import Literal

from bongsu.signals.model import Severity

MessageState = Literal["open", "acknowledged", "resolved"]


@dataclass(frozen=True, slots=True)
class ChartSeries:
    label: str
    times: tuple[float, ...]
    values: tuple[float | None, ...]
    """None where there was no data: the line breaks."""
    role: Literal["main", "context"] = "main"


@dataclass(frozen=True, slots=True)
class ChartMarker:
    at: float
    label: str


@dataclass(frozen=True, slots=True)
class ChartSpec:
    """One picture, drawn by matplotlib as PNG and by uPlot on the web."""

    title: str
    unit: str
    """ratio, s, bytes, per_second, count, bool."""
    series: tuple[ChartSeries, ...]
    threshold: float | None = None
    shade: tuple[float, float | None] | None = None
    """The incident: from its first bad sample to its end, or to the chart's right edge while it is open."""
    markers: tuple[ChartMarker, ...] = ()
    timezone: str = "UTC"
    language: str = "en"


@dataclass(frozen=True, slots=True)
class AlertLine:
    """One condition that is or was broken."""

    service: str
    what: str
    """The signal's help in the reader's language: "share of requests that fail"."""
    value: float | None
    threshold: float | None
    unit: str
    firing: bool
    reasons: tuple[str, ...] = ()
    """What else names the same problem: an error budget that burns, what is usual."""


@dataclass(frozen=True, slots=True)
class SuspectLine:
    service: str
    reasons: tuple[str, ...]
    """Sentences in the reader's language, strongest first."""


@dataclass(frozen=True, slots=True)
class Mention:
    """Someone to be called on, from the catalog only."""

    role_id: str = ""
    user_id: str = ""
    here: bool = False
    """Everybody who is present in the channel."""


@dataclass(frozen=True, slots=True)
class Link:
    label: str
    url: str


@dataclass(frozen=True, slots=True)
class Message:
    """An incident as told to a person, in one language. Strings may come from telemetry: untrusted."""

    number: int
    state: MessageState
    severity: Severity
    title: str
    service: str
    owner: str
    since: float
    resolved_at: float | None
    alerts: tuple[AlertLine, ...]
    suspects: tuple[SuspectLine, ...]
    changes: tuple[str, ...]
    logs: tuple[str, ...]
    """A few example error lines."""
    links: tuple[Link, ...]
    mention: Mention | None = None
    acknowledged_by: str = ""
    chart: ChartSpec | None = None
    language: str = "en"
    timezone: str = "UTC"
    gaps: tuple[str, ...] = ()

"""What was read when an incident opened, and what follows from it. Times are Unix seconds."""

import msgspec


class Say(msgspec.Struct, frozen=True):
    """A sentence in each language that people read."""

    en: str
    ko: str

    def in_(self, language: str) -> str:
        return self.ko if language == "ko" else self.en


class Gap(Say, frozen=True):
    """What could not be read, in a sentence."""

    minor: bool = False
    """Worth a line on the incident's page, but not in a message."""


class Window(msgspec.Struct, frozen=True):
    start: float
    end: float


class MetricEvidence(msgspec.Struct, frozen=True, kw_only=True):
    """A signal of a service over baseline and incident window; NaN where absent is stored as None."""

    id: str
    service: str
    signal: str
    unit: str
    worse: str
    times: list[float]
    values: list[float | None]
    threshold: float | None = None


class LogEvidence(msgspec.Struct, frozen=True, kw_only=True):
    """Log lines that share a template, with how often it was seen before and during."""

    id: str
    service: str
    severity: str
    template: str
    example: str
    count: int
    baseline_count: int
    first_at: float
    trace_id: str = ""


class SpanEvidence(msgspec.Struct, frozen=True, kw_only=True):
    trace_id: str
    span_id: str
    parent_id: str
    service: str
    operation: str
    kind: str
    start: float
    duration: float
    error: bool
    peer: str = ""


class TraceEvidence(msgspec.Struct, frozen=True, kw_only=True):
    """One whole trace. ``why`` is failed, slow or clean."""

    id: str
    trace_id: str
    why: str
    spans: list[SpanEvidence]


class ChangeEvidence(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    at: float
    service: str
    kind: str
    summary: str
    before: str = ""
    after: str = ""


class CallEvidence(msgspec.Struct, frozen=True, kw_only=True):
    """Aggregates of one service's operation in one window, from all spans that were read.

    ``exclusive`` values leave out what the service's own callees account for.
    """

    id: str
    service: str
    operation: str
    window: str
    """``incident`` or ``baseline``."""
    count: int
    errors: int
    exclusive_errors: int
    """Failed spans none of whose children failed."""
    mean: float
    exclusive_mean: float
    p95: float
    exclusive_std: float = 0.0
    """Sample standard deviation of the exclusive durations, seconds."""


class EdgeEvidence(msgspec.Struct, frozen=True, kw_only=True):
    """Calls from one service to another, seen from both ends, in one window."""

    id: str
    caller: str
    callee: str
    window: str
    calls: int
    client_errors: int
    server_seen: int
    """Calls for which the callee's own span was found."""
    client_mean: float
    server_mean: float
    unanswered: int = 0
    """Failed client calls for which the callee's own span was not found."""
    disputed: int = 0
    """Failed client calls whose callee's span was found, ended in time and did not fail."""
    gap_mean: float = 0.0
    """Mean of client minus server duration, seconds; of the whole client duration where the callee is
    never seen."""
    gap_std: float = 0.0


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """All that was read, verbatim enough to repeat the analysis without asking anybody again."""

    incident: str
    collected_at: float
    onset: float
    window: Window
    baseline: Window
    alerts: list[dict[str, str | float | None]]
    """service, signal, severity, starts_at, since, value, threshold of each alert."""
    depends_on: dict[str, list[str]]
    """The catalog's call graph: service → services it calls."""
    metrics: list[MetricEvidence] = []
    logs: list[LogEvidence] = []
    traces: list[TraceEvidence] = []
    calls: list[CallEvidence] = []
    edges: list[EdgeEvidence] = []
    changes: list[ChangeEvidence] = []
    gaps: list[Gap] = []


class Reason(msgspec.Struct, frozen=True, kw_only=True):
    """Why a service is suspected: one channel's score, a sentence, and the evidence it rests on."""

    channel: str
    score: float
    text: Say
    evidence: list[str]


class Suspect(msgspec.Struct, frozen=True, kw_only=True):
    service: str
    score: float
    reasons: list[Reason]


class Analysis(msgspec.Struct, frozen=True, kw_only=True):
    """A pure function of the evidence."""

    incident: str
    suspects: list[Suspect]
    """Best first; empty when nothing stands out."""
    abstained: bool
    summary: Say
    gaps: list[Gap] = []

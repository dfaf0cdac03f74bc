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
    ref: str = ""
    """What identifies the change where it was made: a commit."""
    files: list[str] = []
    text: str = ""
    """The difference, as far as it is known: lines that begin with + or -."""


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
    exclusive_log_mean: float = 0.0
    """Mean of the natural logarithm of the exclusive durations in milliseconds, one added."""
    exclusive_log_std: float = 0.0


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
    gap_log_mean: float = 0.0
    """Mean of the natural logarithm of the gaps in milliseconds, one added."""
    gap_log_std: float = 0.0


class EventEvidence(msgspec.Struct, frozen=True, kw_only=True):
    """How many requests of one operation contained an event, in each window.

    An event is something that a service does while it serves a request: a log template, an inner step or a
    call to another service.
    """

    id: str
    service: str
    operation: str
    event: str
    kind: str
    """``log``, ``step``, ``call``, or ``end``: the last call that the request made.

    An end is counted of the requests that made that call, so that a change in what is asked for changes
    nothing; an end without any call of all requests.
    """
    count: int
    """Requests of the incident with the event, of ``of``."""
    of: int
    baseline_count: int
    baseline_of: int
    late_count: int = 0
    """``count`` and ``of`` in the second half of the incident."""
    late_of: int = 0
    severity: str = ""
    """Of a log template, the worst that was seen."""
    callee: str = ""
    """Of a call or an end, the service called; empty for an end without any call."""


class LinkEvidence(msgspec.Struct, frozen=True, kw_only=True):
    """How long calls from one service to another take as each end measures it, seconds by instant."""

    id: str
    caller: str
    callee: str
    times: list[float]
    client: list[float | None]
    server: list[float | None]


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
    events: list[EventEvidence] = []
    links: list[LinkEvidence] = []
    seen_inside: list[str] = []
    """Services whose requests show events of their own: log lines, steps or calls."""
    gaps: list[Gap] = []


class Figure(msgspec.Struct, frozen=True):
    """A number or a name in a sentence, and how it follows from evidence (see ``formula``)."""

    formula: str
    unit: str
    """A metric's unit, or whole, calls, times, duration, text, short (text that may be cut)."""
    value: float | str | None = None


class Statement(msgspec.Struct, frozen=True):
    """A sentence with ``{name}`` where a figure goes, and no digit of its own."""

    template: Say
    figures: dict[str, Figure] = {}
    holds: str = ""
    """A comparison that must be true of the evidence, else the sentence says the opposite of it."""


class Claim(msgspec.Struct, frozen=True, kw_only=True):
    """One checkable sentence of an analysis."""

    id: str
    kind: str
    """``cause``, ``reason``, ``change`` or ``impact``."""
    service: str
    """Whom it is about; empty for the system."""
    text: Say
    evidence: list[str]
    shown: dict[str, Say] = {}
    """Each piece of its evidence in a line."""
    says: Statement


class Reason(msgspec.Struct, frozen=True, kw_only=True):
    """Why a service is suspected: one channel's score, a sentence, and the evidence it rests on."""

    channel: str
    score: float
    text: Say = Say("", "")
    """Filled in from ``says`` when the ranking is made."""
    evidence: list[str]
    says: Statement | None = None
    claim: str = ""
    """Id of the claim that says it."""


class Suspect(msgspec.Struct, frozen=True, kw_only=True):
    service: str
    score: float
    reasons: list[Reason]


class Blame(msgspec.Struct, frozen=True, kw_only=True):
    """The one change that fits what is seen."""

    change: str
    """Id of its evidence."""
    score: float
    text: Say


class Confidence(msgspec.Struct, frozen=True, kw_only=True):
    """How often the first suspect was right where it scored like this, in failures whose cause is known."""

    level: str
    """``high``, ``moderate`` or ``low``."""
    right: int
    of: int
    text: Say


class Analysis(msgspec.Struct, frozen=True, kw_only=True):
    """A pure function of the evidence."""

    incident: str
    suspects: list[Suspect]
    """Best first; empty when nothing stands out."""
    abstained: bool
    summary: Say
    gaps: list[Gap] = []
    blame: Blame | None = None
    claims: list[Claim] = []
    """Every sentence that was checked against the evidence and follows from it."""
    confidence: Confidence | None = None

"""A simulated system of services with faults, answering as a source: spans, logs, metrics and changes."""

import random
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field

from bongsu.analysis.request import CollectRequest, Limits
from bongsu.analysis.windows import BaselineRule
from bongsu.incidents.model import Alert, AlertStatus
from bongsu.signals.model import Gauge, Presence, Quantile, Rate, Ratio, Severity
from bongsu.signals.query import FleetQuery
from bongsu.sources.base import Capability, Change, LogRecord, Sample, Series, Source, Span

ONSET = 1_760_000_000.0
MIB = 2.0**20
FAULTS = ("error", "latency", "crash", "leak", "deploy-errors", "deploy-latency", "cpu")
_SYLLABLES = ("ka", "mo", "ri", "ten", "su", "bel", "da", "fin", "or", "pay", "gate", "inv", "user", "api")
_SIGNALS = {
    "up": Presence(form="presence"),
    "request_rate": Rate(form="rate", metric="http_requests_total", unit="per_second"),
    "error_ratio": Ratio(form="ratio", metric="http_requests_total", match={"status": "5.."}),
    "latency_p95": Quantile(form="quantile", q=0.95, metric="http_request_duration_seconds", unit="s"),
    "cpu": Rate(form="rate", metric="process_cpu_seconds_total", unit="count"),
    "memory": Gauge(form="gauge", metric="process_resident_memory_bytes", unit="bytes"),
}


@dataclass(frozen=True)
class Topology:
    """``calls``: service → callees; ``databases``: service → the address of its database."""

    entry: str
    calls: dict[str, list[str]]
    databases: dict[str, str] = field(default_factory=dict)

    @property
    def services(self) -> list[str]:
        return sorted(self.calls)


SHOP = Topology(
    "gateway",
    {"gateway": ["orders"], "orders": ["inventory", "payments"], "payments": [], "inventory": []},
    {"orders": "orders-db:5432"},
)


def random_topology(rng: random.Random) -> Topology:
    """3 to 12 services, each but the first called by one or two before it, under made-up names."""
    names: list[str] = []
    count = rng.randint(3, 12)
    while len(names) < count:
        name = "".join(rng.choices(_SYLLABLES, k=rng.randint(1, 3)))
        if name not in names:
            names.append(name)
    calls: dict[str, list[str]] = {name: [] for name in names}
    for index, name in enumerate(names[1:], 1):
        for caller in rng.sample(names[:index], k=min(index, 1 + (rng.random() < 0.2))):
            calls[caller].append(name)
    databases = {name: f"{name}-db:5432" for name in names if rng.random() < 0.3}
    return Topology(names[0], calls, databases)


@dataclass(frozen=True)
class Fault:
    kind: str
    service: str
    operation: str = ""
    strength: float = 0.5


@dataclass
class _Served:
    time: float
    duration: float
    error: bool


class Shop(Source):
    """Runs the system from ``before`` seconds before ONSET to ``after`` seconds past it."""

    capabilities = frozenset[Capability]({"metrics", "logs", "spans", "changes"})

    def __init__(
        self,
        topology: Topology,
        seed: int,
        fault: Fault | None,
        *,
        before: float = 210.0,
        after: float = 90.0,
        rate: float = 4.0,
        load: float = 1.0,
    ) -> None:
        self.topology, self.fault, self.load = topology, fault, load
        self.start, self.end = ONSET - before, ONSET + after
        self.rng = random.Random(seed)
        self.spans_: list[Span] = []
        self.logs_: list[LogRecord] = []
        self.changes_: list[Change] = []
        self.served: dict[str, list[_Served]] = {name: [] for name in topology.services}
        self._own = {name: self.rng.uniform(0.004, 0.05) for name in topology.services}
        self._memory = {name: self.rng.uniform(60, 400) * MIB for name in topology.services}
        self._cpu = {name: self.rng.uniform(0.05, 0.4) for name in topology.services}
        self._operations = {
            name: ["POST /" + name + "/a", "GET /" + name + "/b"][: self.rng.randint(1, 2)]
            for name in topology.services
        }
        self._ids = 0
        self._run(rate)

    @property
    def name(self) -> str:
        return "simulated"

    def operations(self, service: str) -> list[str]:
        return self._operations[service]

    def _run(self, rate: float) -> None:
        if self.fault and self.fault.kind.startswith("deploy"):
            at = ONSET - self.rng.uniform(0, 30)
            self.changes_.append(Change(at, self.fault.service, "deploy", "new version", "1.0.0", "1.1.0"))
        at = self.start
        while at < self.end:
            at += self.rng.expovariate(rate * (self.load if at >= ONSET else 1.0))
            self._ids += 1
            self._call(f"t{self._ids:08d}", "", self.topology.entry, at)
        for served in self.served.values():
            served.sort(key=lambda s: s.time)
        for name in self.topology.services:
            for _ in range(self.rng.randint(0, 6)):
                when = self.rng.uniform(self.start, self.end)
                self._log(
                    when, name, "ERROR", f"cache refresh timed out after {self.rng.randint(1, 900)} ms", ""
                )

    def _id(self) -> str:
        self._ids += 1
        return f"s{self._ids:08d}"

    def _struck(self, service: str, at: float, kind: str, operation: str = "") -> bool:
        fault = self.fault
        if fault is None or at < ONSET or fault.service != service or fault.kind != kind:
            return False
        return not operation or not fault.operation or fault.operation == operation

    def _own_time(self, service: str, operation: str, at: float) -> float:
        own = self._own[service] * self.rng.lognormvariate(0, 0.35)
        if at >= ONSET:
            own *= 1 + 0.03 * (self.load - 1)
        strength = self.fault.strength if self.fault else 0.0
        if self._struck(service, at, "latency", operation):
            own += 0.15 + strength * self.rng.uniform(0.5, 1.5)
        if self._struck(service, at, "deploy-latency", operation):
            own = own * 3 + 0.1 + strength * self.rng.uniform(0.5, 1.5)
        if self._struck(service, at, "leak"):
            own *= 1.25
        if self._struck(service, at, "cpu"):
            own *= 2 + 3 * strength
        return own

    def _call(self, trace: str, parent: str, service: str, at: float) -> tuple[float, bool]:
        """Serves one call; its duration and whether it failed."""
        operation = self.rng.choice(self._operations[service])
        span = self._id()
        own, clock, failed = self._own_time(service, operation, at), at, False
        clock += own * 0.5
        if service in self.topology.databases:
            clock += self._database(trace, span, service, clock)
        if any(self._struck(service, at, kind, operation) for kind in ("error", "deploy-errors")):
            assert self.fault is not None
            failed = self.rng.random() < 0.2 + 0.7 * self.fault.strength
        if not failed and self.rng.random() < 0.003:
            failed = True
        if failed:
            code = self.rng.randint(100, 999)
            self._log(clock, service, "ERROR", f"request req_{code}f{code}a failed: code {code}", trace)
        for callee in self.topology.calls[service]:
            if failed:
                break
            took, broke = self._client(trace, span, service, callee, clock)
            clock += took
            if broke:
                failed = True
                self._log(clock, service, "ERROR", f"{callee} answered 503 to call {self._ids}", trace)
        clock += own * 0.5
        self.spans_.append(Span(trace, span, parent, service, operation, "server", at, clock - at, failed))
        self.served[service].append(_Served(clock, clock - at, failed))
        return clock - at, failed

    def _client(self, trace: str, parent: str, caller: str, callee: str, at: float) -> tuple[float, bool]:
        span, wire = self._id(), self.rng.uniform(0.0005, 0.002)
        if self._struck(callee, at, "crash"):
            took, failed = wire, True
        else:
            served, failed = self._call(trace, span, callee, at + wire / 2)
            took = served + wire
        peer = f"{callee}:8080"
        self.spans_.append(
            Span(trace, span, parent, caller, f"call {callee}", "client", at, took, failed, peer)
        )
        return took, failed

    def _database(self, trace: str, parent: str, service: str, at: float) -> float:
        took = 0.003 * self.rng.lognormvariate(0, 0.4)
        peer = self.topology.databases[service]
        self.spans_.append(
            Span(trace, self._id(), parent, service, "SELECT", "client", at, took, False, peer)
        )
        return took

    def _log(self, at: float, service: str, severity: str, body: str, trace: str) -> None:
        self.logs_.append(LogRecord(at, service, severity, body, trace))

    async def instant(self, query: FleetQuery, at: float) -> list[Sample]:
        return []

    async def range(self, query: FleetQuery, start: float, end: float, step: float) -> list[Series]:
        times = [start + i * step for i in range(int((end - start) / step) + 1)]
        return [
            Series(name, times, [self._value(query.name, name, at) for at in times])
            for name in sorted(query.services)
        ]

    def _value(self, signal: str, service: str, at: float) -> float:
        if at < self.start:
            return float("nan")
        down = self._struck(service, at, "crash")
        if signal == "up":
            return 0.0 if down else 1.0
        if down and signal in ("cpu", "memory"):
            return float("nan")
        noise = random.Random(f"{signal}{service}{at}").gauss(0, 1)
        strength = self.fault.strength if self.fault else 0.0
        if signal == "memory":
            grown = (at - ONSET) * (2 + 10 * strength) * MIB if self._struck(service, at, "leak") else 0.0
            return self._memory[service] + grown + noise * 2 * MIB
        if signal == "cpu":
            load = self.load if at >= ONSET else 1.0
            busy = 0.4 + 0.5 * strength if self._struck(service, at, "cpu") else 0.0
            return max(0.0, self._cpu[service] * load * (1 + 0.05 * noise) + busy)
        served = self.served[service]
        left, right = (bisect_right(served, when, key=lambda s: s.time) for when in (at - 60, at))
        recent = served[left:right]
        if signal == "request_rate":
            return len(recent) / 60
        if not recent:
            return float("nan")
        if signal == "error_ratio":
            return sum(s.error for s in recent) / len(recent)
        return sorted(s.duration for s in recent)[int(0.95 * len(recent))]

    async def logs(
        self, services: Sequence[str], start: float, end: float, *, errors_only: bool, limit: int
    ) -> list[LogRecord]:
        return [r for r in self.logs_ if r.service in services and start <= r.time < end][:limit]

    async def spans(
        self, start: float, end: float, *, services: Sequence[str] = (), limit: int
    ) -> list[Span]:
        found = [s for s in self.spans_ if start <= s.start < end]
        return [s for s in found if not services or s.service in services][:limit]

    async def trace(self, trace_id: str) -> list[Span]:
        return [s for s in self.spans_ if s.trace_id == trace_id]

    async def changes(self, start: float, end: float) -> list[Change]:
        return [c for c in self.changes_ if start <= c.time < end]


def fleet_queries(services: Sequence[str]) -> list[FleetQuery]:
    labels = {name: {"job": name} for name in services}
    return [FleetQuery(name, signal, labels) for name, signal in _SIGNALS.items()]


def alert(service: str, signal: str = "error_ratio") -> Alert:
    return Alert(
        source="watch",
        fingerprint=f"{service}-{signal}",
        status=AlertStatus.FIRING,
        starts_at=ONSET + 30,
        name=signal,
        service=service,
        signal=signal,
        severity=Severity.P1,
    )


def request(
    shop: Shop, alerting: Sequence[Alert], *, onset_error: float = 0.0, **limits: float
) -> CollectRequest:
    return CollectRequest(
        incident="inc-1",
        alerts=alerting,
        onset=ONSET + onset_error,
        now=shop.end,
        depends_on=shop.topology.calls,
        queries=fleet_queries(shop.topology.services),
        baseline=BaselineRule(longest=150.0),
        limits=Limits(**{"seconds": 60.0, "per_read": 60.0, **limits}),  # type: ignore[arg-type]
    )


@dataclass(frozen=True)
class Scenario:
    shop: Shop
    alerts: list[Alert]
    onset_error: float

    @property
    def culprit(self) -> str:
        return self.shop.fault.service if self.shop.fault else ""


def scenario(kind: str, seed: int, topology: Topology | None = None) -> Scenario:
    """A seeded fault of ``kind`` (or ``healthy``) somewhere in ``topology`` or in a random one."""
    rng = random.Random(f"{kind}-{seed}")
    topology = topology or random_topology(rng)
    after, onset_error = rng.uniform(60, 150), rng.uniform(-15, 15)
    if kind == "healthy":
        shop = Shop(topology, seed, None, after=after, load=rng.choice([0.5, 1.0, 1.0, 1.8, 2.5]))
        return Scenario(
            shop, [alert(topology.entry, rng.choice(["latency_p95", "error_ratio"]))], onset_error
        )
    probe = Shop(topology, seed, None, before=0, after=0)
    culprit = rng.choice(topology.services)
    operation = rng.choice([*probe.operations(culprit), ""])
    shop = Shop(topology, seed, Fault(kind, culprit, operation, rng.random()), after=after)
    signal = {"leak": "memory", "latency": "latency_p95", "cpu": "latency_p95"}.get(kind, "error_ratio")
    alerts = [alert(topology.entry, signal)]
    if rng.random() < 0.3 or kind == "leak":
        alerts.append(alert(culprit, signal))
    return Scenario(shop, alerts, onset_error)

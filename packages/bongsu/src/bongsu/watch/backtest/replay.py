"""The past, judged and recorded by the live code."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt
import sqlalchemy as sa

from bongsu.catalog import Catalog, ResolvedService
from bongsu.incidents import tables as schema
from bongsu.incidents.model import Alert, AlertStatus, Incident, IncidentStatus
from bongsu.incidents.record import Policy, record
from bongsu.incidents.store import incident_of
from bongsu.sources.base import SourceError
from bongsu.watch.backtest.history import Bools, Grid, History, Table
from bongsu.watch.backtest.paging import Page, Pager
from bongsu.watch.backtest.precheck import NEVER, burning, first_seen, met, present
from bongsu.watch.backtest.raised import How, Raised
from bongsu.watch.backtest.schedule import Schedule, learned, schedule
from bongsu.watch.judgement import Answers, Asked, Judgement
from bongsu.watch.reading import Reading, key


@dataclass(frozen=True, slots=True)
class Past:
    """What a backtest of one catalog reads: a table for each question of the schedule, in its order."""

    schedule: Schedule
    signals: Sequence[Table]
    shares: Sequence[Table]
    events: Sequence[Table]
    unread: Mapping[str, str]
    """Signals that are left out, and why their source has no answer."""


@dataclass(frozen=True, slots=True)
class Run:
    """What a watch would have made of the past."""

    start: float
    """Of the first round in which anything was known, Unix seconds."""
    end: float
    pages: Sequence[Page]
    alerts: Sequence[Raised]
    incidents: Sequence[Incident]
    unseen: Sequence[str]
    """Services that the source knows nothing of."""
    caused: Mapping[Page, Raised]
    """The alert in whose name each page went out."""

    @property
    def weeks(self) -> float:
        return (self.end - self.start) / 604_800


async def read(
    catalog: Catalog,
    services: Mapping[str, ResolvedService],
    history: History,
    start: float,
    end: float,
) -> Past:
    """Everything that would have been asked between two times. SourceError where nothing can be read."""
    plan = schedule(Judgement.of(catalog, services), start, end)

    def grid(pace: int) -> Grid:
        return Grid(plan.start, pace * plan.beat, (plan.rounds - 1) // pace + 1)

    wanted = [(query, grid(pace)) for query, pace in plan.signals]
    wanted += [(window.share, grid(pace)) for window, pace in plan.windows]
    wanted += [(window.events, grid(pace)) for window, pace in plan.windows]
    found = await history.tables(wanted)
    first, second = len(plan.signals), len(plan.signals) + len(plan.windows)
    names = [query.name for query, _ in plan.signals] + 2 * [q.share.name for q, _ in plan.windows]
    errors = [(n, f) for n, f in zip(names, found, strict=True) if isinstance(f, SourceError)]
    if errors and len(errors) == len(found):
        raise errors[0][1]
    signals = [(p, t) for p, t in zip(plan.signals, found[:first], strict=True) if isinstance(t, Table)]
    windows = [
        (p, share, events)
        for p, share, events in zip(plan.windows, found[first:second], found[second:], strict=True)
        if isinstance(share, Table) and isinstance(events, Table)
    ]
    kept = replace(plan, signals=[paced for paced, _ in signals], windows=[paced for paced, _, _ in windows])
    return Past(
        kept,
        [table for _, table in signals],
        [share for _, share, _ in windows],
        [events for _, _, events in windows],
        {name: str(error) for name, error in errors},
    )


def replay(
    past: Past,
    judgement: Judgement,
    policy: Policy,
    pager: Pager,
    *,
    every_value: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> Run:
    """Judge and record the past round by round. ``judgement`` must be fresh.

    A round in which no value can lead to an alert and nothing is pending or fires is left out, as is any
    value of which that is true; of a signal that is learned none is. ``every_value`` leaves out none at all.
    """
    stage = _Stage(past, judgement, every_value=every_value)
    plan, rounds = past.schedule, past.schedule.rounds
    with _recorder(policy, pager) as recorder:
        number = stage.next(0)
        while number < rounds:
            now = plan.at(number)
            asked, answers = stage.round(number)
            recorder.take(judgement.step(asked, answers, now), now)
            if progress is not None:
                progress(number, rounds)
            number = stage.next(number + 1)
        incidents = recorder.finish()
    begin = min((n for n in stage.seen.values() if n < NEVER), default=rounds)
    return Run(
        start=plan.at(begin),
        end=plan.at(rounds),
        pages=recorder.pages,
        alerts=list(recorder.alerts.values()),
        incidents=incidents,
        unseen=sorted(service for service, first in stage.seen.items() if first == NEVER),
        caused=recorder.caused,
    )


@dataclass(slots=True)
class _Stage:
    """What the judgement is shown."""

    past: Past
    judgement: Judgement
    every_value: bool
    seen: dict[str, int] = field(init=False)
    _tables: list[Table] = field(init=False)
    _ready: list[Bools] = field(init=False)
    _wanted: list[Bools] = field(init=False)
    _whole: list[bool] = field(init=False)
    """Of which tables every value counts."""
    _candidates: npt.NDArray[np.int64] = field(init=False)
    _places: dict[str, tuple[int, int]] = field(init=False)
    _learnt: dict[int, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        plan = self.past.schedule
        paces = [pace for _, pace in plan.signals]
        self.seen = first_seen(self.past.signals, paces)
        pairs = [present(t, pace, self.seen) for t, pace in zip(self.past.signals, paces, strict=True)]
        self._tables, self._ready = [table for table, _ in pairs], [ready for _, ready in pairs]
        burns = burning(self.judgement.burn, plan, self.past.shares, self._tables)
        lessons = learned(self.judgement)
        self._whole = [self.every_value or key(query) in lessons for query, _ in plan.signals]
        self._wanted = [
            ready if whole else met(table, ready) | burn & ready
            for (table, ready), burn, whole in zip(pairs, burns, self._whole, strict=True)
        ]
        rounds = [
            np.arange(0, plan.rounds, pace) if whole else np.flatnonzero(wanted.any(axis=1)) * pace
            for wanted, pace, whole in zip(self._wanted, paces, self._whole, strict=True)
        ]
        self._candidates = np.unique(np.concatenate([*rounds, np.zeros(0, dtype=np.int64)]))
        self._places = {
            f"{service}/{table.query.name}": (i, column)
            for i, table in enumerate(self._tables)
            for column, service in enumerate(table.query.services)
        }

    def next(self, number: int) -> int:
        """The first round from ``number`` on that matters."""
        if self.judgement.judge.tracks:
            return number
        i = int(np.searchsorted(self._candidates, number))
        return int(self._candidates[i]) if i < len(self._candidates) else self.past.schedule.rounds

    def round(self, number: int) -> tuple[Asked, Answers]:
        """The questions of a round and their answers, as far as they matter."""
        tracked: dict[int, set[int]] = {}
        for name in self.judgement.judge.tracks:
            place, column = self._places[name]
            tracked.setdefault(place, set()).add(column)
        queries, readings = [], []
        for i, (table, (query, pace)) in enumerate(
            zip(self._tables, self.past.schedule.signals, strict=True)
        ):
            if number % pace:
                continue
            row = number // pace
            columns = {*np.flatnonzero(self._wanted[i][row]).tolist(), *tracked.get(i, ())}
            if columns or self._whole[i]:
                names = list(query.services)
                values = {names[c]: _cell(table, row, c) for c in sorted(columns) if self._ready[i][row, c]}
                queries.append(query)
                readings.append(Reading(query.name, query.signal, values, "", query.source))
        windows = []
        pairs = []
        for i, (question, pace) in enumerate(self.past.schedule.windows):
            row = number // pace
            if self._learnt.get(i) != row:
                self._learnt[i] = row
                windows.append(question)
                pairs.append((_whole(self.past.shares[i], row), _whole(self.past.events[i], row)))
        return Asked(queries, windows), Answers(readings, pairs)


def _cell(table: Table, row: int, column: int) -> float | None:
    return float(table.values[row, column]) if table.known[row, column] else None


def _whole(table: Table, row: int) -> Reading:
    query = table.query
    values = {service: _cell(table, row, column) for column, service in enumerate(query.services)}
    return Reading(query.name, query.signal, values, "", query.source)


@dataclass(slots=True)
class _Recorder:
    """Incidents in memory, by the live record."""

    connection: sa.Connection
    policy: Policy
    pager: Pager
    pages: list[Page] = field(default_factory=list)
    caused: dict[Page, Raised] = field(default_factory=dict)
    alerts: dict[tuple[str, float], Raised] = field(default_factory=dict)
    _incidents: dict[str, Incident] = field(default_factory=dict)
    _members: dict[int, list[Raised]] = field(default_factory=dict)

    def take(self, alerts: Sequence[Alert], now: float) -> None:
        self._told(self.pager.due(now))
        if not alerts:
            return
        with self.connection.begin():
            changed = record(self.connection, alerts, self.policy, now)
            for alert in alerts:
                self._note(alert, now)
        self._incidents |= {incident.id: incident for incident in changed}
        self._told(self.pager.changed(changed, now))

    def finish(self) -> list[Incident]:
        self._told(self.pager.due(float("inf")))
        return sorted(self._incidents.values(), key=lambda incident: incident.number)

    def _note(self, alert: Alert, now: float) -> None:
        name = (alert.fingerprint, alert.starts_at)
        known = self.alerts.get(name)
        if known is None:
            if alert.status is AlertStatus.RESOLVED:
                return
            incident = self._incident_of(alert)
            before = self._incidents.get(incident.id)
            members = self._members.setdefault(incident.number, [])
            how: How = "reopened"
            if before is None:
                how = "joined" if members else "opened"
            elif before.status is not IncidentStatus.RESOLVED:
                how = "joined"
            known = self.alerts[name] = Raised.of(alert, incident.number, how)
            members.append(known)
        known.follow(alert, now)

    def _incident_of(self, alert: Alert) -> Incident:
        a, i = schema.alerts, schema.incidents
        query = (
            sa.select(i)
            .join(a, a.c.incident == i.c.id)
            .where(a.c.fingerprint == alert.fingerprint, a.c.starts_at == alert.starts_at)
        )
        return incident_of(self.connection.execute(query).one())

    def _told(self, pages: Sequence[Page]) -> None:
        for page in pages:
            self.pages.append(page)
            members = self._members[page.incident]
            self.caused[page] = min(members, key=lambda raised: (raised.severity.rank, raised.starts_at))


@contextmanager
def _recorder(policy: Policy, pager: Pager) -> Iterator[_Recorder]:
    engine = sa.create_engine("sqlite://", poolclass=sa.StaticPool)
    schema.metadata.create_all(engine)
    try:
        with engine.connect() as connection:
            yield _Recorder(connection, policy, pager)
    finally:
        engine.dispose()

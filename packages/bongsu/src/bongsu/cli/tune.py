"""``bongsu tune``: a threshold for so many pages a week, from the past."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bongsu.cli import say
from bongsu.cli.check import load_or_exit
from bongsu.cli.choosing import known as known_name
from bongsu.cli.past import (
    Progress,
    chosen,
    columns,
    known_incidents,
    opened,
    past_options,
    span,
    told_by,
    unreadable,
)

if TYPE_CHECKING:
    from bongsu.catalog import Catalog, Place, ResolvedService
    from bongsu.signals.model import AnySignal, Severity, Threshold
    from bongsu.watch.backtest.known import Known
    from bongsu.watch.backtest.paging import Told
    from bongsu.watch.backtest.replay import Past
    from bongsu.watch.backtest.tuning import Trial

_COLUMN = 6
"""Cells that a candidate takes in the chart."""


@click.command(
    help=say(
        "Propose a threshold of SIGNAL for a number of pages a week, by replaying candidates over stored "
        "history. CATALOG is ./bongsu.yaml unless given.",
        "저장된 이력에 여러 임계값을 적용해 보고, 주당 호출 횟수에 맞는 SIGNAL의 임계값을 제안합니다. "
        "CATALOG를 생략하면 ./bongsu.yaml입니다.",
    )
)
@click.argument("signal")
@click.argument("catalog", type=click.Path(path_type=Path), default="bongsu.yaml")
@past_options
@click.option(
    "--pages-a-week",
    "budget",
    type=click.FloatRange(min=0, min_open=True),
    default=1.0,
    show_default=True,
    help=say("So many pages a week, of all its services together.", "모든 서비스를 합친 주당 호출 횟수."),
)
@click.option(
    "--severity",
    type=click.Choice(["P1", "P2", "P3", "P4"]),
    help=say(
        "Whose threshold; the mildest that the signal has unless given.",
        "임계값의 심각도. 기본은 신호에 있는 가장 낮은 심각도.",
    ),
)
@click.option("--ascii", "plain", is_flag=True, help=say("Draw without Unicode.", "유니코드 없이 그립니다."))
def tune(
    signal: str,
    catalog: Path,
    environment: str,
    budget: float,
    severity: str | None,
    plain: bool,
    **options: Any,
) -> None:
    loaded = chosen(load_or_exit(catalog, environment), options)
    subject = _subject(loaded, signal, severity)
    tuned = asyncio.run(_tune(loaded, subject, budget, options))
    lines = _lines(subject, tuned, budget, plain=plain)
    if tuned.proposed is not None:
        lines += _where(catalog, environment, subject, tuned.proposed, options["services"])
    click.echo("\n".join([*lines, *(f"! {note}" for note in tuned.notes)]))


@dataclass(frozen=True, slots=True)
class _Subject:
    """What is tuned: a signal of those services that have it."""

    name: str
    signal: "AnySignal"
    severity: "Severity"
    current: "Threshold | None"
    services: "Mapping[str, ResolvedService]"


@dataclass(frozen=True, slots=True)
class _Tuned:
    trials: "Sequence[Trial]"
    proposed: "Trial | None"
    known: int
    bad: str
    """Which time should be covered."""
    days: float
    notes: Sequence[str]


def _subject(catalog: "Catalog", name: str, severity: str | None) -> _Subject:
    from bongsu.catalog import resolve
    from bongsu.signals.model import Severity

    services = resolve(catalog)
    names = dict.fromkeys(signal for service in services.values() for signal in service.signals)
    known_name(("signal", "신호"), name, names)
    having = {n: s for n, s in services.items() if name in s.signals}
    levels = sorted({level for s in having.values() for level in s.signals[name].thresholds})
    level = Severity(severity) if severity else levels[-1] if levels else Severity.P2
    signal = next(iter(having.values())).signals[name]
    current = next((t for s in having.values() if (t := s.signals[name].thresholds.get(level))), None)
    return _Subject(name, signal, level, current, having)


async def _tune(catalog: "Catalog", subject: _Subject, budget: float, options: Mapping[str, Any]) -> _Tuned:
    from bongsu.signals.model import Threshold
    from bongsu.sources.base import SourceError
    from bongsu.watch.backtest import tuning
    from bongsu.watch.backtest.history import History
    from bongsu.watch.backtest.known import within
    from bongsu.watch.backtest.precheck import NEVER, first_seen
    from bongsu.watch.backtest.replay import read

    catalog = catalog.model_copy(update={"watch": catalog.watch.model_copy(update={"learned": None})})
    anything = subject.current or Threshold(op=">", value=0.0)
    services = tuning.alone(subject.services, subject.name, {subject.severity: anything})
    known, _ = known_incidents(catalog, options)
    reading = Progress(say("reading", "읽는 중"))
    async with opened(catalog, options) as source:
        start, end = span(catalog, options, source.end)
        try:
            past = await read(catalog, services, History(source.source, reading), start, end)
        except SourceError as error:
            raise unreadable(error) from None
        finally:
            reading.done()
    values = tuning.numbers(past)
    begin = min(first_seen(past.signals, [pace for _, pace in past.schedule.signals]).values(), default=NEVER)
    if not len(values) or begin == NEVER:
        raise click.ClickException(
            say(
                f"no history: {subject.name} has no value in this time; look at it with: bongsu query",
                f"이력이 없습니다: 이 기간에 {subject.name} 값이 하나도 없습니다. bongsu query로 확인하세요",
            )
        )
    first = past.schedule.at(begin)
    known = within([one for one in known if one.services & services.keys()], first, end)
    bad, said = _bad(past, subject, known, float(values[-1]))
    told, notes = _told(catalog, subject)
    wanted = tuning.candidates(subject.signal, values, subject.current)
    trying = Progress(say("trying", "시험 중"))
    found = list(
        tuning.trials(catalog, services, past, wanted, subject.severity, told, known, bad, budget, trying)
    )
    trying.done()
    days = (end - first) / 86_400
    enough = budget * days / 7 >= 1
    notes += _honest(days, budget, enough=enough)
    proposed = tuning.choice(found, budget, subject.current) if enough else None
    return _Tuned(found, proposed, len(known), said, days, notes)


def _bad(
    past: "Past", subject: _Subject, known: "Sequence[Known]", worst: float
) -> "tuple[Sequence[Known], str]":
    """The time that should be covered: known trouble, else the time beyond the present threshold."""
    from bongsu.watch.backtest.tuning import beyond

    if known:
        return known, say("known trouble", "알려진 장애 시간")
    if subject.current is None:
        return [], ""
    reference = subject.current.model_copy(update={"for_": 0.0})
    text = _text(reference, subject.signal.unit)
    return beyond(past, reference), say(f"time {text}", f"{text}인 시간")


def _told(catalog: "Catalog", subject: _Subject) -> "tuple[Told, list[str]]":
    """What the routes tell; where none calls on anybody for this severity, every incident counts."""
    if any(r.mention and (not r.severity or subject.severity in r.severity) for r in catalog.routes):
        return told_by(catalog), []
    level = subject.severity.value
    note = say(
        f"no route calls on anybody for {level}: each incident is counted as a page",
        f"{level}에 담당자를 호출하는 경로(route)가 없어 장애마다 호출 1건으로 셌습니다",
    )
    return (lambda _: {"": True}), [note]


def _honest(days: float, budget: float, *, enough: bool) -> list[str]:
    if not enough:
        return [
            say(
                f"no proposal: {days:.1f} days of history are too short to tell {budget:g} pages a week from "
                f"fewer; at least {7 / budget:.0f} days are needed",
                f"제안하지 않습니다: 이력이 {days:.1f}일뿐이라 주당 {budget:g}건을 가늠할 수 없습니다. "
                f"{7 / budget:.0f}일 이상 필요합니다",
            )
        ]
    if budget * days / 7 < 3 or days < 14:
        return [
            say(
                f"the history is short ({days:.1f} days): a page more or less changes the choice",
                f"이력이 짧습니다({days:.1f}일). 호출 한두 건에 따라 제안이 달라집니다",
            )
        ]
    return []


def _lines(subject: _Subject, tuned: _Tuned, budget: float, *, plain: bool) -> list[str]:
    services = len(subject.services)
    head = say(
        f"{subject.name} {subject.severity.value}: {services} services, {tuned.days:.1f} days of history",
        f"{subject.name} {subject.severity.value}: 서비스 {services}개, 이력 {tuned.days:.1f}일",
    )
    lines = [head, "", *columns(_table(subject, tuned, budget)), ""]
    shown = tuned.proposed or min(tuned.trials, key=lambda trial: trial.pages_a_week)
    return [*lines, *_chart(subject, tuned, shown.threshold.for_, budget, plain=plain), ""]


def _table(subject: _Subject, tuned: _Tuned, budget: float) -> list[list[str]]:
    """The candidates near the budget, and the present one."""
    from bongsu.watch.backtest.tuning import same

    head = [say("threshold", "임계값"), say("pages/week", "주당 호출"), say("incidents", "장애")]
    head += [say("caught", "탐지")] if tuned.known else []
    head += [say(f"{tuned.bad} covered", f"{tuned.bad} 중 알림 발생")] if tuned.bad else []
    rows = []
    for trial in _near(subject, tuned, budget):
        mark = "→ " if trial == tuned.proposed else "  "
        now = say(" (now)", " (현재)") if same(trial.threshold, subject.current) else ""
        row = [f"{mark}{_text(trial.threshold, subject.signal.unit)}{now}"]
        row += [f"{trial.pages_a_week:.1f}", str(trial.opened)]
        row += [f"{trial.caught}/{tuned.known}"] if tuned.known else []
        row += [("-" if trial.covered is None else f"{100 * trial.covered:.0f}%")] if tuned.bad else []
        rows.append(row)
    return [head, *rows]


def _near(subject: _Subject, tuned: _Tuned, budget: float) -> "list[Trial]":
    """Of each ``for`` the laxest within the budget and the next; what is used now; the proposal."""
    from bongsu.watch.backtest.tuning import same

    kept: dict[int, Trial] = {}
    for hold in dict.fromkeys(trial.threshold.for_ for trial in tuned.trials):
        mine = [trial for trial in tuned.trials if trial.threshold.for_ == hold]
        within = [i for i, trial in enumerate(mine) if trial.pages_a_week <= budget]
        last = within[-1] if within else 0
        kept |= {id(trial): trial for trial in mine[last : last + 2]}
    kept |= {id(t): t for t in tuned.trials if t == tuned.proposed or same(t.threshold, subject.current)}
    return [trial for trial in tuned.trials if id(trial) in kept]


def _chart(subject: _Subject, tuned: _Tuned, hold: float, budget: float, *, plain: bool) -> list[str]:
    """Pages a week by threshold, for one ``for``; the line is the budget."""
    from datetime import UTC

    from bongsu.cli.chart import ASCII, ROWS, UNICODE, Plot, draw
    from bongsu.signals.model import Threshold
    from bongsu.signals.quantities import format_duration

    glyphs = ASCII if plain else UNICODE
    mine = [trial for trial in tuned.trials if trial.threshold.for_ == hold]
    values = [trial.pages_a_week for trial in mine for _ in range(_COLUMN)]
    line = [(say("budget", "예산"), Threshold(op=">", value=budget))]
    drawn = draw(Plot(list(range(len(values))), values, "count", line, UTC), glyphs)[: ROWS + 1]
    left = drawn[-1].index(glyphs.axis) + 1
    labels = [_text(t.threshold.model_copy(update={"for_": 0.0}), subject.signal.unit) for t in mine]
    room = max(_COLUMN, *(len(label) + 1 for label in labels))
    marks = [""] * len(labels)
    for i, label in enumerate(labels):
        if (i * _COLUMN) % room < _COLUMN or room <= _COLUMN:
            marks[i] = label
    axis = ""
    for i, mark in enumerate(marks):
        if mark and len(axis) <= i * _COLUMN:
            axis = axis.ljust(i * _COLUMN) + mark
    lasting = format_duration(hold)
    title = say(f"pages a week by threshold, for {lasting}", f"임계값별 주당 호출 (for {lasting})")
    return [title, *drawn, " " * left + axis]


def _text(threshold: "Threshold", unit: str) -> str:
    """The condition as it is written in a catalog: ``> 3.4s for 5m``."""
    from bongsu.cli.values import threshold_text
    from bongsu.signals.quantities import format_duration

    if unit != "s" or abs(threshold.value) >= 120:
        return threshold_text(threshold, unit)
    lasting = f" for {format_duration(threshold.for_)}" if threshold.for_ else ""
    return f"{threshold.op} {threshold.value:g}s{lasting}"


def _where(
    path: Path, environment: str, subject: _Subject, proposed: "Trial", services: Sequence[str]
) -> list[str]:
    """The line for the catalog, and where it belongs."""
    from bongsu.signals.model import Threshold
    from bongsu.watch.backtest.tuning import same

    text = _text(proposed.threshold, subject.signal.unit)
    try:
        exact = Threshold.model_validate(text).value == proposed.threshold.value
    except ValueError:
        exact = False
    line = f'{subject.severity.value}: "{text if exact else proposed.threshold}"'
    full = f"thresholds: {{{subject.name}: {{{line}}}}}"
    if same(subject.current, proposed.threshold):
        return [say(f"keep what is there: {line}", f"현재 값을 그대로 두세요: {line}")]
    found = [(name, _place(path, environment, name, subject)) for name in (services or [""])]
    lines = []
    for name, place in found:
        if place is not None:
            lines.append(say(f"write at {place}:", f"{place}에 적으세요:"))
            lines.append(f"    {line}")
        else:
            under = f"services.{name}" if name else "defaults"
            lines.append(say(f"add under {under} in {path}:", f"{path}의 {under} 아래에 추가하세요:"))
            lines.append(f"    {full}")
    own = [] if services else _own(subject)
    if own:
        names = ", ".join(own[:5]) + (" …" if len(own) > 5 else "")
        lines.append(
            say(f"and where services say their own: {names}", f"따로 정해 둔 서비스도 바꾸세요: {names}")
        )
    return lines


def _own(subject: _Subject) -> list[str]:
    """The services whose own threshold stands before that of the defaults."""
    return [
        name
        for name, service in subject.services.items()
        if subject.severity in service.spec.thresholds.get(subject.name, {})
        or (subject.name in service.spec.signals and subject.current is not None)
    ]


def _place(path: Path, environment: str, service: str, subject: _Subject) -> "Place | None":
    """Where the catalog says the threshold now."""
    from bongsu.catalog.loader import _assemble, _overlay

    root = _assemble(path)
    if environment:
        root = _overlay(root, path, environment)
    level = subject.severity.value
    ways: list[tuple[str, ...]] = [("defaults", "thresholds", subject.name, level)]
    if service:
        ways = [
            ("services", service, "thresholds", subject.name, level),
            ("services", service, "signals", subject.name, "thresholds", level),
        ]
    for way in ways:
        node: Any = root
        for part in way:
            inside = node.value if isinstance(node.value, dict) else {}
            node = inside[part][1] if part in inside else None
            if node is None:
                break
        if node is not None:
            return root.at(way, key=True)
    return None

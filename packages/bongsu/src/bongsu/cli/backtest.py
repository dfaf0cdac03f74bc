"""``bongsu backtest``: what the rules of a catalog would have told of the past."""

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bongsu.cli import say
from bongsu.cli.check import load_or_exit
from bongsu.cli.past import (
    Opened,
    Progress,
    chosen,
    columns,
    known_incidents,
    opened,
    past_options,
    span,
    told_by,
    unreadable,
    without_objectives,
)

if TYPE_CHECKING:
    from bongsu.catalog import Catalog
    from bongsu.watch.backtest.history import History
    from bongsu.watch.backtest.known import Known
    from bongsu.watch.backtest.outcome import Outcome, Report
    from bongsu.watch.backtest.raised import Rule

_DAY = 86_400.0


@click.command(
    help=say(
        "Replay rules, objectives, grouping and cooldown over stored history: how often people would have "
        "been called, which known incidents are caught, how soon. CATALOG is ./bongsu.yaml unless given.",
        "저장된 이력에 규칙, 목표(SLO), 묶음, 재알림 억제를 그대로 적용해 호출 횟수, "
        "알려진 장애의 탐지 여부, 탐지까지 걸린 시간을 계산합니다. CATALOG를 생략하면 ./bongsu.yaml입니다.",
    )
)
@click.argument("catalog", type=click.Path(path_type=Path), default="bongsu.yaml")
@past_options
@click.option(
    "--change",
    type=click.Path(path_type=Path),
    help=say("Compare with this catalog.", "이 카탈로그로 바꾸면 어떻게 달라지는지 비교합니다."),
)
@click.option(
    "--markdown", type=click.Path(path_type=Path), help=say("Write Markdown there.", "Markdown을 쓸 파일.")
)
@click.option("--json", "as_json", is_flag=True, help=say("Print JSON.", "JSON으로 출력."))
def backtest(catalog: Path, environment: str, as_json: bool, **options: Any) -> None:
    before = load_or_exit(catalog, environment)
    after = load_or_exit(options["change"], environment) if options["change"] else None
    found = asyncio.run(_compare(before, after, options))
    if options["markdown"]:
        options["markdown"].write_text(markdown(found), encoding="utf-8")
    if as_json:
        click.echo(json.dumps(_plain(found), indent=2, ensure_ascii=False))
    else:
        click.echo("\n".join(_lines(found)))


@dataclass(frozen=True, slots=True)
class Compared:
    """One report, or that of a change as well, and what must be said of them."""

    catalog: "Catalog"
    before: "Report"
    after: "Report | None"
    notes: Sequence[str]


async def _compare(before: "Catalog", after: "Catalog | None", options: Mapping[str, Any]) -> Compared:
    from bongsu.watch.backtest.history import History

    catalog = chosen(before, options)
    known, origin = known_incidents(catalog, options)
    async with opened(catalog, options) as source:
        start, end = span(catalog, options, source.end)
        reading = Progress(say("reading", "읽는 중"))
        history = History(source.source, reading)
        first, notes = await replayed(catalog, history, source, (start, end), known, reading)
        second = None
        if after is not None:
            changed = chosen(after, options, strict=False)
            second, more = await replayed(changed, history, source, (start, end), known, reading)
            notes += [note for note in more if note not in notes]
    if not origin:
        notes.append(
            say(
                "no known incidents: name a file with --known, or the server's data with --data-folder",
                "알려진 장애가 없습니다. --known(파일)이나 --data-folder(서버 데이터)를 지정하면 "
                "탐지율도 계산합니다",
            )
        )
    return Compared(catalog, first, second, notes)


async def replayed(
    catalog: "Catalog",
    history: "History",
    source: Opened,
    time: tuple[float, float],
    known: Sequence["Known"],
    reading: Progress,
) -> "tuple[Report, list[str]]":
    """The report of one catalog over the past, and what must be said of it."""
    from bongsu.catalog import resolve
    from bongsu.incidents.record import policy_of
    from bongsu.sources.base import SourceError
    from bongsu.watch.backtest.known import within
    from bongsu.watch.backtest.outcome import report
    from bongsu.watch.backtest.paging import Pager
    from bongsu.watch.backtest.replay import read, replay
    from bongsu.watch.judgement import Judgement

    notes = []
    if not source.events and any(service.objectives for service in catalog.services.values()):
        catalog = without_objectives(catalog)
        notes.append(
            say(
                "objectives are left out: the files hold values of signals, not events",
                "목표(SLO)는 제외했습니다. 파일에는 신호의 값만 있고 이벤트 수가 없습니다",
            )
        )
    services = resolve(catalog)
    try:
        past = await read(catalog, services, history, *time)
    except SourceError as error:
        raise unreadable(error) from None
    finally:
        reading.done()
    judgement = Judgement.of(catalog, services)
    if judgement.learned is not None:
        await judgement.learned.backfill(source.source, time[0])
    judging = Progress(say("judging", "판정 중"))
    pager = Pager(told_by(catalog), catalog.grouping.wait)
    run = replay(past, judgement, policy_of(catalog, services), pager, progress=judging)
    judging.done()
    if len(run.unseen) == len(services) or run.weeks <= 0:
        raise click.ClickException(_no_history(catalog, source, time))
    notes += _notes(catalog, time, run.start, run.unseen, past.unread)
    return report(run, services.values(), within(list(known), run.start, run.end)), notes


def _no_history(catalog: "Catalog", source: Opened, time: tuple[float, float]) -> str:
    first, last = (_clock(catalog, at) for at in time)
    name, count = source.source.name, len(catalog.services)
    return say(
        f"no history: {name} has no value of any of the {count} services between {first} and {last}; "
        "is it the right source, and do the services' labels select their series? "
        "Try: bongsu query SERVICE SIGNAL",
        f"이력이 없습니다: {first}부터 {last}까지 {name}에 서비스 {count}개의 값이 하나도 없습니다. "
        "소스와 서비스 레이블이 맞는지 확인하세요: bongsu query SERVICE SIGNAL",
    )


def _notes(
    catalog: "Catalog",
    time: tuple[float, float],
    start: float,
    unseen: Sequence[str],
    unread: Mapping[str, str],
) -> list[str]:
    from bongsu.catalog.write import printable

    notes = []
    days = (time[1] - start) / _DAY
    if start - time[0] > max(_DAY, 0.05 * (time[1] - time[0])):
        asked = (time[1] - time[0]) / _DAY
        notes.append(
            say(
                f"the history begins at {_clock(catalog, start)}: {days:.1f} days instead of {asked:.0f}",
                f"이력이 {_clock(catalog, start)}부터 있습니다: {asked:.0f}일이 아니라 {days:.1f}일치입니다",
            )
        )
    if days < 7:
        notes.append(
            say(
                f"{days:.1f} days are less than a week: figures a week are an extrapolation",
                f"{days:.1f}일치는 일주일보다 짧습니다. 주당 수치는 늘려 잡은 값입니다",
            )
        )
    if unseen:
        names = ", ".join(unseen[:5]) + (" …" if len(unseen) > 5 else "")
        notes.append(
            say(f"never seen, so not judged: {names}", f"데이터가 전혀 없어 판정하지 못한 서비스: {names}")
        )
    for name, error in unread.items():
        text = printable(error, 300)
        notes.append(say(f"{name} is left out: {text}", f"{name} 신호는 제외했습니다: {text}"))
    if not any(route.mention for route in catalog.routes):
        notes.append(
            say(
                "no route calls on anybody, so there are no pages; incidents are counted all the same",
                "담당자를 호출하는 경로(route)가 없어 호출은 0건입니다. 장애 수는 그대로 셉니다",
            )
        )
    return notes


def _clock(catalog: "Catalog", at: float) -> str:
    return datetime.fromtimestamp(at, catalog.zone).strftime("%Y-%m-%d %H:%M")


def rule_text(rule: "Rule") -> str:
    """``error_ratio P2``, ``error_ratio P1 (objective availability)``."""
    kinds = {"burn_rate": say("objective", "목표"), "anomaly": say("unusual", "평소와 다름")}
    more = " ".join(filter(None, (kinds.get(rule.kind, ""), rule.objective)))
    name = rule.signal or rule.kind
    return f"{name} {rule.severity.value}" + (f" ({more})" if more else "")


def _columns(known: int) -> list[tuple[str, Callable[["Outcome"], str]]]:
    def caught(outcome: "Outcome") -> str:
        return f"{outcome.caught}/{outcome.caught + outcome.missed}"

    shown: list[tuple[str, Callable[[Outcome], str]]] = [
        (say("pages/week", "주당 호출"), lambda o: f"{o.pages_a_week:.1f}"),
        (say("incidents", "장애"), lambda o: str(o.opened)),
        (say("alerts", "알림"), lambda o: str(o.alerts)),
        (say("per incident", "장애당 알림"), lambda o: _number(o.alerts_an_incident)),
        (say("reopened", "재발"), lambda o: str(o.reopened)),
        (say("after first bad", "첫 이상 후"), lambda o: _time(o.delay)),
    ]
    if known:
        shown += [
            (say("caught", "탐지"), caught),
            (say("after start", "장애 시작 후"), lambda o: _time(o.behind)),
            (say("pages outside", "장애 외 호출"), lambda o: str(o.outside)),
        ]
    return shown


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}"


def _time(seconds: float | None) -> str:
    from bongsu.signals.quantities import format_duration

    return "-" if seconds is None else format_duration(round(seconds))


def _table(found: Compared) -> list[list[str]]:
    """A head, a row a rule, and the total. ``before → after`` where they differ."""
    shown = _columns(max(found.before.known, found.after.known if found.after else 0))
    head = [say("rule", "규칙"), *(name for name, _ in shown)]
    old, new = found.before, found.after
    rules = dict.fromkeys([*old.rules, *(new.rules if new else ())])
    rows = []
    for rule in sorted(rules, key=lambda r: (r.signal, r.severity.rank, r.kind, r.objective)):
        pair = old.rules.get(rule), new.rules.get(rule) if new else None
        rows.append([rule_text(rule), *(_cell(show, pair, compare=new is not None) for _, show in shown)])
    pair = old.total, new.total if new else None
    total = [say("all", "전체"), *(_cell(show, pair, compare=new is not None) for _, show in shown)]
    return [head, *rows, total]


def _cell(
    show: Callable[["Outcome"], str], pair: "tuple[Outcome | None, Outcome | None]", *, compare: bool
) -> str:
    first, second = ("-" if one is None else show(one) for one in pair)
    return first if not compare or first == second else f"{first} → {second}"


def _summary(found: Compared) -> list[str]:
    report, total = found.before, found.before.total
    first, last = _clock(found.catalog, report.start), _clock(found.catalog, report.end)
    days = report.weeks * 7
    lines = [
        say(
            f"{first} to {last} ({days:.1f} days, {found.catalog.timezone}), "
            f"{len(found.catalog.services)} services",
            f"{first}부터 {last}까지 ({days:.1f}일, {found.catalog.timezone}), "
            f"서비스 {len(found.catalog.services)}개",
        ),
        say(
            f"{total.pages} pages, {total.pages_a_week:.1f} a week; {total.opened} incidents opened",
            f"호출 {total.pages}건, 주당 {total.pages_a_week:.1f}건. 장애 {total.opened}건",
        ),
    ]
    if found.after is not None:
        after = found.after.total
        lines.append(
            say(
                f"with the change: {after.pages} pages, {after.pages_a_week:.1f} a week; "
                f"{after.opened} incidents opened",
                f"변경 후: 호출 {after.pages}건, 주당 {after.pages_a_week:.1f}건. 장애 {after.opened}건",
            )
        )
    if report.known:
        said = f"{total.caught}/{report.known}"
        if found.after is not None:
            said += f" → {found.after.total.caught}/{found.after.known}"
        lines.append(say(f"known incidents caught: {said}", f"알려진 장애 탐지: {said}"))
    return lines


def _lines(found: Compared) -> list[str]:
    table = columns(_table(found))
    notes = [f"! {note}" for note in found.notes]
    return [*_summary(found), "", *table[:-1], "", table[-1], *([""] if notes else []), *notes]


def markdown(found: Compared) -> str:
    """A section for a pull request."""
    table = [[cell.replace("|", "\\|") for cell in row] for row in _table(found)]
    head, *rows, total = table
    lines = [f"### {say('Backtest', '백테스트')}: {found.catalog.name}", ""]
    lines += [f"- {line}" for line in _summary(found)]
    lines += ["", f"| {' | '.join(head)} |", "|---" + "|--:" * (len(head) - 1) + "|"]
    lines += [f"| {' | '.join(row)} |" for row in rows]
    lines.append(f"| {' | '.join(f'**{cell}**' for cell in total)} |")
    if found.notes:
        lines += ["", *(f"> {note}  " for note in found.notes)]
    return "\n".join(lines) + "\n"


def _plain(found: Compared) -> dict[str, Any]:
    def of(report: "Report") -> dict[str, Any]:
        return {
            "start": report.start,
            "end": report.end,
            "weeks": report.weeks,
            "known": report.known,
            "rules": [{**rule._asdict(), **asdict(outcome)} for rule, outcome in report.rules.items()],
            "total": asdict(report.total),
        }

    after = of(found.after) if found.after is not None else None
    return {"before": of(found.before), "after": after, "notes": list(found.notes)}

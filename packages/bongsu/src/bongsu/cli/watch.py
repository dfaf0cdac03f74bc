"""``bongsu watch``: what is read, what is judged of it, and what would be said."""

import asyncio
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bongsu.cli import environment_option, say
from bongsu.cli.check import load_or_exit

if TYPE_CHECKING:
    from bongsu.catalog import Catalog
    from bongsu.incidents.model import Alert
    from bongsu.watch.table import Row
    from bongsu.watch.watch import Watch

_STATES = {
    "ok": ("ok", "정상", "green"),
    "pending": ("pending", "대기", "yellow"),
    "firing": ("FIRING", "발생", "red"),
    "asleep": ("off hours", "판정 시간 외", "blue"),
    "no_data": ("no data", "데이터 없음", "yellow"),
    "error": ("error", "오류", "magenta"),
}
_REASONS = {
    "threshold": ("threshold", "임계값"),
    "burn_rate": ("error budget", "에러 예산"),
    "anomaly": ("unusual", "평소와 다름"),
}


@click.command(
    help=say(
        "Read every signal, judge it, and show what was read, judged and said.",
        "모든 신호를 읽어 판정하고, 읽은 값과 판정 결과, 보낼 알림을 보여 줍니다.",
    )
)
@click.argument("catalog", type=click.Path(path_type=Path), default="bongsu.yaml")
@environment_option
@click.option("--once", is_flag=True, help=say("One round, then end.", "한 번만 확인하고 끝냅니다."))
@click.option(
    "--dry-run",
    is_flag=True,
    help=say("Tell nobody and keep nothing.", "아무에게도 알리지 않고 저장하지도 않습니다."),
)
@click.option(
    "--service", "services", multiple=True, help=say("Only this service.", "이 서비스만 보여 줍니다.")
)
@click.option("--data", type=click.Path(path_type=Path), help=say("Where data are kept.", "데이터를 둘 곳."))
@click.option("--json", "as_json", is_flag=True, help=say("Print JSON lines.", "JSON으로 출력."))
def watch(catalog: Path, environment: str, once: bool, dry_run: bool, **options: Any) -> None:
    loaded = load_or_exit(catalog, environment)
    from bongsu.cli.choosing import service_of

    for service in options["services"]:
        service_of(loaded, service)
    _refuse_embedded(loaded)
    job = _look(loaded, once, options) if dry_run else _work(loaded, once, options)
    try:
        asyncio.run(job)
    except KeyboardInterrupt:
        raise click.exceptions.Exit(130) from None


def _refuse_embedded(catalog: "Catalog") -> None:
    embedded = [name for name, source in catalog.sources.items() if source.type == "embedded"]
    if embedded or not catalog.sources:
        name = embedded[0] if embedded else "embedded"
        raise click.ClickException(
            say(
                f"the embedded source ({name}) collects while a server runs, and that server watches: "
                "bongsu serve. What it has read shows in the console and under GET /api/watch",
                f"내장 소스({name})는 서버가 실행되는 동안 수집하고 그 서버가 감시합니다: bongsu serve. "
                "읽은 값은 콘솔과 GET /api/watch에서 볼 수 있습니다",
            )
        )


async def _look(catalog: "Catalog", once: bool, options: dict[str, Any]) -> None:
    """Rounds that tell nobody. What a server holds pending is not read: it may be writing it."""
    import tempfile

    from bongsu.catalog import resolve
    from bongsu.incidents.store import Store
    from bongsu.sources.opening import open_sources
    from bongsu.watch.judgement import Judgement
    from bongsu.watch.watch import Watch

    async def nobody(_: object) -> None:
        return None

    source = open_sources(catalog, None)
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder) / "watch.sqlite")
        watch = Watch(source, Judgement.of(catalog, resolve(catalog)), store, nobody)
        try:
            await _rounds(watch, catalog, once, options, say("would be said", "보낼 알림"))
        finally:
            await store.close()
            await source.aclose()


async def _work(catalog: "Catalog", once: bool, options: dict[str, Any]) -> None:
    """Rounds that tell people, with everything that a server does but its web pages."""
    from bongsu.folder import FolderInUseError
    from bongsu.logs import configure
    from bongsu.server import Server
    from bongsu.settings import Settings

    configure()
    given = {"data": options["data"]} if options["data"] else {}
    try:
        server = Server(catalog, Settings(watch=False, **given))
    except FolderInUseError as error:
        raise click.ClickException(str(error)) from None
    async with server.run():
        await server.watch.restore()
        await server.watch.catch_up(time.time())
        await _rounds(server.watch, catalog, once, options, say("said", "보낸 알림"))
        await server.lifecycle.settled()


async def _rounds(
    watch: "Watch", catalog: "Catalog", once: bool, options: dict[str, Any], heading: str
) -> None:
    from bongsu.watch.table import rows

    while True:
        now = time.time()
        alerts = await watch.round(now)
        shown = [r for r in rows(watch.judgement, watch.readings, now) if _wanted(r.service, options)]
        alerts = [a for a in alerts if not a.service or _wanted(a.service, options)]
        if options["as_json"]:
            _print_json(shown, alerts, now)
        else:
            _print(catalog, shown, alerts, now, heading)
        if once:
            return
        await asyncio.sleep(watch.judgement.beat)


def _wanted(service: str, options: dict[str, Any]) -> bool:
    return not options["services"] or service in options["services"]


def _print_json(shown: "Sequence[Row]", alerts: "Sequence[Alert]", now: float) -> None:
    import msgspec

    document = {"at": now, "rows": msgspec.to_builtins(shown), "alerts": msgspec.to_builtins(alerts)}
    click.echo(json.dumps(document, ensure_ascii=False))


def _print(
    catalog: "Catalog", shown: "Sequence[Row]", alerts: "Sequence[Alert]", now: float, heading: str
) -> None:
    from datetime import datetime

    from bongsu.catalog.write import printable

    clock = datetime.fromtimestamp(now, catalog.zone).strftime("%Y-%m-%d %H:%M:%S")
    click.echo(say(f"{clock}: {len(shown)} values", f"{clock}: 값 {len(shown)}개"))
    width = max([len(f"{row.service} {row.signal}") for row in shown], default=0)
    for row in shown:
        en, ko, color = _STATES[row.state]
        name = f"{row.service} {row.signal}".ljust(width)
        state = click.style(say(en, ko), fg=color)
        click.echo(f"  {name}  {_value(row):>10}  {state}{_detail(row, now)}")
    click.echo(f"{heading}: {len(alerts)}")
    for alert in alerts:
        click.echo(f"  {alert.status.value} {alert.severity.value} {printable(alert.summary)}")


def _value(row: "Row") -> str:
    from bongsu.cli.values import value_text

    return value_text(row.value, row.unit) if row.value is not None else "-"


def _detail(row: "Row", now: float) -> str:
    from bongsu.catalog.write import printable
    from bongsu.signals.quantities import format_duration

    if row.error:
        return f"  {printable(row.error)[:200]}"
    if row.severity is None:
        return ""
    reasons = ", ".join(say(*_REASONS[kind]) for kind in row.reasons)
    lasted = format_duration(max(0.0, round(now - row.since))) if row.since is not None else ""
    hold = format_duration(row.hold)
    held = say(f"{lasted} of {hold}", f"{hold} 중 {lasted}") if row.state == "pending" else lasted
    return f" {row.severity.value} ({held}; {reasons})"

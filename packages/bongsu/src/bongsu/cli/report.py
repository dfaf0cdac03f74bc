"""``bongsu report``: the day's incidents, as Markdown."""

import asyncio
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bongsu.cli import environment_option, say
from bongsu.cli.check import load_or_exit

if TYPE_CHECKING:
    from bongsu.report.daily import Told


@click.command(
    help=say(
        "Print the daily report: all is well or not.", "일일 보고서를 출력합니다. 첫 줄이 이상 여부입니다."
    )
)
@click.argument("catalog", type=click.Path(path_type=Path), default="bongsu.yaml")
@environment_option
@click.option(
    "--date",
    "day",
    type=click.DateTime(["%Y-%m-%d"]),
    help=say("Day; today unless given.", "날짜. 기본은 오늘."),
)
@click.option(
    "--data",
    type=click.Path(path_type=Path),
    default="bongsu-data",
    help=say("The server's data.", "서버 데이터 폴더."),
)
@click.option(
    "--lang",
    type=click.Choice(["en", "ko"]),
    help=say("Language; the catalog's unless given.", "언어. 기본은 카탈로그 설정."),
)
def report(catalog: Path, environment: str, day: datetime | None, data: Path, lang: str | None) -> None:
    loaded = load_or_exit(catalog, environment)
    if not (data / "incidents.sqlite").exists():
        raise click.ClickException(
            say(
                f"{data} holds no incidents; name the server's data folder with --data",
                f"{data} 폴더에 장애 기록이 없습니다. --data로 서버 데이터 폴더를 지정하세요",
            )
        )
    from bongsu.report.daily import markdown, of_day

    wanted: date = day.date() if day else datetime.now(loaded.zone).date()
    found = asyncio.run(_incidents(data))
    text = markdown(of_day(found, wanted, loaded.zone, len(loaded.services)), lang or loaded.language)
    click.echo(text, nl=False)


async def _incidents(data: Path) -> "list[Told]":
    from bongsu.analysis.archive import Archive
    from bongsu.incidents.store import Store
    from bongsu.report.daily import Told

    store = Store(data / "incidents.sqlite")
    try:
        archive = Archive(store)
        told = []
        for incident in await store.list_incidents(limit=10_000):
            analysis = await archive.analysis(incident.id)
            suspect = analysis.suspects[0].service if analysis and analysis.suspects else ""
            told.append(Told(incident, suspect))
        return told
    finally:
        await store.close()

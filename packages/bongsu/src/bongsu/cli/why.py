"""``bongsu why``: what a running server concluded of an incident, each claim beside its evidence."""

import asyncio
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bongsu.cli import say

if TYPE_CHECKING:
    from bongsu.analysis.model import Analysis, Claim, Say

_MOST_SHOWN = 4
_MOST_INCIDENTS = 500
_PARTS = (
    ("cause", "Cause", "원인"),
    ("reason", "Reasons", "근거"),
    ("change", "Change", "변경"),
    ("impact", "How far it reaches", "영향 범위"),
)


@click.command(
    help=say(
        "Tell why an incident happened: its analysis, each claim beside its evidence. "
        "INCIDENT is an id, or a number as messages show it.",
        "장애가 왜 일어났는지, 분석의 문장마다 근거와 함께 보여 줍니다. "
        "INCIDENT에는 장애 ID나 메시지에 표시된 번호를 씁니다.",
    )
)
@click.argument("incident")
@click.option("--server", default="http://127.0.0.1:8765", help=say("The server.", "서버 주소."))
@click.option(
    "--data",
    type=click.Path(path_type=Path),
    default="bongsu-data",
    help=say("The server's data folder, for its token.", "토큰이 있는 서버 데이터 폴더."),
)
@click.option("--json", "as_json", is_flag=True, help=say("Print JSON.", "JSON으로 출력."))
def why(incident: str, server: str, data: Path, as_json: bool) -> None:
    from bongsu.client import ServerError

    try:
        document = asyncio.run(_read(incident, server, data))
    except ServerError as error:
        raise click.ClickException(str(error)) from None
    if as_json:
        click.echo(json.dumps(document, ensure_ascii=False, indent=2))
        return
    found = document["incident"]
    click.secho(f"#{found['number']} {found['severity']} {found['title']}", bold=True)
    if document["analysis"] is None:
        message = say(
            "It is not analysed yet: the evidence is still being read. Try again in a minute.",
            "아직 분석되지 않았습니다. 근거를 수집하는 중이니 1분쯤 뒤에 다시 실행하세요.",
        )
        raise click.ClickException(message)
    import msgspec

    from bongsu.analysis.model import Analysis

    _print(msgspec.convert(document["analysis"], Analysis))


async def _read(incident: str, url: str, data: Path) -> dict[str, Any]:
    from bongsu.client import Server, ServerError, admin_token

    async with Server(url, admin_token(data)) as server:
        known = await server.get("/api/incidents", limit=_MOST_INCIDENTS)
        number = incident.removeprefix("#")
        ids = [i["id"] for i in known if incident == i["id"] or number == str(i["number"])]
        if not ids:
            raise ServerError(_unknown(incident, known))
        document: dict[str, Any] = await server.get(f"/api/incidents/{ids[0]}")
        return {"incident": document["incident"], "analysis": document["analysis"]}


def _unknown(incident: str, known: list[dict[str, Any]]) -> str:
    numbers = ", ".join(f"#{i['number']}" for i in known[:5])
    if not numbers:
        return say(
            f"there is no incident {incident}: none was ever raised", f"장애 {incident} 없음: 기록이 없습니다"
        )
    return say(
        f"there is no incident {incident}; the newest are {numbers}",
        f"장애 {incident}을(를) 찾을 수 없습니다. 최근 장애: {numbers}",
    )


def _print(analysis: "Analysis") -> None:
    click.echo(_in(analysis.summary))
    if analysis.confidence is not None:
        click.echo(_in(analysis.confidence.text))
    for kind, en, ko in _PARTS:
        claims = [claim for claim in analysis.claims if claim.kind == kind]
        if claims and kind != "cause":
            click.secho(f"\n{say(en, ko)}", bold=True)
            for service, own in _by_service(claims).items():
                if kind == "reason":
                    click.secho(f"  {service}", bold=True)
                for claim in own:
                    _print_claim(claim)
    gaps = [gap for gap in analysis.gaps if not gap.minor]
    if gaps:
        click.secho(f"\n{say('Could not be read', '확인하지 못한 항목')}", bold=True)
        for gap in gaps:
            click.echo(f"  - {_in(gap)}")


def _by_service(claims: "list[Claim]") -> "dict[str, list[Claim]]":
    found: dict[str, list[Claim]] = {}
    for claim in claims:
        found.setdefault(claim.service, []).append(claim)
    return found


def _print_claim(claim: "Claim") -> None:
    click.echo(f"  - {_in(claim.text)}")
    for name, line in list(claim.shown.items())[:_MOST_SHOWN]:
        click.secho(f"      {name:<4} {_in(line)}", dim=True)
    more = len(claim.shown) - _MOST_SHOWN
    if more > 0:
        click.secho(f"      {say(f'and {more} more', f'외 {more}건')}", dim=True)


def _in(text: "Say") -> str:
    return say(text.en, text.ko)

"""``bongsu drill``: prove that an alert reaches a person."""

import asyncio
import sys
from pathlib import Path

import click

from bongsu.cli import say


@click.command(
    help=say(
        "Send a drill through the running server and wait until every channel showed it.",
        "실행 중인 서버로 훈련 알림을 보내고 모든 채널에 도착할 때까지 확인합니다.",
    )
)
@click.option("--server", default="http://127.0.0.1:8765", help=say("The server.", "서버 주소."))
@click.option(
    "--data",
    type=click.Path(path_type=Path),
    default="bongsu-data",
    help=say("The server's data folder, for its token.", "토큰이 있는 서버 데이터 폴더."),
)
@click.option(
    "--severity", type=click.Choice(["P1", "P2", "P3", "P4"]), default="P4", help=say("Severity.", "심각도.")
)
@click.option("--seconds", type=float, default=60.0, help=say("How long to wait.", "최대 대기 시간(초)."))
def drill(server: str, data: Path, severity: str, seconds: float) -> None:
    from bongsu.client import Server, ServerError, admin_token
    from bongsu.drill.drill import DrillOutcome
    from bongsu.drill.drill import drill as run

    async def send() -> DrillOutcome:
        async with Server(server, admin_token(data)) as client:
            return await run(client, severity=severity, seconds=seconds)

    try:
        outcome = asyncio.run(send())
    except ServerError as error:
        raise click.ClickException(str(error)) from None
    for hop, after in sorted(outcome.hops.items(), key=lambda item: item[1]):
        click.echo(f"  +{after:6.2f} s  {hop}")
    for channel, state in outcome.deliveries.items():
        click.echo(f"  {channel}: {state}")
    if not outcome.ok:
        click.echo(
            say(f"the chain did not hold: {outcome.why}", f"사슬이 끊겼습니다: {outcome.why}"), err=True
        )
        sys.exit(1)
    click.echo(
        say("every channel showed the drill and its end", "모든 채널에 훈련 알림과 종료가 표시되었습니다")
    )

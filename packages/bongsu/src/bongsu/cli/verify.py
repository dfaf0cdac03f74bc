"""``bongsu verify``: whether what runs is what the catalog asks for, hop by hop."""

import asyncio
import json
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bongsu.cli import environment_option, say

if TYPE_CHECKING:
    from bongsu.cli.running import Running
    from bongsu.signals.model import Text
    from bongsu.stack.verify import Line

_PLACES = ("local", "compose", "kubernetes", "operator", "terraform")
_PAUSE_SECONDS = 1.0
_WATCH_SECONDS = 5.0
Command = Callable[..., Any]


def live_options(command: Command) -> Command:
    """Where the running systems are asked, and with which tokens."""
    for option in reversed(
        (
            click.option("--prometheus", metavar="URL", help=say("Where Prometheus is.", "Prometheus 주소.")),
            click.option(
                "--alertmanager", metavar="URL", help=say("Where Alertmanager is.", "Alertmanager 주소.")
            ),
            click.option("--grafana", metavar="URL", help=say("Where Grafana is.", "Grafana 주소.")),
            click.option(
                "--token",
                "tokens",
                multiple=True,
                metavar="SYSTEM=VARIABLE",
                help=say("The variable that holds a system's token.", "시스템의 토큰이 든 환경 변수."),
            ),
            click.option(
                "--data",
                type=click.Path(path_type=Path, file_okay=False),
                default="bongsu-data",
                show_default=True,
                help=say("The data folder of bongsu up or serve.", "bongsu up 또는 serve의 데이터 폴더."),
            ),
        )
    ):
        command = option(command)
    return command


@click.command(
    help=say(
        "Ask the running systems whether every hop works; each trouble is told with its reason and fix.",
        "실행 중인 시스템에 모든 단계가 동작하는지 묻고, 문제마다 이유와 해결 방법을 알려 줍니다.",
    )
)
@click.argument("catalog", type=click.Path(path_type=Path), default="bongsu.yaml")
@environment_option
@click.option(
    "--target",
    type=click.Choice(_PLACES),
    default="local",
    show_default=True,
    help=say("Where the stack runs.", "스택이 실행되는 곳."),
)
@live_options
@click.option("--server", metavar="URL", help=say("Where Bongsu is.", "Bongsu 서버 주소."))
@click.option(
    "--json", "as_json", is_flag=True, help=say("Print one JSON object.", "결과를 JSON 하나로 출력.")
)
@click.option(
    "--watch", is_flag=True, help=say("Ask again and again, until Ctrl-C.", "Ctrl-C까지 반복해서 확인.")
)
@click.option(
    "--timeout",
    type=float,
    default=0.0,
    help=say("Seconds to wait until nothing is red.", "문제가 없어질 때까지 기다릴 시간(초)."),
)
def verify(
    catalog: Path,
    environment: str,
    target: Any,
    data: Path,
    tokens: tuple[str, ...],
    as_json: bool,
    watch: bool,
    timeout: float,
    **urls: str | None,
) -> None:
    from bongsu.cli.running import running, stack_of

    now = running(stack_of(catalog, environment, target), urls, data.resolve(), tokens)
    try:
        lines = asyncio.run(_verified(now, timeout, watch=watch, as_json=as_json))
    except KeyboardInterrupt:
        return
    except ValueError as error:
        raise click.ClickException(str(error)) from None
    _tell(lines, as_json=as_json)
    if any(line.state == "bad" for line in lines):
        sys.exit(1)


async def _verified(now: "Running", seconds: float, *, watch: bool, as_json: bool) -> "list[Line]":
    """Once; again until nothing is bad or the time is over; or for ever."""
    from bongsu.stack.verify import verify as ask

    files = now.files()
    deadline = time.monotonic() + seconds
    while True:
        lines = await ask(now.stack, now.places, files)
        if watch:
            click.clear()
            _tell(lines, as_json=as_json)
            await asyncio.sleep(_WATCH_SECONDS)
        elif time.monotonic() >= deadline or all(line.state != "bad" for line in lines):
            return lines
        else:
            await asyncio.sleep(_PAUSE_SECONDS)


def _tell(lines: "Sequence[Line]", *, as_json: bool) -> None:
    counts = {state: sum(line.state == state for line in lines) for state in ("ok", "bad", "skipped")}
    if as_json:
        rows = [
            {
                "check": line.check,
                "subject": line.subject,
                "state": line.state.value,
                "why": _in_language(line.why),
                "fix": _in_language(line.fix),
            }
            for line in lines
        ]
        document = {"ok": not counts["bad"], "counts": counts, "lines": rows}
        click.echo(json.dumps(document, ensure_ascii=False, indent=2))
        return
    width = max((len(line.name) for line in lines), default=0)
    marks = {"ok": ("✓", "green"), "bad": ("✗", "red"), "skipped": ("–", "bright_black")}
    for line in lines:
        mark, colour = marks[line.state.value]
        click.echo(f"{click.style(mark, fg=colour)} {line.name:<{width}}  {_in_language(line.why)}")
        if line.fix.en and line.state != "ok":
            click.echo(f"  {'':<{width}}  → {_in_language(line.fix)}")
    click.echo(
        say(
            "{ok} right, {bad} wrong, {skipped} not judged", "정상 {ok}, 문제 {bad}, 확인 안 함 {skipped}"
        ).format(**counts)
    )


def _in_language(text: "Text") -> str:
    return say(text.en, text.ko or text.en)

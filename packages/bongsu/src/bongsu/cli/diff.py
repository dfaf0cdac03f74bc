"""``bongsu diff``: what a render would change in a folder, and in what runs."""

import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bongsu.cli import environment_option, say
from bongsu.cli.verify import _PLACES as PLACES
from bongsu.cli.verify import live_options

if TYPE_CHECKING:
    from bongsu.cli.running import Running
    from bongsu.stack.diff import Difference, FileChange
    from bongsu.stack.model import Stack

SAME, DIFFERS, ERROR = 0, 1, 2


@click.command(
    help=say(
        "Show what a render would change: in --out, or in the systems whose URL is given. "
        "Exit status: 0 the same, 1 different, 2 error.",
        "렌더링하면 무엇이 바뀌는지 보여 줍니다: --out 폴더, 또는 주소를 준 시스템에서. "
        "종료 코드: 0 같음, 1 다름, 2 오류.",
    )
)
@click.argument("catalog", type=click.Path(path_type=Path), default="bongsu.yaml")
@environment_option
@click.option(
    "--target",
    type=click.Choice(PLACES),
    default="local",
    show_default=True,
    help=say("Where the stack is to run.", "스택을 실행할 곳."),
)
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    help=say("The folder of an earlier render.", "이전에 렌더링한 폴더."),
)
@click.option(
    "--address",
    "addresses",
    multiple=True,
    metavar="SYSTEM=HOST:PORT",
    help=say("Where a system is, as for render.", "시스템의 주소. render와 같음."),
)
@live_options
@click.option("--stat", is_flag=True, help=say("Counts and names alone.", "개수와 이름만 출력."))
def diff(
    catalog: Path,
    environment: str,
    target: Any,
    out: Path | None,
    addresses: tuple[str, ...],
    data: Path,
    tokens: tuple[str, ...],
    stat: bool,
    **urls: str | None,
) -> None:
    if out is None and not any(urls.values()):
        raise click.UsageError(
            say(
                "give --out FOLDER, or a running system's URL",
                "--out 폴더나 실행 중인 시스템의 주소를 주세요",
            )
        )
    try:
        status = _diff(catalog, environment, target, out, addresses, data, tokens, urls, stat=stat)
    except SystemExit:
        sys.exit(ERROR)
    except click.ClickException as error:
        error.show()
        sys.exit(ERROR)
    except ValueError as error:
        click.echo(str(error), err=True)
        sys.exit(ERROR)
    sys.exit(status)


def _diff(
    catalog: Path,
    environment: str,
    target: Any,
    out: Path | None,
    addresses: Sequence[str],
    data: Path,
    tokens: Sequence[str],
    urls: dict[str, str | None],
    *,
    stat: bool,
) -> int:
    from dataclasses import replace

    from bongsu.cli.render import addresses_of
    from bongsu.cli.running import running, stack_of

    stack = replace(stack_of(catalog, environment, target), addresses=addresses_of(addresses))
    status = SAME
    if out is not None:
        status = _tell_folder(stack, out, stat=stat)
    if any(urls.values()):
        asked = {name: url for name, url in urls.items() if url}
        status = max(
            status,
            asyncio.run(_live(running(stack, asked, data.resolve(), tokens, local=False), asked, stat=stat)),
        )
    return status


def _tell_folder(stack: "Stack", out: Path, *, stat: bool) -> int:
    from bongsu.stack.diff import in_folder
    from bongsu.stack.files import FilesError
    from bongsu.stack.targets import render

    try:
        changes = in_folder(render(stack), out)
    except FilesError as error:
        raise click.ClickException(str(error)) from None
    for change in changes:
        _tell_change(change, stat=stat)
    counts = [sum(c.how == how for c in changes) for how in ("new", "changed", "removed", "same")]
    hand = sum(change.by_hand for change in changes)
    click.echo(
        say(
            "{} new, {} changed, {} removed, {} the same; {} changed by hand since",
            "새 파일 {}개, 변경 {}개, 삭제 {}개, 그대로 {}개, 직접 수정됨 {}개",
        ).format(*counts, hand)
    )
    return SAME if not hand and all(change.how == "same" for change in changes) else DIFFERS


def _tell_change(change: "FileChange", *, stat: bool) -> None:
    marks = {"new": "+", "changed": "~", "removed": "-", "same": "="}
    if change.how == "same" and not change.by_hand:
        return
    note = say(" (changed by hand since the last render)", " (마지막 렌더링 이후 직접 수정됨)")
    click.echo(f"{marks[change.how]} {change.path}{note if change.by_hand else ''}")
    if change.how == "removed" and change.by_hand:
        click.echo(say("  it would be kept, as somebody changed it", "  직접 수정되어 남겨 둡니다"))
    if stat:
        return
    colours = {"+": "green", "-": "red", "@": "cyan"}
    for line in change.lines:
        click.echo(click.style(line, fg=colours.get(line[:1])))


async def _live(now: "Running", asked: "dict[str, str]", *, stat: bool) -> int:
    from bongsu.stack.drift import drift

    found, unread = await drift(now.stack, now.places, set(asked))
    for difference in found:
        _tell_difference(difference, stat=stat)
    for why in unread:
        click.echo(say(f"not read: {why}", f"읽지 못함: {why}"), err=True)
    click.echo(say(f"{len(found)} difference(s) in what runs", f"실행 중인 시스템과의 차이 {len(found)}건"))
    if unread:
        return ERROR
    return DIFFERS if found else SAME


def _tell_difference(found: "Difference", *, stat: bool) -> None:
    words = {
        "missing": ("+", say("declared, not there", "선언되었지만 없음")),
        "unknown": ("-", say("there, not declared", "선언에 없는 것이 있음")),
        "differs": ("~", say("differs", "다름")),
    }
    mark, word = words[found.how]
    click.echo(f"{mark} {found.system}: {found.where}: {word}")
    if stat:
        return
    for sign, text, colour in (("-", found.running, "red"), ("+", found.declared, "green")):
        if text is not None:
            click.echo(click.style(f"    {sign} {text}", fg=colour))

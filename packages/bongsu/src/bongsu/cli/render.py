"""``bongsu render``: the catalog as configuration of other systems."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bongsu.cli import environment_option, say
from bongsu.cli.check import load_or_exit

if TYPE_CHECKING:
    from bongsu.stack.check.run import Report
    from bongsu.stack.files import Written
    from bongsu.stack.model import Place, Stack
    from bongsu.stack.rule_tests import Skipped

_PLACES = ("local", "compose", "kubernetes", "operator", "terraform")


@click.command(
    help=say(
        "Write configuration, alert rules, rule tests and dashboards.",
        "설정 파일, 알림 규칙, 규칙 테스트, 대시보드를 만듭니다.",
    )
)
@click.argument("catalog", type=click.Path(path_type=Path), default="bongsu.yaml")
@environment_option
@click.option(
    "--target",
    type=click.Choice(_PLACES),
    default="local",
    show_default=True,
    help=say("Where the stack is to run.", "스택을 실행할 곳."),
)
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    required=True,
    help=say("The folder to write to.", "파일을 쓸 폴더."),
)
@click.option(
    "--only",
    multiple=True,
    metavar="SYSTEM",
    help=say("Only the files of this system.", "이 시스템의 파일만 만듭니다."),
)
@click.option(
    "--address",
    "addresses",
    multiple=True,
    metavar="SYSTEM=HOST:PORT",
    help=say("Where a system is, if not at its usual place.", "시스템의 주소가 기본값과 다를 때 지정."),
)
@click.option(
    "--force", is_flag=True, help=say("Write over files of others.", "다른 파일이 있어도 덮어씁니다.")
)
@click.option(
    "--check/--no-check",
    "checked",
    default=True,
    help=say("Refuse to write what a system would refuse.", "시스템이 거부할 설정이면 쓰지 않습니다."),
)
def render(
    catalog: Path,
    environment: str,
    target: "Place",
    out: Path,
    only: tuple[str, ...],
    addresses: tuple[str, ...],
    force: bool,
    checked: bool,
) -> None:
    loaded = load_or_exit(catalog, environment)
    from bongsu.stack.files import FilesError, earlier, sync
    from bongsu.stack.model import Stack
    from bongsu.stack.prometheus import rules_of, tests_of
    from bongsu.stack.targets import render as files_of

    try:
        stack = Stack(loaded, target, addresses_of(addresses), earlier=earlier(out))
        made = files_of(stack)
        if checked:
            tell_report(judged(stack, made))
        written = sync(_chosen(made, only), out, force=force)
        skipped = tests_of(rules_of(stack)).skipped
    except (FilesError, ValueError) as error:
        raise click.ClickException(str(error)) from None
    _tell(written, out)
    _tell_skipped(skipped, stack.elsewhere)


def judged(stack: "Stack", made: "Mapping[str, Mapping[str, str]]") -> "Report":
    """What our own validators and the installed tools say of the files."""
    from bongsu.stack.check import run, tools

    return run.check(stack, made) + tools.run(stack, made)


def tell_report(report: "Report") -> None:
    """Say what was found; errors end the command with status 1, before anything is written."""
    for line in report.skipped:
        click.echo(say(f"  not checked: {line}", f"  검사하지 못함: {line}"), err=True)
    for finding in report.warnings:
        click.echo(say("  warning: {}", "  경고: {}").format(_indented(finding)), err=True)
    for finding in report.errors:
        click.echo(say("  error: {}", "  오류: {}").format(_indented(finding)), err=True)
    if report.errors:
        count = len(report.errors)
        raise click.ClickException(
            say(
                f"{count} error(s): nothing was written; --no-check writes it anyway",
                f"오류 {count}건: 아무것도 쓰지 않았습니다. 그래도 쓰려면 --no-check를 붙이세요",
            )
        )


def _indented(finding: object) -> str:
    return str(finding).replace("\n", "\n      ")


def _chosen(files: dict[str, dict[str, str]], only: Sequence[str]) -> dict[str, dict[str, str]]:
    from bongsu.catalog.errors import nearest

    for system in only:
        if system not in files:
            raise click.BadParameter(f"nothing is generated for {system!r} here; {nearest(system, files)}")
    return {system: files[system] for system in only or files}


def addresses_of(given: Sequence[str]) -> dict[str, str]:
    """``prometheus=127.0.0.1:9090`` as system → address."""
    from bongsu.catalog.errors import nearest
    from bongsu.stack.systems import SYSTEMS

    found = {}
    for text in given:
        system, sign, address = text.partition("=")
        if not sign or not address:
            raise click.BadParameter(f"{text!r}: write it like prometheus=127.0.0.1:9090")
        if system not in SYSTEMS:
            raise click.BadParameter(f"{system!r} is not a system; {nearest(system, tuple(SYSTEMS))}")
        found[system] = address
    return found


def _tell(written: "Written", out: Path) -> None:
    words = (
        ("+", written.new),
        ("~", written.changed),
        ("=", written.same),
        ("-", written.removed),
    )
    for mark, path in sorted(((m, p) for m, paths in words for p in paths), key=lambda pair: pair[1]):
        click.echo(f"  {mark} {out / path}")
    for path in written.kept:
        click.echo(
            say(
                f"  ! {out / path} is no longer generated, but was changed by hand: kept",
                f"  ! {out / path} 파일은 더 이상 생성되지 않지만 직접 수정되어 남겨 둡니다",
            ),
            err=True,
        )
    counts = [len(written.new), len(written.changed), len(written.same), len(written.removed)]
    click.echo(
        say(
            "{} new, {} changed, {} the same, {} removed", "새 파일 {}개, 변경 {}개, 그대로 {}개, 삭제 {}개"
        ).format(*counts)
    )


def _tell_skipped(skipped: "Sequence[Skipped]", elsewhere: Sequence[str]) -> None:
    for rule in skipped:
        click.echo(
            say(
                f"  no tests for {rule.rule}: {rule.reason}",
                f"  {rule.rule} 규칙은 테스트 없음: {rule.reason}",
            ),
            err=True,
        )
    if elsewhere:
        names = ", ".join(elsewhere)
        click.echo(
            say(
                f"  left out, as their metrics are not in Prometheus: {names}",
                f"  메트릭이 Prometheus에 없어 제외한 서비스: {names}",
            ),
            err=True,
        )

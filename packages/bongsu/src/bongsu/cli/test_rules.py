"""``bongsu test-rules``: the catalog's alert rules against their generated tests, and against mutants."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bongsu.cli import environment_option, say
from bongsu.cli.check import load_or_exit

if TYPE_CHECKING:
    from bongsu.stack.gate import Outcome

_SHOWN_CHARACTERS = 1500


@click.command(
    name="test-rules",
    help=say(
        "Test the alert rules of a catalog with promtool: each fires when it must, and only then. With "
        "--mutate, also check that its tests find every common mistake in it.",
        "카탈로그의 알림 규칙을 promtool로 테스트합니다. 울려야 할 때 울리고, 그때만 울리는지 확인합니다. "
        "--mutate를 주면 흔한 실수가 들어간 규칙을 테스트가 모두 잡아내는지도 확인합니다.",
    ),
)
@click.argument("catalog", type=click.Path(path_type=Path), default="bongsu.yaml")
@environment_option
@click.option(
    "--mutate",
    is_flag=True,
    help=say("Also try mutants of each rule.", "규칙을 일부러 틀리게 바꾼 변이도 시험합니다."),
)
@click.option(
    "--require",
    is_flag=True,
    help=say("Fail where promtool is not installed.", "promtool이 없으면 실패로 처리합니다."),
)
@click.option("--json", "as_json", is_flag=True, help=say("Print JSON.", "JSON으로 출력."))
def test_rules(catalog: Path, environment: str, mutate: bool, require: bool, as_json: bool) -> None:
    loaded = load_or_exit(catalog, environment)
    from tempfile import TemporaryDirectory

    from bongsu.stack import promtool
    from bongsu.stack.gate import judge
    from bongsu.stack.model import Stack
    from bongsu.stack.prometheus import rules_of

    binary = promtool.find()
    if binary is None:
        _without_promtool(require=require, as_json=as_json)
        return
    try:
        rules = rules_of(Stack(loaded))
        with TemporaryDirectory(prefix="bongsu-rules-") as folder:
            outcomes = judge(rules, Path(folder), binary, mutate=mutate, told=_progress)
    except (promtool.PromtoolError, ValueError) as error:
        raise click.ClickException(str(error)) from None
    if as_json:
        click.echo(json.dumps([_plain(outcome) for outcome in outcomes], indent=2, ensure_ascii=False))
    else:
        _tell(outcomes, mutate=mutate)
    sys.exit(0 if all(outcome.ok for outcome in outcomes) else 1)


def _without_promtool(*, require: bool, as_json: bool) -> None:
    text = say(
        "NOT TESTED: promtool is not installed. It comes with Prometheus: "
        "https://prometheus.io/download/ (--require makes this an error)",
        "테스트하지 않음: promtool이 설치되어 있지 않습니다. Prometheus에 들어 있습니다: "
        "https://prometheus.io/download/ (--require를 주면 오류로 처리합니다)",
    )
    click.echo(text, err=True)
    if as_json:
        click.echo("[]")
    sys.exit(1 if require else 0)


def _progress(done: int, count: int) -> None:
    if sys.stderr.isatty():
        click.echo(f"\r{done}/{count}", nl=done == count, err=True)


def _plain(outcome: "Outcome") -> dict[str, object]:
    return {
        "rule": outcome.rule,
        "group": outcome.group,
        "tests": outcome.tests,
        "untested": outcome.untested,
        "failure": outcome.failure,
        "killed": outcome.killed,
        "equivalent": [{"mutant": text, "reason": reason} for text, reason in outcome.equivalent],
        "survived": outcome.survived,
        "ok": outcome.ok,
    }


def _tell(outcomes: "Sequence[Outcome]", *, mutate: bool) -> None:
    for outcome in sorted(outcomes, key=lambda each: (each.group, each.rule)):
        click.echo(_line(outcome, mutate=mutate))
        if outcome.failure:
            click.echo(f"      {outcome.failure[:_SHOWN_CHARACTERS]}")
        for text, reason in outcome.equivalent:
            click.echo(say(f"      equivalent: {text}: {reason}", f"      동등한 변이: {text}: {reason}"))
        for text in outcome.survived:
            click.echo(say(f"      survived: {text}", f"      살아남은 변이: {text}"))
    rules = [outcome for outcome in outcomes if outcome.tests or outcome.untested]
    tests = sum(outcome.tests for outcome in outcomes)
    failed = sum(bool(outcome.failure) for outcome in outcomes)
    untested = sum(bool(outcome.untested) for outcome in outcomes)
    click.echo(
        say(
            f"{len(rules)} rules, {tests} tests: {failed} rules failed, {untested} without tests",
            f"규칙 {len(rules)}개, 테스트 {tests}개: 실패한 규칙 {failed}개, 테스트 없는 규칙 {untested}개",
        )
    )
    if mutate:
        killed, same, alive = (
            sum(len(getattr(outcome, name)) for outcome in outcomes)
            for name in ("killed", "equivalent", "survived")
        )
        click.echo(
            say(
                f"{killed + same + alive} mutants: {killed} killed, {same} equivalent, {alive} survived",
                f"변이 {killed + same + alive}개: 잡아낸 것 {killed}개, 동등 {same}개, 살아남은 것 {alive}개",
            )
        )


def _line(outcome: "Outcome", *, mutate: bool) -> str:
    mark = "-" if outcome.untested else "✓" if outcome.ok else "✗"
    text = f"  {mark} {outcome.rule}"
    if outcome.untested:
        return f"{text}: {say('no tests', '테스트 없음')}: {outcome.untested}"
    if outcome.tests:
        text += say(f": {outcome.tests} tests", f": 테스트 {outcome.tests}개")
    if mutate:
        killed = len(outcome.killed)
        count = killed + len(outcome.survived)
        text += say(f", {killed} of {count} mutants killed", f", 변이 {count}개 중 {killed}개 잡아냄")
    return text

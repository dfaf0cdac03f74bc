"""``bongsu lint``: alert rules written elsewhere, and the mistakes in them."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bongsu.cli import say

if TYPE_CHECKING:
    from bongsu.stack.lint import Finding


@click.command(
    help=say(
        "Find the mistakes in Prometheus rules that were written elsewhere: rule files, PrometheusRule "
        "manifests, ConfigMaps. Each is told with its place, why it is one, and what to write instead.",
        "다른 곳에서 작성한 Prometheus 규칙의 실수를 찾습니다. 규칙 파일, PrometheusRule "
        "매니페스트, ConfigMap을 "
        "읽고, 실수마다 위치와 이유, 고쳐 쓸 식을 알려 줍니다.",
    )
)
@click.argument(
    "files", nargs=-1, required=True, metavar="FILE…", type=click.Path(exists=True, path_type=Path)
)
@click.option(
    "--scrape-interval",
    default="15s",
    show_default=True,
    help=say("How often the metrics are scraped.", "메트릭 수집 간격."),
)
@click.option("--json", "as_json", is_flag=True, help=say("Print JSON.", "JSON으로 출력."))
def lint(files: tuple[Path, ...], scrape_interval: str, as_json: bool) -> None:
    from bongsu.signals.quantities import parse_duration
    from bongsu.stack import lint as room

    try:
        findings = room.lint(_expanded(files), scrape=parse_duration(scrape_interval))
    except (room.LintError, ValueError) as error:
        raise click.ClickException(str(error)) from None
    language = say("en", "ko")
    if as_json:
        click.echo(json.dumps([_plain(each, language) for each in findings], indent=2, ensure_ascii=False))
    else:
        _tell(findings, language)
    sys.exit(1 if findings else 0)


def _expanded(files: Sequence[Path]) -> list[Path]:
    """Files as they are, and the YAML files of folders."""
    return [
        path
        for given in files
        for path in (sorted({*given.rglob("*.yml"), *given.rglob("*.yaml")}) if given.is_dir() else [given])
    ]


def _plain(finding: "Finding", language: str) -> dict[str, object]:
    return {
        "file": finding.place.file,
        "line": finding.place.line,
        "column": finding.place.column,
        "rule": finding.rule,
        "check": finding.check,
        "why": finding.why.in_(language),
        "better": finding.better,
    }


def _tell(findings: "Sequence[Finding]", language: str) -> None:
    for finding in findings:
        click.echo(f"{finding.place}: {finding.rule} [{finding.check}]")
        click.echo(f"    {finding.why.in_(language)}")
        for number, line in enumerate(finding.better.splitlines()):
            click.echo(f"    {'→' if number == 0 else ' '} {line}")
    if findings:
        count = len(findings)
        click.echo(say(f"{count} mistake(s) found", f"실수 {count}건을 찾았습니다"))
    else:
        click.echo(say("no mistakes found", "실수를 찾지 못했습니다"))

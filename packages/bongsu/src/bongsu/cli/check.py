"""``bongsu check``: read a catalog and say everything that is wrong with it."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bongsu.cli import environment_option, say

if TYPE_CHECKING:
    from bongsu.catalog import Catalog


@click.command(
    help=say(
        "Check a catalog; every problem is told with its line.",
        "카탈로그를 검사하고 문제마다 줄 번호를 알려 줍니다.",
    )
)
@click.argument("catalog", type=click.Path(path_type=Path), default="bongsu.yaml")
@environment_option
def check(catalog: Path, environment: str) -> None:
    loaded = load_or_exit(catalog, environment)
    text = say(
        f"{catalog}: {len(loaded.services)} services, {len(loaded.channels)} channels, no problems",
        f"{catalog}: 서비스 {len(loaded.services)}개, 채널 {len(loaded.channels)}개, 문제 없음",
    )
    click.echo(text)


def load_or_exit(catalog: Path, environment: str = "") -> "Catalog":
    """The catalog, or its problems on stderr and exit status 1."""
    from bongsu.catalog import CatalogError, load

    try:
        return load(catalog, environment=environment)
    except CatalogError as error:
        click.echo(str(error), err=True)
        count = len(error.problems)
        click.echo(say(f"{count} problem(s)", f"문제 {count}건"), err=True)
        sys.exit(1)

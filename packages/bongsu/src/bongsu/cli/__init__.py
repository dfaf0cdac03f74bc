"""The command line: one module a command group, imported only when it is used."""

import importlib
import os
from typing import Any

import click

from bongsu import __version__

_COMMANDS = {
    "backtest": ("bongsu.cli.backtest", "backtest"),
    "check": ("bongsu.cli.check", "check"),
    "demo": ("bongsu.cli.demo", "demo"),
    "diff": ("bongsu.cli.diff", "diff"),
    "drill": ("bongsu.cli.drill", "drill"),
    "init": ("bongsu.cli.init", "init"),
    "lint": ("bongsu.cli.lint", "lint"),
    "query": ("bongsu.cli.query", "query"),
    "render": ("bongsu.cli.render", "render"),
    "report": ("bongsu.cli.report", "report"),
    "schema": ("bongsu.cli.schema", "schema"),
    "serve": ("bongsu.cli.serve", "serve"),
    "signals": ("bongsu.cli.signals", "signals"),
    "tune": ("bongsu.cli.tune", "tune"),
    "up": ("bongsu.cli.up", "up"),
    "verify": ("bongsu.cli.verify", "verify"),
    "test-rules": ("bongsu.cli.test_rules", "test_rules"),
    "watch": ("bongsu.cli.watch", "watch"),
    "why": ("bongsu.cli.why", "why"),
}


def say(en: str, ko: str) -> str:
    """The text in the language of the person at the terminal."""
    language = os.environ.get("BONGSU_LANGUAGE") or os.environ.get("LC_ALL") or os.environ.get("LANG") or ""
    return ko if language.startswith("ko") else en


environment_option = click.option(
    "--env",
    "environment",
    envvar="BONGSU_ENV",
    default="",
    help=say("Overlay to put on top.", "위에 겹칠 환경 이름."),
)


class _Lazy(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        module, name = _COMMANDS[cmd_name]
        command: click.Command = getattr(importlib.import_module(module), name)
        return command


@click.group(
    cls=_Lazy,
    context_settings={"help_option_names": ["-h", "--help"]},
    help=say(
        "Declare a service once: it is instrumented, watched, explained and reported.",
        "서비스를 한 번만 선언하면 계측, 감시, 원인 분석, 보고까지 이어집니다.",
    ),
)
@click.version_option(__version__, prog_name="bongsu")
def main(**_: Any) -> None:
    pass

"""``bongsu up``: the whole stack of a catalog on this machine."""

import asyncio
import contextlib
import dataclasses
import json
import os
import signal
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bongsu.cli import environment_option, say
from bongsu.cli.check import load_or_exit
from bongsu.cli.render import judged, tell_report

if TYPE_CHECKING:
    from bongsu.catalog import Catalog
    from bongsu.stack.local import Folders, Launch, Missing
    from bongsu.stack.model import Stack
    from bongsu.supervisor import Child, Supervisor

STATE = "up.json"
"""What runs and where, beside its data: ``bongsu verify`` and ``bongsu diff`` read it."""


@click.command(
    help=say(
        "Render the stack, start it, and keep it running until Ctrl-C.",
        "스택을 렌더링해 시작하고 Ctrl-C까지 계속 실행합니다.",
    )
)
@click.argument("catalog", type=click.Path(path_type=Path), default="bongsu.yaml")
@environment_option
@click.option(
    "--target",
    type=click.Choice(["local", "compose"]),
    default="local",
    show_default=True,
    help=say("Programs of this machine, or containers.", "이 장비의 프로그램 또는 컨테이너."),
)
@click.option(
    "--data",
    type=click.Path(path_type=Path, file_okay=False),
    default="bongsu-data",
    show_default=True,
    help=say("Where files, data and logs are kept.", "파일, 데이터, 로그를 둘 곳."),
)
@click.option(
    "--port",
    "ports",
    multiple=True,
    metavar="SYSTEM=N|auto",
    help=say(
        "Another port; auto takes a free one where the usual is taken.",
        "다른 포트. auto는 빈 포트를 고릅니다.",
    ),
)
@click.option(
    "--timeout",
    type=float,
    default=60.0,
    show_default=True,
    help=say("Seconds within which each must answer.", "각 시스템이 응답해야 하는 시간(초)."),
)
def up(
    catalog: Path, environment: str, target: str, data: Path, ports: tuple[str, ...], timeout: float
) -> None:
    from bongsu.processes import ProcessError
    from bongsu.stack.files import FilesError

    data = data.resolve()
    local = _Local(catalog, environment, data, ports, timeout)
    loaded = load_or_exit(catalog, environment)
    try:
        if target == "compose":
            from bongsu.cli.up_compose import compose_up

            compose_up(loaded, data)
        else:
            asyncio.run(local.run(loaded))
    except (ProcessError, FilesError, ValueError) as error:
        raise click.ClickException(str(error)) from None


class _Local:
    """One run of ``up --target local``."""

    def __init__(
        self, path: Path, environment: str, data: Path, ports: Sequence[str], timeout: float
    ) -> None:
        self._path = path
        self._environment = environment
        self._data = data
        self._given = _ports(ports)
        self._auto = "auto" in ports
        self._timeout = timeout
        self._addresses: dict[str, str] = {}
        # Before anything is made of it, so that no change is missed.
        self._seen = _stamps(path, data)

    async def run(self, catalog: "Catalog") -> None:
        """1. Make the folders, tokens and files. 2. Start all. 3. Watch until told to stop. 4. Stop all."""
        from bongsu.supervisor import Supervisor

        self._data.mkdir(mode=0o700, parents=True, exist_ok=True)
        stack = self._stack(catalog)
        self._make(stack)
        launches, missing = self._plan(stack)
        _tell_missing(missing)
        stopping = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stopping.set)
        env = {**os.environ, "BONGSU_LANGUAGE": say("en", "ko")}
        supervisor = Supervisor(launches, self._data / "logs", env, _tell_change, self._timeout)
        starting = asyncio.ensure_future(supervisor.start())
        waiting = asyncio.ensure_future(stopping.wait())
        try:
            await asyncio.wait({starting, waiting}, return_when=asyncio.FIRST_COMPLETED)
            if not stopping.is_set():
                await starting
                self._keep(stack, launches)
                _table(supervisor, self._data)
                await asyncio.gather(supervisor.watch(stopping), self._follow(supervisor, stopping))
        finally:
            starting.cancel()
            waiting.cancel()
            await asyncio.gather(starting, waiting, return_exceptions=True)
            click.echo(say("stopping …", "종료하는 중 …"), err=True)
            await supervisor.stop()
            (self._data / STATE).unlink(missing_ok=True)
        click.echo(say("stopped; nothing is left running", "모두 종료했습니다"), err=True)

    def _stack(self, catalog: "Catalog") -> "Stack":
        from bongsu.stack.local import installed
        from bongsu.stack.model import Stack

        asked = Stack(catalog, "local")
        targets = {}
        for system in asked.systems:
            version = installed(system)
            if version is None:
                continue
            declared = catalog.targets.get(system)
            targets[system] = version or declared or str(asked.version(system))
            if version and declared and not version.startswith(declared.removesuffix(".0")):
                click.echo(
                    say(
                        f"  {system}: {version} is installed, {declared} is declared: made for {version}",
                        f"  {system}: 설치된 버전은 {version}, 선언은 {declared}: {version}에 맞춰 만듭니다",
                    ),
                    err=True,
                )
        for system in asked.systems:
            if system not in self._addresses:
                self._addresses[system] = self._address(
                    system, needed=system in targets or system == "bongsu"
                )
        kept = {name: version for name, version in catalog.targets.items() if name not in asked.systems}
        if not targets:
            raise click.ClickException(
                say(
                    "none of the stack's systems is installed here; bongsu serve runs Bongsu alone",
                    "설치된 스택 시스템이 없습니다. Bongsu만 실행하려면 bongsu serve를 쓰세요",
                )
            )
        present = catalog.model_copy(update={"targets": {**kept, **targets}})
        return Stack(present, "local", self._addresses, str(self._data / "secrets"))

    def _address(self, system: str, *, needed: bool) -> str:
        from bongsu.processes import free_port
        from bongsu.stack.systems import SYSTEMS

        port = self._given.get(system, SYSTEMS[system].port)
        if needed and not _free(port):
            if not self._auto or system in self._given:
                raise click.ClickException(
                    say(
                        f"port {port} of {system} is taken: give another with --port {system}=N, "
                        "or let --port auto choose",
                        f"{system}의 {port} 포트가 이미 사용 중입니다. "
                        f"--port {system}=N으로 바꾸거나 --port auto를 쓰세요",
                    )
                )
            port = free_port()
        return f"127.0.0.1:{port}"

    def _folders(self) -> "Folders":
        from bongsu.stack.local import Folders

        return Folders(self._data / "stack", self._data / "data")

    def _make(self, stack: "Stack") -> set[str]:
        """Write files, secrets and the served catalog; the systems whose files changed."""
        from bongsu.security import load_credentials
        from bongsu.stack.bongsu_server import declared
        from bongsu.stack.files import sync, to_yaml
        from bongsu.stack.local import secrets, served
        from bongsu.stack.targets import render

        made = render(stack)
        tell_report(judged(stack, made))
        folders = self._folders()
        for system in stack.systems:
            (folders.data / system).mkdir(mode=0o700, parents=True, exist_ok=True)
        credentials = load_credentials(folders.data / "bongsu")
        values, absent = secrets(stack, credentials.ingest, credentials.admin)
        _write_secrets(self._data / "secrets", values)
        for name in absent:
            click.echo(say(f"  secret {name} is not set", f"  비밀 값 {name}이(가) 설정되지 않음"), err=True)
        written = sync(made, folders.files, force=True)
        own = self._data / "bongsu.yaml"
        text = to_yaml(declared(dataclasses.replace(stack, catalog=served(stack))))
        paths = [*written.new, *written.changed, *written.removed]
        if not own.exists() or own.read_text(encoding="utf-8") != text:
            own.write_text(text, encoding="utf-8")
            paths.append("bongsu/bongsu.yaml")
        return {path.partition("/")[0] for path in paths}

    def _plan(self, stack: "Stack") -> "tuple[list[Launch], list[Missing]]":
        from bongsu.stack.local import bongsu, plan
        from bongsu.stack.model import Stack

        launches, _ = plan(stack, self._folders())
        running = [launch.system for launch in launches]
        launches.append(bongsu(stack, self._data / "bongsu.yaml", self._folders(), running))
        everything = Stack(load_or_exit(self._path, self._environment), "local")
        return launches, plan(everything, self._folders())[1]

    def _keep(self, stack: "Stack", launches: "Sequence[Launch]") -> None:
        state = {
            "pid": os.getpid(),
            "catalog": str(self._path.resolve()),
            "addresses": {launch.system: stack.address(launch.system) for launch in launches},
            "targets": dict(stack.catalog.targets),
            "secrets": stack.secrets_folder,
        }
        (self._data / STATE).write_text(json.dumps(state, indent=2) + "\n", encoding="utf-8")

    async def _follow(self, supervisor: "Supervisor", stopping: asyncio.Event) -> None:
        """Render again when the catalog changes, and let who is concerned take it."""
        from bongsu.catalog import CatalogError, load
        from bongsu.stack.files import FilesError

        while not stopping.is_set():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stopping.wait(), 1.0)
            now = await asyncio.to_thread(_stamps, self._path, self._data)
            if now == self._seen or stopping.is_set():
                continue
            self._seen = now
            try:
                catalog = load(self._path, environment=self._environment)
                stack = await asyncio.to_thread(self._stack, catalog)
                changed = await asyncio.to_thread(self._make, stack)
            except (CatalogError, FilesError, click.ClickException, ValueError) as error:
                text = error.message if isinstance(error, click.ClickException) else str(error)
                click.echo(
                    say(f"the change is not taken: {text}", f"변경을 반영하지 않았습니다: {text}"), err=True
                )
                continue
            await supervisor.reload(changed)
            _tell_others({launch.system for launch in self._plan(stack)[0]}, supervisor)
            names = ", ".join(sorted(changed)) or say("nothing", "없음")
            click.echo(
                say(f"the catalog changed; reloaded: {names}", f"카탈로그 변경 반영: {names}"), err=True
            )


def _ports(given: Iterable[str]) -> dict[str, int]:
    from bongsu.catalog.errors import nearest
    from bongsu.stack.systems import SYSTEMS

    found = {}
    for text in given:
        if text == "auto":
            continue
        system, _, port = text.partition("=")
        if system not in SYSTEMS:
            raise click.BadParameter(f"{system!r} is not a system; {nearest(system, tuple(SYSTEMS))}")
        if not port.isdigit() or not 0 < int(port) < 65536:
            raise click.BadParameter(f"{text!r}: write it like prometheus=9191")
        found[system] = int(port)
    return found


def _free(port: int) -> bool:
    import socket

    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _write_secrets(folder: Path, values: Mapping[str, str]) -> None:
    """Each value in a file that only its owner can read; what is no longer a secret goes."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for old in folder.iterdir():
        if old.name not in values:
            old.unlink()
    for name, value in values.items():
        path = folder / name
        if path.exists() and path.read_text(encoding="utf-8") == value:
            continue
        path.unlink(missing_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(value)


def _stamps(path: Path, data: Path) -> dict[str, int]:
    """When each file of the catalog was last changed."""
    root = path if path.is_dir() else path.parent
    below = [*root.glob("*.y*ml"), *root.glob("*/*.y*ml")]
    inside = [found for found in below if not found.resolve().is_relative_to(data)]
    return {str(found): found.stat().st_mtime_ns for found in inside if found.is_file()}


def _tell_missing(missing: "Sequence[Missing]") -> None:
    for system in missing:
        names = " | ".join(system.binaries)
        how = say(system.install.en, system.install.ko or system.install.en)
        click.echo(
            say(
                f"  left out: {system.system} ({names} is not installed; {how})",
                f"  제외: {system.system} ({names}이(가) 설치되어 있지 않음; {how})",
            ),
            err=True,
        )


def _tell_others(wanted: set[str], supervisor: "Supervisor") -> None:
    """A changed catalog may ask for other programs than those that run."""
    others = sorted(wanted ^ {child.system for child in supervisor.children})
    if others:
        names = ", ".join(others)
        click.echo(
            say(
                f"  {names}: started or stopped only when bongsu up is started anew",
                f"  {names}: bongsu up을 다시 시작해야 반영됩니다",
            ),
            err=True,
        )


def _tell_change(child: "Child") -> None:
    words = {
        "starting": ("starting", "시작하는 중"),
        "ready": ("ready", "준비됨"),
        "silent": ("runs, but does not answer", "실행 중이지만 응답 없음"),
        "ended": (f"ended; again in {child.pause:g} s", f"종료됨; {child.pause:g}초 뒤 다시 시작"),
    }
    en, ko = words[child.condition.value]
    click.echo(f"  {child.system:<18} {say(en, ko)}", err=True)


def _table(supervisor: "Supervisor", data: Path) -> None:
    click.echo(say("the stack runs:", "스택이 실행 중입니다:"))
    for child in supervisor.children:
        click.echo(f"  {child.system:<18} {child.launch.url:<28} pid {child.process.pid}")
    token = data / "data" / "bongsu" / "admin.token"
    if token.exists():
        click.echo(say(f"sign in with the token in {token}", f"로그인 토큰: {token}"))
    click.echo(say(f"logs: {data / 'logs'}; Ctrl-C ends all", f"로그: {data / 'logs'}; Ctrl-C로 모두 종료"))

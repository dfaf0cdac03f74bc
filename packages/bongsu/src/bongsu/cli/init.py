"""``bongsu init``: find what runs, say which kind each service is and why, and write a first catalog."""

import asyncio
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import click

from bongsu.cli import say

if TYPE_CHECKING:
    from bongsu.catalog.discover import Seen
    from bongsu.catalog.models import Kind
    from bongsu.catalog.write import Draft, Entry

OTLP_PORT = 4318


@dataclass(frozen=True, slots=True)
class _Where:
    """What the command line says about where to look."""

    prometheus: str
    token_env: str
    metrics: tuple[str, ...]
    seconds: float
    port: int


@click.command(
    help=say(
        "Write a first catalog. Services are found in a Prometheus, on /metrics pages, or in an OTLP stream; "
        "their kinds are chosen by the metrics that are there.",
        "첫 카탈로그를 만듭니다. Prometheus, /metrics 페이지, OTLP 스트림에서 서비스를 찾고, "
        "있는 메트릭에 따라 종류를 고릅니다.",
    )
)
@click.argument("path", type=click.Path(path_type=Path), default="bongsu.yaml")
@click.option(
    "--prometheus", metavar="URL", default="", help=say("Find services there.", "서비스를 찾을 Prometheus.")
)
@click.option(
    "--token-env",
    metavar="NAME",
    default="",
    help=say("Environment variable that holds the Prometheus token.", "Prometheus 토큰이 든 환경 변수."),
)
@click.option(
    "--metrics",
    metavar="[NAME=]URL",
    multiple=True,
    help=say("A /metrics page; may be repeated.", "/metrics 페이지. 여러 번 쓸 수 있습니다."),
)
@click.option(
    "--otlp",
    "seconds",
    type=click.FloatRange(0.1, 3600),
    metavar="SECONDS",
    help=say("Listen for OTLP for so long.", "이만큼 OTLP를 수신합니다."),
)
@click.option(
    "--listen",
    "port",
    type=click.IntRange(1, 65535),
    default=OTLP_PORT,
    show_default=True,
    help=say("Loopback port for --otlp.", "--otlp가 쓰는 루프백 포트."),
)
@click.option("--name", help=say("The team or system.", "팀 또는 시스템 이름."))
@click.option("--language", type=click.Choice(["en", "ko"]), help=say("Of messages.", "메시지 언어."))
@click.option("--timezone", metavar="ZONE", help=say("Like Asia/Seoul.", "예: Asia/Seoul."))
@click.option("--yes", is_flag=True, help=say("Ask nothing.", "아무것도 묻지 않습니다."))
@click.option("--force", is_flag=True, help=say("Overwrite the file.", "있는 파일을 덮어씁니다."))
def init(path: Path, force: bool, yes: bool, **options: Any) -> None:
    file = path / "bongsu.yaml" if path.is_dir() else path
    _refuse_to_overwrite(file, force)
    where = _Where(
        options["prometheus"],
        options["token_env"],
        options["metrics"],
        options["seconds"] or 0.0,
        options["port"],
    )
    if sum(map(bool, (where.prometheus, where.metrics, where.seconds))) > 1:
        raise click.UsageError(
            say(
                "choose one of --prometheus, --metrics and --otlp",
                "--prometheus, --metrics, --otlp 중 하나만 쓰세요",
            )
        )
    ask = not yes and _interactive()
    name, language, timezone = _answers(file, options, ask)
    from bongsu.catalog.kinds import builtin_kinds

    kinds = builtin_kinds()
    draft = _draft(where, kinds, _find(where, kinds), name=name, language=language, timezone=timezone)
    _show(draft.entries, draft.weaker)
    _write(file, draft, kinds)


def _refuse_to_overwrite(file: Path, force: bool) -> None:
    if file.exists() and not force:
        text = say(
            f"{file} is there already; name another file, or overwrite it with --force",
            f"{file} 파일이 이미 있습니다. 다른 이름을 쓰거나 --force로 덮어쓰세요",
        )
        raise click.ClickException(text)
    if not file.absolute().parent.is_dir():
        raise click.ClickException(say(f"there is no folder {file.parent}", f"{file.parent} 폴더가 없습니다"))


def _interactive() -> bool:
    return sys.stdin.isatty()


def _answers(file: Path, options: Mapping[str, Any], ask: bool) -> tuple[str, str, str]:
    from bongsu.catalog.write import clean_name

    def answer(given: str | None, question: str, default: str, choices: Sequence[str] = ()) -> str:
        if given or not ask:
            return given or default
        kind = click.Choice(choices) if choices else None
        found: str = click.prompt(question, default=default, type=kind)
        return found

    folder = clean_name(file.absolute().parent.name) or "my-team"
    name = answer(options["name"], say("Name of the team or system", "팀 또는 시스템 이름"), folder)
    if clean_name(name) != name:
        hint = say("write it with letters, digits, '-', '_' and '.'", "영문자, 숫자, '-', '_', '.'로 쓰세요")
        raise click.BadParameter(f"{name!r}: {hint}", param_hint="--name")
    language = answer(
        options["language"], say("Language of messages", "메시지 언어"), say("en", "ko"), ("en", "ko")
    )
    timezone = answer(options["timezone"], say("Time zone", "시간대"), _local_zone())
    return name, language, _known_zone(timezone)


def _local_zone() -> str:
    """The machine's zone, where it names one; else Korea's for Korean speakers, or UTC."""
    from zoneinfo import available_timezones

    link = Path("/etc/localtime")
    linked = str(link.resolve()).rpartition("zoneinfo/")[2] if link.is_symlink() else ""
    known = available_timezones()
    for zone in (os.environ.get("TZ", "").removeprefix(":"), linked):
        if zone in known and not zone.startswith("Etc/"):
            return zone
    return say("UTC", "Asia/Seoul")


def _known_zone(zone: str) -> str:
    from zoneinfo import available_timezones

    from bongsu.catalog.errors import nearest

    known = available_timezones()
    if zone in known:
        return zone
    hint = nearest(zone, known)
    hint = (
        hint
        if hint.startswith("did")
        else say("write it like Asia/Seoul or UTC", "Asia/Seoul이나 UTC처럼 쓰세요")
    )
    raise click.BadParameter(f"{zone!r}: {hint}", param_hint="--timezone")


def _find(where: _Where, kinds: "Mapping[str, Kind]") -> "list[Seen]":
    from bongsu.cli.discovery import DiscoveryError

    try:
        return asyncio.run(_discover(where, kinds))
    except DiscoveryError as error:
        raise click.ClickException(str(error)) from None


async def _discover(where: _Where, kinds: "Mapping[str, Kind]") -> "list[Seen]":
    if where.prometheus:
        from bongsu.cli.discovery.prometheus import from_prometheus

        click.echo(
            say(f"asking {_plain_url(where.prometheus)} …", f"{_plain_url(where.prometheus)}에 묻습니다 …"),
            err=True,
        )
        return await from_prometheus(where.prometheus, kinds, token=_token(where.token_env))
    if where.metrics:
        from bongsu.cli.discovery.pages import from_pages

        return await from_pages(where.metrics)
    if where.seconds:
        from bongsu.cli.discovery.otlp import from_otlp

        address = f"http://127.0.0.1:{where.port}"
        text = say(
            f"listening on {address} for {where.seconds:g} s: set OTEL_EXPORTER_OTLP_ENDPOINT={address}",
            f"{address}에서 {where.seconds:g}초 동안 수신합니다: OTEL_EXPORTER_OTLP_ENDPOINT={address}",
        )
        click.echo(text, err=True)
        return await from_otlp(where.seconds, where.port)
    return []


def _token(variable: str) -> str:
    from bongsu.cli.discovery import DiscoveryError

    if not variable:
        return ""
    if not os.environ.get(variable):
        raise DiscoveryError(
            say(f"environment variable {variable} is not set", f"환경 변수 {variable} 값이 없습니다")
        )
    return os.environ[variable]


def _plain_url(url: str) -> str:
    """The URL without the user and password that it may hold."""
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()


def _draft(where: _Where, kinds: "Mapping[str, Kind]", seen: "list[Seen]", **about: str) -> "Draft":
    from bongsu.catalog.write import Draft, entries, printable

    usable = [service for service in seen if "${" not in f"{service.job}{service.targets}"]
    for service in seen:
        if service not in usable:
            click.echo(
                say(f"left out: {printable(service.job)}", f"제외함: {printable(service.job)}"), err=True
            )
    found, weaker = entries(usable, kinds)
    sources: dict[str, dict[str, str]] = {"local": {"type": "embedded"}}
    if where.prometheus:
        secret = _plain_url(where.prometheus) != where.prometheus
        url = "${PROMETHEUS_URL}" if secret else where.prometheus
        sources = {"prometheus": {"type": "prometheus", "url": url}}
    return Draft(
        **about,
        sources=sources,
        entries=found,
        weaker=weaker,
        pushed=bool(where.seconds),
        token=where.token_env,
    )


def _show(entries: "Sequence[Entry]", weaker: Sequence[tuple[str, str]]) -> None:
    from bongsu.catalog.write import printable, reasons

    ko = say("en", "ko") == "ko"
    if not entries:
        text = say(
            "found no services; the catalog has an example to fill in "
            "(--prometheus URL, --metrics URL or --otlp SECONDS find them)",
            "찾은 서비스가 없어 예시를 적어 둡니다 (--prometheus, --metrics, --otlp로 찾을 수 있습니다)",
        )
        click.echo(text)
        return
    click.echo(say(f"found {len(entries)} services:", f"서비스 {len(entries)}개를 찾았습니다:"))
    width = max(len(entry.name) for entry in entries)
    for entry in entries:
        details = [", ".join(entry.kinds), f"prefix {entry.prefix}" if entry.prefix else ""]
        if entry.depends_on:
            details.append(say("calls ", "호출: ") + ", ".join(entry.depends_on))
        click.echo(f"  {entry.name:<{width}}  {'; '.join(part for part in details if part)}")
        for line in reasons(entry, ko):
            click.echo(f"  {'':<{width}}    {line}")
        for target in entry.seen.down:
            click.echo(
                f"  {'':<{width}}    {say('does not answer now', '지금 응답하지 않음')}: {printable(target)}"
            )
    for caller, callee in weaker:
        click.echo(
            say(
                f"  left out: {caller} calls {callee}, which would close a circle",
                f"  제외함: {caller} → {callee} 호출은 순환이 됩니다",
            )
        )


def _write(file: Path, draft: "Draft", kinds: "Mapping[str, Kind]") -> None:
    """Write the catalog, after reading it back as ``bongsu check`` would."""
    from bongsu.catalog import CatalogError, loads
    from bongsu.catalog.write import render

    text = render(draft, kinds)
    try:
        loads(text, str(file), env={"PROMETHEUS_URL": "http://127.0.0.1:9090", **os.environ})
    except CatalogError as error:
        raise click.ClickException(
            f"{error}\n{say('nothing was written', '파일을 쓰지 않았습니다')}"
        ) from None
    try:
        file.write_text(text, encoding="utf-8")
    except OSError as error:
        raise click.ClickException(f"{file}: {error.strerror}") from None
    click.echo(say(f"wrote {file}", f"{file} 파일을 썼습니다"))
    if "${PROMETHEUS_URL}" in text:
        click.echo(
            say(
                "the address holds a password, so the catalog names PROMETHEUS_URL instead; set it",
                "주소에 비밀번호가 있어 카탈로그에는 PROMETHEUS_URL로 적었습니다. 환경 변수를 설정하세요",
            )
        )
    click.echo(say("next", "다음") + f": bongsu check {file}; bongsu signals {file}; bongsu serve {file}")

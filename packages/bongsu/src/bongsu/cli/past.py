"""What ``bongsu backtest`` and ``bongsu tune`` share: which past is read, and what is known of it."""

import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from unicodedata import east_asian_width

import click

from bongsu.cli import environment_option, say
from bongsu.cli.choosing import known as known_name

if TYPE_CHECKING:
    from bongsu.catalog import Catalog
    from bongsu.catalog.models import Route
    from bongsu.incidents.model import Incident
    from bongsu.sources.base import Source, SourceError
    from bongsu.sources.embedded.store import EmbeddedStore
    from bongsu.watch.backtest.known import Known
    from bongsu.watch.backtest.paging import Told

F = TypeVar("F", bound=Callable[..., Any])

_OPTIONS = (
    environment_option,
    click.option(
        "--since", default="30d", show_default=True, help=say("How far to look back.", "얼마 전부터 볼지.")
    ),
    click.option(
        "--until",
        default="",
        help=say(
            "End of the time: 2026-01-31T09:00, in the catalog's zone; now unless given.",
            "끝 시각. 예: 2026-01-31T09:00 (카탈로그 시간대). 기본은 지금.",
        ),
    ),
    click.option(
        "--service", "services", multiple=True, help=say("Only this service.", "이 서비스만 봅니다.")
    ),
    click.option(
        "--step",
        default="",
        help=say("Time between rounds; watch.interval unless given.", "판정 간격. 기본은 watch.interval."),
    ),
    click.option(
        "--source", default="", help=say("Read from this source.", "데이터를 읽을 카탈로그의 소스.")
    ),
    click.option(
        "--data",
        type=click.Path(path_type=Path),
        help=say("Folder of Parquet or CSV files instead.", "소스 대신 읽을 Parquet 또는 CSV 폴더."),
    ),
    click.option(
        "--data-folder",
        type=click.Path(path_type=Path),
        help=say(
            "The server's data: known incidents, and the telemetry of a stopped server.",
            "서버 데이터 폴더. 알려진 장애와, 중지된 서버의 텔레메트리를 읽습니다.",
        ),
    ),
    click.option(
        "--known",
        "known_file",
        type=click.Path(path_type=Path),
        help=say("CSV of known incidents: service,start,end.", "알려진 장애 CSV: service,start,end."),
    ),
)


def past_options(command: F) -> F:
    """The options of a command that looks at the past."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


@dataclass(frozen=True, slots=True)
class Opened:
    """Where the past is read from, and its last moment, Unix seconds."""

    source: "Source"
    end: float | None
    events: bool
    """Whether it has events, which objectives are measured by."""


def duration(option: str, text: str) -> float:
    """Seconds, more than nothing; else a message that names the option."""
    from bongsu.signals.quantities import parse_duration

    try:
        seconds = parse_duration(text)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint=option) from None
    if seconds <= 0:
        raise click.BadParameter(say("it must be more than nothing", "0보다 커야 합니다"), param_hint=option)
    return seconds


def chosen(catalog: "Catalog", options: Mapping[str, Any], *, strict: bool = True) -> "Catalog":
    """The catalog with the services and step of the command line. ``strict``: each must be in it."""
    changes: dict[str, Any] = {}
    if options["services"]:
        names = [
            known_name(("service", "서비스"), name, catalog.services) if strict else name
            for name in options["services"]
        ]
        changes["services"] = {n: catalog.services[n] for n in names if n in catalog.services}
    if options["step"]:
        step = duration("--step", options["step"])
        changes["watch"] = catalog.watch.model_copy(update={"interval": step})
    return catalog.model_copy(update=changes) if changes else catalog


def without_objectives(catalog: "Catalog") -> "Catalog":
    services = {n: s.model_copy(update={"objectives": {}}) for n, s in catalog.services.items()}
    return catalog.model_copy(update={"services": services})


def span(catalog: "Catalog", options: Mapping[str, Any], end: float | None) -> tuple[float, float]:
    """Beginning and end, on whole rounds."""
    since = duration("--since", options["since"])
    last = end if end is not None else time.time()
    if options["until"]:
        try:
            moment = datetime.fromisoformat(options["until"])
        except ValueError:
            reason = say("write it like 2026-01-31T09:00", "2026-01-31T09:00처럼 적으세요")
            raise click.BadParameter(reason, param_hint="--until") from None
        last = (moment if moment.tzinfo else moment.replace(tzinfo=catalog.zone)).timestamp()
    step = catalog.watch.interval
    last = last // step * step
    return last - since // step * step, last


@asynccontextmanager
async def opened(catalog: "Catalog", options: Mapping[str, Any]) -> "AsyncIterator[Opened]":
    """The source that the command line or the catalog names."""
    from bongsu.sources.base import SourceError
    from bongsu.sources.opening import open_sources
    from bongsu.sources.sources import Sources

    if options["data"] and options["source"]:
        raise click.UsageError(
            say("give either --source or --data", "--source와 --data 중 하나만 지정하세요")
        )
    if options["data"]:
        from bongsu.watch.backtest.files import FileSource

        try:
            files = FileSource(options["data"])
        except SourceError as error:
            raise click.ClickException(str(error)) from None
        try:
            yield Opened(files, files.end, events=False)
        finally:
            await files.aclose()
        return
    if options["source"]:
        known_name(("source", "소스"), options["source"], catalog.sources)
    with _telemetry(catalog, options) as telemetry:
        everything = open_sources(catalog, telemetry)
        name = options["source"]
        try:
            one = Sources({name: everything.members[name]}, name) if name else everything
            yield Opened(one, None, events=True)
        finally:
            await everything.aclose()


@contextmanager
def _telemetry(catalog: "Catalog", options: Mapping[str, Any]) -> "Iterator[EmbeddedStore | None]":
    """The embedded store of a stopped server, where the catalog has one. Its folder is held meanwhile."""
    embedded = next((s for s in catalog.sources.values() if s.type == "embedded"), None)
    if catalog.sources and embedded is None:
        yield None
        return
    from bongsu.catalog.models import EmbeddedSource
    from bongsu.folder import DataFolder, FolderInUseError
    from bongsu.sources.embedded.store import EmbeddedStore

    folder = data_folder(options)
    path = folder / "telemetry.duckdb"
    if not path.exists():
        raise click.ClickException(
            say(
                f"no history: {path} does not exist. Name the data folder of the server with --data-folder, "
                "another source with --source, or a folder of Parquet or CSV files with --data",
                f"이력이 없습니다: {path} 파일이 없습니다. --data-folder(서버 데이터 폴더), "
                "--source(다른 소스), --data(Parquet 또는 CSV 폴더) 중 하나를 지정하세요",
            )
        )
    try:
        held = DataFolder(folder)
    except FolderInUseError:
        raise click.ClickException(
            say(
                f"a server runs on {folder}: the embedded store can be read only while it is stopped",
                f"서버가 {folder} 폴더를 사용하고 있습니다. 내장 저장소는 서버를 멈춘 뒤에 읽을 수 있습니다",
            )
        ) from None
    spec = embedded if isinstance(embedded, EmbeddedSource) else EmbeddedSource(type="embedded")
    try:
        store = EmbeddedStore(path, spec.retention, int(spec.max_size))
        try:
            yield store
        finally:
            store.close()
    finally:
        held.close()


def unreadable(error: "SourceError") -> click.ClickException:
    """What to say where nothing could be read at all."""
    hint = say("is it running, and is its url right?", "실행 중인지, url이 맞는지 확인하세요")
    return click.ClickException(f"{error}; {hint}" if "no answer" in str(error) else str(error))


def data_folder(options: Mapping[str, Any]) -> Path:
    from bongsu.settings import Settings

    return Path(options["data_folder"] or Settings().data)


def known_incidents(catalog: "Catalog", options: Mapping[str, Any]) -> "tuple[list[Known], str]":
    """Those of the file, else of the server's store where there is one; and where they are from."""
    from bongsu.watch.backtest.known import KnownError, from_csv, from_store

    store = data_folder(options) / "incidents.sqlite"
    try:
        if options["known_file"]:
            origin, found = options["known_file"], from_csv(options["known_file"])
        elif store.exists():
            origin, found = store, from_store(store)
        else:
            return [], ""
    except KnownError as error:
        raise click.ClickException(str(error)) from None
    return [one for one in found if one.services & catalog.services.keys()], str(origin)


def told_by(catalog: "Catalog") -> "Told":
    """What the catalog's routes tell, by the live delivery."""
    from bongsu.delivery.deliver import Deliverer

    def deliverer(routes: "Sequence[Route]") -> Deliverer:
        nothing: Any = None
        part = catalog.model_copy(update={"routes": tuple(routes)})
        return Deliverer(part, nothing, nothing, {}, nothing, lambda service, signal: None)

    everyone = deliverer(catalog.routes)
    calling = deliverer([route for route in catalog.routes if route.mention])

    def told(incident: "Incident") -> dict[str, bool]:
        calls = calling.channels(incident)
        return {channel: channel in calls for channel in everyone.channels(incident)}

    return told


class Progress:
    """One line on stderr, rewritten; nothing where stderr is no terminal."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._shown = ""
        self._on = sys.stderr.isatty()

    def __call__(self, done: int, of: int) -> None:
        shown = f"{self._text} {100 * done // max(of, 1)}%"
        if self._on and shown != self._shown:
            self._shown = shown
            click.echo(f"\r{shown}", nl=False, err=True)

    def done(self) -> None:
        if self._on and self._shown:
            click.echo("\r\x1b[K", nl=False, err=True)


def width(text: str) -> int:
    """The columns that a text takes in a terminal."""
    return sum(2 if east_asian_width(char) in "WF" else 1 for char in text)


def columns(rows: "Sequence[Sequence[str]]") -> list[str]:
    """Rows as aligned lines: the first cell to the left, the others to the right."""
    wide = [max(width(row[i]) for row in rows) for i in range(len(rows[0]))]
    return [
        "  ".join(
            cell + " " * (w - width(cell)) if not i else " " * (w - width(cell)) + cell
            for i, (cell, w) in enumerate(zip(row, wide, strict=True))
        ).rstrip()
        for row in rows
    ]

"""``bongsu query``: ask one signal of one service now, and draw it in the terminal."""

import asyncio
import json
import math
import os
import shutil
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bongsu.cli import environment_option, say
from bongsu.cli.check import load_or_exit
from bongsu.cli.choosing import known, service_of, signal_name

if TYPE_CHECKING:
    from bongsu.catalog import Catalog
    from bongsu.cli.chart import Plot
    from bongsu.signals.query import FleetQuery

_MARGIN = 16
"""Columns of the terminal that the chart's labels take."""
_NARROWEST, _WIDEST = 20, 160
_SHOWN = 6


@click.command(
    help=say(
        "Ask a signal of a service at its source now, and draw it. CATALOG is ./bongsu.yaml unless given.",
        "서비스의 신호를 지금 소스에 묻고 그립니다. CATALOG를 생략하면 ./bongsu.yaml입니다.",
    )
)
@click.argument("words", metavar="[CATALOG] SERVICE SIGNAL", nargs=-1, required=True)
@environment_option
@click.option(
    "--since", default="1h", show_default=True, help=say("How far to look back.", "얼마 전부터 볼지.")
)
@click.option(
    "--step",
    default="",
    help=say("Time between values; one a column unless given.", "값의 간격. 기본은 칸마다 하나."),
)
@click.option("--source", default="", help=say("Another source of the catalog.", "카탈로그의 다른 소스."))
@click.option(
    "--server",
    default="",
    help=say("Bongsu's address; the catalog's url unless given.", "봉수 서버 주소. 기본은 카탈로그의 url."),
)
@click.option(
    "--data",
    type=click.Path(path_type=Path),
    help=say("The server's data folder, for its token.", "서버 데이터 폴더 (토큰을 읽습니다)."),
)
@click.option("--ascii", "plain", is_flag=True, help=say("Draw without Unicode.", "유니코드 없이 그립니다."))
@click.option("--json", "as_json", is_flag=True, help=say("Print JSON.", "JSON으로 출력."))
def query(words: tuple[str, ...], environment: str, as_json: bool, plain: bool, **options: Any) -> None:
    catalog, service, signal = _words(words)
    since = _duration("--since", options["since"])
    step = _duration("--step", options["step"]) if options["step"] else 0.0
    loaded = load_or_exit(catalog, environment)
    asked, source = _asked(loaded, service, signal, options["source"])
    end = time.time()
    every = step or max(1.0, since / (_columns() - 1))
    try:
        document = asyncio.run(_answer(loaded, asked, source, (end - since, end, every), options))
    except _QueryError as error:
        raise click.ClickException(str(error)) from None
    if as_json:
        click.echo(json.dumps(_without_nan(document), indent=2, ensure_ascii=False))
        return
    _print(loaded, asked, document, every, plain)


class _QueryError(Exception):
    """The question could not be answered; the text names the endpoint and says what to do."""


def _words(words: Sequence[str]) -> tuple[Path, str, str]:
    if len(words) == 2 and not words[0].endswith((".yaml", ".yml")):
        return Path("bongsu.yaml"), words[0], words[1]
    if len(words) == 3:
        return Path(words[0]), words[1], words[2]
    example = "bongsu query bongsu.yaml orders latency_p95"
    raise click.UsageError(
        say(f"name a service and a signal: {example}", f"서비스와 신호를 적으세요: {example}")
    )


def _duration(option: str, text: str) -> float:
    from bongsu.signals.quantities import parse_duration

    try:
        seconds = parse_duration(text)
        if seconds > 0:
            return seconds
        reason = say("it must be more than nothing", "0보다 커야 합니다")
    except ValueError as error:
        reason = str(error)
    raise click.BadParameter(reason, param_hint=option)


def _columns() -> int:
    width = shutil.get_terminal_size((100, 24)).columns - _MARGIN
    return max(_NARROWEST, min(_WIDEST, width))


def _asked(catalog: "Catalog", service: str, signal: str, source: str) -> "tuple[FleetQuery, str]":
    from bongsu.signals.query import FleetQuery

    found = service_of(catalog, service)
    name = signal_name(found, signal)
    if source:
        known(("source", "소스"), source, catalog.sources)
    asked = FleetQuery(name, found.signals[name], {found.name: found.labels_of(name)})
    return asked, source or found.source


async def _answer(
    catalog: "Catalog",
    asked: "FleetQuery",
    source: str,
    span: tuple[float, float, float],
    options: dict[str, Any],
) -> dict[str, Any]:
    """From the source itself; what the embedded store holds, from the running server."""
    from bongsu.catalog.models import EmbeddedSource

    spec = catalog.sources.get(source)
    if spec is None or isinstance(spec, EmbeddedSource):
        return await _from_server(catalog, asked, span, options)
    return await _from_source(catalog, source, asked, span)


async def _from_source(
    catalog: "Catalog", name: str, asked: "FleetQuery", span: tuple[float, float, float]
) -> dict[str, Any]:
    from bongsu.query_api import MAX_STEPS, answer, times
    from bongsu.sources.base import SourceError
    from bongsu.sources.opening import open_sources

    if (span[1] - span[0]) / span[2] > MAX_STEPS:
        raise _QueryError(
            say(
                f"more than {MAX_STEPS} values; ask with a longer --step",
                f"값이 {MAX_STEPS}개를 넘습니다. --step을 늘리세요",
            )
        )
    alone = catalog.model_copy(update={"sources": {name: catalog.sources[name]}})
    source = open_sources(alone, None).members[name]
    try:
        if "metrics" not in source.capabilities:
            raise _QueryError(_no_metrics(catalog, name))
        found = await source.range(asked, *span)
    except SourceError as error:
        raise _QueryError(f"{error}{_hint(str(error))}") from None
    finally:
        await source.aclose()
    return answer(asked, next(iter(asked.services)), name, found, times(*span))


def _no_metrics(catalog: "Catalog", name: str) -> str:
    kind = catalog.sources[name].type
    others = [n for n, s in catalog.sources.items() if s.type not in ("loki", "tempo", "jaeger")]
    instead = f"--source {others[0]}" if others else "type: prometheus"
    return say(
        f"the source {name} ({kind}) has no metrics, of which signals are made; ask another one: {instead}",
        f"소스 {name}({kind})에는 신호를 만들 메트릭이 없습니다. 다른 소스를 쓰세요: {instead}",
    )


def _hint(error: str) -> str:
    if "no answer" not in error and "no session" not in error:
        return ""
    hint = say(
        "is it running, and is the url of the source right?",
        "실행 중인지, 소스의 url이 맞는지 확인하세요",
    )
    return f"; {hint}"


async def _from_server(
    catalog: "Catalog", asked: "FleetQuery", span: tuple[float, float, float], options: dict[str, Any]
) -> dict[str, Any]:
    from bongsu.client import Server, ServerError, admin_token
    from bongsu.settings import Settings

    settings = Settings()
    url = options["server"] or catalog.url or f"http://{settings.host}:{settings.port}"
    start, end, step = span
    try:
        token = admin_token(options["data"] or settings.data)
        async with Server(url, token) as server:
            found = await server.get(
                "/api/query",
                service=next(iter(asked.services)),
                signal=asked.name,
                start=start,
                end=end,
                step=step,
            )
    except ServerError as error:
        hint = say(
            "the running server holds the data of this source: start it with bongsu serve, "
            "or say where it is with --server and where its data are with --data",
            "이 소스의 데이터는 실행 중인 서버에 있습니다. bongsu serve로 시작하거나, "
            "--server로 주소를, --data로 데이터 폴더를 지정하세요",
        )
        raise _QueryError(f"{error}\n{hint}") from None
    return _with_nan(found)


def _with_nan(document: dict[str, Any]) -> dict[str, Any]:
    """JSON has no NaN; the server writes null."""
    document["values"] = [math.nan if value is None else value for value in document["values"]]
    for one in document["series"]:
        one["values"] = [math.nan if value is None else value for value in one["values"]]
    return document


def _without_nan(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nan(part) for key, part in value.items()}
    if isinstance(value, list):
        return [_without_nan(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _print(
    catalog: "Catalog", asked: "FleetQuery", document: dict[str, Any], step: float, plain: bool
) -> None:
    from bongsu.cli.chart import ASCII, UNICODE, Plot, draw
    from bongsu.cli.values import unit_name

    glyphs = ASCII if plain or not _can_draw() else UNICODE
    signal = asked.signal
    thresholds = [(severity.value, limit) for severity, limit in sorted(signal.thresholds.items())]
    plot = Plot(document["times"], document["values"], signal.unit, thresholds, catalog.zone)
    about = signal.help.in_(say("en", "ko"))
    title = f"{asked.name} {glyphs.dash} {about}" if about else asked.name
    every = f"{step:.0f} s" if step < 120 else f"{step / 60:.0f} min"
    lines = [
        f"{document['service']} {title} ({unit_name(signal.unit)})",
        say(
            f"source {document['source']}, a column is {every}, times in {catalog.timezone}",
            f"소스 {document['source']}, 한 칸 {every}, 시간대 {catalog.timezone}",
        ),
        "",
        *draw(plot, glyphs, _red),
        *_each(document, plot),
    ]
    encoding = sys.stdout.encoding or "utf-8"
    click.echo("\n".join(lines).encode(encoding, "replace").decode(encoding))


def _each(document: dict[str, Any], plot: "Plot") -> list[str]:
    """The present value of each series beneath the service, where there are several."""
    from bongsu.catalog.write import printable
    from bongsu.cli.values import value_text

    series = document["series"]
    if len(series) < 2:
        return []
    lines = [
        say(
            f"the worst of {len(series)} series is drawn; now:",
            f"{len(series)}개 중 가장 나쁜 값을 그렸습니다. 지금:",
        )
    ]
    for one in series[:_SHOWN]:
        labels = ", ".join(f"{name}={value}" for name, value in one["labels"].items())
        lines.append(f"  {value_text(one['values'][-1], plot.unit):>10}  {printable(labels)}")
    return lines + (["  …"] if len(series) > _SHOWN else [])


def _red(text: str) -> str:
    return text if os.environ.get("NO_COLOR") else click.style(text, fg="red")


def _can_draw() -> bool:
    """Whether the terminal takes the blocks that charts are made of."""
    from bongsu.cli.chart import UNICODE

    if os.environ.get("TERM") == "dumb":
        return False
    try:
        f"{UNICODE.bars}{UNICODE.line}".encode(sys.stdout.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True

"""``bongsu signals``: what is asked of each service, in words and in each query language."""

import importlib
import json
import re
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bongsu.cli import environment_option, say
from bongsu.cli.check import load_or_exit
from bongsu.cli.choosing import known, service_of

if TYPE_CHECKING:
    from bongsu.catalog import Catalog
    from bongsu.signals.query import FleetQuery

LANGUAGES = ("promql", "sql", "signoz", "datadog")
_SPAN, _STEP = 3600.0, 60.0


@click.command(
    help=say(
        "Show each signal: what it means, its unit and thresholds, the services that are asked together, and "
        "its query in the languages of the sources.",
        "신호마다 뜻, 단위, 임계값, 함께 묻는 서비스와 소스별 질의를 보여 줍니다.",
    )
)
@click.argument("catalog", type=click.Path(path_type=Path), default="bongsu.yaml")
@environment_option
@click.option("--service", default="", help=say("Only those of this service.", "이 서비스의 신호만."))
@click.option("--signal", "name", default="", help=say("Only this signal.", "이 신호만."))
@click.option(
    "--source",
    "languages",
    type=click.Choice(LANGUAGES),
    multiple=True,
    help=say(
        "Only this language; may be repeated. All of them unless given, in the overview PromQL.",
        "이 언어만. 여러 번 쓸 수 있습니다. 기본은 전부이고 전체 목록에서는 PromQL만 보입니다.",
    ),
)
@click.option("--json", "as_json", is_flag=True, help=say("Print JSON.", "JSON으로 출력."))
def signals(
    catalog: Path, environment: str, service: str, name: str, languages: tuple[str, ...], as_json: bool
) -> None:
    loaded = load_or_exit(catalog, environment)
    queries = _selected(loaded, service, name)
    overview = not (service or name or languages or as_json)
    wanted = languages or (("promql",) if overview else LANGUAGES)
    if as_json:
        click.echo(json.dumps([_document(query, wanted) for query in queries], indent=2, ensure_ascii=False))
        return
    if not queries:
        click.echo(say("the catalog has no services with signals", "신호가 있는 서비스가 없습니다"))
    for query in queries:
        click.echo("\n".join([*_described(query), *_in_languages(query, wanted), ""]))
    if overview and queries:
        text = say(
            "more: --service NAME or --signal NAME show every language; --source sql shows one",
            "더 보기: --service 또는 --signal은 모든 언어를, --source sql은 한 언어를 보여 줍니다",
        )
        click.echo(text)


def _selected(catalog: "Catalog", service: str, name: str) -> "list[FleetQuery]":
    """The fleet queries asked for. With a service, they are its own alone."""
    from bongsu.catalog import fleet_queries, resolve

    services = [service_of(catalog, service)] if service else list(resolve(catalog).values())
    queries = fleet_queries(services)
    if name:
        known(("signal", "신호"), name, dict.fromkeys(query.name for query in queries))
    return [query for query in queries if name in {"", query.name}]


def _described(query: "FleetQuery") -> list[str]:
    from bongsu.cli.values import threshold_text, unit_name

    signal = query.signal
    language = say("en", "ko")
    names = list(query.services)
    shown = ", ".join(names[:12]) + (f" … ({len(names)})" if len(names) > 12 else "")
    title = click.style(query.name, bold=True)
    help_text = signal.help.in_(language)
    lines = [
        f"{title} – {help_text}" if help_text else title,
        _row(say("services", "서비스"), shown),
        _row(say("measured", "단위"), f"{unit_name(signal.unit)} ({signal.form})"),
    ]
    levels = sorted(signal.thresholds.items())
    if levels:
        told = ", ".join(f"{severity} {threshold_text(limit, signal.unit)}" for severity, limit in levels)
        trouble = signal.trouble.in_(language)
        lines.append(_row(say("alerts", "경보"), f"{told}{f' – {trouble}' if trouble else ''}"))
    else:
        lines.append(_row(say("alerts", "경보"), say("none; it has no thresholds", "없음 (임계값 없음)")))
    return lines


def _in_languages(query: "FleetQuery", languages: Sequence[str]) -> list[str]:
    lines = []
    for language in languages:
        text, reason = compiled(query, language)
        if reason:
            text = say(f"not available: {reason}", f"사용할 수 없음: {reason}")
        elif not isinstance(text, str):
            text = json.dumps(text, indent=2, ensure_ascii=False)
        lines.append(_row(language, text))
    return lines


def _row(label: str, text: str) -> str:
    """A label of twelve columns and its text, whose further lines stand beneath."""
    wide = sum(2 if ord(char) > 0x1100 else 1 for char in label)
    first, *rest = text.splitlines() or [""]
    return "\n".join([f"  {label}{' ' * max(1, 12 - wide)}{first}", *(f"{'':14}{line}" for line in rest)])


def _document(query: "FleetQuery", languages: Sequence[str]) -> dict[str, Any]:
    from bongsu.cli.values import threshold_text

    signal = query.signal
    queries: dict[str, Any] = {}
    reasons: dict[str, str] = {}
    for language in languages:
        text, reason = compiled(query, language)
        if reason:
            reasons[language] = reason
        else:
            queries[language] = text
    return {
        "signal": query.name,
        "form": signal.form,
        "unit": signal.unit,
        "help": {"en": signal.help.en, "ko": signal.help.ko},
        "services": {name: dict(labels) for name, labels in query.services.items()},
        "thresholds": {s.value: threshold_text(limit, signal.unit) for s, limit in signal.thresholds.items()},
        "queries": queries,
        "not_available": reasons,
    }


def compiled(query: "FleetQuery", language: str) -> tuple[Any, str]:
    """``(query in the language, "")``, or ``(None, why it cannot be said there)``."""
    try:
        module = importlib.import_module(f"bongsu.signals.{language}")
    except ImportError as error:
        return None, str(error)
    unsupported = getattr(module, "UnsupportedError", ValueError)
    try:
        return _COMPILERS[language](module, query), ""
    except (unsupported, ValueError) as error:
        return None, str(error)


def _sql(module: Any, query: "FleetQuery") -> str:
    """The statement for this moment, with its parameters written out."""
    text, parameters = module.compile(query, round(time.time()))
    return re.sub(r"\$(\w+)", lambda found: _literal(parameters[found[1]]), text)


def _literal(value: object) -> str:
    if isinstance(value, list):
        return f"[{', '.join(map(_literal, value))}]"
    return "'" + value.replace("'", "''") + "'" if isinstance(value, str) else str(value)


def _signoz(module: Any, query: "FleetQuery") -> Any:
    now = float(round(time.time()))
    return module.compile(query, now - _SPAN, now, _STEP)


_COMPILERS: Mapping[str, Callable[[Any, "FleetQuery"], Any]] = {
    "promql": lambda module, query: module.compile(query),
    "sql": _sql,
    "signoz": _signoz,
    "datadog": lambda module, query: module.compile(query),
}

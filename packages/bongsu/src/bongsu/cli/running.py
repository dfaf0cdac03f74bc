"""Where the systems of a catalog run: said on the command line, known from ``bongsu up``, or declared."""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import click

from bongsu.cli import say
from bongsu.cli.up import STATE

if TYPE_CHECKING:
    from bongsu.stack.model import Place, Stack
    from bongsu.stack.verify import Places

URL_OPTIONS = ("prometheus", "alertmanager", "grafana", "server")


@dataclass(frozen=True)
class Running:
    """The stack as it runs, and where it is asked."""

    stack: "Stack"
    places: "Places"
    tokens: Mapping[str, str] = field(repr=False)
    dashboards: bool = True
    """Whether the catalog asks for dashboards, be Grafana here or not."""

    def files(self) -> dict[str, str]:
        """What would be rendered for the stack as it runs."""
        from bongsu.stack.targets import CONFIGURATION, render

        made = render(self.stack)
        if self.dashboards and "grafana" not in made:
            made["grafana"] = CONFIGURATION["grafana"](self.stack)
        return {path: text for group in made.values() for path, text in group.items()}


def running(
    stack: "Stack",
    given: Mapping[str, str | None],
    data: Path,
    tokens: Sequence[str],
    *,
    local: bool = True,
) -> Running:
    """What is asked, and where. A URL that is given wins over ``up``'s, and that over the catalog's.

    With ``local``, the systems of a local stack are taken to reach each other at the URLs that are given.
    """
    from bongsu.stack.verify import Places

    state = _state(data)
    dashboards = stack.has("grafana")
    if state and _same(state["addresses"], given):
        catalog = stack.catalog.model_copy(update={"targets": state["targets"]})
        stack = replace(stack, catalog=catalog, addresses=state["addresses"], secrets_folder=state["secrets"])
    usual = _declared(stack, known=bool(state))
    urls = {name: (given.get(name) or usual.get(name, "")).rstrip("/") for name in URL_OPTIONS}
    addresses = dict(stack.addresses)
    for name, system in (
        ("prometheus", "prometheus"),
        ("alertmanager", "alertmanager"),
        ("server", "bongsu"),
    ):
        if given.get(name) and stack.place == "local" and local:
            addresses[system] = urlsplit(urls[name]).netloc
    stack = replace(stack, addresses=addresses)
    blackbox = (
        stack.url("blackbox-exporter") if stack.has("blackbox-exporter") and stack.place == "local" else ""
    )
    secrets = {**_source_tokens(stack), **_tokens(tokens)}
    places = Places(
        urls["prometheus"],
        urls["alertmanager"],
        urls["grafana"],
        urls["server"],
        blackbox,
        secrets,
        _ingest_token(data),
        direct=stack.place == "local",
    )
    return Running(stack, places, secrets, dashboards)


def stack_of(catalog: Path, environment: str, target: "Place") -> "Stack":
    from bongsu.cli.check import load_or_exit
    from bongsu.stack.model import Stack

    return Stack(load_or_exit(catalog, environment), target)


def _state(data: Path) -> dict[str, Any]:
    """What ``bongsu up`` runs from this data folder now."""
    path = data / STATE
    try:
        state: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        os.kill(int(state["pid"]), 0)
    except (OSError, ValueError, KeyError, TypeError):
        return {}
    return state


def _same(addresses: Mapping[str, str], given: Mapping[str, str | None]) -> bool:
    """Whether every URL that is given is that of a system which ``bongsu up`` runs."""
    systems = {"server": "bongsu"}
    return all(
        urlsplit(url).netloc == addresses.get(systems.get(name, name)) for name, url in given.items() if url
    )


def _declared(stack: "Stack", *, known: bool) -> dict[str, str]:
    """Where the catalog says that the systems are."""
    from bongsu.catalog.models import PrometheusSource

    sources = [s.url for s in stack.catalog.sources.values() if isinstance(s, PrometheusSource)]
    found = {"server": stack.catalog.url, "grafana": stack.catalog.grafana or ""}
    asked = {system for system in ("prometheus", "alertmanager") if known or system in stack.catalog.targets}
    if stack.place == "local":
        found |= {system: stack.url(system) for system in asked if stack.has(system)}
        found["server"] = found["server"] or stack.url("bongsu")
    if known:
        found["server"] = stack.url("bongsu")
        found["grafana"] = stack.url("grafana") if stack.has("grafana") else ""
    elif sources:
        found["prometheus"] = sources[0]
    return found


def _source_tokens(stack: "Stack") -> dict[str, str]:
    from bongsu.catalog.models import PrometheusSource
    from bongsu.catalog.secrets import SecretError

    for source in stack.catalog.sources.values():
        if isinstance(source, PrometheusSource) and source.token is not None:
            try:
                return {"prometheus": source.token.reveal()}
            except SecretError as error:
                click.echo(str(error), err=True)
    return {}


def _tokens(given: Sequence[str]) -> dict[str, str]:
    """``grafana=GRAFANA_TOKEN`` as system → the value of that variable."""
    found = {}
    for text in given:
        system, _, variable = text.partition("=")
        if system not in URL_OPTIONS or not variable:
            raise click.BadParameter(f"{text!r}: write it like grafana=GRAFANA_TOKEN, with a variable's name")
        value = os.environ.get(variable, "")
        if not value:
            raise click.BadParameter(say(f"{variable} is not set", f"{variable} 변수가 설정되지 않았습니다"))
        found[system] = value
    return found


def _ingest_token(data: Path) -> str:
    token = os.environ.get("BONGSU_INGEST_TOKEN", "")
    for file in (data / "data" / "bongsu" / "ingest.token", data / "ingest.token"):
        if not token and file.is_file():
            token = file.read_text(encoding="utf-8").strip()
    return token

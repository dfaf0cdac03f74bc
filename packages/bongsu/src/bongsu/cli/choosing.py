"""The parts of a catalog that a command line names; a wrong name is answered with the nearest one."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

import click

from bongsu.cli import say

if TYPE_CHECKING:
    from bongsu.catalog import Catalog, ResolvedService


def known(what: tuple[str, str], name: str, names: Iterable[str]) -> str:
    """``name`` if it is one of ``names``; else a message with the nearest. ``what`` is in both languages."""
    from bongsu.catalog.errors import nearest

    names = list(names)
    if name not in names:
        text = say(f"there is no {what[0]} {name!r}; ", f"{name!r}라는 {what[1]}가 없습니다; ")
        raise click.ClickException(text + nearest(name, names))
    return name


def service_of(catalog: "Catalog", name: str) -> "ResolvedService":
    """The service of that name."""
    from bongsu.catalog import resolve

    services = resolve(catalog)
    return services[known(("service", "서비스"), name, services)]


def signal_name(service: "ResolvedService", name: str) -> str:
    """The name of one of the service's signals."""
    what = (f"signal of {service.name}", f"{service.name} 신호")
    return known(what, name, service.signals)

"""One verification: read everything, then judge it hop by hop."""

from collections.abc import Mapping

from bongsu.stack.model import Stack
from bongsu.stack.verify import receiving, services, systems
from bongsu.stack.verify.facts import Facts, gather
from bongsu.stack.verify.model import Line, Places, State


async def verify(stack: Stack, places: Places, files: Mapping[str, str]) -> list[Line]:
    """The lines, in the order in which an alert travels. ``files`` are those rendered for ``stack``."""
    return judge(await gather(stack, places, files))


def judge(facts: Facts) -> list[Line]:
    """What the facts say.

    Each trouble is told once, on the line where it is; what only follows from it is not judged. A server
    that is down hides its own lines, a service that is not collected hides its metrics, a refused token or
    a Bongsu that is down hides the deliveries that fail for it, a rule that errs hides its panel.
    """
    prober = receiving.blackbox(facts)
    lines = list(systems.prometheus(facts))
    if prober is not None:
        lines.append(prober)
    scrapes = list(services.scraped(facts, prober)) if facts.places.prometheus else []
    lines += scrapes
    lines += services.measured(facts, {line.subject: line for line in scrapes})
    lines += systems.dashboards(facts)
    lines += receiving.alertmanager(facts)
    lines += receiving.server(facts)
    lines += receiving.deliveries(facts, {line.name: line.state for line in lines})
    lines += systems.grafana(facts)
    down = {line.check for line in lines if line.state is State.BAD and not line.subject}
    lines += services.others(facts, down)
    return lines

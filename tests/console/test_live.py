"""The stream of changes: what it says, and that it ends."""

import asyncio
from collections.abc import AsyncIterator

from bongsu.console.pages.live import stream
from bongsu.console.view import Console
from tests.console.memory import Shop
from tests.console.sample import calm_shop

FOREVER = 4_000_000_000.0


async def _heard(shop: Shop, console: Console, ids: list[str], *, ends_at: float = FOREVER) -> list[str]:
    heard: list[str] = []
    following = stream(console, ends_at)
    heard.append(await anext(following))
    listening = asyncio.ensure_future(anext(following, ""))
    await asyncio.sleep(0.05)
    for incident_id in ids:
        for queue in shop.listeners:
            queue.put_nowait(incident_id)
        heard.append(await listening)
        listening = asyncio.ensure_future(anext(following, ""))
    shop.stopping = True
    heard.append(await asyncio.wait_for(listening, 2))
    assert not shop.listeners, "a listener was left behind"
    return heard


def test_changes_are_told_until_the_server_stops() -> None:
    shop = calm_shop()
    heard = asyncio.run(_heard(shop, Console(shop.deps()), ["a", "b\ndata: forged"]))
    assert heard == [
        "retry: 3000\n\n",
        "event: changed\ndata: a\n\n",
        "event: changed\ndata: b data: forged\n\n",
        "",
    ]


def test_a_session_that_is_over_ends_its_stream() -> None:
    shop = calm_shop()
    assert asyncio.run(_heard(shop, Console(shop.deps()), [], ends_at=1.0)) == ["retry: 3000\n\n", ""]


def test_the_end_of_changes_ends_the_stream() -> None:
    async def none() -> AsyncIterator[str]:
        for nothing in ():
            yield nothing

    async def all_of_it() -> list[str]:
        console = Console(calm_shop().deps(changes=none))
        return [event async for event in stream(console, FOREVER)]

    assert asyncio.run(all_of_it()) == ["retry: 3000\n\n"]

"""The stream by which open pages learn that an incident changed."""

import asyncio
import time
from collections.abc import AsyncIterator

from fastapi import APIRouter, Request, Response
from fastapi.responses import StreamingResponse

from bongsu.console.session import Session
from bongsu.console.view import SECURITY_HEADERS, Console

LOOK_SECONDS = 0.5
"""How often a stream looks whether the server wants to stop."""
BEAT_SECONDS = 20.0
"""How often a silent stream says that it is alive, so that proxies keep it."""


def add(router: APIRouter, console: Console) -> None:
    @router.get("/live")
    async def live(request: Request) -> Response:
        session: Session = request.state.session
        headers = {**SECURITY_HEADERS, "X-Accel-Buffering": "no"}
        return StreamingResponse(
            stream(console, session.ends_at), headers=headers, media_type="text/event-stream"
        )


async def stream(console: Console, ends_at: float) -> AsyncIterator[str]:
    """``changed`` events until the server stops, the session ends, or nobody listens any more."""
    changes = console.deps.changes()
    following = asyncio.ensure_future(anext(changes, None))
    beat = time.monotonic()
    try:
        yield "retry: 3000\n\n"
        while not console.deps.stopping() and time.time() < ends_at:
            done, _ = await asyncio.wait({following}, timeout=LOOK_SECONDS)
            if done:
                incident_id = following.result()
                if incident_id is None:
                    return
                yield f"event: changed\ndata: {_one_line(incident_id)}\n\n"
                following = asyncio.ensure_future(anext(changes, None))
            elif time.monotonic() - beat > BEAT_SECONDS:
                yield ": alive\n\n"
                beat = time.monotonic()
    finally:
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)
        close = getattr(changes, "aclose", None)
        if close is not None:
            await close()


def _one_line(text: str) -> str:
    return text.replace("\r", " ").replace("\n", " ")

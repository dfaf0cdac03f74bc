"""One Discord channel, by its incoming webhook. The webhook's address is a secret and is never shown."""

import asyncio
import json
import logging
import re
import time
from collections.abc import Awaitable, Callable
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

import httpx2
import structlog

from bongsu.delivery.base import (
    DeliveryError,
    LostAnswerError,
    MessageGoneError,
    PermanentError,
    Receipt,
    TemporaryError,
)
from bongsu.delivery.chart import chart_png
from bongsu.delivery.discord import limits
from bongsu.delivery.discord.render import CHART_FILE, render
from bongsu.delivery.message import Message

log = structlog.get_logger(__name__)

UNKNOWN_MESSAGE, UNKNOWN_WEBHOOK, UNKNOWN_CHANNEL = 10008, 10015, 10003
DEFAULT_TIMEOUT: Final = httpx2.Timeout(15.0, connect=5.0)
_PATH = re.compile(r"/api(?:/v\d+)?/webhooks/(?P<id>\d{1,20})/(?P<token>[A-Za-z0-9_-]+)/?")
_SECRET_IN_LOG = re.compile(r"(/webhooks/\d+/)[^/?\s\"']+")
_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
_PATIENCE = 2.0
"""Seconds that a call waits by itself for a spent rate limit; beyond it the caller is told to come back."""


class _Redact(logging.Filter):
    """Keeps webhook tokens out of the HTTP library's own log lines."""

    def filter(self, record: logging.LogRecord) -> bool:
        text = record.getMessage()
        if "/webhooks/" in text:
            record.msg, record.args = _SECRET_IN_LOG.sub(r"\1***", text), None
        return True


logging.getLogger("httpx2").addFilter(_Redact())


class DiscordWebhook:
    """Sends incidents to a Discord channel and edits them there.

    ``url`` is the webhook's address as Discord shows it, with ``?thread_id=`` for a thread. ``base_url``
    replaces its scheme and host. A ``client`` that is passed in is not closed here. ValueError when the
    address is no webhook's, without repeating it.
    """

    kind = "discord"

    def __init__(
        self,
        url: str,
        *,
        base_url: str | None = None,
        client: httpx2.AsyncClient | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        self._endpoint, self._thread, self._id = _endpoint(url, base_url)
        self._client = client or httpx2.AsyncClient(timeout=DEFAULT_TIMEOUT)
        self._owned = client is None
        self._clock, self._sleep = clock, sleep
        self._blocked_until = 0.0

    def __repr__(self) -> str:
        return f"<DiscordWebhook {self._id}>"

    async def send(self, message: Message) -> Receipt:
        """Post ``message`` and return its receipt.

        TemporaryError (LostAnswerError when it may have been posted all the same) or PermanentError.
        """
        picture = await self._picture(message)
        body = render(message, chart=picture is not None)
        answer = await self._call("POST", self._endpoint, {"wait": "true"}, body, picture)
        return _receipt(answer)

    async def edit(self, receipt: str, message: Message) -> Receipt:
        """Make the message ``receipt`` say ``message``; a new chart replaces the old, none keeps it.

        MessageGoneError when somebody deleted it; PermanentError when the webhook itself is gone.
        """
        if not receipt.isdigit():
            raise MessageGoneError("the receipt is no Discord message id")
        address = f"{self._endpoint}/messages/{receipt}"
        picture = await self._picture(message)
        body = render(message, chart=picture is not None)
        if picture is None and await self._has_chart(address):
            # Leaving "attachments" out keeps the old file; it must be referred to again or it falls out.
            body["embeds"][0]["image"] = {"url": f"attachment://{CHART_FILE}"}
        return _receipt(await self._call("PATCH", address, {}, body, picture))

    async def close(self) -> None:
        """Close the connections, if they are this object's own."""
        if self._owned:
            await self._client.aclose()

    async def _picture(self, message: Message) -> bytes | None:
        """The chart as PNG; None when there is none, it cannot be drawn, or it is too large to send."""
        if message.chart is None:
            return None
        try:
            picture = await chart_png(message.chart)
        except Exception as error:
            log.warning("chart_not_drawn", incident=message.number, error=type(error).__name__)
            return None
        return picture if len(picture) <= limits.FILE_BYTES else None

    async def _has_chart(self, address: str) -> bool:
        shown = await self._call("GET", address, {}, None, None)
        embeds = shown.get("embeds") or [{}]
        image = str((embeds[0].get("image") or {}).get("url", ""))
        return urlsplit(image).path.endswith(f"/{CHART_FILE}")

    async def _call(
        self,
        method: str,
        address: str,
        query: dict[str, str],
        body: dict[str, Any] | None,
        picture: bytes | None,
    ) -> dict[str, Any]:
        await self._wait_for_limit()
        response, failure = await self._exchange(method, address, query, body, picture)
        if failure is not None:
            raise failure
        assert response is not None
        self._note_limit(response)
        answer = _json(response)
        refusal = _refusal(response, answer)
        if refusal is not None:
            if isinstance(refusal, TemporaryError) and refusal.retry_after:
                self._blocked_until = max(self._blocked_until, self._clock() + refusal.retry_after)
            raise refusal
        return answer

    async def _exchange(
        self,
        method: str,
        address: str,
        query: dict[str, str],
        body: dict[str, Any] | None,
        picture: bytes | None,
    ) -> tuple[httpx2.Response | None, DeliveryError | None]:
        """The response, or what to raise. Returned so that no traceback carries the request's address."""
        params = query | ({"thread_id": self._thread} if self._thread else {})
        try:
            response = await self._client.request(
                method, address, params=params, follow_redirects=False, **_content(body, picture)
            )
        except (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout, httpx2.ProxyError) as error:
            return None, TemporaryError(f"Discord cannot be reached ({type(error).__name__})")
        except (httpx2.WriteError, httpx2.WriteTimeout) as error:
            return None, TemporaryError(f"the connection to Discord was cut ({type(error).__name__})")
        except httpx2.TransportError as error:
            return None, LostAnswerError(f"Discord did not answer ({type(error).__name__})")
        return response, None

    async def _wait_for_limit(self) -> None:
        wait = self._blocked_until - self._clock()
        if wait <= 0:
            return
        if wait > _PATIENCE:
            raise TemporaryError("Discord's rate limit is spent", retry_after=wait)
        await self._sleep(wait)

    def _note_limit(self, response: httpx2.Response) -> None:
        if response.headers.get("X-RateLimit-Remaining") == "0":
            reset = _seconds(response.headers.get("X-RateLimit-Reset-After"))
            self._blocked_until = max(self._blocked_until, self._clock() + (reset or 0.0))


def _endpoint(url: str, base_url: str | None) -> tuple[str, str, str]:
    """(address without a query, thread id, webhook id). Pins API v10: the unversioned path is an old one."""
    parts = urlsplit(url.strip())
    match = _PATH.fullmatch(parts.path)
    if match is None:
        raise ValueError(
            "not a Discord webhook address; it looks like https://discord.com/api/webhooks/ID/TOKEN"
        )
    if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in _LOOPBACK):
        raise ValueError("a Discord webhook address starts with https://")
    thread = (parse_qs(parts.query).get("thread_id") or [""])[0]
    if thread and not thread.isdigit():
        raise ValueError("the thread_id of the Discord webhook address is no number")
    origin = (base_url or f"{parts.scheme}://{parts.netloc}").rstrip("/")
    return f"{origin}/api/v10/webhooks/{match['id']}/{match['token']}", thread, match["id"]


def _content(body: dict[str, Any] | None, picture: bytes | None) -> dict[str, Any]:
    if body is None:
        return {}
    if picture is None:
        return {"json": body}
    payload = json.dumps(body, ensure_ascii=False).encode()
    return {
        "files": {
            "payload_json": (None, payload, "application/json"),
            "files[0]": (CHART_FILE, picture, "image/png"),
        }
    }


def _receipt(answer: dict[str, Any]) -> Receipt:
    identity = answer.get("id")
    if not isinstance(identity, str) or not identity:
        raise LostAnswerError("Discord accepted the message but named no id")
    return Receipt(id=identity)


def _json(response: httpx2.Response) -> dict[str, Any]:
    try:
        answer = response.json()
    except ValueError:
        return {}
    return answer if isinstance(answer, dict) else {}


def _seconds(text: object) -> float | None:
    try:
        seconds = float(str(text))
    except ValueError:
        return None
    return seconds if 0 <= seconds < 86_400 else None


def _refusal(response: httpx2.Response, answer: dict[str, Any]) -> DeliveryError | None:
    """What the answer means; None when it is a success."""
    status, code = response.status_code, answer.get("code")
    said = f"Discord answered {status}" + (f" (code {code})" if isinstance(code, int) else "")
    if status == 429:
        waits = (_seconds(answer.get("retry_after")), _seconds(response.headers.get("Retry-After")))
        return TemporaryError(said, retry_after=max((w for w in waits if w is not None), default=1.0))
    if status >= 500 or status == 408:
        return TemporaryError(said, retry_after=_seconds(response.headers.get("Retry-After")))
    if 200 <= status < 300:
        return None if answer else LostAnswerError(f"{said} without a message")
    if status == 404 and code == UNKNOWN_MESSAGE:
        return MessageGoneError(f"{said}: the message was deleted")
    if status == 404 and code == UNKNOWN_CHANNEL:
        return PermanentError(f"{said}: the channel or thread is gone")
    if status in {401, 403, 404}:
        return PermanentError(f"{said}: the webhook is gone or its token is wrong")
    return PermanentError(f"{said}: {_explain(answer)}")


def _explain(answer: dict[str, Any], limit: int = 300) -> str:
    """Discord's own words on what is wrong, with the place: ``embeds.0.title: Must be 256 or fewer …``."""
    found: list[str] = []

    def walk(node: object, path: str) -> None:
        if not isinstance(node, dict):
            return
        place = f"{path}: " if path else ""
        found.extend(f"{place}{item.get('message', '')}" for item in node.get("_errors") or ())
        for key, child in node.items():
            if key != "_errors":
                walk(child, f"{path}.{key}" if path else str(key))

    walk(answer.get("errors"), "")
    text = "; ".join(found) or str(answer.get("message", "the request was refused"))
    return _SECRET_IN_LOG.sub(r"\1***", text)[:limit]

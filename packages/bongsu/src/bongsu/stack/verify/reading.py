"""Answers of systems as data: an endpoint that does not answer is a reading too, never an exception."""

import asyncio
import json
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Self
from urllib.parse import urlsplit

import httpx2

SECONDS = 5.0
MAX_BYTES = 32 * 2**20
_AT_ONCE = 8


@dataclass(frozen=True, slots=True)
class Reading:
    """What came of one request. ``began`` and ``ended`` are Unix seconds of this machine."""

    url: str
    status: int = 0
    """The HTTP status; 0 when there was no answer."""
    body: bytes = b""
    content_type: str = ""
    error: str = ""
    """Why there was no answer: ``connection refused``."""
    began: float = 0.0
    ended: float = 0.0

    @property
    def ok(self) -> bool:
        return 200 <= self.status < 300

    def json(self) -> Any:
        """The body as JSON; None when it is none."""
        try:
            return json.loads(self.body)
        except ValueError:
            return None

    @property
    def data(self) -> Any:
        """``data`` of a Prometheus API answer; None when it failed."""
        document = self.json()
        return document.get("data") if isinstance(document, dict) and self.ok else None

    @property
    def trouble(self) -> str:
        """Why it is no answer that can be used, in a few words; empty when it is."""
        if not self.status:
            return self.error
        if self.ok:
            return ""
        document = self.json()
        detail = document.get("error") or document.get("message") if isinstance(document, dict) else ""
        text = str(detail or self.body[:200].decode(errors="replace")).strip()
        return f"HTTP {self.status}" + (f": {' '.join(text.split())[:200]}" if text else "")


class Reader:
    """Reads over HTTP, a few requests at a time."""

    def __init__(self, tokens: Mapping[str, str] | None = None) -> None:
        self._tokens = {_origin(url): token for url, token in (tokens or {}).items() if url and token}
        self._gate = asyncio.Semaphore(_AT_ONCE)
        self._client = httpx2.AsyncClient(
            timeout=SECONDS, trust_env=False, follow_redirects=True, verify=_tls()
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._client.aclose()

    async def get(self, url: str, **params: str) -> Reading:
        return await self._ask("GET", url, params=params)

    async def post(self, url: str, body: bytes, token: str) -> Reading:
        headers = {"authorization": f"Bearer {token}", "content-type": "application/json"}
        return await self._ask("POST", url, content=body, headers=headers)

    async def query(self, prometheus: str, expression: str) -> Reading:
        """An instant query; by POST, as expressions may be long."""
        return await self._ask("POST", f"{prometheus}/api/v1/query", data={"query": expression})

    async def _ask(self, method: str, url: str, **options: Any) -> Reading:
        token = self._tokens.get(_origin(url))
        headers = dict(options.pop("headers", {}))
        if token and "authorization" not in headers:
            headers["authorization"] = f"Bearer {token}"
        async with self._gate:
            began = time.time()
            try:
                answer = await self._client.request(method, url, headers=headers, **options)
            except (httpx2.HTTPError, httpx2.InvalidURL, ValueError) as error:
                return Reading(url, error=_plain(error), began=began, ended=time.time())
            ended = time.time()
        return Reading(
            url,
            answer.status_code,
            answer.content[:MAX_BYTES],
            answer.headers.get("content-type", ""),
            began=began,
            ended=ended,
        )


@cache
def _tls() -> ssl.SSLContext:
    """Made once: it reads every certificate authority, and a watch asks again and again."""
    return ssl.create_default_context()


def _origin(url: str) -> str:
    return urlsplit(url).netloc


def _plain(error: Exception) -> str:
    text = str(error)
    if "refused" in text or "All connection attempts failed" in text:
        return "connection refused"
    if isinstance(error, httpx2.TimeoutException):
        return f"no answer within {SECONDS:g} s"
    if "Name or service not known" in text or "nodename nor servname" in text or "name resolution" in text:
        return "the host name is not known"
    return text or type(error).__name__

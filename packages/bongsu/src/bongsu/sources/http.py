"""What every backend behind HTTP shares: bounded, patient questions and errors that name the endpoint."""

import asyncio
import json
import ssl
import time
from collections.abc import Callable, Collection, Mapping
from typing import Any, TypedDict, Unpack

import httpx2

from bongsu.sources.base import Source, SourceError

MAX_BYTES = 64 * 2**20
"""An answer that is longer is refused: one question must not fill the memory."""
CONCURRENT = 8
"""So many questions are open at a time; a source must not be brought down by what watches it."""
ATTEMPTS = 3
_SHORTEST_SECRET = 6
_EXCERPT = 200
_BUSY = frozenset({429, 502, 503, 504})
_FIRST_WAIT, _LONGEST_WAIT = 0.2, 5.0
_LONGEST_REST = 300.0


class Backend:
    """One HTTP backend that is only ever read, so that any question may be asked again.

    A connection that fails, or an answer that says the backend is busy, is tried again within ``timeout``
    (seconds for the whole question). One that limits how often it may be asked is left alone for as long as
    it says. SourceError names the source, the endpoint and the reason, never a credential, whatever the
    answer may hold.
    """

    def __init__(
        self,
        name: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        timeout: float = 10.0,
        ca_file: str = "",
        transport: httpx2.AsyncBaseTransport | None = None,
    ) -> None:
        self.name = name
        self._timeout = timeout
        self._asking = asyncio.Semaphore(CONCURRENT)
        self._resting_until = 0.0
        self._credentials = credentials_of(url, headers or {})
        self._client = httpx2.AsyncClient(
            base_url=url.rstrip("/") + "/",
            auth=_with(headers) if headers else None,
            timeout=timeout,
            transport=transport,
            verify=ssl.create_default_context(cafile=ca_file) if ca_file else True,
        )

    async def aclose(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def ask(self, method: str, path: str, what: str, **options: Any) -> tuple[int, Any]:
        """``(status, JSON)`` of one question; ``what`` is asked for in errors. Text for what is no JSON.

        SourceError when nobody answers in time, or with too much.
        """
        status, body = await self.ask_bytes(method, path, what, **options)
        return status, _decoded(body)

    async def ask_bytes(self, method: str, path: str, what: str, **options: Any) -> tuple[int, bytes]:
        """``(status, body)`` of one question, as ``ask``, for who knows what the answer looks like."""
        rest = self._resting_until - time.monotonic()
        if rest > 0:
            raise self.error(path, f"{what}: asked too often; not asked again for {rest:.0f} s")
        try:
            async with asyncio.timeout(self._timeout), self._asking:
                return await self._patiently(method, path, what, options)
        except TimeoutError:
            raise self.error(path, f"{what}: no answer within {self._timeout:g} s") from None

    async def json(self, method: str, path: str, what: str, **options: Any) -> Any:
        """The JSON document of a question; SourceError also for any status but success."""
        status, document = await self.ask(method, path, what, **options)
        if not 200 <= status < 300:
            raise self.refusal(path, what, status, document)
        if isinstance(document, str):
            raise self.error(path, f"{what}: HTTP {status}, not a JSON answer: {excerpt(document)}")
        return document

    def refusal(self, path: str, what: str, status: int, document: Any) -> SourceError:
        """The error of an answer whose status is not success."""
        return self.error(path, f"{what}: HTTP {status}{_reason(document)}{HINTS.get(status, '')}")

    def error(self, path: str, text: str) -> SourceError:
        base = self._client.base_url
        port = f":{base.port}" if base.port else ""
        text = hidden(text, self._credentials)
        return SourceError(f"{self.name}: {base.scheme}://{base.host}{port}{base.path}{path}: {text}")

    async def _patiently(
        self, method: str, path: str, what: str, options: dict[str, Any]
    ) -> tuple[int, bytes]:
        for attempt in range(1, ATTEMPTS + 1):
            wait = min(_FIRST_WAIT * 4 ** (attempt - 1), _LONGEST_WAIT)
            try:
                status, body, retry_after = await self._once(method, path, what, options)
            except httpx2.HTTPError as error:
                if attempt == ATTEMPTS or not isinstance(error, httpx2.TransportError):
                    reason = str(error) or type(error).__name__
                    raise self.error(path, f"{what}: no answer: {reason}") from None
            else:
                if status not in _BUSY or attempt == ATTEMPTS or retry_after > _LONGEST_WAIT:
                    if status == 429:
                        self._resting_until = time.monotonic() + retry_after
                    return status, body
                wait = max(wait, retry_after)
            await asyncio.sleep(wait)
        raise AssertionError("the last attempt returns or raises")

    async def _once(
        self, method: str, path: str, what: str, options: dict[str, Any]
    ) -> tuple[int, bytes, float]:
        async with self._client.stream(method, path, **options) as response:
            body = bytearray()
            async for part in response.aiter_bytes():
                body += part
                if len(body) > MAX_BYTES:
                    size = MAX_BYTES // 2**20
                    raise self.error(path, f"{what}: the answer is longer than {size} MiB; ask for less")
            headers = response.headers
            wait = headers.get("retry-after") or headers.get("x-ratelimit-reset") or ""
            return response.status_code, bytes(body), _seconds(wait)


HINTS = {
    401: "; check the token of the source",
    403: "; the token of the source may not read this",
    404: "; check the url of the source",
    429: "; it is asked too often",
}


def bearer(token: str | None, tenant: str = "") -> dict[str, str]:
    """The headers of a token and of a tenant, as Mimir, Loki and Tempo tell tenants apart."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return headers | ({"X-Scope-OrgID": tenant} if tenant else {})


class Access(TypedDict, total=False):
    """How a backend is reached, besides its address."""

    token: str | None
    tenant: str
    headers: Mapping[str, str]
    ca_file: str
    timeout: float
    transport: httpx2.AsyncBaseTransport | None


class HttpSource(Source):
    """A source that is one HTTP backend. ``token`` is sent as a bearer token."""

    def __init__(self, name: str, url: str, **access: Unpack[Access]) -> None:
        self._backend = Backend(
            name,
            url,
            headers={**bearer(access.get("token"), access.get("tenant", "")), **access.get("headers", {})},
            timeout=access.get("timeout", 20.0),
            ca_file=access.get("ca_file", ""),
            transport=access.get("transport"),
        )

    @property
    def name(self) -> str:
        return self._backend.name

    async def aclose(self) -> None:
        await self._backend.aclose()


def credentials_of(url: str, headers: Mapping[str, str]) -> frozenset[str]:
    """What must not be seen: the values of headers, and the password within an address."""
    words = {part for value in headers.values() for part in (value, value.removeprefix("Bearer "))}
    password = httpx2.URL(url).password
    return frozenset(word for word in (*words, password) if len(word) >= _SHORTEST_SECRET)


def hidden(text: str, credentials: Collection[str]) -> str:
    """``text`` without the credentials that an answer may repeat."""
    for word in sorted(credentials, key=len, reverse=True):
        text = text.replace(word, "***")
    return text


def _with(headers: Mapping[str, str]) -> Callable[[httpx2.Request], httpx2.Request]:
    """Headers for every request, also where the URL holds a user and password."""

    def add(request: httpx2.Request) -> httpx2.Request:
        request.headers.update(headers)
        return request

    return add


def _decoded(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return body[:_EXCERPT].decode(errors="replace")


def excerpt(document: Any) -> str:
    """The beginning of what is no API answer, on one line."""
    return " ".join(str(document).split())[:_EXCERPT]


def _reason(document: Any) -> str:
    """What an error answer says of itself, shortened."""
    if not isinstance(document, dict):
        return f": {excerpt(document)}" if document else ""
    said = document.get("error") or document.get("message") or document.get("errors") or ""
    if isinstance(said, dict):
        said = said.get("message") or ""
    text = " ".join(str(said).split())[:200]
    return f": {text}" if text else ""


def _seconds(text: str) -> float:
    try:
        return min(max(float(text), 0.0), _LONGEST_REST)
    except ValueError:
        return 0.0

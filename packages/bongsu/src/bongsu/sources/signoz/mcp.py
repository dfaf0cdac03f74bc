"""SigNoz's MCP server, over streamable HTTP or as a child that talks over stdin and stdout."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TYPE_CHECKING, Any

import httpx2
import structlog

from bongsu.sources.base import Edge, SourceError, Span
from bongsu.sources.http import CONCURRENT, HINTS, MAX_BYTES, credentials_of, excerpt, hidden

if TYPE_CHECKING:
    from mcp import Client

QUERY_TOOL = "signoz_execute_builder_query"
_TOOL_PAGES = 20
_CLOSING = 5.0
"""Seconds that a session gets to close in good order."""

Connect = Callable[[], "AbstractAsyncContextManager[Client]"]
"""Opens a session with the server, until the block ends."""

_log = structlog.get_logger(__name__)


class McpInterface:
    """Asks the tool that takes a whole v5 query. Only tools that say that they change nothing are called.

    One session is held as long as it lasts; the next question opens another. Who calls whom has no tool.
    """

    topology = False

    def __init__(
        self, name: str, where: str, connect: Connect, *, credentials: frozenset[str], timeout: float = 20.0
    ) -> None:
        self.name = name
        self._where = where
        self._connect = connect
        self._credentials = credentials
        self._timeout = timeout
        self._asking = asyncio.Semaphore(CONCURRENT)
        self._opening = asyncio.Lock()
        self._session: _Session | None = None

    async def query_range(self, body: Mapping[str, Any], what: str) -> Mapping[str, Any]:
        return await self.call(QUERY_TOOL, {"query": dict(body)}, what)

    async def trace(self, trace_id: str) -> list[Span] | None:
        # The tool for one trace leaves out attributes that a query can name.
        return None

    async def dependencies(self, start: float, end: float) -> list[Edge]:
        return []

    async def call(self, tool: str, arguments: dict[str, Any], what: str) -> Mapping[str, Any]:
        """The JSON object that a tool answers with; a session that broke is opened anew, once."""
        try:
            async with asyncio.timeout(self._timeout), self._asking:
                for last in (False, True):
                    session = await self._opened(what)
                    if tool not in session.tools:
                        raise self.error(
                            f"{what}: the server has no tool {tool} that says that it only reads; update it"
                        )
                    try:
                        result = await session.call(tool, arguments)
                    except _BrokenError as broken:
                        if last:
                            raise self.error(f"{what}: no answer: {broken}") from None
                    except Exception as error:
                        raise self.error(f"{what}: refused: {_reason(error)}") from None
                    else:
                        return self._object(result, what)
        except TimeoutError:
            if self._session is not None:
                self._session.broken = True
            raise self.error(f"{what}: no answer within {self._timeout:g} s") from None
        raise AssertionError("the last attempt returns or raises")

    def error(self, text: str) -> SourceError:
        return SourceError(f"{self.name}: {self._where}: {hidden(text, self._credentials)}")

    async def aclose(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def _opened(self, what: str) -> "_Session":
        async with self._opening:
            if self._session is None or self._session.broken:
                if self._session is not None:
                    await self._session.close()
                self._session = _Session(self._connect)
            try:
                await self._session.ready()
            except _BrokenError as broken:
                raise self.error(f"{what}: no session with the MCP server: {broken}") from None
            return self._session

    def _object(self, result: Any, what: str) -> Mapping[str, Any]:
        texts = [block.text for block in result.content if getattr(block, "type", "") == "text"]
        if result.is_error:
            raise self.error(f"{what}: refused: {excerpt(' '.join(texts)) or 'no reason given'}")
        if any(len(text) > MAX_BYTES for text in texts):
            raise self.error(f"{what}: the answer is longer than {MAX_BYTES // 2**20} MiB; ask for less")
        found = result.structured_content
        if not isinstance(found, dict) or not found:
            try:
                # Remarks to the reader may follow the answer.
                found = json.loads(texts[0]) if texts else None
            except (ValueError, RecursionError):
                raise self.error(f"{what}: not a JSON answer: {excerpt(texts[0])}") from None
        if not isinstance(found, dict):
            raise self.error(f"{what}: an answer that is no object")
        if found.get("status") not in (None, "success"):
            raise self.error(f"{what}: {excerpt(json.dumps(found.get('error', found)))}")
        return found


class _BrokenError(Exception):
    """The session cannot be used any more; the text says why."""


class _Session:
    """A session that lives in a task of its own, as the SDK wants it closed where it was opened."""

    def __init__(self, connect: Connect) -> None:
        self._connect = connect
        self._client: asyncio.Future[Client] = asyncio.get_running_loop().create_future()
        self._done = asyncio.Event()
        self._task = asyncio.ensure_future(self._live())
        self.tools: frozenset[str] = frozenset()
        self.broken = False

    async def ready(self) -> "Client":
        """The client, once its tools are known."""
        return await asyncio.shield(self._client)

    async def call(self, tool: str, arguments: dict[str, Any]) -> Any:
        """The result of a tool. MCPError where the server refuses the question as such."""
        client = await self.ready()
        try:
            return await client.call_tool(tool, arguments)
        except Exception as error:
            if _is_refusal(error):
                raise
            self.broken = True
            raise _BrokenError(_reason(error)) from None

    async def close(self) -> None:
        self.broken = True
        self._done.set()
        if not self._client.done():
            self._task.cancel()
        await asyncio.wait([self._task], timeout=_CLOSING)
        if not self._task.done():
            self._task.cancel()
            await asyncio.wait([self._task], timeout=_CLOSING)

    async def _live(self) -> None:
        reason = "it was closed"
        try:
            async with self._connect() as client:
                self.tools = await _reading_tools(client)
                self._client.set_result(client)
                await self._done.wait()
        except Exception as error:
            reason = _reason(error)
            if not self._done.is_set():
                _log.info("source.session", ended=type(error).__name__)
        finally:
            self.broken = True
            if not self._client.done():
                self._client.set_exception(_BrokenError(reason))
                self._client.exception()


async def _reading_tools(client: "Client") -> frozenset[str]:
    """The names of the tools that say that they change nothing."""
    found: set[str] = set()
    cursor: str | None = None
    for _ in range(_TOOL_PAGES):
        page = await client.list_tools(cursor=cursor)
        found |= {t.name for t in page.tools if t.annotations and t.annotations.read_only_hint is True}
        cursor = page.next_cursor
        if not cursor:
            break
    return frozenset(found)


def _is_refusal(error: Exception) -> bool:
    """Whether the server understood the question and refuses it; a new session would not help then."""
    from mcp.shared.exceptions import MCPError
    from mcp_types import INVALID_PARAMS, METHOD_NOT_FOUND

    return isinstance(error, MCPError) and error.code in (INVALID_PARAMS, METHOD_NOT_FOUND)


def _reason(error: BaseException) -> str:
    """What is at the bottom of an error of the SDK, which may be a group of groups."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return excerpt(str(error)) or type(error).__name__


def over_http(name: str, url: str, *, token: str, ca_file: str = "", timeout: float = 20.0) -> McpInterface:
    """The server at ``url``; where that has no path, at its ``/mcp``."""
    import ssl

    sdk = _sdk(name)
    address = httpx2.URL(url)
    if address.path in ("", "/"):
        address = address.copy_with(path="/mcp")
    headers = {"SIGNOZ-API-KEY": token}
    verify: Any = ssl.create_default_context(cafile=ca_file) if ca_file else True

    @asynccontextmanager
    async def connect() -> AsyncIterator["Client"]:
        limited = _Limited(httpx2.AsyncHTTPTransport(verify=verify))
        try:
            async with httpx2.AsyncClient(headers=headers, timeout=timeout, transport=limited) as http:
                transport = sdk.streamable_http_client(str(address), http_client=http)
                async with sdk.Client(transport, read_timeout_seconds=timeout, cache=None) as client:
                    yield client
        except Exception as error:
            # The SDK keeps to itself with which status a server refused.
            raise _BrokenError(_reason(error) + limited.refused) from None

    where = str(address.copy_with(username=None, password=None))
    return McpInterface(name, where, connect, credentials=credentials_of(url, headers), timeout=timeout)


def over_stdio(
    name: str,
    command: str,
    arguments: tuple[str, ...],
    *,
    url: str,
    token: str,
    env: Mapping[str, str] | None = None,
    timeout: float = 20.0,
) -> McpInterface:
    """The server as a child; its environment tells it SigNoz' address and key, and little else of ours."""
    sdk = _sdk(name)
    own = {"SIGNOZ_URL": url, "SIGNOZ_API_KEY": token, "TRANSPORT_MODE": "stdio", **(env or {})}

    @asynccontextmanager
    async def connect() -> AsyncIterator["Client"]:
        child = sdk.StdioServerParameters(command=command, args=list(arguments), env=own)
        async with sdk.Client(child, read_timeout_seconds=timeout, cache=None) as client:
            yield client

    credentials = credentials_of(url, {"token": token})
    return McpInterface(name, f"the MCP server {command}", connect, credentials=credentials, timeout=timeout)


class _Limited(httpx2.AsyncBaseTransport):
    """Cuts off an answer that is longer than one may be, and notes the status of one that is a refusal."""

    def __init__(self, inner: httpx2.AsyncBaseTransport) -> None:
        self._inner = inner
        self.refused = ""

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        response = await self._inner.handle_async_request(request)
        response.stream = _LimitedStream(response.stream)
        if response.status_code >= 400:
            self.refused = f" (HTTP {response.status_code}{HINTS.get(response.status_code, '')})"
        return response

    async def aclose(self) -> None:
        await self._inner.aclose()


class _LimitedStream(httpx2.AsyncByteStream):
    def __init__(self, inner: Any) -> None:
        self._inner = inner

    async def __aiter__(self) -> AsyncIterator[bytes]:
        size = 0
        async for part in self._inner:
            size += len(part)
            if size > MAX_BYTES:
                raise httpx2.ReadError(f"the answer is longer than {MAX_BYTES // 2**20} MiB; ask for less")
            yield part

    async def aclose(self) -> None:
        await self._inner.aclose()


def _sdk(name: str) -> Any:
    """The SDK, which is an extra. SourceError says how to install it."""
    try:
        import mcp
        from mcp.client.streamable_http import streamable_http_client
    except ImportError:
        raise SourceError(
            f"{name}: to ask an MCP server needs the MCP SDK; install it with: pip install 'bongsu[mcp]'"
        ) from None

    class Sdk:
        Client = mcp.Client
        StdioServerParameters = mcp.StdioServerParameters

    Sdk.streamable_http_client = staticmethod(streamable_http_client)  # type: ignore[attr-defined]
    return Sdk

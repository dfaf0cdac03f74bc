"""SigNoz' MCP server, by the SDK's own server: the published list of tools, over a small SigNoz.

Run as a program it talks over stdin and stdout, and serves one counter of one service.
"""

import asyncio
import json
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import jsonschema
import mcp_types as types
import numpy as np
import uvicorn
from mcp.server import Server
from mcp.server.stdio import stdio_server

from tests.contracts import SPECS
from tests.live_servers import free_port
from tests.sources.fakes.signoz import KEY, RefusedError, Signoz

TOOLS = SPECS / "signoz-mcp/tools-list.json"
QUERY = "signoz_execute_builder_query"


def golden_tools() -> list[dict[str, Any]]:
    tools: list[dict[str, Any]] = json.loads(TOOLS.read_text("utf-8"))["response"]["result"]["tools"]
    return tools


def golden(name: str) -> dict[str, Any]:
    """The captured answer of ``name``."""
    found: dict[str, Any] = json.loads((SPECS / "signoz-mcp" / name).read_text("utf-8"))["response"]
    return found


class McpServer:
    """The server, and what it was asked: names of tools, in order."""

    def __init__(self, stored: Signoz, tools: list[dict[str, Any]] | None = None) -> None:
        self.stored = stored
        self.tools = golden_tools() if tools is None else tools
        self.called: list[str] = []
        self.answer: types.CallToolResult | None = None
        """Given instead of the true answer."""

    def sdk(self) -> Server[Any]:
        return Server("SigNozMCP", version="0", on_list_tools=self._list, on_call_tool=self._call)

    async def _list(
        self, _context: Any, params: types.PaginatedRequestParams | None
    ) -> types.ListToolsResult:
        """Ten tools a page, as a server may."""
        first = int(params.cursor) if params and params.cursor else 0
        page = [types.Tool.model_validate(tool) for tool in self.tools[first : first + 10]]
        more = str(first + 10) if first + 10 < len(self.tools) else None
        return types.ListToolsResult(tools=page, next_cursor=more)

    async def _call(self, _context: Any, params: types.CallToolRequestParams) -> types.CallToolResult:
        self.called.append(params.name)
        if self.answer is not None:
            return self.answer
        (tool,) = [tool for tool in self.tools if tool["name"] == params.name]
        arguments = params.arguments or {}
        jsonschema.Draft202012Validator(tool["inputSchema"]).validate(arguments)
        assert params.name == QUERY
        try:
            found = self.stored.query_range(arguments["query"])
        except RefusedError as error:
            return told(str(error), is_error=True)
        # The server passes SigNoz' answer on, and may add remarks for its reader.
        return told(json.dumps(found), "Applied defaults: none")


def told(*texts: str, is_error: bool = False) -> types.CallToolResult:
    content: list[Any] = [types.TextContent(type="text", text=text) for text in texts]
    return types.CallToolResult(content=content, is_error=is_error)


@contextmanager
def over_http(server: McpServer, *, key: str = KEY, port: int = 0) -> Iterator[str]:
    """The server on loopback, stateless, at ``/mcp``; 401 without the key. Gives its address."""
    app = server.sdk().streamable_http_app(json_response=True, stateless_http=True)

    async def guarded(scope: Any, receive: Any, send: Any) -> None:
        headers = dict(scope.get("headers", ()))
        if scope["type"] == "http" and headers.get(b"signoz-api-key") != key.encode():
            await send({"type": "http.response.start", "status": 401, "headers": []})
            await send({"type": "http.response.body", "body": b"unauthorized"})
            return
        await app(scope, receive, send)

    port = port or free_port()
    web = uvicorn.Server(uvicorn.Config(guarded, port=port, log_level="error"))
    thread = threading.Thread(target=web.run, daemon=True)
    started = threading.Event()
    startup = web.startup

    async def ready(*arguments: Any, **options: Any) -> None:
        await startup(*arguments, **options)
        started.set()

    web.startup = ready  # type: ignore[method-assign]
    thread.start()
    assert started.wait(20), "the MCP server does not start"
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        web.should_exit = True
        thread.join(10)


def one_counter(now: float) -> Signoz:
    """A SigNoz in which ``jobs_total`` of orders grows by one each second until ``now``."""
    from tests.signals.signoz_evaluator import Series

    times = np.arange(now - 2400, now + 1, 30) * 1000
    values = np.arange(len(times)) * 30.0
    return Signoz(series=[Series("jobs_total", {"service.name": "orders"}, times.astype(int), values)])


async def _serve(server: McpServer) -> None:
    sdk = server.sdk()
    async with stdio_server() as (read, write):
        await sdk.run(read, write, sdk.create_initialization_options())


if __name__ == "__main__":
    if os.environ.get("SIGNOZ_API_KEY") != KEY or not os.environ.get("SIGNOZ_URL"):
        sys.exit("SIGNOZ_API_KEY and SIGNOZ_URL are needed")
    if "MUST_NOT_BE_INHERITED" in os.environ:
        sys.exit("the environment was inherited")
    asyncio.run(_serve(McpServer(one_counter(float(sys.argv[1])))))

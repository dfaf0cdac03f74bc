"""SigNoz through its MCP server: in process, as a child, and over HTTP, with the tools that it publishes."""

import asyncio
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from bongsu.catalog import loads
from bongsu.catalog.errors import CatalogError
from bongsu.signals.query import FleetQuery
from bongsu.sources.base import SourceError
from bongsu.sources.opening import open_sources
from bongsu.sources.signoz import SignozSource
from bongsu.sources.signoz.mcp import McpInterface, over_http, over_stdio
from tests.sources.fakes.signoz import KEY, SPEC, Signoz
from tests.sources.generated import signal

mcp = pytest.importorskip("mcp", reason="the MCP SDK is not installed")
from tests.sources.fakes import signoz_mcp  # noqa: E402

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(
        not signoz_mcp.TOOLS.exists() or not SPEC.exists(),
        reason=f"CONTRACT NOT CHECKED: SigNoz' tools are not at {signoz_mcp.TOOLS}",
    ),
]

NOW = 1_700_000_400.0
QUERY = FleetQuery(
    "jobs", signal(form="rate", metric="jobs_total"), {"orders": {"job": "orders"}, "users": {"job": "users"}}
)
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def in_process(server: signoz_mcp.McpServer, opened: list[int] | None = None, **options: Any) -> McpInterface:
    @asynccontextmanager
    async def connect() -> AsyncIterator[Any]:
        if opened is not None:
            opened.append(1)
        async with mcp.Client(server.sdk()) as client:
            yield client

    options = {"credentials": frozenset({KEY}), **options}
    return McpInterface("signoz", "the MCP server", connect, **options)


async def rate(interface: McpInterface) -> dict[str, float]:
    source = SignozSource("signoz", interface)
    try:
        return {sample.service: sample.value for sample in await source.instant(QUERY, NOW)}
    finally:
        await source.aclose()


async def test_a_fleet_is_asked_by_the_tool_that_takes_a_whole_query() -> None:
    server = signoz_mcp.McpServer(signoz_mcp.one_counter(NOW))
    assert await rate(in_process(server)) == {"orders": pytest.approx(1.0)}
    assert server.called == [signoz_mcp.QUERY]


async def test_as_a_child_that_is_told_the_key_and_inherits_nothing_else(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MUST_NOT_BE_INHERITED", "x")
    arguments = ("-m", "tests.sources.fakes.signoz_mcp", str(NOW))
    env = {"PYTHONPATH": str(ROOT)}
    interface = over_stdio(
        "signoz", sys.executable, arguments, url="http://signoz", token=KEY, env=env, timeout=60
    )
    assert await rate(interface) == {"orders": pytest.approx(1.0)}


async def test_over_http() -> None:
    server = signoz_mcp.McpServer(signoz_mcp.one_counter(NOW))
    with signoz_mcp.over_http(server) as url:
        assert await rate(over_http("signoz", url, token=KEY)) == {"orders": pytest.approx(1.0)}


async def test_another_key_is_refused_over_http_and_not_shown() -> None:
    server = signoz_mcp.McpServer(Signoz())
    with signoz_mcp.over_http(server) as url, pytest.raises(SourceError) as caught:
        await rate(over_http("signoz", url, token="a-wrong-key"))
    assert str(caught.value).startswith(f"signoz: {url}/mcp: jobs: no session with the MCP server: ")
    assert "a-wrong-key" not in str(caught.value)
    assert "HTTP 401; check the token of the source" in str(caught.value)


async def test_a_server_that_was_restarted_is_asked_again() -> None:
    server = signoz_mcp.McpServer(signoz_mcp.one_counter(NOW))
    with signoz_mcp.over_http(server) as url:
        source = SignozSource("signoz", over_http("signoz", url, token=KEY))
        assert len(await source.instant(QUERY, NOW)) == 1
    with pytest.raises(SourceError, match="signoz: http://127"):
        await source.instant(QUERY, NOW)
    with signoz_mcp.over_http(server, port=int(url.rpartition(":")[2])):
        assert len(await source.instant(QUERY, NOW)) == 1
        await source.aclose()


async def test_many_questions_share_one_session() -> None:
    opened: list[int] = []
    interface = in_process(signoz_mcp.McpServer(signoz_mcp.one_counter(NOW)), opened)
    source = SignozSource("signoz", interface)
    await asyncio.gather(*(source.instant(QUERY, NOW) for _ in range(20)))
    await source.aclose()
    assert len(opened) == 1


async def test_a_tool_that_may_change_something_is_never_called() -> None:
    tools = signoz_mcp.golden_tools()
    for tool in tools:
        if tool["name"] == signoz_mcp.QUERY:
            tool["annotations"]["readOnlyHint"] = False
    server = signoz_mcp.McpServer(signoz_mcp.one_counter(NOW), tools)
    with pytest.raises(
        SourceError, match="no tool signoz_execute_builder_query that says that it only reads"
    ):
        await rate(in_process(server))
    interface = in_process(signoz_mcp.McpServer(Signoz()))
    with pytest.raises(SourceError, match="no tool signoz_delete_alert"):
        await interface.call("signoz_delete_alert", {"id": "1"}, "nothing")
    await interface.aclose()
    assert server.called == []


async def test_the_captured_answers_are_read_as_what_they_are() -> None:
    server = signoz_mcp.McpServer(Signoz())
    interface = in_process(server)

    async def ask(capture: str) -> Any:
        found = signoz_mcp.golden(capture)["result"]
        server.answer = signoz_mcp.types.CallToolResult.model_validate(found)
        return await interface.call(signoz_mcp.QUERY, {"query": {}}, "alert")

    with pytest.raises(SourceError, match='alert: refused: Parameter validation failed: "id" is required'):
        await ask("tool-error-coded-null-arguments.json")
    assert (await ask("tool-success-fail-open-input.json"))["total"] == 0
    assert (await ask("tool-success-structured.json"))["data"][0]["name"] == "on-call"
    await interface.aclose()


@pytest.mark.parametrize(
    ("texts", "told"),
    [
        ((), "an answer that is no object"),
        (("<html>",), "not a JSON answer: <html>"),
        (("[1]",), "an answer that is no object"),
        (('{"status": "error", "error": {"message": "timeout"}}',), "timeout"),
        (
            ('{"status": "success", "data": {"data": {"results": [{"data": [[1]], "columns": 3}]}}}',),
            "is none of",
        ),
        ((f'{{"status": "error", "error": "key {KEY} is bad"}}',), "key \\*\\*\\* is bad"),
    ],
)
async def test_an_answer_that_is_none_is_an_error(texts: tuple[str, ...], told: str) -> None:
    server = signoz_mcp.McpServer(Signoz())
    server.answer = signoz_mcp.told(*texts)
    with pytest.raises(SourceError, match=f"signoz: the MCP server: jobs: .*{told}"):
        await rate(in_process(server))


async def test_a_session_that_broke_is_opened_anew() -> None:
    server, opened = signoz_mcp.McpServer(signoz_mcp.one_counter(NOW)), [0]

    class Broken:
        async def list_tools(self, cursor: str | None = None) -> Any:
            return await server._list(None, None if cursor is None else page(cursor))

        async def call_tool(self, *_: Any) -> Any:
            raise ConnectionResetError("connection lost")

    def page(cursor: str) -> Any:
        return signoz_mcp.types.PaginatedRequestParams(cursor=cursor)

    @asynccontextmanager
    async def connect() -> AsyncIterator[Any]:
        opened[0] += 1
        if opened[0] == 1:
            yield Broken()
        else:
            async with mcp.Client(server.sdk()) as client:
                yield client

    interface = McpInterface("signoz", "the MCP server", connect, credentials=frozenset())
    assert await rate(interface) == {"orders": pytest.approx(1.0)}
    assert opened == [2]


@pytest.mark.parametrize(
    ("command", "told"),
    [
        (("no-such-program",), "no session with the MCP server: "),
        ((sys.executable, "-c", "raise SystemExit"), "no session with the MCP server: "),
    ],
)
async def test_a_child_that_does_not_run(command: tuple[str, ...], told: str) -> None:
    interface = over_stdio("signoz", command[0], command[1:], url="http://signoz", token=KEY, timeout=20)
    with pytest.raises(SourceError, match=f"signoz: the MCP server {command[0]}: jobs: {told}"):
        await rate(interface)


async def test_a_server_that_never_answers_is_given_up() -> None:
    closed = asyncio.Event()

    @asynccontextmanager
    async def connect() -> AsyncIterator[Any]:
        try:
            await asyncio.Event().wait()
            yield None
        finally:
            closed.set()

    interface = McpInterface("signoz", "the MCP server", connect, credentials=frozenset(), timeout=0.2)
    with pytest.raises(SourceError, match=r"signoz: the MCP server: jobs: no answer within 0\.2 s"):
        await rate(interface)
    assert closed.is_set()


async def test_who_calls_whom_has_no_tool() -> None:
    source = SignozSource("signoz", in_process(signoz_mcp.McpServer(Signoz())))
    assert "topology" not in source.capabilities
    assert await source.topology(0, NOW) == []


def catalog(more: str) -> Callable[[], Any]:
    text = f"""
name: team
sources: {{signoz: {{type: signoz, url: "http://127.0.0.1:1", token: {{env: TEAM_KEY}}, {more}}}}}
services: {{orders: {{kind: otel-http}}}}
"""
    return lambda: loads(text)


@pytest.mark.parametrize(
    "more", ["command: signoz-mcp-server", "via: mcp, args: [x]", "via: mcp, env: {A: b}"]
)
def test_a_command_belongs_to_mcp_and_its_arguments_to_a_command(more: str) -> None:
    with pytest.raises(CatalogError, match="MCP server"):
        catalog(more)()


async def test_without_the_sdk_the_source_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEAM_KEY", KEY)
    monkeypatch.setitem(sys.modules, "mcp", None)
    sources = open_sources(catalog("via: mcp")(), None)
    with pytest.raises(SourceError, match=r"signoz: .* install it with: pip install 'bongsu\[mcp\]'"):
        await sources.instant(QUERY, NOW)


async def test_the_catalog_opens_a_child(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEAM_KEY", KEY)
    arguments = f"['-m', 'tests.sources.fakes.signoz_mcp', '{NOW}']"
    more = (
        f"via: mcp, timeout: 60s, command: {sys.executable}, args: {arguments}, env: {{PYTHONPATH: '{ROOT}'}}"
    )
    sources = open_sources(catalog(more)(), None)
    assert [sample.service for sample in await sources.instant(QUERY, NOW)] == ["orders"]
    await sources.aclose()

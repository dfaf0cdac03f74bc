"""What is counted for one request, however it ends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import pytest
from fastapi import BackgroundTasks, FastAPI
from starlette.applications import Starlette
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from bongsu_instrument import BongsuMiddleware, Instrumentation, instrument

pytestmark = pytest.mark.anyio


def application(handler: Any, **options: Any) -> Starlette:
    return Starlette(routes=[Route("/x", handler, methods=["GET", "POST"])], **options)


def asgi(app: Any) -> tuple[BongsuMiddleware, Instrumentation]:
    """A bare ASGI application, wrapped."""
    instrumentation = Instrumentation("shop")
    return BongsuMiddleware(app, instrumentation.http), instrumentation


async def test_sizes_and_latency_of_an_ordinary_request(serve: Any, read: Any) -> None:
    async def echo(request: Request) -> Response:
        return Response(await request.body())

    app = application(echo)
    shop = read(instrument(app, "shop"))
    await serve(app).request("/x", "POST", headers=[(b"content-length", b"5")], body=[b"he", b"llo"])
    assert shop.requests == {("POST", "/x", "200")}
    assert shop.value("request_size_bytes_sum") == 5
    assert shop.value("response_size_bytes_sum") == 5
    assert 0 < shop.value("request_duration_seconds_sum") < 5
    assert shop.value("request_duration_seconds_count", method="POST", path="/x", status="200") == 1
    assert shop.active == 0


async def test_the_gauge_counts_requests_while_they_are_answered(serve: Any, read: Any) -> None:
    seen: list[float] = []

    async def look(request: Request) -> Response:
        seen.append(shop.active)
        return Response()

    app = application(look)
    shop = read(instrument(app, "shop"))
    await serve(app).request("/x")
    assert (seen, shop.active) == ([1], 0)


@pytest.mark.parametrize("value", [b"", b"abc", b"-5", b"1_0", b"5, 5", b"\xff", b"9" * 40])
async def test_a_malformed_content_length_is_counted_from_the_body(
    value: bytes, serve: Any, read: Any
) -> None:
    async def echo(request: Request) -> Response:
        return Response(await request.body())

    app = application(echo)
    shop = read(instrument(app, "shop"))
    sent = await serve(app).request("/x", "POST", headers=[(b"content-length", value)], body=[b"12", b"345"])
    assert sent[0]["status"] == 200
    assert shop.value("request_size_bytes_sum") == 5
    assert shop.active == 0


async def test_a_chunked_body_is_counted_as_it_is_read(serve: Any, read: Any) -> None:
    async def echo(request: Request) -> Response:
        return Response(await request.body())

    app = application(echo)
    shop = read(instrument(app, "shop"))
    headers = [(b"transfer-encoding", b"chunked")]
    await serve(app).request("/x", "POST", headers=headers, body=[b"a" * 10, b"b" * 20])
    assert shop.value("request_size_bytes_sum") == 30


async def test_a_streamed_response_has_its_own_size_each_time(serve: Any, read: Any) -> None:
    async def stream(request: Request) -> Response:
        async def chunks() -> AsyncIterator[bytes]:
            for _ in range(int(request.query_params["n"])):
                yield b"x" * 100

        return StreamingResponse(chunks())

    app = application(stream)
    shop = read(instrument(app, "shop"))
    for n, total in ((3, 300), (1, 400), (0, 400)):
        await serve(app).request("/x", query_string=f"n={n}".encode())
        assert shop.value("response_size_bytes_sum") == total


async def test_background_tasks_are_not_part_of_the_latency(serve: Any, read: Any) -> None:
    app = FastAPI()
    counted: list[float] = []

    @app.get("/x")
    async def handler(tasks: BackgroundTasks) -> str:
        tasks.add_task(lambda: counted.append(shop.value("requests_total") - shop.active))
        return "ok"

    shop = read(instrument(app, "shop"))
    await serve(app).request("/x")
    assert counted == [1]


async def test_an_exception_is_a_500_and_still_an_exception(serve: Any, read: Any) -> None:
    async def fail(request: Request) -> Response:
        raise KeyError("boom")

    app = application(fail)
    shop = read(instrument(app, "shop"))
    with pytest.raises(KeyError, match="boom"):
        await serve(app).request("/x")
    assert shop.requests == {("GET", "/x", "500")}
    assert shop.value("response_size_bytes_sum") == len("Internal Server Error")
    assert shop.active == 0


async def test_the_status_is_what_the_application_s_error_handler_answered(serve: Any, read: Any) -> None:
    async def fail(request: Request) -> Response:
        raise KeyError

    async def busy(request: Request, error: Exception) -> Response:
        return JSONResponse({}, 503)

    app = application(fail, exception_handlers={Exception: busy})
    shop = read(instrument(app, "shop"))
    with pytest.raises(KeyError):
        await serve(app).request("/x")
    assert shop.requests == {("GET", "/x", "503")}


async def test_an_exception_before_any_response_is_a_500(serve: Any, read: Any) -> None:
    async def fail(scope: Any, receive: Any, send: Any) -> None:
        raise OSError("no database")

    app, instrumentation = asgi(fail)
    with pytest.raises(OSError, match="no database"):
        await serve(app).request("/x")
    assert read(instrumentation).requests == {("GET", "UNKNOWN", "500")}
    assert read(instrumentation).active == 0


@pytest.mark.parametrize("error", [KeyError("bug"), ConnectionError("the database went away")])
async def test_a_failure_in_the_middle_of_a_response_is_a_500(
    error: Exception, serve: Any, read: Any
) -> None:
    async def stream(request: Request) -> Response:
        async def chunks() -> AsyncIterator[bytes]:
            yield b"x"
            raise error

        return StreamingResponse(chunks())

    app = application(stream)
    shop = read(instrument(app, "shop"))
    with pytest.raises((KeyError, ClientDisconnect)):
        await serve(app).request("/x")
    assert shop.requests == {("GET", "/x", "500")}
    assert shop.active == 0


@pytest.mark.parametrize("started", [False, True])
async def test_a_cancelled_request_is_a_499(started: bool, serve: Any, read: Any) -> None:
    reached = asyncio.Event()

    async def hang(scope: Any, receive: Any, send: Any) -> None:
        if started:
            await send({"type": "http.response.start", "status": 200, "headers": []})
        reached.set()
        await asyncio.Event().wait()

    app, instrumentation = asgi(hang)
    task = asyncio.create_task(serve(app).request("/x"))
    await reached.wait()
    assert read(instrumentation).active == 1
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert read(instrumentation).requests == {("GET", "UNKNOWN", "499")}
    assert read(instrumentation).active == 0


@pytest.mark.parametrize("spec_version", ["2.3", "2.4"])
async def test_a_client_gone_in_the_middle_of_a_stream_is_a_499(
    spec_version: str, serve: Any, read: Any
) -> None:
    async def stream(request: Request) -> Response:
        async def chunks() -> AsyncIterator[bytes]:
            for _ in range(100):
                yield b"x"
                await asyncio.sleep(0)

        return StreamingResponse(chunks())

    async def broken(message: Any) -> None:
        if message["type"] == "http.response.body" and spec_version == "2.4":
            raise OSError("broken pipe")

    app = application(stream)
    shop = read(instrument(app, "shop"))
    with suppress(ClientDisconnect):
        await serve(app).request(
            "/x", disconnect=True, send=broken, asgi={"version": "3.0", "spec_version": spec_version}
        )
    assert shop.requests == {("GET", "/x", "499")}
    assert shop.active == 0


async def test_a_client_gone_while_it_uploads_is_a_499(serve: Any, read: Any) -> None:
    async def upload(request: Request) -> Response:
        return Response(await request.body())

    app = application(upload)
    shop = read(instrument(app, "shop"))
    headers = [(b"content-length", b"1000")]
    with pytest.raises(ClientDisconnect):
        await serve(app).request("/x", "POST", headers=headers, body=[b"part"], disconnect=True)
    assert shop.requests == {("POST", "/x", "499")}
    assert shop.active == 0


async def test_an_error_while_sending_the_last_byte_is_a_499(serve: Any, read: Any) -> None:
    async def broken(message: Any) -> None:
        if message["type"] == "http.response.body":
            raise OSError("broken pipe")

    async def handler(request: Request) -> Response:
        return PlainTextResponse("ok")

    app = application(handler)
    shop = read(instrument(app, "shop"))
    with pytest.raises(OSError, match="broken pipe"):
        await serve(app).request("/x", send=broken)
    assert shop.requests == {("GET", "/x", "499")}
    assert shop.active == 0


async def test_an_error_while_starting_the_response_leaves_the_gauge_at_zero(serve: Any, read: Any) -> None:
    async def broken(message: Any) -> None:
        raise RuntimeError("protocol error")

    async def handler(request: Request) -> Response:
        return PlainTextResponse("ok")

    app = application(handler)
    shop = read(instrument(app, "shop"))
    with pytest.raises(RuntimeError):
        await serve(app).request("/x", send=broken)
    assert shop.active == 0
    assert shop.value("requests_total") == 1


@pytest.mark.parametrize(("method", "status"), [("HEAD", 200), ("GET", 204), ("GET", 304)])
async def test_answers_without_a_body_have_the_size_zero(
    method: str, status: int, serve: Any, read: Any
) -> None:
    async def bare(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": status, "headers": []})
        await send({"type": "http.response.body", "body": b"the server drops this"})

    app, instrumentation = asgi(bare)
    await serve(app).request("/x", method)
    assert read(instrumentation).value("response_size_bytes_sum") == 0
    assert read(instrumentation).value("response_size_bytes_count", method=method, status=str(status)) == 1


async def test_a_file_sent_by_path_has_its_size(tmp_path: Any, serve: Any, read: Any) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"x" * 1234)

    async def bare(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.pathsend", "path": str(file)})

    app, instrumentation = asgi(bare)
    await serve(app).request("/x")
    assert read(instrumentation).value("response_size_bytes_sum", status="200") == 1234
    assert read(instrumentation).active == 0


async def test_a_missing_file_sent_by_path_is_still_one_request(serve: Any, read: Any) -> None:
    async def bare(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.pathsend", "path": "/nowhere/at/all"})

    app, instrumentation = asgi(bare)
    await serve(app).request("/x")
    assert read(instrumentation).requests == {("GET", "UNKNOWN", "200")}
    assert read(instrumentation).active == 0


async def test_a_response_with_trailers_ends_with_its_last_trailer(serve: Any, read: Any) -> None:
    active: list[float] = []

    async def bare(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [], "trailers": True})
        await send({"type": "http.response.body", "body": b"x"})
        active.append(read(instrumentation).active)
        await send({"type": "http.response.trailers", "headers": [], "more_trailers": True})
        active.append(read(instrumentation).active)
        await send({"type": "http.response.trailers", "headers": [], "more_trailers": False})
        active.append(read(instrumentation).active)

    app, instrumentation = asgi(bare)
    await serve(app).request("/x")
    assert active == [1, 1, 0]
    assert read(instrumentation).requests == {("GET", "UNKNOWN", "200")}


@pytest.mark.parametrize("before", [True, False])
async def test_sizes_are_those_on_the_wire_wherever_gzip_was_added(
    before: bool, serve: Any, read: Any
) -> None:
    async def large(request: Request) -> Response:
        return PlainTextResponse("x" * 50_000)

    app = application(large)
    if before:
        app.add_middleware(GZipMiddleware)
    instrumentation = instrument(app, "shop")
    if not before:
        app.add_middleware(GZipMiddleware)
    sent = await serve(app).request("/x", headers=[(b"accept-encoding", b"gzip")])
    wire = sum(len(message.get("body", b"")) for message in sent)
    assert 0 < wire < 1_000
    assert read(instrumentation).value("response_size_bytes_sum") == wire


async def test_middleware_that_runs_the_application_in_another_task(serve: Any, read: Any) -> None:
    class Passes(BaseHTTPMiddleware):
        async def dispatch(self, request: Request, call_next: Any) -> Response:
            response: Response = await call_next(request)
            return response

    async def handler(request: Request) -> Response:
        return PlainTextResponse("ok")

    app = application(handler)
    app.add_middleware(Passes)
    shop = read(instrument(app, "shop"))
    await serve(app).request("/x")
    assert shop.requests == {("GET", "/x", "200")}
    assert shop.value("response_size_bytes_sum") == 2


class Broken:
    """Stands for any mistake of the instrumentation itself."""

    def __getattr__(self, name: str) -> Any:
        raise ZeroDivisionError("instrumentation bug")


async def test_an_error_of_the_instrumentation_never_reaches_the_request(
    serve: Any, read: Any, caplog: pytest.LogCaptureFixture
) -> None:
    async def bare(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"ok"})

    instrumentation = Instrumentation("shop")
    app = BongsuMiddleware(bare, instrumentation.http, templates=Broken(), tracing=Broken())
    sent = await serve(app).request("/x")
    assert [message["type"] for message in sent] == ["http.response.start", "http.response.body"]
    assert "the request is not affected" in caplog.text
    assert read(instrumentation).requests == {("GET", "UNKNOWN", "200")}
    assert read(instrumentation).active == 0


@pytest.mark.parametrize("field", ["headers", "method"])
async def test_a_scope_that_cannot_be_read_is_served_unmeasured(field: str, serve: Any, read: Any) -> None:
    async def bare(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": None, "more_body": False})

    app, instrumentation = asgi(bare)
    scope = serve.scope("/x")
    del scope[field]
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    await app(scope, None, send)  # type: ignore[arg-type]
    assert len(sent) == 2
    assert read(instrumentation).active == 0


async def test_a_storage_that_fails_is_not_noticed_by_the_client(serve: Any, monkeypatch: Any) -> None:
    async def handler(request: Request) -> Response:
        return PlainTextResponse("ok")

    app = application(handler)
    instrumentation = instrument(app, "shop")
    monkeypatch.setattr(instrumentation.http, "leave", Broken)
    monkeypatch.setattr(instrumentation.http, "_create", Broken)
    assert (await serve(app).request("/x"))[0]["status"] == 200

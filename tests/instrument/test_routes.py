"""The `path` label is the full template of the route, and never what a client typed."""

from __future__ import annotations

from typing import Any

import pytest
from fastapi import APIRouter, FastAPI
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Host, Mount, Route, Router

from bongsu_instrument import instrument

pytestmark = pytest.mark.anyio


async def ok(request: Request) -> Response:
    return PlainTextResponse("ok")


async def opaque(scope: Any, receive: Any, send: Any) -> None:
    await PlainTextResponse("opaque")(scope, receive, send)


class CopiesTheScope:
    """A middleware that, like some, hands on a copy of the scope."""

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await self.app(dict(scope), receive, send)


async def paths(app: Any, serve: Any, read: Any, *requests: str, **scope: Any) -> list[tuple[str, str]]:
    """The (path, status) pairs counted after these requests."""
    shop = read(instrument(app, "shop"))
    for path in requests:
        await serve(app).request(path, **scope)
    assert shop.active == 0
    return sorted((path, status) for _, path, status in shop.requests)


async def test_nested_include_router_keeps_every_prefix(serve: Any, read: Any) -> None:
    app, outer, inner = FastAPI(), APIRouter(prefix="/outer"), APIRouter(prefix="/inner")

    @inner.get("/orders/{id}")
    async def order(id: int) -> int:  # noqa: A002
        return id

    outer.include_router(inner, prefix="/v2")
    app.include_router(outer, prefix="/api")
    assert await paths(app, serve, read, "/api/outer/v2/inner/orders/1") == [
        ("/api/outer/v2/inner/orders/{id}", "200")
    ]


async def test_one_router_included_twice_has_two_templates(serve: Any, read: Any) -> None:
    app, router = FastAPI(), APIRouter()

    @router.get("/{id}")
    async def one(id: int) -> int:  # noqa: A002
        return id

    app.include_router(router, prefix="/a")
    app.include_router(router, prefix="/b")
    assert await paths(app, serve, read, "/a/1", "/b/2", "/a/3") == [("/a/{id}", "200"), ("/b/{id}", "200")]


async def test_included_routers_are_resolved_without_the_framework_s_private_key(
    serve: Any, read: Any
) -> None:
    class ForgetsTheContext:
        def __init__(self, app: Any) -> None:
            self.app = app

        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            async def forgetful(message: Any) -> None:
                scope.pop("fastapi", None)
                await send(message)

            await self.app(scope, receive, forgetful)

    app, once, twice = FastAPI(), APIRouter(), APIRouter()

    @once.get("/{id}")
    @twice.get("/{id}")
    async def one(id: int) -> int:  # noqa: A002
        return id

    app.include_router(once, prefix="/once")
    app.include_router(twice, prefix="/a")
    app.include_router(twice, prefix="/b")
    app.add_middleware(ForgetsTheContext)
    assert await paths(app, serve, read, "/once/1", "/a/1", "/b/1") == [
        ("/a/{id}", "200"),
        ("/b/{id}", "200"),
        ("/once/{id}", "200"),
    ]


async def test_plain_routes_and_documentation_of_fastapi_are_named(serve: Any, read: Any) -> None:
    app, router = FastAPI(), APIRouter()
    router.add_route("/plain/{x}", ok)
    app.include_router(router, prefix="/in")
    assert await paths(app, serve, read, "/docs", "/in/plain/1") == [
        ("/docs", "200"),
        ("/in/plain/{x}", "200"),
    ]


@pytest.mark.parametrize("outer_kind", [Starlette, FastAPI])
@pytest.mark.parametrize("inner_kind", [Starlette, FastAPI])
async def test_mounted_applications_have_their_mount_in_the_template(
    outer_kind: Any, inner_kind: Any, serve: Any, read: Any
) -> None:
    app, inner = outer_kind(), inner_kind()
    inner.add_route("/orders/{id}", ok)
    app.mount("/static-prefix", inner)
    app.mount("/t/{tenant}", inner)
    assert await paths(app, serve, read, "/static-prefix/orders/1", "/t/acme/orders/1", "/t/b/orders/2") == [
        ("/static-prefix/orders/{id}", "200"),
        ("/t/{tenant}/orders/{id}", "200"),
    ]


async def test_mounts_with_api_routes_parameters_and_includes(serve: Any, read: Any) -> None:
    app, inner, router = FastAPI(), FastAPI(), APIRouter()

    @inner.get("/items/{item}")
    async def read_item(item: str) -> str:
        return item

    router.mount("/t/{tenant}", inner)
    app.include_router(router, prefix="/v1")
    requests = [f"/v1/t/acme{n}/items/{n}" for n in range(20)]
    assert await paths(app, serve, read, *requests) == [("/v1/t/{tenant}/items/{item}", "200")]


async def test_nested_mounts(serve: Any, read: Any) -> None:
    innermost = Mount("/b/{y}", routes=[Route("/c/{z}", ok)])
    app = Starlette(routes=[Mount("/a/{x}", routes=[innermost]), Mount("/s", routes=[innermost])])
    assert await paths(app, serve, read, "/a/1/b/2/c/3", "/s/b/2/c/3") == [
        ("/a/{x}/b/{y}/c/{z}", "200"),
        ("/s/b/{y}/c/{z}", "200"),
    ]


async def test_what_a_mount_does_not_route_is_not_found(serve: Any, read: Any) -> None:
    app = Starlette(routes=[Mount("/t/{tenant}", routes=[Route("/orders", ok)])])
    requests = [f"/t/acme{n}/nothing{n}" for n in range(50)]
    assert await paths(app, serve, read, *requests) == [("NOT_FOUND", "404")]


@pytest.mark.parametrize("kind", [Starlette, FastAPI])
async def test_opaque_mounts_are_one_series(kind: Any, serve: Any, read: Any) -> None:
    app = kind()
    app.mount("/files", opaque)
    assert await paths(app, serve, read, *(f"/files/{n}" for n in range(20))) == [("/files/{path}", "200")]


async def test_host_routes_are_transparent(serve: Any, read: Any) -> None:
    app = Starlette(
        routes=[
            Host("shop.test", Router([Route("/orders/{id}", ok), Mount("/m/{x}", routes=[Route("/y", ok)])]))
        ]
    )
    assert await paths(app, serve, read, "/orders/1", "/m/1/y") == [
        ("/m/{x}/y", "200"),
        ("/orders/{id}", "200"),
    ]


@pytest.mark.parametrize("kind", [Starlette, FastAPI])
async def test_unknown_paths_and_slash_redirects_are_bounded(kind: Any, serve: Any, read: Any) -> None:
    app = kind()
    app.add_route("/orders/{id}", ok)
    requests = [f"/nothing/{n}/x" for n in range(200)] + [f"/orders/{n}/" for n in range(200)]
    assert await paths(app, serve, read, *requests) == [("NOT_FOUND", "404"), ("REDIRECTION", "307")]


async def test_junk_methods_are_one_series(plain_app: Starlette, serve: Any, read: Any) -> None:
    shop = read(instrument(plain_app, "shop"))
    for n in range(200):
        await serve(plain_app).request("/orders/1", f"JUNK{n}")
    assert shop.requests == {("OTHER", "/orders/{id}", "405")}


async def test_a_404_of_the_handler_itself_keeps_the_template(serve: Any, read: Any) -> None:
    async def missing(request: Request) -> Response:
        return Response(status_code=404)

    app = Starlette(routes=[Route("/orders/{id}", missing)])
    assert await paths(app, serve, read, "/orders/1") == [("/orders/{id}", "404")]


async def test_a_proxy_s_root_path_is_not_part_of_the_template(serve: Any, read: Any) -> None:
    app = Starlette(routes=[Route("/orders/{id}", ok), Mount("/m/{x}", routes=[Route("/y", ok)])])
    assert await paths(app, serve, read, "/api/orders/1", "/api/m/1/y", root_path="/api") == [
        ("/m/{x}/y", "200"),
        ("/orders/{id}", "200"),
    ]


@pytest.mark.parametrize("before", [True, False])
async def test_middleware_that_copies_the_scope_hides_nothing(before: bool, serve: Any, read: Any) -> None:
    app = FastAPI()

    @app.get("/orders/{id}")
    async def order(id: int) -> int:  # noqa: A002
        return id

    if before:
        app.add_middleware(CopiesTheScope)
        instrument(app, "shop")
    else:
        instrument(app, "shop")
        app.add_middleware(CopiesTheScope)
    assert await paths(app, serve, read, "/orders/1") == [("/orders/{id}", "200")]


async def test_a_middleware_of_a_mount_that_copies_the_scope_hides_nothing(serve: Any, read: Any) -> None:
    from starlette.middleware import Middleware

    mount = Mount("/m/{x}", routes=[Route("/y/{z}", ok)], middleware=[Middleware(CopiesTheScope)])
    assert await paths(Starlette(routes=[mount]), serve, read, "/m/1/y/2") == [("/m/{x}/y/{z}", "200")]


async def test_answers_given_before_routing_are_one_series(serve: Any, read: Any) -> None:
    class Refuses:
        def __init__(self, app: Any) -> None:
            self.app = app

        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            await Response(status_code=401)(scope, receive, send)

    app = Starlette()
    app.add_middleware(Refuses)
    assert await paths(app, serve, read, *(f"/{n}" for n in range(20))) == [("UNKNOWN", "401")]


async def test_parameterised_mounts_are_not_remembered_for_every_value(serve: Any) -> None:
    from bongsu_instrument.routes import RouteTemplates

    app = Starlette(
        routes=[Mount("/t/{tenant}", routes=[Route("/y", ok)]), Mount("/s", routes=[Route("/y", ok)])]
    )
    templates = RouteTemplates(app)
    for path in ["/s/y", *(f"/t/{n}/y" for n in range(50))]:
        scope = serve.scope(path)
        await respond(app, scope)
        assert templates.template(scope, "") in {"/s/y", "/t/{tenant}/y"}
    assert templates._static_prefixes == {"/s": "/s"}


async def respond(app: Any, scope: Any) -> None:
    async def receive() -> Any:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        pass

    await app(scope, receive, send)

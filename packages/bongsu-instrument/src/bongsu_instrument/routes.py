"""From a routed scope to the template of its path, `/orders/{id}`, without routing a second time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, MutableMapping
from typing import Any

from starlette.routing import Host, Match, Mount

try:
    from fastapi.routing import iter_route_contexts
except ImportError:
    iter_route_contexts = None  # type: ignore[assignment]

Scope = MutableMapping[str, Any]
_BRANCHES = (Mount, Host)


class RouteTemplates:
    """Templates of the paths that one Starlette or FastAPI application routes.

    A template is relative to the application: the `root_path` of a proxy is not part of it.
    """

    def __init__(self, app: Any) -> None:
        self._app = app
        self._static_prefixes: dict[str, str] = {}
        self._included: dict[int, tuple[Any, list[Any]]] = {}

    def template(self, scope: Scope, base: str) -> str | None:
        """The template of a scope that went through the router, or None when no route took it.

        `base` is the `root_path` that the scope had when it reached the router.
        """
        route = scope.get("route")
        if route is None:
            return self._search(scope, base) if "endpoint" in scope else None
        if isinstance(route, _BRANCHES):
            return self._search(scope, base)
        path: str = self._path_format(route, scope)
        root: str = scope.get("root_path", "")
        if root == base or not root.startswith(base):
            return path
        return self._prefix(scope, base, root) + path

    def _path_format(self, route: Any, scope: Scope) -> Any:
        # FastAPI leaves the route as it was written in its router; the context of the `include_router`
        # that led to it is a private key, so its absence must not matter.
        fastapi_scope = scope.get("fastapi")
        if fastapi_scope:
            context = fastapi_scope.get("effective_route_context")
            if context is not None and context.original_route is route:
                return context.path_format
        contexts = self._contexts_of(route, scope)
        if len(contexts) > 1:
            for context in contexts:
                if context.matches(_request(scope, scope.get("root_path", "")))[0] is not Match.NONE:
                    return context.path_format
        return (contexts[0] if contexts else route).path_format

    def _contexts_of(self, route: Any, scope: Scope) -> list[Any]:
        known = self._included.get(id(route))
        if known is None or known[0] is not route:
            contexts = [
                context
                for context in _flatten(getattr(scope.get("app"), "routes", ()))
                if getattr(context, "original_route", None) is route
            ]
            self._included[id(route)] = known = (route, contexts)
        return known[1]

    def _prefix(self, scope: Scope, base: str, root: str) -> str:
        """The template of the mounts between the application and the route."""
        concrete = root[len(base) :]
        prefix = self._static_prefixes.get(concrete)
        if prefix is not None:
            return prefix
        prefix = _mount_prefix(self._app.routes, _request(scope, base), root)
        if prefix is None:
            return "/{mount}"
        # Only a prefix without parameters is remembered: clients choose the others.
        if prefix == concrete:
            self._static_prefixes[concrete] = prefix
        return prefix

    def _search(self, scope: Scope, base: str) -> str | None:
        return _search(self._app.routes, _request(scope, base))


def _request(scope: Scope, root: str) -> Scope:
    """A scope that routes can be matched against without touching the real one."""
    return {
        "type": scope["type"],
        "path": scope["path"],
        "root_path": root,
        "method": scope.get("method", "GET"),
        "headers": scope.get("headers", []),
    }


def _flatten(routes: Iterable[Any]) -> Iterator[Any]:
    """The routes with those of included routers in their place, each under its full path."""
    if iter_route_contexts is not None:
        yield from iter_route_contexts(list(routes))
        return
    for route in routes:
        included = getattr(route, "effective_route_contexts", None)
        if included is None:
            yield route
        else:
            yield from included()


def _format_of(route: Any) -> str | None:
    effective = getattr(route, "starlette_route", None) or route
    return getattr(effective, "path_format", None)


def _search(routes: Iterable[Any], request: Scope) -> str | None:
    partial: str | None = None
    for route in _flatten(routes):
        match, child = route.matches(request)
        if match is Match.NONE:
            continue
        original = getattr(route, "original_route", route)
        if isinstance(original, _BRANCHES):
            prefix = _own_prefix(route, original)
            if not original.routes:
                return prefix + "/{path}"
            rest = _search(original.routes, {**request, **child})
            return None if rest is None else prefix + rest
        path = _format_of(route)
        if match is Match.FULL:
            return path
        partial = partial or path
    return partial


def _mount_prefix(routes: Iterable[Any], request: Scope, root: str) -> str | None:
    for route in _flatten(routes):
        original = getattr(route, "original_route", route)
        if not isinstance(original, _BRANCHES):
            continue
        match, child = route.matches(request)
        if match is Match.NONE:
            continue
        prefix, reached = _own_prefix(route, original), child.get("root_path", request["root_path"])
        if reached == root and isinstance(original, Mount):
            return prefix
        rest = _mount_prefix(original.routes, {**request, **child}, root)
        if rest is not None:
            return prefix + rest
    return None


def _own_prefix(route: Any, original: Mount | Host) -> str:
    return (_format_of(route) or "").removesuffix("/{path}") if isinstance(original, Mount) else ""

"""What every page links to: scripts and styles, and the reader's own language and theme."""

from fastapi import APIRouter, HTTPException, Request, Response
from fastapi.responses import RedirectResponse

from bongsu.console.guard import field, local_path, public
from bongsu.console.view import LANGUAGE_COOKIE, LANGUAGES, SECURITY_HEADERS, THEME_COOKIE, THEMES, Console

_YEAR = 365 * 86400


def add(router: APIRouter, console: Console) -> None:
    @router.get("/static/{name}")
    @public
    async def static(request: Request, name: str) -> Response:
        asset = console.assets.get(name)
        if asset is None:
            raise HTTPException(404)
        headers = {
            **SECURITY_HEADERS,
            "Cache-Control": f"public, max-age={_YEAR}, immutable",
            "Vary": "Accept-Encoding",
        }
        packed = "gzip" in request.headers.get("accept-encoding", "")
        if packed:
            headers["Content-Encoding"] = "gzip"
        return Response(asset.packed if packed else asset.body, headers=headers, media_type=asset.media_type)

    @router.get("/favicon.ico")
    @public
    async def favicon() -> Response:
        return RedirectResponse(f"/static/{console.assets.icon}", 308, headers=SECURITY_HEADERS)

    @router.post("/preferences")
    @public
    async def preferences(request: Request) -> Response:
        response = RedirectResponse(local_path(field(request, "next")), 303, headers=SECURITY_HEADERS)
        for name, cookie, allowed in (
            ("language", LANGUAGE_COOKIE, LANGUAGES),
            ("theme", THEME_COOKIE, THEMES),
        ):
            value = field(request, name)
            if value in allowed:
                console.set_cookie(request, response, cookie, value, max_age=_YEAR)
        return response

"""How a page is said to one reader: language, time zone, theme, and the HTML that comes of it."""

import gzip
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from babel.dates import format_datetime
from fastapi import Request, Response
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from bongsu.console.assets import Assets
from bongsu.console.deps import ConsoleDeps
from bongsu.console.phrases import PHRASES, phrase
from bongsu.console.session import VISITOR_COOKIE, Session, Signer
from bongsu.delivery import words
from bongsu.signals.model import Severity

LANGUAGE_COOKIE = "bongsu_language"
THEME_COOKIE = "bongsu_theme"
LANGUAGES = ("en", "ko")
THEMES = ("auto", "light", "dark")
FIRES = {Severity.P1: 5, Severity.P2: 4, Severity.P3: 3, Severity.P4: 2}
"""The beacons' own code: one fire every evening meant peace, five meant battle."""

SECURITY_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}
_COMPRESS_FROM = 1024


@dataclass(frozen=True, slots=True)
class Reader:
    """Who reads a page and how they read; what templates call to say things."""

    language: str
    theme: str
    timezone: str
    now: float

    def t(self, key: str, **values: object) -> str:
        return phrase(key, self.language, **values)

    def count(self, key: str, number: int) -> str:
        """The phrase ``<key>_one`` or ``<key>_many``."""
        return phrase(f"{key}_one", self.language) if number == 1 else self.t(f"{key}_many", count=number)

    def event(self, kind: str) -> str:
        key = f"event_{kind}"
        return self.t(key if key in PHRASES else "event_other")

    def number(self, value: float | None, unit: str) -> str:
        return words.number(value, unit, self.language)

    def limit(self, value: float | None, threshold: float | None, unit: str) -> str:
        return words.limit(value, threshold, unit, self.language)

    def duration(self, seconds: float) -> str:
        return words.duration(round(seconds), self.language)

    def clock(self, at: float) -> str:
        """Time of day alone, for lines that stand beside a full date."""
        return f"{self._local(at):%H:%M:%S}"

    def short(self, at: float) -> str:
        """Time of day, with the date where it is not today's."""
        moment = self._local(at)
        if moment.date() == self._local(self.now).date():
            return f"{moment:%H:%M}"
        pattern = "M월 d일 HH:mm" if self.language == "ko" else "d MMM HH:mm"
        return format_datetime(moment, pattern, locale=self.language)

    def moment(self, at: float) -> str:
        return words.local_time(at, self.timezone, self.language)

    def iso(self, at: float) -> str:
        return self._local(at).isoformat(timespec="seconds")

    def _local(self, at: float) -> datetime:
        return datetime.fromtimestamp(at, words.zone(self.timezone))


class Console:
    """What every page shares."""

    def __init__(self, deps: ConsoleDeps) -> None:
        self.deps = deps
        self.signer = Signer(deps.secret)
        self.assets = Assets()

    @cached_property
    def templates(self) -> Environment:
        environment = Environment(
            loader=FileSystemLoader(Path(__file__).parent / "templates"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        environment.globals.update(lit_for=lambda severity: FIRES[Severity(severity)], console=self)
        return environment

    def reader(self, request: Request) -> Reader:
        theme = request.cookies.get(THEME_COOKIE, "auto")
        return Reader(
            language=_language(request, self.deps.language),
            theme=theme if theme in THEMES else "auto",
            timezone=self.deps.timezone,
            now=time.time(),
        )

    def page(
        self, request: Request, template: str, context: Mapping[str, Any] | None = None, *, status: int = 200
    ) -> Response:
        session: Session | None = getattr(request.state, "session", None)
        reader = self.reader(request)
        visitor = None if session else _visitor(request, self.signer)
        owner_id = session.id if session else str(visitor)
        html = self.templates.get_template(template).render(
            r=reader,
            t=reader.t,
            actor=session.actor if session else "",
            form_token=self.signer.form_token(owner_id),
            path=request.url.path,
            query=f"?{request.url.query}" if request.url.query else "",
            **(context or {}),
        )
        response = answer(request, html.encode(), "text/html", status)
        if visitor and request.cookies.get(VISITOR_COOKIE) != visitor:
            self.set_cookie(request, response, VISITOR_COOKIE, visitor, max_age=None)
        return response

    def error(self, request: Request, status: int) -> Response:
        known = status if f"error_{status}" in PHRASES else 500 if status >= 500 else 400
        hint = f"error_{known}_hint"
        context = {"status": status, "message": f"error_{known}", "hint": hint if hint in PHRASES else ""}
        return self.page(request, "error.html", context, status=status)

    def set_cookie(
        self, request: Request, response: Response, name: str, value: str, *, max_age: int | None
    ) -> None:
        secure = self.deps.secure_cookies
        if secure is None:
            secure = request.url.scheme == "https"
        response.set_cookie(
            name, value, max_age=max_age, path="/", httponly=True, samesite="strict", secure=secure
        )


def _visitor(request: Request, signer: Signer) -> str:
    """An id for somebody who has not signed in, to which the forms they see are tied."""
    return request.cookies.get(VISITOR_COOKIE) or signer.open("").id


def _language(request: Request, default: str) -> str:
    chosen = request.cookies.get(LANGUAGE_COOKIE)
    if chosen in LANGUAGES:
        return chosen
    wanted: list[tuple[float, str]] = []
    for entry in request.headers.get("accept-language", "").split(","):
        tag, _, quality = entry.strip().partition(";q=")
        language = tag.split("-")[0].lower()
        try:
            weight = float(quality or 1)
        except ValueError:
            continue
        if language in LANGUAGES and weight > 0:
            wanted.append((-weight, language))
    return min(wanted, key=lambda pair: pair[0])[1] if wanted else default


def answer(request: Request, body: bytes, media_type: str, status: int = 200) -> Response:
    """``body`` with the console's headers, compressed where that is wanted and worth it."""
    headers = {**SECURITY_HEADERS, "Vary": "Accept-Encoding, Accept-Language, Cookie"}
    if len(body) >= _COMPRESS_FROM and "gzip" in request.headers.get("accept-encoding", ""):
        body = gzip.compress(body, 5)
        headers["Content-Encoding"] = "gzip"
    return Response(body, status, headers, media_type)

"""Who a request is from: a signed cookie, and a token in every form that changes something."""

import base64
import binascii
import hashlib
import hmac
import json
import secrets
import time
from collections import deque
from dataclasses import dataclass

SESSION_COOKIE = "bongsu_session"
VISITOR_COOKIE = "bongsu_visitor"
SESSION_SECONDS = 12 * 3600.0


@dataclass(frozen=True, slots=True)
class Session:
    """``actor`` is empty for somebody who has not signed in."""

    id: str
    actor: str = ""
    ends_at: float = 0.0


class Signer:
    """Seals sessions and derives form tokens from one secret of the server."""

    def __init__(self, secret: bytes) -> None:
        self._session_key = hmac.digest(secret, b"bongsu console session", hashlib.sha256)
        self._form_key = hmac.digest(secret, b"bongsu console form", hashlib.sha256)

    def open(self, actor: str) -> Session:
        return Session(secrets.token_urlsafe(18), actor, time.time() + SESSION_SECONDS)

    def seal(self, session: Session) -> str:
        body = _encode(json.dumps([session.id, session.actor, session.ends_at]).encode())
        return f"{body}.{self._mark(body)}"

    def unseal(self, cookie: str) -> Session | None:
        """The session that ``seal`` made; None where it is forged, broken or over."""
        body, _, mark = cookie.partition(".")
        if not hmac.compare_digest(mark.encode(), self._mark(body).encode()):
            return None
        try:
            session = Session(*json.loads(_decode(body)))
        except (ValueError, TypeError, binascii.Error):
            return None
        return session if session.actor and session.ends_at > time.time() else None

    def form_token(self, session_id: str) -> str:
        return _encode(hmac.digest(self._form_key, session_id.encode(), hashlib.sha256))

    def form_is_from(self, session_id: str, token: str) -> bool:
        return bool(session_id) and hmac.compare_digest(token.encode(), self.form_token(session_id).encode())

    def _mark(self, body: str) -> str:
        return _encode(hmac.digest(self._session_key, body.encode(), hashlib.sha256))


def _encode(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _decode(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


class Attempts:
    """At most ``limit`` failures an address within ``seconds``; older addresses are forgotten."""

    def __init__(self, limit: int = 10, seconds: float = 300.0, addresses: int = 4096) -> None:
        self._limit = limit
        self._seconds = seconds
        self._addresses = addresses
        self._failures: dict[str, deque[float]] = {}

    def wait(self, address: str) -> float:
        """Seconds until ``address`` may try again; 0 where it may now."""
        failures = self._failures.get(address)
        if failures is None:
            return 0.0
        now = time.monotonic()
        while failures and failures[0] <= now - self._seconds:
            failures.popleft()
        if not failures:
            del self._failures[address]
            return 0.0
        return failures[0] + self._seconds - now if len(failures) >= self._limit else 0.0

    def failed(self, address: str) -> None:
        failures = self._failures.pop(address, deque(maxlen=self._limit))
        failures.append(time.monotonic())
        self._failures[address] = failures
        while len(self._failures) > self._addresses:
            del self._failures[next(iter(self._failures))]

    def succeeded(self, address: str) -> None:
        self._failures.pop(address, None)

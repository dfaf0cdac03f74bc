"""Credentials: who may call what. Everything but health and sign-in needs one."""

import base64
import binascii
import hashlib
import hmac
import os
import secrets
import time
from dataclasses import dataclass, field
from pathlib import Path

REPLAY_SECONDS = 300.0


@dataclass(frozen=True, slots=True)
class Credentials:
    """Two tokens: ``admin`` for people and the API, ``ingest`` for telemetry and webhooks only."""

    admin: str = field(repr=False)
    ingest: str = field(repr=False)
    given: bool = False
    """Whether the admin token came from the environment, not from a file that we made."""
    webhook_secret: str = field(default="", repr=False)
    """Shared with Grafana for its HMAC; none means that only tokens are taken."""

    def session_key(self) -> bytes:
        """Signs the console's sessions: the same on every start and replica that shares the admin token."""
        return hashlib.sha256(b"bongsu console sessions\0" + self.admin.encode()).digest()

    def may_admin(self, token: str) -> bool:
        return hmac.compare_digest(token.encode(), self.admin.encode())

    def may_ingest(self, token: str) -> bool:
        return self.may_admin(token) or hmac.compare_digest(token.encode(), self.ingest.encode())

    def signed(self, body: bytes, signature: str, timestamp: str, now: float | None = None) -> bool:
        """Grafana's HMAC: hex SHA-256 of the body, or of ``<unix s>:`` + body when a timestamp is sent.

        Only the timestamped form is taken, and only within five minutes, so that it cannot be replayed.
        """
        if not self.webhook_secret or not timestamp.isdigit():
            return False
        if abs((time.time() if now is None else now) - int(timestamp)) > REPLAY_SECONDS:
            return False
        expected = hmac.new(self.webhook_secret.encode(), f"{timestamp}:".encode() + body, hashlib.sha256)
        return hmac.compare_digest(expected.hexdigest().encode(), signature.lower().encode())


def load_credentials(data: Path) -> Credentials:
    """From ``BONGSU_ADMIN_TOKEN``, ``BONGSU_INGEST_TOKEN`` and ``BONGSU_WEBHOOK_SECRET``.

    A token that is not set is made once and kept in a file of ``data`` that only its owner can read.
    """
    return Credentials(
        admin=os.environ.get("BONGSU_ADMIN_TOKEN") or _kept(data / "admin.token"),
        ingest=os.environ.get("BONGSU_INGEST_TOKEN") or _kept(data / "ingest.token"),
        given=bool(os.environ.get("BONGSU_ADMIN_TOKEN")),
        webhook_secret=os.environ.get("BONGSU_WEBHOOK_SECRET", ""),
    )


def _kept(path: Path) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(secrets.token_urlsafe(32))
    return path.read_text(encoding="utf-8").strip()


def bearer(header: str) -> str:
    """The token of an ``Authorization: Bearer`` header, or of Basic's password; empty when there is none."""
    scheme, _, value = header.partition(" ")
    if scheme.lower() == "bearer":
        return value.strip()
    if scheme.lower() == "basic":
        try:
            return base64.b64decode(value, validate=True).decode().partition(":")[2]
        except (binascii.Error, UnicodeDecodeError):
            return ""
    return ""

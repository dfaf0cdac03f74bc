"""The face that every destination shows to the rest of Bongsu."""

from dataclasses import dataclass
from typing import Protocol

from bongsu.delivery.message import Message


@dataclass(frozen=True, slots=True)
class Receipt:
    """The destination's own word that it holds the message; ``id`` edits it later."""

    id: str
    url: str = ""


class DeliveryError(Exception):
    """A delivery did not happen. The text carries no secret (webhook URLs and tokens are secrets)."""

    def __init__(self, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class TemporaryError(DeliveryError):
    """Try again: time-out, 429 (with ``retry_after`` seconds), 5xx, a cut connection."""


class PermanentError(DeliveryError):
    """Trying again cannot help: the webhook is gone, the credential refused, the request invalid."""


class LostAnswerError(TemporaryError):
    """The whole request went out and no answer came: the destination may or may not hold the message."""


class MessageGoneError(PermanentError):
    """The message to edit was deleted at the destination; the destination itself works: send anew."""


@dataclass(frozen=True, slots=True)
class Shown:
    """What a channel shows after an attempt. ``retry_after`` seconds when it has to be tried again."""

    version: int
    final: bool
    retry_after: float | None = None


class Destination(Protocol):
    """Sends a message once and edits it afterwards."""

    kind: str

    async def send(self, message: Message) -> Receipt: ...

    async def edit(self, receipt: str, message: Message) -> Receipt: ...

    async def close(self) -> None: ...

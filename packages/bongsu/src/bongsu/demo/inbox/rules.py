"""The rules of Discord that its OpenAPI does not express: totals, emptiness, addresses, files, mentions."""

import re
from collections.abc import Collection, Iterable
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from bongsu.demo.inbox.shapes import EXECUTE, UPDATE, Errors, Json

EMBED_TOTAL = 6000
FILE_BYTES = 10 * 1024 * 1024
FILES = 10
_FORBIDDEN_NAMES = ("discord", "clyde")
_HOST = re.compile(
    r"(?:[A-Za-z0-9_](?:[A-Za-z0-9_-]*[A-Za-z0-9_])?\.)+[A-Za-z0-9-]{2,}|(?:\d+\.){3}\d+|\[[0-9A-Fa-f:.]+\]"
)


class RefusedError(Exception):
    """The request is refused: the HTTP status and JSON body with which Discord would say so."""

    def __init__(self, status: int, body: Json, headers: dict[str, str] | None = None) -> None:
        super().__init__(f"{status} {body.get('message')}")
        self.status, self.body, self.headers = status, body, headers or {}


def refused(status: int, code: int, message: str) -> RefusedError:
    return RefusedError(status, {"message": message, "code": code})


def invalid(errors: Errors) -> RefusedError:
    return RefusedError(400, {"message": "Invalid Form Body", "code": 50035, "errors": errors.tree()})


def check(
    body: Any,
    *,
    edit: bool,
    uploads: Collection[int] = (),
    kept: Collection[str] = (),
    has_more: bool = False,
) -> Json:
    """``body`` if Discord would take it; RefusedError otherwise.

    ``uploads`` are the indexes of the request's files and ``kept`` the ids of the files that the message has.
    ``has_more`` says that an edited message is not empty for what the edit leaves as it was.
    """
    errors = Errors()
    (UPDATE if edit else EXECUTE).check(body, (), errors)
    if errors:
        raise invalid(errors)
    assert isinstance(body, dict)
    if body.get("components") or body.get("poll"):
        raise refused(501, 0, "This stand-in shows neither components nor polls")
    embeds: list[Json] = body.get("embeds") or []
    for index, embed in enumerate(embeds):
        _check_embed(embed, ("embeds", index), errors)
    if sum(map(embed_size, embeds)) > EMBED_TOTAL:
        message = f"Embed size exceeds maximum size of {EMBED_TOTAL}"
        errors.add(("embeds",), "MAX_EMBED_SIZE_EXCEEDED", message)
    _check_mentions(body.get("allowed_mentions") or {}, errors)
    _check_attachments(body.get("attachments") or [], uploads, kept, errors)
    if not edit:
        _check_sender(body, errors)
    if errors:
        raise invalid(errors)
    if not edit and body.get("thread_name"):
        raise refused(400, 220003, "Webhooks can only create threads in forum channels")
    if not (has_more or uploads or (body.get("content") or "").strip() or any(map(_has_something, embeds))):
        raise refused(400, 50006, "Cannot send an empty message")
    return body


def embed_size(embed: Json) -> int:
    """The code points of an embed that count towards the total."""
    texts = [embed.get("title"), embed.get("description")]
    texts += [(embed.get("footer") or {}).get("text"), (embed.get("author") or {}).get("name")]
    for field in embed.get("fields") or []:
        texts += [field["name"], field["value"]]
    return sum(len(text) for text in texts if text)


def _has_something(embed: Json) -> bool:
    return bool(
        embed_size(embed)
        or (embed.get("image") or {}).get("url")
        or (embed.get("thumbnail") or {}).get("url")
    )


def _check_embed(embed: Json, path: tuple[str | int, ...], errors: Errors) -> None:
    for index, field in enumerate(embed.get("fields") or []):
        for name in ("name", "value"):
            if not field[name].strip():
                errors.add((*path, "fields", index, name), "BASE_TYPE_REQUIRED", "This field is required")
    for place, address, media in _addresses(embed):
        _check_url(address, (*path, *place), errors, media=media)
    stamp = embed.get("timestamp")
    if stamp is not None and not _is_iso(stamp):
        errors.add(
            (*path, "timestamp"), "DATE_TIME_TYPE_PARSE", f"Could not parse {stamp}. Should be ISO8601."
        )


def _addresses(embed: Json) -> Iterable[tuple[tuple[str, ...], str | None, bool]]:
    yield ("url",), embed.get("url"), False
    for part, name, media in (
        ("author", "url", False),
        ("author", "icon_url", True),
        ("footer", "icon_url", True),
        ("image", "url", True),
        ("thumbnail", "url", True),
    ):
        yield (part, name), (embed.get(part) or {}).get(name), media


def _check_url(address: str | None, path: tuple[str | int, ...], errors: Errors, *, media: bool) -> None:
    """A host needs a dot: names such as ``localhost`` are refused."""
    if not address:
        return
    schemes = ("http", "https", "attachment") if media else ("http", "https")
    try:
        parts = urlsplit(address)
        host = parts.netloc.rpartition("@")[2]
    except ValueError:
        errors.add(path, "URL_TYPE_INVALID_URL", "Not a well formed URL.")
        return
    if parts.scheme not in schemes:
        message = f'Scheme "{parts.scheme}" is not supported. Scheme must be one of {schemes[:2]}.'
        errors.add(path, "URL_TYPE_INVALID_SCHEME", message)
    elif parts.scheme != "attachment" and not _HOST.fullmatch(re.sub(r":\d+$", "", host)):
        errors.add(path, "URL_TYPE_INVALID_URL", "Not a well formed URL.")


def _is_iso(text: str) -> bool:
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return True


def _check_mentions(mentions: Json, errors: Errors) -> None:
    for kind in ("users", "roles"):
        if kind in (mentions.get("parse") or []) and mentions.get(kind):
            errors.add(
                ("allowed_mentions",),
                "MESSAGE_ALLOWED_MENTIONS_PARSE_EXCLUSIVE",
                f'parse:["{kind}"] and {kind}: [ids...] are mutually exclusive.',
            )


def _check_attachments(
    attachments: list[Json], uploads: Collection[int], kept: Collection[str], errors: Errors
) -> None:
    known = {str(index) for index in uploads} | set(kept)
    for index, attachment in enumerate(attachments):
        if attachment["id"] not in known:
            message = f"Attachment {attachment['id']} is neither uploaded nor part of the message."
            errors.add(("attachments", index, "id"), "ATTACHMENT_NOT_FOUND", message)


def _check_sender(body: Json, errors: Errors) -> None:
    name = body.get("username") or ""
    for word in _FORBIDDEN_NAMES:
        if word in name.lower():
            errors.add(("username",), "USERNAME_INVALID_CONTAINS", f'Username cannot contain "{word}"')
    _check_url(body.get("avatar_url"), ("avatar_url",), errors, media=False)

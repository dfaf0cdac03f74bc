"""The channel's messages: in memory, and in a JSON-lines file when they should survive."""

import base64
import json
import re
import struct
import time
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from bongsu.demo.inbox.forms import Upload
from bongsu.demo.inbox.shapes import Json

_DISCORD_EPOCH_MS = 1420070400000
_SUPPRESS_NOTIFICATIONS = 1 << 12
_USER, _ROLE = re.compile(r"<@!?(\d+)>"), re.compile(r"<@&(\d+)>")


@dataclass(frozen=True, slots=True)
class File:
    id: str
    filename: str
    content_type: str
    data: bytes
    description: str = ""
    spoiler: bool = False


@dataclass(frozen=True, slots=True)
class Stored:
    """A message as it is shown now. Times are Unix seconds."""

    id: str
    content: str
    embeds: list[Json]
    files: list[File]
    created: float
    edited: float | None = None
    thread: str = ""
    username: str = ""
    tts: bool = False
    flags: int = 0
    allowed_mentions: Json | None = None
    pings: list[str] = field(default_factory=list)
    """Whom the message notified when it was posted: ``role:ID``, ``user:ID``, ``everyone``, ``here``."""


def mentioned(content: str, allowed: Json | None) -> list[str]:
    """Whom ``content`` calls on. Embeds call on nobody.

    Stricter than Discord in one respect: a mention inside code or after a backslash counts.
    """
    permitted = {"parse": ["users", "roles", "everyone"]} if allowed is None else allowed
    parse = permitted.get("parse") or []
    found: list[str] = []
    for kind, pattern in (("user", _USER), ("role", _ROLE)):
        ids = permitted.get(f"{kind}s") or []
        found += [f"{kind}:{i}" for i in pattern.findall(content) if f"{kind}s" in parse or i in ids]
    if "everyone" in parse:
        found += [name for name in ("everyone", "here") if f"@{name}" in content]
    return list(dict.fromkeys(found))


def picture_size(data: bytes) -> tuple[int, int] | None:
    """Width and height of a PNG."""
    if data[:8] != b"\x89PNG\r\n\x1a\n" or len(data) < 24:
        return None
    width, height = struct.unpack(">II", data[16:24])
    return int(width), int(height)


class Channel:
    """Messages by id, oldest first. ``version`` grows with every change."""

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self._messages: dict[str, Stored] = {}
        self._last_id = 0
        self.version = 0
        if path is not None and path.exists():
            self._load(path)

    def all(self) -> list[Stored]:
        return list(self._messages.values())

    def get(self, identity: str, thread: str = "") -> Stored | None:
        found = self._messages.get(identity)
        return found if found is not None and found.thread == thread else None

    def post(self, body: Json, files: dict[int, Upload], thread: str) -> Stored:
        flags = int(body.get("flags") or 0)
        content = (body.get("content") or "").strip()
        allowed = body.get("allowed_mentions")
        message = Stored(
            id=self._next_id(),
            content=content,
            embeds=body.get("embeds") or [],
            files=self._files(files, body.get("attachments")),
            created=time.time(),
            thread=thread,
            username=body.get("username") or "",
            tts=bool(body.get("tts")),
            flags=flags,
            allowed_mentions=allowed,
            pings=[] if flags & _SUPPRESS_NOTIFICATIONS else mentioned(content, allowed),
        )
        self._put(message)
        return message

    def edit(self, old: Stored, body: Json, files: dict[int, Upload]) -> Stored:
        """What ``body`` names is replaced; an edit notifies nobody."""
        files_now = [*old.files, *self._files(files, body.get("attachments"))]
        if body.get("attachments") is not None:
            named = {item["id"] for item in body["attachments"]}
            files_now = [f for f in old.files if f.id in named] + self._files(files, body["attachments"])
        message = replace(
            old,
            content=(body["content"] or "").strip() if "content" in body else old.content,
            embeds=(body["embeds"] or []) if "embeds" in body else old.embeds,
            flags=int(body["flags"] or 0) if "flags" in body else old.flags,
            allowed_mentions=body.get("allowed_mentions", old.allowed_mentions),
            files=files_now,
            edited=time.time(),
        )
        self._put(message)
        return message

    def delete(self, identity: str) -> None:
        if self._messages.pop(identity, None) is not None:
            self.version += 1
            self._append({"deleted": identity})

    def file(self, identity: str) -> File | None:
        return next((f for m in self._messages.values() for f in m.files if f.id == identity), None)

    def _files(self, uploads: dict[int, Upload], named: list[Json] | None) -> list[File]:
        about = {item["id"]: item for item in named or []}
        found = []
        for index, upload in sorted(uploads.items()):
            item = about.get(str(index), {})
            name = item.get("filename") or upload.filename
            description = item.get("description") or ""
            spoiler = bool(item.get("is_spoiler"))
            found.append(File(self._next_id(), name, upload.content_type, upload.data, description, spoiler))
        return found

    def _next_id(self) -> str:
        self._last_id = max(self._last_id + 1, (int(time.time() * 1000) - _DISCORD_EPOCH_MS) << 22)
        return str(self._last_id)

    def _put(self, message: Stored) -> None:
        self._messages[message.id] = message
        self.version += 1
        self._append({"message": _plain(message)})

    def _append(self, line: Json) -> None:
        if self._path is not None:
            with self._path.open("a", encoding="utf-8") as out:
                out.write(json.dumps(line, ensure_ascii=True) + "\n")

    def _load(self, path: Path) -> None:
        for line in path.read_text("utf-8").splitlines():
            try:
                entry: dict[str, Any] = json.loads(line)
            except ValueError:
                continue
            if "deleted" in entry:
                self._messages.pop(entry["deleted"], None)
            else:
                message = _stored(entry["message"])
                self._messages[message.id] = message
                self._last_id = max(self._last_id, int(message.id), *(int(f.id) for f in message.files))
            self.version += 1


def _plain(message: Stored) -> Json:
    plain = asdict(message)
    for file in plain["files"]:
        file["data"] = base64.b64encode(file["data"]).decode()
    return plain


def _stored(plain: Json) -> Stored:
    files = [File(**{**file, "data": base64.b64decode(file["data"])}) for file in plain.pop("files")]
    return Stored(**plain, files=files)

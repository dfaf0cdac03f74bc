"""A stored message as Discord's API answers it, and as the page shows it."""

from datetime import UTC, datetime
from typing import Any

from jinja2 import Environment, PackageLoader
from markupsafe import Markup

from bongsu.demo.inbox.markdown import Names, html
from bongsu.demo.inbox.shapes import Json
from bongsu.demo.inbox.store import File, Stored, mentioned, picture_size

_MEDIA = ("image", "thumbnail")
_templates = Environment(loader=PackageLoader("bongsu.demo.inbox", "templates"), autoescape=True)


def _iso(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat()


def file_path(channel: str, file: File) -> str:
    return f"/attachments/{channel}/{file.id}/{file.filename}"


def author(webhook: str, name: str) -> Json:
    return {
        "id": webhook,
        "username": name,
        "avatar": None,
        "discriminator": "0000",
        "public_flags": 0,
        "flags": 0,
        "bot": True,
        "global_name": None,
        "primary_guild": None,
    }


def api_message(message: Stored, *, base: str, webhook: str, channel: str, name: str) -> Json:
    """The message object. A file that an embed shows is not among the attachments, as with Discord."""
    used: set[str] = set()
    embeds = [_api_embed(embed, message, base, channel, used) for embed in message.embeds]
    calls = mentioned(message.content, message.allowed_mentions)
    return {
        "id": message.id,
        "type": 0,
        "channel_id": message.thread or channel,
        "webhook_id": webhook,
        "author": author(webhook, message.username or name),
        "content": message.content,
        "mentions": [],
        "mention_roles": [call.removeprefix("role:") for call in calls if call.startswith("role:")],
        "mention_everyone": bool({"everyone", "here"} & set(calls)),
        "attachments": [_api_file(f, base, channel) for f in message.files if f.filename not in used],
        "embeds": embeds,
        "components": [],
        "timestamp": _iso(message.created),
        "edited_timestamp": _iso(message.edited) if message.edited else None,
        "flags": message.flags,
        "pinned": False,
        "tts": message.tts,
    }


def _api_file(file: File, base: str, channel: str) -> Json:
    url = base + file_path(channel, file)
    found: Json = {"id": file.id, "filename": file.filename, "size": len(file.data)}
    found |= {"url": url, "proxy_url": url, "content_type": file.content_type}
    if file.description:
        found["description"] = file.description
    if size := picture_size(file.data):
        found["width"], found["height"] = size
    return found


def _api_embed(embed: Json, message: Stored, base: str, channel: str, used: set[str]) -> Json:
    """The embed without what is empty; ``attachment://`` becomes the file's address, or nothing."""
    shown: Json = {"type": "rich"}
    for name in ("url", "title", "description", "timestamp", "author", "footer"):
        if embed.get(name):
            shown[name] = embed[name]
    if embed.get("color") is not None:
        shown["color"] = int(embed["color"])
    if embed.get("fields"):
        shown["fields"] = [
            {"name": f["name"], "value": f["value"], "inline": bool(f.get("inline"))} for f in embed["fields"]
        ]
    for name in _MEDIA:
        address = (embed.get(name) or {}).get("url")
        if address:
            media = _media(address, message, base, channel, used)
            if media:
                shown[name] = media
    return shown


def _media(address: str, message: Stored, base: str, channel: str, used: set[str]) -> Json | None:
    if not address.startswith("attachment://"):
        return {"url": address, "proxy_url": address}
    name = address.removeprefix("attachment://")
    file = next((f for f in reversed(message.files) if f.filename == name), None)
    if file is None:
        return None
    used.add(name)
    url = base + file_path(channel, file)
    media: Json = {"url": url, "proxy_url": url, "content_type": file.content_type}
    if size := picture_size(file.data):
        media["width"], media["height"] = size
    if file.description:
        media["description"] = file.description
    return media


def messages_html(messages: list[Json], names: Names) -> str:
    """The list of messages as HTML. ``messages`` are those of ``api_message`` with ``pings`` added."""

    def rich(text: object, content: bool = False) -> Markup:
        return Markup(html(str(text or ""), names, pings=content))  # noqa: S704 - html() escapes all text

    return _templates.get_template("messages.html").render(messages=messages, rich=rich)


def page_html(**context: Any) -> str:
    return _templates.get_template("page.html").render(**context)

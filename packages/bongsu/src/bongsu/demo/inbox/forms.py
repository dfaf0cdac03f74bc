"""Reading a webhook request: JSON, urlencoded, or multipart with ``payload_json`` and ``files[n]``."""

import json
import re
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.parser import BytesHeaderParser
from email.policy import HTTP
from typing import Any
from urllib.parse import parse_qsl

from bongsu.demo.inbox.rules import FILE_BYTES, FILES, RefusedError, invalid, refused
from bongsu.demo.inbox.shapes import Errors

_FILE_PART = re.compile(r"files?\[(\d+)\]|file")


@dataclass(frozen=True, slots=True)
class Upload:
    filename: str
    content_type: str
    data: bytes


@dataclass(slots=True)
class Form:
    body: Any
    files: dict[int, Upload] = field(default_factory=dict)


def read(content_type: str, raw: bytes) -> Form:
    """The request's data; RefusedError (400 or 413) where Discord could not read it."""
    header = EmailMessage(HTTP)
    header["Content-Type"] = content_type or "application/octet-stream"
    match header.get_content_type():
        case "application/json":
            return Form(_json(raw))
        case "application/x-www-form-urlencoded":
            return Form(_plain(dict(parse_qsl(raw.decode("utf-8", "replace"), keep_blank_values=True))))
        case "multipart/form-data":
            return _multipart(raw, str(header.get_param("boundary") or ""))
    errors = Errors()
    errors.add(
        (),
        "CONTENT_TYPE_INVALID",
        'Expected "Content-Type" header to be one of '
        "{'application/json', 'application/x-www-form-urlencoded', 'multipart/form-data'}.",
    )
    raise invalid(errors)


def _json(raw: bytes) -> Any:
    try:
        return json.loads(raw, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise refused(400, 50109, "The request body contains invalid JSON.") from None


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is no JSON")


def _plain(fields: dict[str, str]) -> Any:
    if "payload_json" in fields:
        return _json(fields["payload_json"].encode())
    body: dict[str, Any] = dict(fields)
    if fields.get("tts") in {"true", "false"}:
        body["tts"] = fields["tts"] == "true"
    return body


def _multipart(raw: bytes, boundary: str) -> Form:
    if not boundary:
        raise _broken()
    fields: dict[str, str] = {}
    files: dict[int, Upload] = {}
    for headers, content in _parts(raw, boundary.encode("latin-1", "replace")):
        name = headers.get_param("name", header="content-disposition")
        filename = headers.get_filename()
        if not isinstance(name, str):
            raise _broken()
        index = _FILE_PART.fullmatch(name)
        if filename is None:
            fields[name] = content.decode("utf-8", "replace")
        elif index is not None:
            files[int(index[1] or 0)] = Upload(filename, headers.get_content_type(), content)
    if any(len(upload.data) > FILE_BYTES for upload in files.values()):
        raise refused(413, 40005, "Request entity too large")
    if len(files) > FILES:
        errors = Errors()
        errors.add(("files",), "BASE_TYPE_MAX_LENGTH", f"Must be {FILES} or fewer in length.")
        raise invalid(errors)
    return Form(_plain(fields), files)


def _parts(raw: bytes, boundary: bytes) -> list[tuple[EmailMessage, bytes]]:
    pieces = (b"\r\n" + raw).split(b"\r\n--" + boundary)
    if len(pieces) < 3 or not pieces[-1].startswith(b"--"):
        raise _broken()
    parts = []
    for piece in pieces[1:-1]:
        head, separator, content = piece.removeprefix(b"\r\n").partition(b"\r\n\r\n")
        if not separator:
            raise _broken()
        headers = BytesHeaderParser(policy=HTTP).parsebytes(head + b"\r\n\r\n")
        assert isinstance(headers, EmailMessage)
        parts.append((headers, content))
    return parts


def _broken() -> RefusedError:
    return refused(400, 50035, "Invalid Form Body")

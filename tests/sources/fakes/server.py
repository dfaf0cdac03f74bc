"""An HTTP server on a free loopback port that answers with what a function makes of each request."""

import json
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple
from urllib.parse import parse_qs, unquote, urlsplit


@dataclass(frozen=True)
class Asked:
    """A request as it arrived."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    """Names in small letters."""
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


class Reply(NamedTuple):
    """``document`` is sent as JSON; bytes as they are."""

    status: int
    document: Any
    headers: Mapping[str, str] = {}


@dataclass
class Server:
    url: str
    asked: list[Asked] = field(default_factory=list)
    """What was asked, in order."""

    def paths(self) -> list[str]:
        return [asked.path for asked in self.asked]


@contextmanager
def serve(answer: Callable[[Asked], Reply], *, tls: ssl.SSLContext | None = None) -> Iterator[Server]:
    """A server until the block ends, over TLS where a context is given.

    What goes wrong in ``answer`` is told to the client as 500.
    """

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle_one(self) -> None:
            parts = urlsplit(self.path)
            asked = Asked(
                self.command,
                unquote(parts.path),
                {k: v[0] for k, v in parse_qs(parts.query, keep_blank_values=True).items()},
                {name.lower(): value for name, value in self.headers.items()},
                self.rfile.read(int(self.headers.get("content-length") or 0)),
            )
            found.asked.append(asked)
            try:
                reply = answer(asked)
            except Exception as error:
                reply = Reply(500, {"error": f"the fake does not know this: {error!r}"})
            body = (
                reply.document if isinstance(reply.document, bytes) else json.dumps(reply.document).encode()
            )
            self.send_response(reply.status)
            for name, value in {"content-type": "application/json", **reply.headers}.items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = handle_one  # noqa: N815

        def log_message(self, *_: object) -> None:
            pass

    class Http(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: object) -> None:
            """Who hung up had enough."""

    http = Http(("127.0.0.1", 0), Handler)
    if tls is not None:
        http.socket = tls.wrap_socket(http.socket, server_side=True, do_handshake_on_connect=False)
    found = Server(f"http{'s' if tls else ''}://127.0.0.1:{http.server_address[1]}")
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield found
    finally:
        http.shutdown()
        http.server_close()
        thread.join(5)

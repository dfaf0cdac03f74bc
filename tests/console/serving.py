"""The console on a real loopback server, for browsers."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn
from fastapi import FastAPI

from bongsu.console.app import console_router
from tests.console.memory import Shop


@contextmanager
def serving(shop: Shop, **deps: object) -> Iterator[str]:
    """The console's address while it runs in a thread of its own."""
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
    app.include_router(console_router(shop.deps(**deps)))
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning", lifespan="off"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        while not server.started:
            time.sleep(0.02)
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            shop.stopping = True
            server.should_exit = True
            thread.join(10)
            assert not thread.is_alive(), "the server did not stop: a stream held it"

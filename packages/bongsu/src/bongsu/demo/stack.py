"""Everything that the demo starts: the shop, the inbox, the server, and real Prometheus when asked for."""

import contextlib
import importlib
import os
import secrets
import shutil
import sys
import threading
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import httpx2
import uvicorn

from bongsu.catalog import load
from bongsu.catalog.models import Grouping, Scrape
from bongsu.demo.inbox import create_inbox
from bongsu.processes import Process, free_port
from bongsu.stack import model as stack_model
from bongsu.stack import targets
from bongsu.stack.alertmanager import INGEST_TOKEN
from bongsu.stack.files import write

if TYPE_CHECKING:
    from shop.faults import Fault
    from shop.supervisor import Shop


class DemoError(Exception):
    """The demo cannot run here; the text says what to do."""


@dataclass(frozen=True, slots=True)
class Stack:
    """What runs, and where people reach it."""

    shop: "Shop"
    server: Process
    console: str
    inbox: str
    """Where the messages are shown; empty when they go to the real Discord."""
    admin_token: str

    async def api(self, path: str) -> Any:
        """The JSON answer of the server's API."""
        headers = {"authorization": f"Bearer {self.admin_token}"}
        async with httpx2.AsyncClient(base_url=self.console, headers=headers, trust_env=False) as client:
            answer = await client.get(path, timeout=10.0)
            return answer.raise_for_status().json()


def examples() -> Path:
    """The folder that holds the shop: inside the installed package, or in the repository."""
    inside = Path(__file__).resolve().parent.parent / "examples"
    repository = Path(__file__).resolve().parents[5] / "examples"
    for folder in (inside, repository):
        if (folder / "shop").is_dir():
            return folder
    raise DemoError("the demo shop is not part of this installation; run the demo from a checkout")


def shop_faults() -> Mapping[str, "Fault"]:
    """The faults that the shop can have, by name."""
    _import_shop()
    from shop.faults import FAULTS

    return FAULTS


def _import_shop() -> None:
    if str(examples()) not in sys.path:
        sys.path.insert(0, str(examples()))
    try:
        importlib.import_module("shop.supervisor")
    except ImportError as error:
        raise DemoError(
            f"the demo needs one more package ({error.name}): pip install 'bongsu[demo]'"
        ) from None


@contextlib.asynccontextmanager
async def running(folder: Path, *, port: int, language: str, with_prometheus: bool) -> AsyncIterator[Stack]:
    """Start all of it in ``folder``, yield it, and stop all of it."""
    sys.path.insert(0, str(examples()))
    try:
        from shop.supervisor import Shop, free_ports
    except ImportError as error:
        raise DemoError(
            f"the demo needs one more package ({error.name}): pip install 'bongsu[demo]'"
        ) from None

    ports = free_ports()
    tokens = {
        "BONGSU_ADMIN_TOKEN": secrets.token_urlsafe(24),
        "BONGSU_INGEST_TOKEN": secrets.token_urlsafe(24),
    }
    console = f"http://127.0.0.1:{port}"
    async with contextlib.AsyncExitStack() as stack:
        inbox_url = ""
        webhook = os.environ.get("DISCORD_WEBHOOK_URL", "")
        if not webhook:
            inbox_url, webhook = stack.enter_context(_inbox(folder))
        env = {
            **os.environ,
            **tokens,
            **{f"SHOP_{name.upper()}_PORT": str(number) for name, number in ports.items()},
            "BONGSU_URL": console,
            "BONGSU_LANGUAGE": language,
            "DISCORD_WEBHOOK_URL": webhook,
        }
        otlp = {"OTEL_EXPORTER_OTLP_HEADERS": f"authorization=Bearer%20{tokens['BONGSU_INGEST_TOKEN']}"}
        shop = Shop(console, ports=ports, logs_dir=folder / "logs", env=otlp)
        await stack.enter_async_context(shop)
        server = await stack.enter_async_context(_server(folder, port, env, watch=not with_prometheus))
        if with_prometheus:
            await _prometheus(stack, folder, env, console, tokens["BONGSU_INGEST_TOKEN"])
        await server.ready(f"{console}/healthz")
        await shop.start_load()
        stack.push_async_callback(shop.stop_load)
        yield Stack(shop, server, console, inbox_url, tokens["BONGSU_ADMIN_TOKEN"])


def _server(folder: Path, port: int, env: dict[str, str], *, watch: bool) -> Process:
    catalog = examples() / "shop" / "bongsu.yaml"
    argv = [sys.executable, "-m", "bongsu", "serve", str(catalog), "--port", str(port)]
    argv += ["--data", str(folder / "data"), *([] if watch else ["--no-watch"])]
    return Process("bongsu", argv, log=folder / "logs" / "bongsu.log", env=env)


@contextlib.contextmanager
def _inbox(folder: Path) -> Any:
    """The loopback inbox in a thread; yields its page and its webhook URL."""
    port = free_port()
    roles = {"1000000000000000001": "storefront-oncall", "1000000000000000002": "payments-oncall"}
    inbox = create_inbox(path=folder / "inbox.jsonl", roles=roles)
    server = uvicorn.Server(uvicorn.Config(inbox, host="127.0.0.1", port=port, log_level="warning"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    page = f"http://127.0.0.1:{port}"
    try:
        yield page, inbox.state.inbox.webhook_url(page)
    finally:
        server.should_exit = True
        thread.join(timeout=5)


async def _prometheus(
    stack: contextlib.AsyncExitStack, folder: Path, env: dict[str, str], console: str, token: str
) -> None:
    """Real Prometheus and Alertmanager from PATH, with generated configuration and rules."""
    binaries = {
        name: shutil.which(name) for name in ("prometheus", "alertmanager", "prometheus-alertmanager")
    }
    manager = binaries["alertmanager"] or binaries["prometheus-alertmanager"]
    if not binaries["prometheus"] or not manager:
        raise DemoError(
            "--prometheus needs both binaries: apt-get install prometheus prometheus-alertmanager"
        )
    ports = (free_port(), free_port())
    catalog = load(examples() / "shop" / "bongsu.yaml", env=env)
    # What is installed may be old: later versions take what these do.
    oldest = {"prometheus": "2.42", "alertmanager": "0.25"}
    paced = {
        "scrape": Scrape(interval=1.0),
        "grouping": Grouping(wait=0.0, interval=1.0),
        "targets": oldest,
    }
    config = folder / "stack"
    secrets_folder = config / "secrets"
    generated = targets.render(
        stack_model.Stack(
            catalog.model_copy(update=paced),
            addresses={"alertmanager": f"127.0.0.1:{ports[1]}", "bongsu": urlsplit(console).netloc},
            secrets_folder=str(secrets_folder),
        )
    )
    write(generated["prometheus"] | generated["alertmanager"], config)
    secrets_folder.mkdir(mode=0o700)
    token_file = secrets_folder / stack_model.secret_name(INGEST_TOKEN)
    token_file.touch(mode=0o600)
    token_file.write_text(token)
    commands = {
        "prometheus": [
            str(binaries["prometheus"]),
            f"--config.file={config}/prometheus/prometheus.yml",
            f"--storage.tsdb.path={folder}/prometheus",
            f"--web.listen-address=127.0.0.1:{ports[0]}",
            "--rules.alert.resend-delay=2s",
        ],
        "alertmanager": [
            manager,
            f"--config.file={config}/alertmanager/alertmanager.yml",
            f"--storage.path={folder}/alertmanager",
            f"--web.listen-address=127.0.0.1:{ports[1]}",
            "--cluster.listen-address=",
        ],
    }
    for (name, argv), port in zip(commands.items(), ports, strict=True):
        process = Process(name, argv, log=folder / "logs" / f"{name}.log")
        await stack.enter_async_context(process)
        await process.ready(f"http://127.0.0.1:{port}/-/ready")

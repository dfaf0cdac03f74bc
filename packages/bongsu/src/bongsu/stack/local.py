"""The stack as processes of this machine: which programs run it, with which arguments, when each is ready."""

import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from bongsu.catalog import Catalog
from bongsu.catalog.models import PrometheusSource
from bongsu.catalog.secrets import SecretError
from bongsu.signals.model import Text
from bongsu.stack import alertmanager, blackbox_exporter, bongsu_server, node_exporter, prometheus
from bongsu.stack.model import Stack, secret_name

_HERE = frozenset({"127.0.0.1", "localhost", "[::1]"})
_SHELL = ("/bin/sh", "-c", 'cd "$0" && exec "$@"')


@dataclass(frozen=True, slots=True)
class Folders:
    """Where a local stack lies. All absolute."""

    files: Path
    """What was rendered."""
    data: Path
    """A folder for each system's data."""


@dataclass(frozen=True, slots=True)
class Program:
    """How one system runs here."""

    system: str
    binaries: tuple[str, ...]
    """The names by which it is installed; the first that is found runs."""
    arguments: Callable[[Stack, Folders], Sequence[str]]
    """Without the binary."""
    ready: str
    """The path that answers 2xx once it serves."""
    install: Text
    reload: Literal["signal", "restart"] = "restart"
    """How it takes a changed configuration: a SIGHUP, or a new start."""
    inside: bool = False
    """Whether its configuration names paths relative to the folder above its data."""


@dataclass(frozen=True, slots=True)
class Launch:
    """A process to start."""

    system: str
    argv: tuple[str, ...]
    url: str
    ready: str
    """The whole URL."""
    reload: Literal["signal", "restart"]


@dataclass(frozen=True, slots=True)
class Missing:
    """A system of the stack that cannot run here."""

    system: str
    binaries: tuple[str, ...]
    install: Text


def plan(
    stack: Stack, folders: Folders, which: Callable[[str], str | None] = shutil.which
) -> tuple[list[Launch], list[Missing]]:
    """What to start, in that order, and what is missing; Bongsu itself is not part of it."""
    launches, missing = [], []
    for program in PROGRAMS:
        if not stack.has(program.system):
            continue
        binary = next((path for name in program.binaries if (path := which(name))), None)
        if binary is None:
            missing.append(Missing(program.system, program.binaries, program.install))
            continue
        argv = (binary, *program.arguments(stack, folders))
        if program.inside:
            argv = (*_SHELL, str(folders.data.parent), *argv)
        url = stack.url(program.system)
        launches.append(Launch(program.system, argv, url, url + program.ready, program.reload))
    return launches, missing


def bongsu(stack: Stack, catalog: Path, folders: Folders, running: Sequence[str]) -> Launch:
    """The server of ``catalog``. It judges by itself only where no other system that runs does."""
    judged = "prometheus" in running and ("alertmanager" in running or "grafana" in running)
    url, port = stack.url("bongsu"), stack.address("bongsu").rpartition(":")[2]
    watch = "--no-watch" if judged and not stack.elsewhere else "--watch"
    argv = [sys.executable, "-m", "bongsu", "serve", str(catalog), "--host", "127.0.0.1", "--port", port]
    argv += ["--data", str(folders.data / "bongsu"), watch]
    return Launch("bongsu", tuple(argv), url, f"{url}/readyz", "restart")


def served(stack: Stack) -> Catalog:
    """The catalog for this stack's Bongsu: what it asks of a Prometheus of this machine, it asks ours."""
    catalog, address = stack.catalog, stack.url("prometheus")
    sources = {
        name: source.model_copy(update={"url": address})
        if isinstance(source, PrometheusSource) and _here(source.url) and stack.has("prometheus")
        else source
        for name, source in catalog.sources.items()
    }
    return catalog.model_copy(update={"sources": sources})


def _here(url: str) -> bool:
    return (urlsplit(url).hostname or "") in _HERE


def _prometheus(stack: Stack, folders: Folders) -> list[str]:
    return [
        f"--config.file={folders.files / prometheus.CONFIGURATION}",
        f"--storage.tsdb.path={folders.data / 'prometheus'}",
        f"--web.listen-address={stack.address('prometheus')}",
        *prometheus.flags(stack),
    ]


def _alertmanager(stack: Stack, folders: Folders) -> list[str]:
    return [
        f"--config.file={folders.files / 'alertmanager' / 'alertmanager.yml'}",
        f"--storage.path={folders.data / 'alertmanager'}",
        f"--web.listen-address={stack.address('alertmanager')}",
        *alertmanager.flags(stack),
    ]


def _blackbox(stack: Stack, folders: Folders) -> list[str]:
    return [
        f"--config.file={folders.files / blackbox_exporter.CONFIGURATION}",
        f"--web.listen-address={stack.address('blackbox-exporter')}",
        *blackbox_exporter.flags(stack),
    ]


def _node(stack: Stack, folders: Folders) -> list[str]:
    return [f"--web.listen-address={stack.address('node-exporter')}", *node_exporter.flags(stack)]


def _grafana(stack: Stack, folders: Folders) -> list[str]:
    host, _, port = stack.address("grafana").rpartition(":")
    settings = {
        "server.http_addr": host,
        "server.http_port": port,
        "paths.data": folders.data / "grafana",
        "paths.logs": folders.data / "grafana" / "log",
        "paths.provisioning": folders.files / "grafana" / "provisioning",
        "analytics.reporting_enabled": "false",
        "analytics.check_for_updates": "false",
    }
    return [
        "--homepath=/usr/share/grafana",
        *(f"cfg:default.{name}={value}" for name, value in settings.items()),
    ]


def _config_file(name: str, flag: str) -> Callable[[Stack, Folders], Sequence[str]]:
    return lambda _, folders: [f"{flag}{folders.files / name}"]


def _alloy(stack: Stack, folders: Folders) -> list[str]:
    return [
        "run",
        f"--server.http.listen-addr={stack.address('alloy')}",
        f"--storage.path={folders.data / 'alloy'}",
        "--disable-reporting",
        str(folders.files / "alloy" / "config.alloy"),
    ]


def _apt(package: str) -> Text:
    return Text(en=f"apt-get install {package}", ko=f"apt-get install {package}")


def _from(url: str) -> Text:
    return Text(en=f"see {url}", ko=f"설치 방법: {url}")


PROGRAMS: Sequence[Program] = (
    Program(
        "loki",
        ("loki",),
        _config_file("loki/loki.yml", "-config.file="),
        "/ready",
        _from("https://grafana.com/docs/loki/latest/setup/install/"),
        inside=True,
    ),
    Program(
        "tempo",
        ("tempo",),
        _config_file("tempo/tempo.yml", "-config.file="),
        "/ready",
        _from("https://grafana.com/docs/tempo/latest/setup/"),
        inside=True,
    ),
    Program(
        "jaeger",
        ("jaeger",),
        _config_file("jaeger/jaeger.yml", "--config="),
        "/",
        _from("https://www.jaegertracing.io/download/"),
        inside=True,
    ),
    Program(
        "blackbox-exporter",
        ("blackbox_exporter", "prometheus-blackbox-exporter"),
        _blackbox,
        "/-/healthy",
        _apt("prometheus-blackbox-exporter"),
        "signal",
    ),
    Program(
        "node-exporter",
        ("node_exporter", "prometheus-node-exporter"),
        _node,
        "/",
        _apt("prometheus-node-exporter"),
    ),
    Program(
        "alertmanager",
        ("alertmanager", "prometheus-alertmanager"),
        _alertmanager,
        "/-/ready",
        _apt("prometheus-alertmanager"),
        "signal",
    ),
    Program("prometheus", ("prometheus",), _prometheus, "/-/ready", _apt("prometheus"), "signal"),
    Program(
        "alloy",
        ("alloy",),
        _alloy,
        "/-/ready",
        _from("https://grafana.com/docs/alloy/latest/set-up/install/"),
        "signal",
    ),
    Program(
        "grafana",
        ("grafana-server",),
        _grafana,
        "/api/health",
        _from("https://grafana.com/docs/grafana/latest/setup-grafana/installation/"),
    ),
)
"""In the order of their starts: who is asked starts before who asks."""


def secrets(stack: Stack, ingest: str, admin: str) -> tuple[Mapping[str, str], list[str]]:
    """Name of the file → value, of every secret that can be read here; and the names of those that cannot.

    Values come from the environment and files that the catalog names.
    """
    found = {secret_name(bongsu_server.INGEST_TOKEN): ingest, secret_name(bongsu_server.ADMIN_TOKEN): admin}
    absent = []
    for secret in bongsu_server.secrets(stack.catalog):
        try:
            found.setdefault(secret_name(secret), secret.reveal())
        except SecretError:
            absent.append(secret_name(secret))
    return found, absent


_NUMBER = re.compile(r"(?<![\d.])v?(\d+\.\d+\.\d+)")


def installed(system: str, which: Callable[[str], str | None] = shutil.which) -> str | None:
    """The version of the program that would run ``system``; empty when it does not say, None when absent."""
    program = next((p for p in PROGRAMS if p.system == system), None)
    binary = next((path for name in (program.binaries if program else ()) if (path := which(name))), None)
    if binary is None:
        return None
    try:
        ended = subprocess.run(  # noqa: S603 - one of our own list of programs
            [binary, "--version"], capture_output=True, text=True, timeout=10, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    found = _NUMBER.search(ended.stdout + ended.stderr)
    return found[1] if found else ""

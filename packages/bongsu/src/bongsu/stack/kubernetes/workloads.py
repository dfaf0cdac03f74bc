"""What each system needs in order to run in a container, wherever that is."""

import hashlib
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from bongsu.stack import alertmanager, blackbox_exporter, node_exporter, prometheus
from bongsu.stack.bongsu_server import ADMIN_TOKEN, CATALOG, CATALOG_IN_IMAGE, DATA_IN_IMAGE, INGEST_TOKEN
from bongsu.stack.bongsu_server import environment as bongsu_environment
from bongsu.stack.model import Stack
from bongsu.stack.systems import SYSTEMS

Files = Mapping[str, str]
GRAFANA_PASSWORD = "GRAFANA_ADMIN_PASSWORD"  # noqa: S105 - the name of a secret
OTLP = (("otlp-grpc", 4317), ("otlp-http", 4318))
_SERIES_OF_A_SERVICE = 500
_BYTES_OF_A_SAMPLE = 2.0
_CONFIGURATION = (".yml", ".yaml", ".alloy", ".json", ".ini")


@dataclass(frozen=True, slots=True)
class Port:
    name: str
    number: int
    people: bool = False
    """Whether people and agents elsewhere reach it, not the stack alone."""


@dataclass(frozen=True, slots=True)
class Workload:
    """One system as a container. Paths of files are those of the output."""

    name: str
    image: str
    user: int
    ports: tuple[Port, ...]
    memory: int
    """Its limit, in MiB."""
    arguments: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    folders: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """Folder in the container → path in it → file of the output."""
    secrets: tuple[str, ...] = ()
    """The secrets that it reads as files."""
    tokens: tuple[str, ...] = ()
    """The secrets that it reads from its environment."""
    renamed_tokens: Mapping[str, str] = field(default_factory=dict)
    """Variable of its environment → the secret that it holds, where the two differ in name."""
    data: str = ""
    """The folder that must outlive the container."""
    disk: int = 0
    """What ``data`` needs, in GiB."""
    scratch: tuple[str, ...] = ()
    """Folders that it writes to, and that may be lost."""
    live: str = ""
    """Where it says over HTTP that it is alive; that its port is open must do where it does not."""
    ready: str = ""
    """Where it says over HTTP that it can serve."""
    probe: tuple[str, ...] = ()
    """A command in its image that fails while it does not serve; many images have none."""
    after: tuple[str, ...] = ()
    """The systems that should serve before it starts."""
    label: str = ""
    """The service whose metrics its pods have, when Prometheus finds them by annotation and label."""


def workloads(stack: Stack, files: Mapping[str, Files]) -> dict[str, Workload]:
    """Every system of the stack as a container, by name, given the systems' own files."""
    return {name: _BUILDERS[name](stack, files.get(name, {})) for name in stack.systems}


def secrets_folder(stack: Stack) -> str:
    return stack.secret_file(INGEST_TOKEN).rsplit("/", 1)[0]


def secret_names(loads: Mapping[str, Workload]) -> list[str]:
    """Every secret of the stack, sorted."""
    used = (
        name
        for load in loads.values()
        for name in (*load.secrets, *load.tokens, *load.renamed_tokens.values())
    )
    return sorted(set(used))


def configuration_digest(load: Workload, files: Files) -> str:
    """Changes with every file that the system reads only as it starts: all but dashboards."""
    read = [path for inside in load.folders.values() for path in inside.values()]
    started = sorted(path for path in read if not path.startswith("grafana/dashboards/"))
    texts = "\0".join(f"{path}\0{files[path]}" for path in started)
    return hashlib.sha256(texts.encode()).hexdigest()[:12] if started else ""


def _read_secrets(stack: Stack, files: Files) -> tuple[str, ...]:
    """The secret files that a system's own files name."""
    pattern = re.compile(re.escape(secrets_folder(stack)) + r"/([A-Za-z0-9_.-]*[A-Za-z0-9_-])")
    return tuple(sorted({name for text in files.values() for name in pattern.findall(text)}))


def _folder(files: Files, prefix: str) -> dict[str, str]:
    """The files below ``prefix``, by their path in it, without the tests of rules."""
    inside = {path.removeprefix(prefix): path for path in sorted(files) if path.startswith(prefix)}
    return {name: path for name, path in inside.items() if not name.startswith("rule_tests/")}


def main_file(files: Files, system: str) -> str:
    """The name of the one configuration file that a system is started with; empty where there is none."""
    names = [
        name for name in _folder(files, f"{system}/") if name.endswith(_CONFIGURATION) and "/" not in name
    ]
    return next((name for name in names if name.rsplit(".", 1)[0] in system), names[0] if names else "")


def _configured(files: Files, system: str, flag: str) -> tuple[tuple[str, ...], dict[str, dict[str, str]]]:
    """(the argument that names the configuration, the folder that holds it)."""
    name = main_file(files, system)
    if not name:
        return (), {}
    folder = f"/etc/{system}"
    return (f"{flag}{folder}/{name}",), {folder: _folder(files, f"{system}/")}


def _wget(port: int, path: str) -> tuple[str, ...]:
    return ("wget", "-q", "-T", "4", "-O", "/dev/null", f"http://127.0.0.1:{port}{path}")


def _go(memory: int, limit: float = 0.9) -> dict[str, str]:
    """Go's collector works harder before the kernel kills the process."""
    return {"GOMEMLIMIT": f"{int(memory * limit)}MiB"}


def _fleet(stack: Stack, base: int, each: float, step: int = 128) -> int:
    """MiB for a fleet of this size, in steps, so that one more service seldom changes it."""
    return base + math.floor(len(stack.services) * each / step) * step


def _gibibytes(size: float, least: int) -> int:
    return max(least, math.ceil(size / 2**30 / 10) * 10)


def _prometheus(stack: Stack, files: Files) -> Workload:
    own, folders = _configured(files, "prometheus", "--config.file=")
    interval = stack.catalog.scrape.interval or 15.0
    series = max(20, len(stack.services)) * _SERIES_OF_A_SERVICE
    size = prometheus.retention(stack) / interval * series * _BYTES_OF_A_SAMPLE
    return Workload(
        name="prometheus",
        image=stack.image("prometheus"),
        user=SYSTEMS["prometheus"].user,
        ports=(Port("http", SYSTEMS["prometheus"].port, people=True),),
        memory=_fleet(stack, 384, 8),
        arguments=(*own, "--storage.tsdb.path=/prometheus", *prometheus.flags(stack)),
        folders=folders,
        secrets=_read_secrets(stack, files),
        data="/prometheus",
        disk=_gibibytes(size, 10),
        live="/-/healthy",
        ready="/-/ready",
        probe=_wget(SYSTEMS["prometheus"].port, "/-/ready"),
        after=("alertmanager",),
    )


def _alertmanager(stack: Stack, files: Files) -> Workload:
    own, folders = _configured(files, "alertmanager", "--config.file=")
    return Workload(
        name="alertmanager",
        image=stack.image("alertmanager"),
        user=SYSTEMS["alertmanager"].user,
        ports=(Port("http", SYSTEMS["alertmanager"].port, people=True),),
        memory=64,
        arguments=(*own, "--storage.path=/alertmanager", *alertmanager.flags(stack)),
        folders=folders,
        secrets=_read_secrets(stack, files),
        data="/alertmanager",
        disk=1,
        live="/-/healthy",
        ready="/-/ready",
        probe=_wget(SYSTEMS["alertmanager"].port, "/-/ready"),
    )


def _grafana(stack: Stack, files: Files) -> Workload:
    settings = {
        "GF_SECURITY_ADMIN_PASSWORD__FILE": f"{secrets_folder(stack)}/{GRAFANA_PASSWORD}",
        "GF_ANALYTICS_REPORTING_ENABLED": "false",
        "GF_ANALYTICS_CHECK_FOR_UPDATES": "false",
        "GF_ANALYTICS_CHECK_FOR_PLUGIN_UPDATES": "false",
        "GF_USERS_ALLOW_SIGN_UP": "false",
        "GF_USERS_DEFAULT_LANGUAGE": {"en": "en-US", "ko": "ko-KR"}[stack.catalog.language],
        "GF_DATE_FORMATS_DEFAULT_TIMEZONE": stack.catalog.timezone,
    }
    if stack.catalog.grafana:
        settings["GF_SERVER_ROOT_URL"] = stack.catalog.grafana
    folders = {
        "/etc/grafana/provisioning": _folder(files, "grafana/provisioning/"),
        dashboards_folder(files): _folder(files, "grafana/dashboards/"),
    }
    return Workload(
        name="grafana",
        image=stack.image("grafana"),
        user=SYSTEMS["grafana"].user,
        ports=(Port("http", SYSTEMS["grafana"].port, people=True),),
        memory=256,
        environment=settings,
        folders={where: inside for where, inside in folders.items() if inside},
        secrets=tuple(sorted({*_read_secrets(stack, files), GRAFANA_PASSWORD})),
        data="/var/lib/grafana",
        disk=2,
        live="/api/health",
        ready="/api/health",
        probe=_wget(SYSTEMS["grafana"].port, "/api/health"),
        after=("prometheus", "loki", "tempo", "jaeger"),
    )


def dashboards_folder(files: Files) -> str:
    """Where Grafana's own provisioning looks for dashboards."""
    for path, text in files.items():
        if path.startswith("grafana/provisioning/dashboards/"):
            found = re.search(r"^\s*path: ['\"]?(/[^'\"\s]+)", text, re.MULTILINE)
            if found:
                return found[1].rstrip("/")
    return "/etc/grafana/dashboards"


def _loki(stack: Stack, files: Files) -> Workload:
    own, folders = _configured(files, "loki", "-config.file=")
    return Workload(
        name="loki",
        image=stack.image("loki"),
        user=SYSTEMS["loki"].user,
        ports=(Port("http", SYSTEMS["loki"].port, people=True),),
        memory=256,
        arguments=own,
        environment=_go(256),
        folders=folders,
        secrets=_read_secrets(stack, files),
        data="/loki",
        disk=20,
        ready="/ready",
    )


def _tempo(stack: Stack, files: Files) -> Workload:
    own, folders = _configured(files, "tempo", "-config.file=")
    people = not stack.has("alloy")
    return Workload(
        name="tempo",
        image=stack.image("tempo"),
        user=SYSTEMS["tempo"].user,
        ports=(Port("http", SYSTEMS["tempo"].port), *(Port(n, p, people) for n, p in OTLP)),
        memory=224,
        arguments=own,
        environment=_go(224),
        folders=folders,
        secrets=_read_secrets(stack, files),
        data="/var/tempo",
        disk=20,
        ready="/ready",
    )


def _jaeger(stack: Stack, files: Files) -> Workload:
    own, folders = _configured(files, "jaeger", "--config=")
    people = not stack.has("alloy") and not stack.has("tempo")
    return Workload(
        name="jaeger",
        image=stack.image("jaeger"),
        user=SYSTEMS["jaeger"].user,
        ports=(
            Port("http", SYSTEMS["jaeger"].port, people=True),
            *(Port(n, p, people) for n, p in OTLP),
            Port("health", 13133),
            Port("metrics", 8888),
        ),
        memory=256,
        arguments=own,
        environment={"JAEGER_LISTEN_HOST": "0.0.0.0", **_go(256)},  # noqa: S104 - of its own container
        folders=folders,
        secrets=_read_secrets(stack, files),
        data="/badger",
        disk=10,
        scratch=("/tmp",),  # noqa: S108 - in the container
        live="/status",
        ready="/status",
    )


def _alloy(stack: Stack, files: Files) -> Workload:
    port = SYSTEMS["alloy"].port
    name = main_file(files, "alloy")
    arguments = (
        "run",
        f"--server.http.listen-addr=0.0.0.0:{port}",
        "--storage.path=/var/lib/alloy/data",
        "--disable-reporting",
        *((f"/etc/alloy/{name}",) if name else ()),
    )
    return Workload(
        name="alloy",
        image=stack.image("alloy"),
        user=0,
        ports=(Port("http", port), *(Port(n, p, people=True) for n, p in OTLP)),
        memory=160,
        arguments=arguments,
        environment=_go(160),
        folders={"/etc/alloy": _folder(files, "alloy/")} if name else {},
        secrets=_read_secrets(stack, files),
        data="/var/lib/alloy/data",
        disk=1,
        live="/-/ready",
        ready="/-/ready",
        after=("loki", "tempo", "prometheus"),
    )


def _blackbox(stack: Stack, files: Files) -> Workload:
    own, folders = _configured(files, "blackbox-exporter", "--config.file=")
    return Workload(
        name="blackbox-exporter",
        image=stack.image("blackbox-exporter"),
        user=SYSTEMS["blackbox-exporter"].user,
        ports=(Port("http", SYSTEMS["blackbox-exporter"].port),),
        memory=32,
        arguments=(*own, *blackbox_exporter.flags(stack)),
        folders=folders,
        live="/-/healthy",
        ready="/-/healthy",
        probe=_wget(SYSTEMS["blackbox-exporter"].port, "/-/healthy"),
    )


def _node_exporter(stack: Stack, files: Files) -> Workload:
    return Workload(
        name="node-exporter",
        image=stack.image("node-exporter"),
        user=SYSTEMS["node-exporter"].user,
        ports=(Port("http", SYSTEMS["node-exporter"].port),),
        memory=48,
        arguments=tuple(node_exporter.flags(stack)),
        live="/",
        ready="/",
    )


def _bongsu(stack: Stack, files: Files) -> Workload:
    port = SYSTEMS["bongsu"].port
    ask = f"import urllib.request; urllib.request.urlopen('http://127.0.0.1:{port}/readyz', timeout=4)"
    folder, name = CATALOG_IN_IMAGE.rsplit("/", 1)
    return Workload(
        name="bongsu",
        image=stack.image("bongsu"),
        user=SYSTEMS["bongsu"].user,
        ports=(Port("http", port, people=True),),
        memory=_fleet(stack, 288, 2),
        environment=bongsu_environment(stack),
        folders={folder: {name: CATALOG}} if CATALOG in files else {},
        secrets=_read_secrets(stack, files),
        tokens=tuple(secret.env for secret in (ADMIN_TOKEN, INGEST_TOKEN)),
        data=DATA_IN_IMAGE,
        disk=5,
        scratch=("/tmp",),  # noqa: S108 - in the container
        live="/healthz",
        ready="/readyz",
        probe=("python", "-c", ask),
        after=("prometheus", "loki", "tempo", "jaeger"),
    )


_BUILDERS: Mapping[str, Callable[[Stack, Files], Workload]] = {
    "prometheus": _prometheus,
    "alertmanager": _alertmanager,
    "grafana": _grafana,
    "loki": _loki,
    "tempo": _tempo,
    "jaeger": _jaeger,
    "alloy": _alloy,
    "blackbox-exporter": _blackbox,
    "node-exporter": _node_exporter,
    "bongsu": _bongsu,
}

"""The stack on one machine: ``compose.yaml`` beside the files of the systems, and ``.env.example``."""

import re
from collections.abc import Iterable, Mapping
from pathlib import PurePosixPath
from typing import Any

from bongsu.stack.bongsu_server import secrets as secrets_of
from bongsu.stack.files import HEADER, to_yaml
from bongsu.stack.kubernetes.workloads import (
    GRAFANA_PASSWORD,
    Workload,
    configuration_digest,
    secret_names,
    workloads,
)
from bongsu.stack.model import Stack, secret_name
from bongsu.stack.node_exporter import HOST_ROOT

Files = Mapping[str, str]
COMPOSE = "compose.yaml"
ENVIRONMENT = ".env.example"
AGENT = "agent.compose.yaml"
_BIND = "${BIND_ADDRESS:-127.0.0.1}"
_NETWORK = "stack"
_APPLICATIONS = "applications"
_OWNERS = "volume-owners"
_BUSYBOX = "busybox"
_BUSYBOX_TAG = "1.37.0"
_GATEWAY = "host-gateway"
_SCRAPERS = ("prometheus", "alloy", "blackbox-exporter")


def render(stack: Stack, files: Mapping[str, Files]) -> dict[str, str]:
    """``compose.yaml``, ``.env.example``, and where there is an agent a Compose file for other machines."""
    loads = workloads(stack, files)
    found = {
        COMPOSE: to_yaml(_document(stack, loads, files)),
        ENVIRONMENT: _environment(stack, loads),
    }
    if "alloy" in loads:
        found[AGENT] = to_yaml(_agent(stack, loads["alloy"], files.get("alloy", {})))
    return found


def _agent(stack: Stack, load: Workload, files: Files) -> dict[str, Any]:
    """Alloy alone, for the other machines on which services of the catalog run."""
    service = _service(stack, load, {load.name: load}, files)
    for key in ("scale", "depends_on", "extra_hosts", "networks", "ports"):
        service.pop(key, None)
    host = {"BONGSU_STACK_HOST": "${BONGSU_STACK_HOST:?is not set: where the stack is reached}"}
    service["environment"] = {**host, **service["environment"]}
    service |= {"network_mode": "host"}
    return {
        "name": f"{_project(stack)}-agent",
        "services": {load.name: service},
        "volumes": {load.name: {}},
    }


def _document(stack: Stack, loads: Mapping[str, Workload], files: Mapping[str, Files]) -> dict[str, Any]:
    kept = {load.name: load for load in loads.values() if load.data}
    services = {name: _service(stack, load, loads, files.get(name, {})) for name, load in loads.items()}
    if kept:
        services[_OWNERS] = _volume_owners(stack, kept.values())
    networks: dict[str, Any] = {_NETWORK: {}}
    if _applications(stack):
        default = f"{stack.catalog.name.lower()}_default"
        networks[_APPLICATIONS] = {"external": True, "name": f"${{APPLICATION_NETWORK:-{default}}}"}
    document: dict[str, Any] = {
        "name": _project(stack),
        "services": services,
        "networks": networks,
        "volumes": {name: {} for name in kept},
    }
    secrets = sorted({name for load in loads.values() for name in load.secrets})
    if secrets:
        document["secrets"] = {name: _origin(stack, name) for name in secrets}
    return document


def _origin(stack: Stack, name: str) -> dict[str, str]:
    """Where Compose takes a secret from. The machine that Terraform makes has no files of the team's own."""
    files = {secret_name(secret): secret.file for secret in secrets_of(stack.catalog) if secret.file}
    if name in files and stack.place == "compose":
        return {"file": files[name]}
    return {"environment": re.sub(r"\W", "_", name).upper() if name in files else name}


def _project(stack: Stack) -> str:
    name = "".join(c if c.isalnum() or c in "-_" else "-" for c in stack.catalog.name.lower())
    return f"{name}-monitoring"


def _applications(stack: Stack) -> bool:
    """Whether services of the catalog run in a Compose project of their own on this machine."""
    return any(service.spec.runs.compose for service in stack.services)


def _service(stack: Stack, load: Workload, loads: Mapping[str, Workload], files: Files) -> dict[str, Any]:
    service: dict[str, Any] = {"image": load.image}
    if load.name == "bongsu":
        service["build"] = {"context": "./bongsu"}
    digest = configuration_digest(load, files)
    if digest:
        # Compose starts a container anew when its labels change, not when a mounted file does.
        service["labels"] = {"bongsu.configuration": digest}
    if load.arguments:
        service["command"] = [_escaped(argument) for argument in _arguments(load)]
    service["user"] = f"{load.user}:{load.user}"
    environment = {name: _escaped(value) for name, value in load.environment.items()}
    environment |= {name: _required(name) for name in load.tokens}
    if load.name == "alloy":
        environment["HOST_NAME"] = "${HOST_NAME:-}"
        service["scale"] = "${AGENT_HERE:-1}"
    if environment:
        service["environment"] = environment
    if load.secrets:
        service["secrets"] = list(load.secrets)
    volumes = [*_mounts(load), *_host_mounts(stack, load)]
    if volumes:
        service["volumes"] = volumes
    service |= _hardened(load)
    service |= _network(stack, load, loads)
    if load.probe:
        service["healthcheck"] = {
            "test": ["CMD", *load.probe],
            "interval": "15s",
            "timeout": "5s",
            "retries": 4,
            "start_period": "60s",
        }
    waits = _depends(load, loads)
    if waits:
        service["depends_on"] = waits
    service |= {"mem_limit": f"{load.memory}m", "pids_limit": 512, "restart": "unless-stopped"}
    service["logging"] = {"driver": "local", "options": {"max-size": "10m", "max-file": "3"}}
    return service


def _escaped(text: str) -> str:
    return text.replace("$", "$$")


def _required(name: str) -> str:
    return f"${{{name}:?is not set; see {ENVIRONMENT}}}"


def _arguments(load: Workload) -> Iterable[str]:
    yield from load.arguments
    if load.name == "node-exporter":
        yield f"--web.listen-address=172.17.0.1:{load.ports[0].number}"


def _mounts(load: Workload) -> list[str]:
    """Whole folders, whose files keep their layout; only the catalog lies beside a Dockerfile."""
    mounts = []
    for folder, inside in load.folders.items():
        name, path = next(iter(inside.items()))
        if load.name == "bongsu":
            mounts += [f"./{file}:{folder}/{inner}:ro" for inner, file in inside.items()]
        else:
            mounts.append(f"./{path.removesuffix(f'/{name}')}:{folder}:ro")
    if load.data:
        mounts.append(f"{load.name}:{load.data}")
    return mounts


def _host_mounts(stack: Stack, load: Workload) -> list[str]:
    if load.name not in ("alloy", "node-exporter"):
        return []
    mounts = [f"/:{HOST_ROOT}:ro,rslave"]
    if load.name == "alloy":
        mounts += [f"{folder}:{folder}:ro" for folder in _log_folders(stack)]
    return mounts


def _log_folders(stack: Stack) -> list[str]:
    """The folders of all log files, without those that lie in another."""
    folders = set()
    for path in (path for service in stack.resolved.values() for path in service.spec.logs):
        plain = PurePosixPath(path).parent
        while any(c in str(plain) for c in "*?[{"):
            plain = plain.parent
        folders.add(plain)
    return sorted(str(f) for f in folders if not any(other in f.parents for other in folders))


def _hardened(load: Workload) -> dict[str, Any]:
    """As little as each can live with. Secrets from the environment are copied into the container's own
    file system, so a service that has any cannot have that read-only."""
    hardened: dict[str, Any] = {"cap_drop": ["ALL"], "security_opt": ["no-new-privileges:true"]}
    if load.name == "alloy":
        hardened["cap_add"] = ["DAC_READ_SEARCH"]
    if not load.secrets:
        hardened["read_only"] = True
    if load.scratch or not load.secrets:
        hardened["tmpfs"] = list(load.scratch or ("/tmp",))  # noqa: S108 - in the container
    return hardened


def _network(stack: Stack, load: Workload, loads: Mapping[str, Workload]) -> dict[str, Any]:
    if load.name == "node-exporter":
        # The network of its own container is not the machine's; it listens on Docker's bridge alone.
        return {"network_mode": "host", "pid": "host"}
    joins = [_NETWORK]
    if load.name in _SCRAPERS and _applications(stack):
        joins.append(_APPLICATIONS)
    found: dict[str, Any] = {"networks": joins}
    ports = [f"{_BIND}:{port.number}:{port.number}" for port in load.ports if port.people]
    if ports:
        found["ports"] = ports
    if load.name in _SCRAPERS:
        hosts = ["host.docker.internal", *(["node-exporter"] if "node-exporter" in loads else [])]
        found["extra_hosts"] = [f"{host}:{_GATEWAY}" for host in hosts]
    return found


def _depends(load: Workload, loads: Mapping[str, Workload]) -> dict[str, Any]:
    waits: dict[str, Any] = {}
    if load.data:
        waits[_OWNERS] = {"condition": "service_completed_successfully"}
    for name in (name for name in load.after if name in loads):
        condition = "service_healthy" if loads[name].probe else "service_started"
        waits[name] = {"condition": condition}
    return waits


def _volume_owners(stack: Stack, loads: Iterable[Workload]) -> dict[str, Any]:
    """Gives each volume to its user, as not every image does, and ends."""
    image = stack.catalog.images.get(_BUSYBOX, _BUSYBOX)
    ordered = sorted(loads, key=lambda load: load.name)
    orders = [f"chown {load.user}:{load.user} /volumes/{load.name}" for load in ordered]
    return {
        "image": f"{image}:{_BUSYBOX_TAG}",
        "command": ["sh", "-c", " && ".join(orders)],
        "user": "0:0",
        "volumes": [f"{load.name}:/volumes/{load.name}" for load in ordered],
        "cap_drop": ["ALL"],
        "cap_add": ["CHOWN"],
        "security_opt": ["no-new-privileges:true"],
        "read_only": True,
        "network_mode": "none",
        "mem_limit": "16m",
        "restart": "no",
    }


def _environment(stack: Stack, loads: Mapping[str, Workload]) -> str:
    origins = (_origin(stack, name) for name in secret_names(loads))
    secrets = sorted(origin["environment"] for origin in origins if "environment" in origin)
    text = _TEXTS[stack.catalog.language]
    lines = [HEADER.rstrip("\n"), f"# {text['copy']}", "", f"# {text['bind']}", "BIND_ADDRESS=127.0.0.1"]
    if _applications(stack):
        default = f"{stack.catalog.name.lower()}_default"
        lines += ["", f"# {text['network']}", f"APPLICATION_NETWORK={default}"]
    if stack.has("alloy"):
        lines += ["", f"# {text['host']}", "HOST_NAME=host", "", f"# {text['agent']}", "AGENT_HERE=1"]
    lines += ["", f"# {text['secrets']}"]
    for name in secrets:
        note = text.get(name, "")
        lines += [*([f"# {note}"] if note else []), f"{name}="]
    return "\n".join(lines) + "\n"


_TEXTS: Mapping[str, Mapping[str, str]] = {
    "en": {
        "copy": "Copy to .env beside compose.yaml, chmod 600, fill in, and keep it out of version control.",
        "bind": "Where people and agents reach the stack: 127.0.0.1, or this machine's VPN address.",
        "network": "The Docker network of the Compose project whose services are watched.",
        "host": "What metrics and logs call this machine.",
        "agent": "0 where agent.compose.yaml runs on the machine of the services instead.",
        "secrets": "Values with $ or # go in single quotes.",
        "BONGSU_ADMIN_TOKEN": "Sign-in to Bongsu: openssl rand -base64 32",
        "BONGSU_INGEST_TOKEN": "What Alertmanager and Grafana show to Bongsu: openssl rand -base64 32",
        GRAFANA_PASSWORD: "The password of Grafana's admin on its first start.",
    },
    "ko": {
        "copy": "compose.yaml 옆에 .env로 복사해 chmod 600 후 값을 채웁니다. 저장소에는 올리지 않습니다.",
        "bind": "사람과 에이전트가 이 서버에 접속할 주소: 127.0.0.1 또는 VPN 주소.",
        "network": "감시할 서비스가 속한 Compose 프로젝트의 Docker 네트워크.",
        "host": "메트릭과 로그에 표시할 이 서버의 이름.",
        "agent": "서비스가 있는 서버에서 agent.compose.yaml을 실행한다면 0.",
        "secrets": "$나 #이 들어간 값은 작은따옴표로 감쌉니다.",
        "BONGSU_ADMIN_TOKEN": "Bongsu 로그인 토큰: openssl rand -base64 32",
        "BONGSU_INGEST_TOKEN": "Alertmanager와 Grafana가 Bongsu에 제시하는 토큰: openssl rand -base64 32",
        GRAFANA_PASSWORD: "Grafana를 처음 시작할 때 쓰는 admin 비밀번호.",
    },
}

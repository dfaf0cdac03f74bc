"""What Docker Compose would refuse of ``compose.yaml``, or take and do wrong."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from bongsu.stack.check.model import Finding
from bongsu.stack.check.shapes import mapping, unknown_keys, words

COMPOSE = "compose.yaml"
AGENT = "agent.compose.yaml"
ENVIRONMENT = ".env.example"

_TOP = words("name services networks volumes secrets configs include")
_SERVICE = words(
    "annotations attach blkio_config build cap_add cap_drop cgroup cgroup_parent command configs "
    "container_name cpu_count cpu_percent cpu_period cpu_quota cpu_shares cpus cpuset depends_on deploy "
    "develop device_cgroup_rules devices dns dns_opt dns_search domainname entrypoint env_file environment "
    "expose extends external_links extra_hosts gpus group_add healthcheck hostname image init ipc isolation "
    "label_file labels links logging mac_address mem_limit mem_reservation mem_swappiness memswap_limit "
    "network_mode networks oom_kill_disable oom_score_adj pid pids_limit platform ports post_start pre_stop "
    "privileged profiles provider pull_policy read_only restart runtime scale secrets security_opt shm_size "
    "stdin_open stop_grace_period stop_signal storage_opt sysctls tmpfs tty ulimits user userns_mode uts "
    "volumes volumes_from working_dir models use_api_socket"
)
_HEALTH = words("disable interval retries start_interval start_period test timeout")
_CONDITIONS = words("service_started service_healthy service_completed_successfully")
_VARIABLE = re.compile(r"(?<!\$)(?:\$\$)*\$\{(\w+)(:?[-?+][^}]*)?\}")


def check(files: Mapping[str, str]) -> Iterator[Finding]:
    """Findings about the Compose files among these; none where there is none."""
    if COMPOSE in files:
        yield from _check(files[COMPOSE], files)
        yield from _variables(files)
    if AGENT in files:
        yield from (replace(finding, file=AGENT) for finding in _check(files[AGENT], files))


def _check(text: str, files: Mapping[str, str]) -> Iterator[Finding]:
    document, findings = mapping(COMPOSE, text)
    yield from findings
    if findings:
        return
    yield from unknown_keys(COMPOSE, "", document, _TOP)
    services = {name: s for name, s in _mapping(document.get("services")).items() if isinstance(s, dict)}
    if not services:
        yield Finding(COMPOSE, "services", "there is no service")
    for name, service in services.items():
        where = f"services.{name}"
        yield from unknown_keys(COMPOSE, where, service, _SERVICE)
        yield from _image(where, service)
        yield from _waits(where, service, services)
        yield from _declared(where, service, document)
        yield from _mounts(where, service, files)
        yield from _secrets(where, service, document)
        yield from _health(where, service)
        if "network_mode" in service and ("networks" in service or "ports" in service):
            message = "network_mode leaves no room for networks and ports"
            yield Finding(COMPOSE, f"{where}.network_mode", message, "remove one of them")
    yield from _circles(services)
    yield from _ports(services)


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _image(where: str, service: Mapping[str, Any]) -> Iterator[Finding]:
    image = str(service.get("image", ""))
    if not image:
        if "build" not in service:
            yield Finding(COMPOSE, where, "there is neither an image nor a build")
        return
    if unpinned(image):
        message = f"the image {image!r} is not the same tomorrow"
        yield Finding(COMPOSE, f"{where}.image", message, "name a version, such as :v3.5.0")


def unpinned(image: str) -> bool:
    """Whether an image names no version."""
    tag = image.rsplit("/", 1)[-1].partition(":")[2]
    return "@sha256:" not in image and tag in ("", "latest", "main", "master", "edge", "nightly")


def _waits(where: str, service: Mapping[str, Any], services: Mapping[str, Any]) -> Iterator[Finding]:
    for name, how in _depends(service).items():
        place = f"{where}.depends_on.{name}"
        if name not in services:
            yield Finding(COMPOSE, place, f"there is no service {name!r}")
            continue
        condition = how.get("condition", "service_started")
        if condition not in _CONDITIONS:
            yield Finding(COMPOSE, place, f"{condition!r} is no condition", " or ".join(sorted(_CONDITIONS)))
        if condition == "service_healthy" and not _has_health(services[name]):
            message = f"{name} has no health check, so it never becomes healthy"
            yield Finding(COMPOSE, place, message, "wait for service_started, or give it a healthcheck")
        once = services[name].get("restart", "no") in ("no", False)
        if condition == "service_completed_successfully" and not once:
            message = f"{name} is started again whenever it ends"
            yield Finding(COMPOSE, place, message, f'give {name} restart: "no"')


def _has_health(service: Mapping[str, Any]) -> bool:
    health = _mapping(service.get("healthcheck"))
    return bool(health.get("test")) and not health.get("disable")


def _depends(service: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    given = service.get("depends_on")
    if isinstance(given, list):
        return {str(name): {} for name in given}
    return {name: _mapping(how) for name, how in _mapping(given).items()}


def _circles(services: Mapping[str, Any]) -> Iterator[Finding]:
    done: set[str] = set()
    for start in services:
        path: list[str] = [start]
        pending = [iter(_depends(services[start]))]
        while pending:
            following = next(pending[-1], None)
            if following is None:
                pending.pop()
                done.add(path.pop())
            elif following in path:
                circle = " → ".join([*path[path.index(following) :], following])
                yield Finding(
                    COMPOSE, f"services.{following}.depends_on", f"each waits for the next: {circle}"
                )
                done.add(following)
                return
            elif following in services and following not in done:
                path.append(following)
                pending.append(iter(_depends(services[following])))


def _declared(where: str, service: Mapping[str, Any], document: Mapping[str, Any]) -> Iterator[Finding]:
    networks = service.get("networks") or []
    for name in networks:
        if name not in _mapping(document.get("networks")) and name != "default":
            yield Finding(COMPOSE, f"{where}.networks", f"the network {name!r} is not declared")
    for source, _ in _sources(service):
        if not source.startswith((".", "/", "~", "$")) and source not in _mapping(document.get("volumes")):
            message = f"the volume {source!r} is not declared"
            yield Finding(COMPOSE, f"{where}.volumes", message, f"add it under volumes, or write ./{source}")


def _sources(service: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for mount in service.get("volumes") or []:
        if isinstance(mount, str) and ":" in mount:
            source, target = mount.split(":")[:2]
            yield source, target
        elif isinstance(mount, dict) and mount.get("source"):
            yield str(mount["source"]), str(mount.get("target", ""))


def _mounts(where: str, service: Mapping[str, Any], files: Mapping[str, str]) -> Iterator[Finding]:
    targets: set[str] = set()
    for source, target in _sources(service):
        if target in targets:
            yield Finding(COMPOSE, f"{where}.volumes", f"two mounts lie at {target}")
        targets.add(target)
        if not source.startswith("./"):
            continue
        path = source.removeprefix("./").rstrip("/")
        if path not in files and not any(name.startswith(f"{path}/") for name in files):
            # Docker would make an empty folder of that name, and the system would not start.
            yield Finding(COMPOSE, f"{where}.volumes", f"there is no file or folder {source}")


def _secrets(where: str, service: Mapping[str, Any], document: Mapping[str, Any]) -> Iterator[Finding]:
    declared = _mapping(document.get("secrets"))
    for entry in service.get("secrets") or []:
        name = entry if isinstance(entry, str) else _mapping(entry).get("source", "")
        place = f"{where}.secrets"
        if name not in declared:
            yield Finding(COMPOSE, place, f"the secret {name!r} is not declared", "add it under secrets")
            continue
        origin = _mapping(declared[name])
        if len([key for key in ("file", "environment", "external") if origin.get(key)]) != 1:
            message = "a secret comes from exactly one of file, environment and external"
            yield Finding(COMPOSE, f"secrets.{name}", message)
        if service.get("read_only") and "environment" in origin:
            message = f"the secret {name!r} from the environment cannot be put into a read-only container"
            yield Finding(COMPOSE, f"{where}.read_only", message, "remove read_only, or keep it in a file")


def _health(where: str, service: Mapping[str, Any]) -> Iterator[Finding]:
    health = service.get("healthcheck")
    if not isinstance(health, dict):
        return
    yield from unknown_keys(COMPOSE, f"{where}.healthcheck", health, _HEALTH)
    test = health.get("test")
    if isinstance(test, list) and (not test or test[0] not in ("CMD", "CMD-SHELL", "NONE")):
        message = "a list begins with CMD, CMD-SHELL or NONE"
        yield Finding(COMPOSE, f"{where}.healthcheck.test", message)


def _ports(services: Mapping[str, Any]) -> Iterator[Finding]:
    taken: dict[tuple[str, str], str] = {}
    for name, service in services.items():
        for entry in service.get("ports") or []:
            if not isinstance(entry, str):
                continue
            where = f"services.{name}.ports"
            bound = re.fullmatch(r"(?:(.*):)?(\d+):(\d+)(?:/(tcp|udp))?", entry)
            if bound is None or not bound[1] or bound[1] in ("0.0.0.0", "[::]"):  # noqa: S104
                message = f"{entry!r} is open to everybody who reaches this machine"
                yield Finding(COMPOSE, where, message, f'write "127.0.0.1:{entry}"')
                continue
            key = (bound[2], bound[4] or "tcp")
            if key in taken:
                yield Finding(COMPOSE, where, f"port {bound[2]} is taken by {taken[key]}")
            taken.setdefault(key, name)


def _variables(files: Mapping[str, str]) -> Iterator[Finding]:
    known = set(re.findall(r"^(\w+)=", files.get(ENVIRONMENT, ""), re.MULTILINE))
    for name, default in dict.fromkeys(_VARIABLE.findall(files[COMPOSE])):
        if name not in known and not default.startswith((":-", "-")):
            yield Finding(COMPOSE, "", f"the variable {name} is not in {ENVIRONMENT}", "add it there")

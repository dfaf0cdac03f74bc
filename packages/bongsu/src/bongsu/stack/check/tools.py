"""The systems' own checkers, where they are installed: ``promtool``, ``amtool``, ``kubectl``, ``terraform``,
``docker compose``. Each runs on a copy of the files, for a bounded time, and touches nothing else."""

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from bongsu.stack.check.model import Finding
from bongsu.stack.check.run import Files, Report
from bongsu.stack.files import write
from bongsu.stack.model import Stack
from bongsu.stack.systems import Version

SECONDS = 30.0
"""How long one tool may take."""
_VERSION = re.compile(r"(?:version:? |Version: |v)(\d+\.\d+(?:\.\d+)?)")
_LINES = 6


@dataclass(frozen=True, slots=True)
class Tool:
    """One checker. ``commands`` are run in the folder that holds the files."""

    name: str
    binary: str
    system: str
    """Whose declared version the tool is to match; empty when it has versions of its own."""
    file: str
    """What its findings are about."""
    commands: Callable[[Files], Sequence[Sequence[str]]]
    """The arguments of each run; none where it has nothing to check."""
    version: tuple[str, ...] = ("--version",)


def run(stack: Stack, targets: Mapping[str, Files]) -> Report:
    """What the installed tools say of the files; what is not installed is told as skipped.

    A refusal by a tool that is older than the declared version may be for its age: it is a warning.
    """
    files = {path: text for group in targets.values() for path, text in group.items()}
    wanted = [(tool, commands) for tool in TOOLS if (commands := tool.commands(files))]
    missing = [tool for tool, _ in wanted if shutil.which(tool.binary) is None]
    report = Report(
        skipped=tuple(
            f"{tool.binary} is not installed: {tool.file} has not been judged by it" for tool in missing
        )
    )
    present = [(tool, commands) for tool, commands in wanted if tool not in missing]
    if not present:
        return report
    with tempfile.TemporaryDirectory(prefix="bongsu-check-") as name:
        write(files, Path(name))
        with ThreadPoolExecutor(max_workers=2) as pool:
            for part in pool.map(lambda pair: _judge(stack, pair[0], pair[1], Path(name)), present):
                report += part
    return report


def _judge(stack: Stack, tool: Tool, commands: Sequence[Sequence[str]], folder: Path) -> Report:
    for arguments in commands:
        ended = _call([tool.binary, *arguments], folder)
        if ended is None:
            return Report(skipped=(f"{tool.binary} did not end within {SECONDS:g} s: it was stopped",))
        if ended.returncode == 0:
            continue
        text = _said(ended, folder)
        if _cannot(text):
            return Report(skipped=(f"{tool.name} cannot work here: {text.splitlines()[0]}",))
        finding = Finding(tool.file, tool.name, text, f"run it yourself: {tool.binary} {' '.join(arguments)}")
        own, declared = _version(tool), stack.version(tool.system) if tool.system else None
        if (
            own is not None
            and declared is not None
            and (own.major, own.minor) < (declared.major, declared.minor)
        ):
            age = (
                f"{tool.binary} {own} is older than the declared {declared}; this may be for its age: {text}"
            )
            fix = f"install {tool.binary} {declared.major}.{declared.minor}, or declare what you run"
            return Report(warnings=(Finding(tool.file, tool.name, age, fix),))
        return Report(errors=(finding,))
    return Report()


_LACKS = (
    "unknown command",
    "is not a docker command",
    "Cannot connect to the Docker daemon",
    "unknown flag",
    "unknown shorthand flag",
)


def _cannot(text: str) -> bool:
    """The tool lacks something of its own, whatever the files say; some are built without discovery."""
    unread = [line for line in text.splitlines() if line.startswith("line ")]
    without_discovery = bool(unread) and all("_sd_configs not found in type" in line for line in unread)
    return without_discovery or any(sign in text for sign in _LACKS)


def _call(argv: Sequence[str], folder: Path) -> subprocess.CompletedProcess[str] | None:
    path = shutil.which(argv[0])
    if path is None:
        return None
    env = {name: value for name, value in os.environ.items() if not name.startswith("BONGSU_")}
    try:
        return subprocess.run(  # noqa: S603 - a fixed list of programs, with paths that we made
            [path, *argv[1:]],
            cwd=folder,
            env=env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return None


def _said(ended: subprocess.CompletedProcess[str], folder: Path) -> str:
    lines = [line.strip() for line in (ended.stdout + "\n" + ended.stderr).splitlines() if line.strip()]
    telling = [line for line in lines if "SUCCESS" not in line and not line.startswith("Checking")] or lines
    text = "\n".join(telling[:_LINES]).replace(f"{folder}/", "")
    return text or f"it ended with {ended.returncode} and said nothing"


def _version(tool: Tool) -> Version | None:
    ended = _call([tool.binary, *tool.version], Path.cwd())
    found = _VERSION.search((ended.stdout + ended.stderr) if ended is not None else "")
    return Version.parse(found[1]) if found else None


def _beginning(files: Files, start: str, ends: tuple[str, ...] = (".yml", ".yaml")) -> list[str]:
    return sorted(file for file in files if file.startswith(start) and file.endswith(ends))


def _promtool_config(files: Files) -> Sequence[Sequence[str]]:
    config = "prometheus/prometheus.yml"
    return [["check", "config", "--syntax-only", config]] if config in files else []


def _promtool_rules(files: Files) -> Sequence[Sequence[str]]:
    found = _beginning(files, "prometheus/rules/")
    return [["check", "rules", "--lint-fatal", *found]] if found else []


def _amtool(files: Files) -> Sequence[Sequence[str]]:
    config = "alertmanager/alertmanager.yml"
    return [["check-config", config]] if config in files else []


def _kustomize(files: Files) -> Sequence[Sequence[str]]:
    return [["kustomize", folder] for folder in _folders(files, "kustomization.yaml")]


def _terraform(files: Files) -> Sequence[Sequence[str]]:
    return [["fmt", "-check", "-diff", folder] for folder in _folders(files, ".tf")]


def _compose(files: Files) -> Sequence[Sequence[str]]:
    names = ("compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml")
    found = sorted(file for file in files if file.rpartition("/")[2] in names)
    return [["compose", "-f", file, "config", "--quiet", "--no-interpolate"] for file in found]


def _folders(files: Files, ending: str) -> Iterator[str]:
    yield from sorted({file.rpartition("/")[0] or "." for file in files if file.endswith(ending)})


TOOLS: tuple[Tool, ...] = (
    Tool("promtool check config", "promtool", "prometheus", "prometheus/prometheus.yml", _promtool_config),
    Tool("promtool check rules", "promtool", "prometheus", "prometheus/rules", _promtool_rules),
    Tool("amtool check-config", "amtool", "alertmanager", "alertmanager/alertmanager.yml", _amtool),
    Tool("kubectl kustomize", "kubectl", "", "kustomization.yaml", _kustomize, ("version", "--client")),
    Tool("terraform fmt", "terraform", "", "*.tf", _terraform, ("version",)),
    Tool("docker compose config", "docker", "", "compose.yaml", _compose),
)

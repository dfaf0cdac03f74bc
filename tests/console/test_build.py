"""The built pages travel in the wheel and the sdist, and only a checkout needs npm."""

import json
import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "packages" / "bongsu"
FRONTEND = PACKAGE / "src/bongsu/console/frontend"
BUILT = "bongsu/console/static/dist/"
UV = Path(sys.executable).with_name("uv")


def _build(source: Path, out: Path, *kinds: str, path: str | None = None) -> str:
    environment = {**os.environ, "PATH": path or os.environ["PATH"]}
    command = [str(UV), "build", str(source), "--out-dir", str(out), *kinds]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def test_the_lock_pins_contents_and_leaves_the_registry_to_the_user() -> None:
    lock = json.loads((FRONTEND / "package-lock.json").read_text(encoding="utf-8"))
    assert not any("resolved" in p for p in lock["packages"].values())
    assert all(p.get("integrity") for name, p in lock["packages"].items() if name)


@pytest.mark.live
def test_a_wheel_from_the_sdist_has_the_pages_without_npm(tmp_path: Path) -> None:
    _build(PACKAGE, tmp_path, "--sdist")
    (sdist,) = tmp_path.glob("bongsu-*.tar.gz")
    with tarfile.open(sdist) as archive:
        # Python before 3.11.4 has no filters; the archive is our own.
        archive.extractall(tmp_path, **({"filter": "data"} if hasattr(tarfile, "data_filter") else {}))
    unpacked = tmp_path / sdist.name.removesuffix(".tar.gz")
    assert not list(unpacked.rglob("node_modules"))
    traps = tmp_path / "bin"
    traps.mkdir()
    for tool in ("npm", "node"):
        trap = traps / tool
        trap.write_text(f"#!/bin/sh\ntouch {tmp_path}/called\nexit 1\n", encoding="ascii")
        trap.chmod(0o755)
    said = _build(unpacked, tmp_path, "--wheel", path=f"{traps}:{os.environ['PATH']}")
    assert not (tmp_path / "called").exists()
    assert "npm is not needed" in said
    (wheel,) = tmp_path.glob("bongsu-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        notices = archive.read(f"{BUILT}licenses.md").decode()
        manifest = json.loads(archive.read(f"{BUILT}manifest.json"))
    assert {f"{BUILT}{entry['file']}" for entry in manifest.values()} <= set(names)
    assert not [name for name in names if "/frontend/" in name]
    assert "htmx.org" in notices
    assert "uplot" in notices

"""Set up the project's own environment in .venv from the lock file; needs Python 3.11 and nothing else.

Where there is no uv, the one that the lock file pins is fetched, checked against its hash and kept in .cache.
"""

from __future__ import annotations

import hashlib
import io
import os
import platform
import shutil
import subprocess
import sys
import urllib.request
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
STAMP = ROOT / ".venv" / ".bongsu-setup"


def main() -> None:
    if sys.version_info < (3, 11):  # noqa: UP036 - the one file that an old Python gets to run
        sys.exit(f"Bongsu needs Python 3.11 or later; this is {platform.python_version()}.")
    fingerprint = _fingerprint()
    if STAMP.exists() and STAMP.read_text() == fingerprint:
        return
    uv = shutil.which("uv") or str(_fetch_uv())
    print(
        "setup: installing the locked dependencies into .venv (nothing outside this folder is touched)",
        flush=True,
    )
    node = "the npm found on this machine" if shutil.which("npm") else "a Node.js from the package index"
    print(f"setup: the console's pages are built with {node}", flush=True)
    command = [uv, "sync", "--frozen", "--python", sys.executable]
    environment = {key: value for key, value in os.environ.items() if key != "VIRTUAL_ENV"}
    done = subprocess.run(command, cwd=ROOT, env=environment, check=False)  # noqa: S603 - our own words
    if done.returncode != 0:
        sys.exit("setup: the dependencies could not be installed; the lines above say why.")
    STAMP.write_text(fingerprint)
    print("setup: done", flush=True)


def _fingerprint() -> str:
    digest = hashlib.sha256(sys.version.encode())
    names = [
        "uv.lock",
        "pyproject.toml",
        *(f"packages/{p}/pyproject.toml" for p in ("bongsu", "bongsu-instrument")),
    ]
    frontend = ROOT / "packages/bongsu/src/bongsu/console/frontend"
    inputs = sorted(p for p in frontend.rglob("*") if p.is_file() and "node_modules" not in p.parts)
    for path in [*(ROOT / name for name in names), *inputs]:
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _fetch_uv() -> Path:
    url, digest = _uv_wheel()
    target = ROOT / ".cache" / "uv" / digest.removeprefix("sha256:")[:16] / "uv"
    if target.exists():
        return target
    print("setup: fetching uv, the installer that the lock file pins (about 17 MB)", flush=True)
    if not url.startswith("https://"):
        sys.exit("setup: the lock file names no https address for uv; install uv yourself and try again.")
    try:
        with urllib.request.urlopen(url, timeout=120) as answer:  # noqa: S310 - https, checked above
            body = answer.read()
    except OSError as error:
        sys.exit(f"setup: cannot fetch uv: {error}. Install uv yourself (pip install uv) and try again.")
    if f"sha256:{hashlib.sha256(body).hexdigest()}" != digest:
        sys.exit("setup: what was fetched as uv is not what the lock file pins; nothing was run.")
    with zipfile.ZipFile(io.BytesIO(body)) as archive:
        name = next(n for n in archive.namelist() if n.endswith("/scripts/uv"))
        target.parent.mkdir(parents=True, exist_ok=True)
        partial = target.with_suffix(".part")
        partial.write_bytes(archive.read(name))
    partial.chmod(0o755)
    partial.rename(target)
    return target


def _uv_wheel() -> tuple[str, str]:
    """``(url, sha256:…)`` of the wheel for this machine."""
    import tomllib  # not there before Python 3.11, which is told first

    lock = tomllib.loads((ROOT / "uv.lock").read_text())
    package = next(p for p in lock["package"] if p["name"] == "uv")
    machine = platform.machine().lower().replace("amd64", "x86_64")
    if sys.platform == "darwin":
        wanted = [f"macosx_11_0_{machine}", f"macosx_10_12_{machine}"]
    else:
        libc = "musllinux" if platform.libc_ver()[0] == "" else "manylinux"
        wanted = [f"{libc}_", "manylinux_"]
    for tag in wanted:
        for wheel in package["wheels"]:
            name = wheel["url"].rsplit("/", 1)[-1]
            if tag in name and machine in name:
                return wheel["url"], wheel["hash"]
    sys.exit(
        f"setup: the lock file has no uv for {sys.platform} {machine}; install uv yourself and try again."
    )


if __name__ == "__main__":
    main()

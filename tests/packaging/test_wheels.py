"""The built wheels run in an empty virtual environment."""

import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
UV = str(Path(sys.executable).parent / "uv")


def run(*command: str, cwd: Path | None = None) -> str:
    ended = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=300, check=False)
    assert ended.returncode == 0, f"{' '.join(command)}\n{ended.stdout}\n{ended.stderr}"
    return ended.stdout


@pytest.fixture(scope="module")
def venv(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with nothing in it but the two wheels and what they ask for."""
    folder = tmp_path_factory.mktemp("wheels")
    for package in ("bongsu", "bongsu-instrument"):
        run(UV, "build", "--wheel", "--package", package, "--out-dir", str(folder / "dist"), cwd=REPOSITORY)
    wheels = {p.name.split("-")[0]: str(p) for p in (folder / "dist").glob("*.whl")}
    run(UV, "venv", "--python", sys.executable, str(folder / "venv"))
    python = str(folder / "venv" / "bin" / "python")
    run(UV, "pip", "install", "--python", python, f"{wheels['bongsu']}[demo]", wheels["bongsu_instrument"])
    return folder / "venv" / "bin"


def test_the_command_line_answers(venv: Path) -> None:
    assert run(str(venv / "bongsu"), "--version", cwd=venv).startswith("bongsu")


def test_the_demo_shop_is_inside(venv: Path) -> None:
    assert "bad-deploy" in run(str(venv / "bongsu"), "demo", "--list", cwd=venv)


def test_the_pages_and_the_kinds_are_inside(venv: Path) -> None:
    code = (
        "from bongsu.catalog.kinds import builtin_kinds; from bongsu.console.assets import BUILT;"
        "assert (BUILT / 'manifest.json').exists(); print(len(builtin_kinds()))"
    )
    assert int(run(str(venv / "python"), "-c", code, cwd=venv)) >= 3


def test_an_application_needs_nothing_else_to_be_instrumented(venv: Path, tmp_path: Path) -> None:
    wheel = next((venv.parents[1] / "dist").glob("bongsu_instrument-*.whl"))
    run(UV, "venv", "--python", sys.executable, str(tmp_path / "app"))
    python = str(tmp_path / "app" / "bin" / "python")
    run(UV, "pip", "install", "--python", python, str(wheel), "starlette")
    run(
        python,
        "-c",
        "from bongsu_instrument import instrument; from starlette.applications import Starlette;"
        "print(instrument(Starlette(), prefix='shop').render().decode())",
    )

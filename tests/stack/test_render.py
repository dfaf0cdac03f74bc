"""``bongsu render``: the same bytes twice, and nothing left of what is gone."""

import json
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from bongsu.cli import main
from bongsu.stack.files import MANIFEST, FilesError, sync
from tests.live_servers import require
from tests.stack.support import OWN_KIND


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "bongsu.yaml").write_text(OWN_KIND)
    return tmp_path


def render(folder: Path, *options: str) -> Result:
    arguments = ["render", str(folder / "bongsu.yaml"), "--out", str(folder / "out"), *options]
    return CliRunner(env={"LANG": "C", "LC_ALL": "C", "BONGSU_LANGUAGE": "en"}).invoke(main, arguments)


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in (folder / "out").rglob("*") if p.is_file()}


def test_every_file_is_told_and_the_second_render_changes_nothing(folder: Path) -> None:
    first = render(folder)
    assert first.exit_code == 0, first.output
    before = contents(folder)
    told = {line.split("out/", 1)[1] for line in first.output.splitlines() if line.startswith("  + ")}
    assert {f"out/{name}" for name in told} == set(before) - {f"out/{MANIFEST}"}
    assert {
        "prometheus/prometheus.yml",
        "prometheus/rules/strokes.yml",
        "prometheus/rule_tests/strokes.yml",
    } <= told
    assert "no tests for RawInfo: raw PromQL" in first.output
    second = render(folder)
    assert contents(folder) == before
    assert "0 new, 0 changed" in second.output


def test_the_files_of_a_removed_service_go(folder: Path) -> None:
    render(folder)
    gone = folder / "out" / "grafana" / "dashboards" / "services" / "press-2.json"
    assert gone.exists()
    text = OWN_KIND.split("  press-2:")[0]
    (folder / "bongsu.yaml").write_text(text)
    result = render(folder)
    assert f"  - {gone}" in result.output
    assert not gone.exists()
    assert "press-2" not in b"".join(contents(folder).values()).decode()


def test_a_removed_file_that_was_changed_by_hand_is_kept(folder: Path) -> None:
    render(folder)
    mine = folder / "out" / "grafana" / "dashboards" / "services" / "press-2.json"
    mine.write_text("mine")
    (folder / "bongsu.yaml").write_text(OWN_KIND.split("  press-2:")[0])
    assert "changed by hand: kept" in render(folder).output
    assert mine.read_text() == "mine"


def test_one_target_leaves_the_others_files(folder: Path) -> None:
    render(folder, "--only", "prometheus")
    assert not (folder / "out" / "grafana").exists()
    render(folder, "--only", "grafana")
    assert (folder / "out" / "prometheus" / "prometheus.yml").exists()
    assert (folder / "out" / "grafana" / "dashboards" / "overview.json").exists()


def test_files_of_others_are_not_written_over(folder: Path) -> None:
    (folder / "out" / "prometheus").mkdir(parents=True)
    (folder / "out" / "prometheus" / "prometheus.yml").write_text("mine")
    result = render(folder)
    assert result.exit_code == 1
    assert "did not write: prometheus/prometheus.yml" in result.output
    assert (folder / "out" / "prometheus" / "prometheus.yml").read_text() == "mine"
    assert render(folder, "--force").exit_code == 0


def test_a_manifest_cannot_name_files_elsewhere(tmp_path: Path) -> None:
    outside = tmp_path / "precious"
    outside.write_text("x")
    (tmp_path / "out").mkdir()
    for name in ("../precious", str(outside)):
        manifest = {"targets": {"grafana": {name: "0"}}}
        (tmp_path / "out" / MANIFEST).write_text(json.dumps(manifest))
        with pytest.raises(FilesError):
            sync({"grafana": {"a": "b"}}, tmp_path / "out")
    assert outside.exists()


def test_a_damaged_manifest_is_told(tmp_path: Path) -> None:
    (tmp_path / MANIFEST).write_text("{")
    with pytest.raises(FilesError, match="damaged"):
        sync({"grafana": {"a": "b"}}, tmp_path)


def test_services_of_other_systems_are_left_out_and_told(folder: Path) -> None:
    text = OWN_KIND.replace(
        "services:\n  press-1",
        "sources:\n  signoz: {type: signoz, url: "
        "'https://signoz.example.com', token: {env: NO_TOKEN}}\nservices:\n  press-1",
    )
    (folder / "bongsu.yaml").write_text(text)
    result = render(folder)
    assert "their metrics are not in Prometheus: press-1, press-2" in result.output, result.output
    assert not (folder / "out" / "prometheus" / "rules").exists()


@pytest.mark.live
def test_promtool_takes_what_was_rendered(folder: Path) -> None:
    (binary,) = require("promtool")
    render(folder)
    out = folder / "out"
    names = sorted(path.name for path in (out / "prometheus" / "rule_tests").iterdir())
    for command, where in (
        (["check", "config", "prometheus.yml"], out / "prometheus"),
        (["test", "rules", *names], out / "prometheus" / "rule_tests"),
    ):
        done = subprocess.run([binary, *command], cwd=where, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr

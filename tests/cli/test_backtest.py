"""``bongsu backtest`` says what a catalog would have told of the past, and why where it cannot."""

import json
from pathlib import Path

import numpy as np
import pytest

from bongsu.folder import DataFolder
from bongsu.sources.embedded.store import EmbeddedStore
from tests.cli import past
from tests.cli.conftest import Run

FILES = ("--data", "past", "--since", "14d")


def test_each_rule_has_its_pages_and_what_it_catches(run: Run) -> None:
    past.write()
    result = run("backtest", *FILES, "--known", "known.csv", "--json")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)["before"]
    rules = {(rule["signal"], rule["severity"]): rule for rule in found["rules"]}
    errors = rules["error_ratio", "P2"]
    assert (errors["pages"], errors["opened"], errors["alerts"]) == (7, 7, 7)
    assert (errors["caught"], errors["missed"], errors["outside"]) == (4, 1, 3)
    assert errors["behind"] == 300
    assert rules["up", "P1"]["alerts"] == 0
    assert found["total"]["pages_a_week"] == pytest.approx(3.5, abs=0.01)


def test_a_change_is_set_beside_the_present_and_fits_a_pull_request(run: Run) -> None:
    past.write()
    stricter = Path("bongsu.yaml").read_text().replace("> 5% for 5m", "> 20% for 5m")
    Path("after.yaml").write_text(stricter)
    result = run("backtest", *FILES, "--known", "known.csv", "--change", "after.yaml", "--markdown", "pr.md")
    assert "with the change: 4 pages" in result.output
    [row] = [line for line in Path("pr.md").read_text().splitlines() if line.startswith("| error_ratio P2")]
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    assert cells[1:4] == ["3.5 → 2.0", "7 → 4", "7 → 4"]
    assert cells[-1] == "3 → 0"


def test_korean(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    past.write()
    monkeypatch.setenv("BONGSU_LANGUAGE", "ko")
    output = run("backtest", "--data", "past", "--since", "3d").output
    assert "주당 호출" in output
    assert "일주일보다 짧습니다" in output


def test_a_history_that_is_shorter_than_asked_for_is_told(run: Run) -> None:
    past.write()
    output = run("backtest", "--data", "past", "--since", "60d").output
    assert "14.0 days instead of 60" in output
    assert "no known incidents" in output


def test_the_telemetry_of_a_stopped_server_is_replayed_and_that_of_a_running_one_refused(run: Run) -> None:
    past.write("local: {type: embedded}")
    store = EmbeddedStore(Path("server/telemetry.duckdb"), 1e9, 10**9)
    times = np.arange(past.END - 86_400, past.END + 1, 60)
    down = (times >= past.END - 7200) & (times < past.END - 3600)
    store.append_series("up", {"job": "orders"}, times, np.where(down, 0, 1))
    store.close()
    place = ("--data-folder", "server", "--until", "2026-11-18T20:10", "--since", "1d")
    found = json.loads(run("backtest", *place, "--json").stdout)
    [up] = [rule for rule in found["before"]["rules"] if rule["signal"] == "up"]
    assert (up["pages"], up["opened"]) == (1, 1)
    assert any("never seen" in note and "web" in note for note in found["notes"])
    server = DataFolder(Path("server"))
    try:
        refused = run("backtest", *place)
    finally:
        server.close()
    assert refused.exit_code == 1
    assert "a server runs on server" in refused.output


@pytest.mark.parametrize(
    ("source", "arguments", "status", "told"),
    [
        (past.PROMETHEUS, [], 1, "is it running"),
        (past.PROMETHEUS, ["--data", "nowhere"], 1, "no .parquet or .csv"),
        (past.PROMETHEUS, ["--data", "past", "--until", "2020-01-01"], 1, "no history"),
        (past.PROMETHEUS, ["--data", "past", "--service", "order"], 1, "did you mean 'orders'?"),
        (past.PROMETHEUS, ["--source", "pro"], 1, "did you mean 'prom'?"),
        (past.PROMETHEUS, ["--source", "prom", "--data", "past"], 2, "either --source or --data"),
        (past.PROMETHEUS, ["--data", "past", "--known", "past/values.csv"], 1, "service,start,end"),
        (past.PROMETHEUS, ["--data", "past", "--since", "soon"], 2, "is not a duration"),
        (past.PROMETHEUS, ["--data", "past", "--until", "soon"], 2, "2026-01-31T09:00"),
        ("local: {type: embedded}", [], 1, "--data-folder"),
    ],
)
def test_mistakes_are_told_with_what_to_do(
    run: Run, source: str, arguments: list[str], status: int, told: str
) -> None:
    past.write(source)
    result = run("backtest", *arguments)
    assert result.exit_code == status, result.output
    assert told in result.output

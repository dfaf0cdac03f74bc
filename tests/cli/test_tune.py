"""``bongsu tune`` proposes a threshold for a page budget, and says when it cannot."""

import re
from pathlib import Path

import pytest

from bongsu.catalog import load, resolve
from bongsu.signals.model import Severity
from tests.cli import past
from tests.cli.conftest import Run

FILES = ("--data", "past", "--since", "14d", "--known", "known.csv")


def test_a_threshold_for_the_budget_with_the_line_to_change(run: Run) -> None:
    past.write()
    result = run("tune", "error_ratio", *FILES, "--service", "orders", "--pages-a-week", "2")
    assert result.exit_code == 0, result.output
    line = Path("bongsu.yaml").read_text().splitlines().index('        P2: "> 5% for 5m"') + 1
    assert f"write at bongsu.yaml:{line}:9:" in result.output
    [proposed] = re.findall(r'^    (P2: "> .+")$', result.output, re.MULTILINE)
    Path("bongsu.yaml").write_text(Path("bongsu.yaml").read_text().replace('P2: "> 5% for 5m"', proposed))
    threshold = resolve(load(Path("bongsu.yaml")))["orders"].signals["error_ratio"].thresholds[Severity.P2]
    assert 0.08 <= threshold.value < 0.3, "above the blips, below the incidents"
    again = run("backtest", *FILES).output
    assert "4 pages, 2.0 a week" in again
    assert "known incidents caught: 4/5" in again


def test_the_trade_off_is_shown_with_the_present_threshold_and_the_budget(run: Run) -> None:
    past.write()
    output = run("tune", "error_ratio", *FILES, "--pages-a-week", "2", "--ascii").output
    assert re.search(r"> 5% for 5m \(now\) +3\.5 +7 +4/5 ", output)
    assert "known trouble covered" in output
    assert "budget" in output
    assert "add under defaults in bongsu.yaml:" in output
    assert "and where services say their own: orders" in output


def test_what_never_broke_is_left_as_it_is(run: Run) -> None:
    past.write()
    assert 'keep what is there: P1: "< 1 for 2m"' in run("tune", "up", *FILES).output


def test_too_short_a_history_is_no_ground_for_a_proposal(run: Run) -> None:
    past.write()
    output = run("tune", "error_ratio", "--data", "past", "--since", "3d").output
    assert "no proposal: 3.0 days of history are too short" in output
    assert "add under" not in output


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["error_ratios", "--data", "past"], "did you mean 'error_ratio'?"),
        (["memory", "--data", "past"], "no history: memory has no value"),
        (["error_ratio"], "is it running"),
    ],
)
def test_mistakes_are_told_with_what_to_do(run: Run, arguments: list[str], told: str) -> None:
    past.write()
    result = run("tune", *arguments)
    assert result.exit_code == 1, result.output
    assert told in result.output

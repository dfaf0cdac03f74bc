"""``bongsu lint`` names each mistake with its place, and ends with 1 when there is one."""

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Run

WRONG = """\
groups:
  - name: g
    rules:
      - alert: DatabaseDown
        expr: pg_up == 0
        for: 2m
        labels: {severity: critical}
        annotations: {summary: down, runbook_url: https://wiki.example.com/db}
"""
RIGHT = WRONG.replace("pg_up == 0", 'pg_up == 0 or absent(pg_up{job="db"})')


def test_a_mistake_is_shown_with_its_place_its_reason_and_a_better_rule(run: Run) -> None:
    Path("rules.yml").write_text(WRONG)
    result = run("lint", "rules.yml")
    assert result.exit_code == 1
    first, why, better, count = result.output.splitlines()
    assert first == "rules.yml:5:15: DatabaseDown [silent-when-gone]"
    assert "disappears with the program" in why
    assert better.strip() == '→ pg_up == 0 or absent(pg_up{job="…"})'
    assert count == "1 mistake(s) found"


def test_rules_without_mistakes_end_with_success(run: Run) -> None:
    Path("rules.yml").write_text(RIGHT)
    result = run("lint", "rules.yml")
    assert (result.exit_code, result.output) == (0, "no mistakes found\n")


def test_json_says_the_same_for_programs(run: Run) -> None:
    Path("rules.yml").write_text(WRONG)
    result = run("lint", "rules.yml", "--json")
    (finding,) = json.loads(result.output)
    assert result.exit_code == 1
    assert (finding["file"], finding["line"], finding["column"]) == ("rules.yml", 5, 15)
    assert finding["check"] == "silent-when-gone"


def test_korean_terminals_read_korean(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BONGSU_LANGUAGE", "ko")
    Path("rules.yml").write_text(WRONG)
    output = run("lint", "rules.yml").output
    assert "시계열 자체가 사라지고" in output
    assert "실수 1건을 찾았습니다" in output


def test_folders_are_searched_and_files_read_together(run: Run) -> None:
    Path("rules").mkdir()
    Path("rules/a.yml").write_text(WRONG)
    Path("rules/b.yaml").write_text(
        WRONG.replace("DatabaseDown", "DatabaseGone").replace("pg_up == 0", "absent(pg_up)")
    )
    assert run("lint", "rules").exit_code == 0


def test_the_scrape_interval_tells_which_windows_are_short(run: Run) -> None:
    Path("rules.yml").write_text(WRONG.replace("pg_up == 0", "sum(rate(a_total[1m])) > 1"))
    assert run("lint", "rules.yml").exit_code == 0
    assert "[short-window]" in run("lint", "rules.yml", "--scrape-interval", "30s").output


@pytest.mark.parametrize(("text", "said"), [("a: [", "rules.yml:"), ("{{ x", "helm template")])
def test_a_file_that_cannot_be_read_is_told_without_a_traceback(run: Run, text: str, said: str) -> None:
    Path("rules.yml").write_text(text)
    result = run("lint", "rules.yml")
    assert result.exit_code == 1
    assert said in result.output
    assert "Traceback" not in result.output

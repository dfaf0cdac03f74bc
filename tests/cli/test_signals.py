"""``bongsu signals`` says what is asked, in words and in every language."""

import json
import sys
from pathlib import Path

import duckdb
import pytest

from bongsu.sources.embedded import schema
from tests.cli.conftest import Run

CATALOG = """\
name: team
services:
  orders:
    kind: fastapi
    prefix: shop
    signals:
      odd: {form: expr, expr: 'sum by ({by}) (deriv(x{$selector}[$window]))'}
  payments: {kind: fastapi, prefix: shop}
"""


@pytest.fixture(autouse=True)
def catalog(run: Run) -> None:
    Path("bongsu.yaml").write_text(CATALOG)


def test_services_that_are_asked_together_are_shown_together(run: Run) -> None:
    output = run("signals").output
    part = output.partition("error_ratio – ")[2].partition("\n\n")[0]
    assert "orders, payments" in part
    assert "P1 > 50% for 2m, P2 > 5% for 5m – too many requests fail" in part
    assert 'job=~"orders|payments"' in part
    assert "more: --service" in output


def test_one_signal_of_one_service_in_every_language(run: Run) -> None:
    output = run("signals", "--service", "payments", "--signal", "latency_p95").output
    assert all(f"\n  {language} " in output for language in ("promql", "sql", "signoz", "datadog"))
    assert 'job="payments"' in output
    assert "orders" not in output


def test_the_statement_can_be_pasted(run: Run) -> None:
    (document,) = json.loads(run("signals", "--signal", "error_ratio", "--source", "sql", "--json").output)
    database = duckdb.connect()
    database.execute(schema.TABLES)
    assert database.execute(document["queries"]["sql"]).fetchall() == []


def test_raw_promql_says_why_it_is_not_available_elsewhere(run: Run) -> None:
    output = run("signals", "--signal", "odd").output
    assert output.count("not available: ") == 3
    assert "sum by (job) (deriv(x{job=" in output


def test_a_language_that_cannot_be_loaded(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "bongsu.signals.signoz", None)
    result = run("signals", "--signal", "memory", "--source", "signoz")
    assert result.exit_code == 0
    assert "signoz      not available: " in result.output


def test_json(run: Run) -> None:
    documents = json.loads(run("signals", "--json").output)
    found = {document["signal"]: document for document in documents}
    assert found["latency_p95"]["thresholds"] == {"P2": "> 2s for 5m"}
    assert set(found["odd"]["not_available"]) == {"sql", "signoz", "datadog"}


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--service", "order"], "did you mean 'orders'?"),
        (["--signal", "latency_95"], "did you mean 'latency_p95'?"),
        (["nothing.yaml"], "write one with: bongsu init"),
    ],
)
def test_mistakes(run: Run, arguments: list[str], told: str) -> None:
    result = run("signals", *arguments)
    assert result.exit_code == 1
    assert told in result.output


def test_korean(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BONGSU_LANGUAGE", "ko")
    output = run("signals").output
    assert "실패한 요청의 비율" in output
    assert "임계값 없음" in output

"""Which change is named, and when none is: words, time and service decide, not who came last."""

import pytest

from bongsu.analysis.blame import blame
from bongsu.analysis.model import ChangeEvidence, Evidence, LogEvidence, MetricEvidence, Window
from bongsu.analysis.vocabulary import words

ONSET = 10_000.0
SUSPECTS = {"inventory": 0.8, "web": 0.2}


def change(
    number: int, ago: float, service: str, summary: str, text: str = "", **fields: object
) -> ChangeEvidence:
    return ChangeEvidence(
        id=f"D{number}",
        at=ONSET - ago,
        service=service,
        kind=str(fields.get("kind", "deploy")),
        summary=summary,
        text=text,
        files=list(fields.get("files", ())),  # type: ignore[call-overload]
    )


POOL = change(
    1,
    500,
    "inventory",
    "simplify defaults",
    "-const defaultMaxConns = 50\n+const defaultMaxConns = 10\n",
    files=["db/pool.go"],
)
TIDY = change(
    2, 60, "inventory", "tidy the handler", "-func a() {\n+func b() {\n", files=["inventory/handler.go"]
)
STYLE = change(3, 20, "inventory", "pool page colours", "+.pool { color: red }\n", files=["web/pool.css"])


def evidence(*changes: ChangeEvidence, line: str = "connection pool exhausted", **fields: list) -> Evidence:
    log = LogEvidence(
        id="L1",
        service="inventory",
        severity="ERROR",
        template=line,
        example=line,
        count=40,
        baseline_count=0,
        first_at=ONSET,
    )
    return Evidence(
        incident="i",
        collected_at=ONSET + 300,
        onset=ONSET,
        window=Window(ONSET, ONSET + 300),
        baseline=Window(ONSET - 3000, ONSET - 2000),
        alerts=[{"service": "inventory", "signal": "db_pool_wait"}],
        depends_on={},
        logs=[log],
        changes=list(changes),
        **fields,
    )


def series(signal: str, value_at: object, service: str = "inventory") -> MetricEvidence:
    times = [ONSET - 3000 + 60.0 * n for n in range(56)]
    values = [float(value_at(t)) for t in times]  # type: ignore[operator]
    return MetricEvidence(
        id="M1", service=service, signal=signal, unit="count", worse="up", times=times, values=values
    )


def test_the_change_whose_words_are_those_of_the_errors_is_named() -> None:
    verdict = blame(evidence(POOL, TIDY), SUSPECTS)
    assert verdict.change is not None
    assert verdict.change.id == "D1"
    assert "pool" in verdict.words


def test_the_newest_change_is_not_named_for_being_newest() -> None:
    assert blame(evidence(TIDY, line="disk is full"), SUSPECTS).change is None


def test_a_style_sheet_is_not_named_though_its_words_fit() -> None:
    assert blame(evidence(STYLE), SUSPECTS).change is None


def test_none_is_named_where_two_fit_alike() -> None:
    twin = change(4, 500, "inventory", POOL.summary, POOL.text, files=POOL.files)
    assert blame(evidence(POOL, twin), SUSPECTS).change is None


def test_a_change_after_onset_is_not_named() -> None:
    assert blame(evidence(change(1, -600, "inventory", POOL.summary, POOL.text)), SUSPECTS).change is None


def test_a_metric_that_left_its_range_at_the_deploy_speaks_for_it() -> None:
    limit = series("max_size", lambda t: 50 if t < POOL.at else 10)
    assert (
        blame(evidence(POOL, metrics=[limit]), SUSPECTS).score > 1.2 * blame(evidence(POOL), SUSPECTS).score
    )


def test_a_provider_outage_that_the_errors_name_clears_every_change() -> None:
    outage = change(5, 60, "acmepay", "Acmepay charges degraded", kind="outage")
    verdict = blame(evidence(POOL, outage, line="acmepay pool: charges answered 503"), SUSPECTS)
    assert verdict.change is None
    assert verdict.outside == "Acmepay charges degraded"


def test_a_countdown_that_reached_zero_clears_every_change() -> None:
    left = series("seconds_until_expiry", lambda t: ONSET - t)
    assert blame(evidence(POOL, metrics=[left]), SUSPECTS).outside == "inventory seconds_until_expiry"


def test_a_gauge_that_merely_falls_to_zero_is_no_countdown() -> None:
    stock = series("stock", lambda t: max(0.0, (ONSET - t) / 7))
    assert blame(evidence(POOL, metrics=[stock]), SUSPECTS).outside == ""


def test_a_statement_that_only_logs_is_not_what_broke() -> None:
    line = '("pool exhausted, connection dropped")'
    text = f"-    log.debug{line}\n+    log.info{line}\n"
    logging = change(6, 60, "inventory", "say it louder", text, files=["inventory/a.go"])
    verdict = blame(evidence(POOL, logging), SUSPECTS)
    assert verdict.change is not None
    assert verdict.change.id == "D1"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("context.WithTimeout(ctx, 300)", ["timeout", "300"]),
        ("db_pool_max_conns", ["pool", "max", "connection"]),
        ("DeadlineExceeded", ["timeout", "exceeded"]),
        ("if err != nil { return }", ["null"]),
    ],
)
def test_words_of_programs_and_of_messages_meet(text: str, found: list[str]) -> None:
    assert words(text) == found

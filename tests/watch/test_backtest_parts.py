"""The parts of a backtest: its schedule, what it reads, files, known incidents, figures and candidates."""

import asyncio
import math
from collections.abc import Sequence
from pathlib import Path

import duckdb
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bongsu.catalog import loads, resolve
from bongsu.incidents.record import policy_of
from bongsu.signals.model import Severity, Threshold
from bongsu.signals.query import FleetQuery
from bongsu.sources.answers import Answer, answered, range_series
from bongsu.sources.base import Series, Source, SourceError
from bongsu.watch.backtest import tuning
from bongsu.watch.backtest.files import FileSource
from bongsu.watch.backtest.history import Grid, History, worst
from bongsu.watch.backtest.known import KnownError, from_csv
from bongsu.watch.backtest.outcome import report
from bongsu.watch.backtest.paging import Pager
from bongsu.watch.backtest.replay import Run, read, replay
from bongsu.watch.backtest.schedule import schedule
from bongsu.watch.judgement import Answers, Judgement
from bongsu.watch.reading import Reading, key
from tests.sources.generated import signal

START = 1_699_272_000.0
GAUGE = FleetQuery("q", signal(form="gauge", metric="m"), {"a": {"job": "a"}, "b": {"job": "b"}})


def paced(interval: int, every: Sequence[int], *, objective: bool) -> Judgement:
    signals = "".join(
        f"      s{i}: {{form: gauge, metric: m{i}, every: {pace}s, thresholds: {{P1: '> 1'}}}}\n"
        for i, pace in enumerate(every)
    )
    served = "objectives: {served: {signal: bad, target: 99%, period: 1d}}" if objective else ""
    catalog = loads(
        f"name: t\nwatch: {{interval: {interval}s}}\nkinds:\n  k:\n    signals:\n{signals}"
        "      bad: {form: ratio, metric: r, match: {status: '5..'}, thresholds: {P2: '> 5%'}}\n"
        f"services: {{a: {{kind: k, {served}}}}}\n"
    )
    return Judgement.of(catalog, resolve(catalog))


@given(
    interval=st.integers(10, 400),
    every=st.lists(st.integers(7, 2000), max_size=3),
    objective=st.booleans(),
    rounds=st.integers(1, 60),
)
def test_the_schedule_is_that_of_a_watch_that_asks(
    interval: int, every: list[int], objective: bool, rounds: int
) -> None:
    live = paced(interval, every, objective=objective)
    end = START + (rounds - 1) * live.beat
    plan = schedule(paced(interval, every, objective=objective), START, end)
    assert plan.rounds == rounds
    for number in range(rounds):
        asked = live.ask(plan.at(number))
        assert {key(q) for q in asked.signals} == {key(q) for q, pace in plan.signals if not number % pace}
        due = {question.window for question, pace in plan.windows if not number % pace}
        assert {question.window for question in asked.windows} == due

        def silent(query: FleetQuery) -> Reading:
            return Reading(query.name, query.signal, dict.fromkeys(query.services), "", query.source)

        pairs = [(silent(w.share), silent(w.events)) for w in asked.windows]
        live.step(asked, Answers([silent(q) for q in asked.signals], pairs), plan.at(number))


def test_an_answer_that_is_no_number_is_told_from_none() -> None:
    answers = [Answer(START, {"job": "a"}, math.nan), Answer(START + 2, {"job": "a"}, 3.0)]
    [series] = range_series(GAUGE, [START, START + 1, START + 2], answers)
    assert np.isnan(series.values).tolist() == [True, True, False]
    assert answered(series.values).tolist() == [True, False, True]


def test_of_a_services_series_the_worst_number_counts_at_each_time() -> None:
    down = FleetQuery("q", signal(form="gauge", metric="m", worse="down"), GAUGE.services)
    series = [Series("a", [0, 1], [1.0, math.nan]), Series("a", [0, 1], [3.0, 2.0])]
    assert worst(GAUGE, series, 2)[0][:, 0].tolist() == [3.0, 2.0]
    assert worst(down, series, 2)[0][:, 0].tolist() == [1.0, 2.0]
    assert worst(GAUGE, series, 2)[1].tolist() == [[True, False], [True, False]]


class Limited(Source):
    """Answers at most ``most`` times in one question, and counts the questions."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.asked = 0

    async def range(self, query: FleetQuery, start: float, end: float, step: float) -> list[Series]:
        self.asked += 1
        count = round((end - start) / step) + 1
        if count > self.most:
            raise SourceError("too much")
        times = [start + i * step for i in range(count)]
        return [Series("a", times, times)]


def test_what_a_source_cannot_answer_at_once_is_asked_in_parts() -> None:
    grid = Grid(START, 60, 500)
    table = asyncio.run(History(Limited(100)).table(GAUGE, grid))
    assert table.values[:, 0].tolist() == [START + 60 * i for i in range(500)]


def test_a_source_that_answers_nothing_is_soon_given_up() -> None:
    source = Limited(0)
    [found] = asyncio.run(History(source).tables([(GAUGE, Grid(START, 60, 50_000))]))
    assert isinstance(found, SourceError)
    assert source.asked <= 8


def test_a_question_is_read_once_for_two_catalogs() -> None:
    async def twice() -> int:
        source = Limited(1000)
        history = History(source)
        stricter = GAUGE.signal.model_copy(update={"thresholds": {Severity.P1: Threshold(op=">", value=1)}})
        for query in (GAUGE, FleetQuery("q", stricter, GAUGE.services)):
            await history.table(query, Grid(START, 60, 10))
        return source.asked

    assert asyncio.run(twice()) == 1


CSV = """\
service,signal,ts,value
a,q,1699272000,1
a,q,1699272000,7
a,q,1699272060,NaN
a,q,1699272120,2
"""


@pytest.mark.parametrize("form", ["csv", "parquet", "timestamps"])
def test_files_answer_with_the_worst_value_at_or_before_a_time(tmp_path: Path, form: str) -> None:
    (tmp_path / "a.csv").write_text(CSV)
    if form != "csv":
        ts = "ts" if form == "parquet" else "to_timestamp(ts) AT TIME ZONE 'UTC' AS ts"
        duckdb.execute(
            f"COPY (SELECT service, signal, {ts}, value FROM read_csv('{tmp_path}/a.csv'))"
            f" TO '{tmp_path}/a.parquet'"
        )
        (tmp_path / "a.csv").unlink()
    source = FileSource(tmp_path)
    [series] = asyncio.run(source.range(GAUGE, START - 60, START + 600, 60))
    assert (source.start, source.end) == (START, START + 120)
    assert [v for v in series.values if not math.isnan(v)] == [7, 2, 2, 2, 2, 2]
    assert answered(series.values).tolist() == [False, *[True] * 7, *[False] * 4]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "no .parquet or .csv"),
        ("a,b\n1,2\n", "the columns must be"),
        ("service,signal,ts,value\n", "no values"),
    ],
)
def test_files_that_are_no_history_say_so(tmp_path: Path, text: str, told: str) -> None:
    if text:
        (tmp_path / "a.csv").write_text(text)
    with pytest.raises(SourceError, match=told):
        FileSource(tmp_path)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("service,start\n", ":1: the columns"),
        ("service,start,end\na,soon,5\n", ":2: start and end"),
        ("service,start,end\na,9,5\n", ":2: a service is needed"),
    ],
)
def test_a_wrong_list_of_incidents_is_told_with_its_line(tmp_path: Path, text: str, told: str) -> None:
    (tmp_path / "known.csv").write_text(text)
    with pytest.raises(KnownError, match=told):
        from_csv(tmp_path / "known.csv")


CATALOG = loads(
    """\
name: t
watch: {interval: 60s, resolve_after: 0s, cooldown: 10m}
kinds: {k: {signals: {q: {form: gauge, metric: m, thresholds: {P2: "> 5 for 2m"}}}}}
services: {a: {kind: k}}
"""
)


class Recorded(Source):
    """Minutes from START on, of one service."""

    def __init__(self, minutes: Sequence[float]) -> None:
        self._minutes = minutes

    async def range(self, query: FleetQuery, start: float, end: float, step: float) -> list[Series]:
        times = np.arange(start, end + 1, step).tolist()
        return [Series("a", times, [self._minutes[int((at - START) / 60)] for at in times])]


def run_of(minutes: Sequence[float]) -> Run:
    services = resolve(CATALOG)
    end = START + 60 * (len(minutes) - 1)
    past = asyncio.run(read(CATALOG, services, History(Recorded(minutes)), START, end))
    pager = Pager(lambda _: {"ops": True}, 5)
    return replay(past, Judgement.of(CATALOG, services), policy_of(CATALOG, services), pager)


def minute(number: float) -> float:
    return START + 60 * number


def test_figures_of_a_known_incident_that_flaps_of_a_missed_one_and_of_a_false_page(tmp_path: Path) -> None:
    minutes = [0.0] * 200
    for first, last in ((11, 20), (24, 30), (100, 110)):
        minutes[first:last] = [9.0] * (last - first)
    file = tmp_path / "known.csv"
    file.write_text(f"service,start,end\na,{minute(10)},{minute(31)}\na,{minute(60)},{minute(70)}\n")
    outcome = report(run_of(minutes), resolve(CATALOG).values(), from_csv(file))
    [figures] = outcome.rules.values()
    assert figures == outcome.total
    assert (figures.pages, figures.opened, figures.alerts, figures.reopened) == (2, 2, 3, 1)
    assert (figures.caught, figures.missed, figures.outside) == (1, 1, 1)
    assert figures.alerts_an_incident == 1.5
    assert (figures.delay, figures.behind) == (120, 180)
    assert math.isclose(figures.pages_a_week, 2 / (200 / 10_080))


def test_candidates_lie_in_the_tail_on_the_side_of_trouble() -> None:
    values = np.sort(np.linspace(0, 1, 1001))
    up = tuning.candidates(signal(form="gauge", metric="m"), values, None, holds=[0])[0]
    down = tuning.candidates(signal(form="gauge", metric="m", worse="down"), values, None, holds=[0])[0]
    assert [t.op for t in (*up, *down)] == [">"] * len(up) + ["<"] * len(down)
    assert [t.value for t in up] == sorted((t.value for t in up), reverse=True)
    assert up[-1].value == 0.9
    assert [t.value for t in down] == sorted(t.value for t in down)
    assert down[-1].value == 0.1


def test_the_choice_catches_most_within_the_budget_and_keeps_what_is_as_good() -> None:
    def trial(value: float, pages: float, caught: int) -> tuning.Trial:
        return tuning.Trial(Threshold(op=">", value=value), int(pages), pages, int(pages), caught, None)

    found = [trial(9, 0, 1), trial(7, 1, 3), trial(6, 1, 3), trial(5, 4, 5)]
    chosen = tuning.choice(found, 1.0, Threshold(op=">", value=6))
    assert chosen is found[2]
    assert tuning.choice(found[3:], 1.0, None) is None

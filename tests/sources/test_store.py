"""What the embedded store keeps, for how long, within which size, and through a crash."""

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from bongsu.sources.base import LogRecord, Span
from bongsu.sources.embedded import EmbeddedStore, Metadata, series_key
from bongsu.sources.embedded.records import read_logs, read_spans, read_trace

NOW = 1_700_000_000.0
SERIES = "SELECT metric, labels, ts / 1000.0, value FROM samples JOIN series USING (series) ORDER BY ALL"


@pytest.fixture(params=["memory", "file"])
def store(request: pytest.FixtureRequest, tmp_path: Path):
    store = EmbeddedStore(None if request.param == "memory" else tmp_path / "t.db", 3600, 2**30)
    yield store
    store.close()


def a_span(i: int, start: float, trace: str = "", service: str = "orders") -> Span:
    return Span(trace or f"{i:032x}", f"{i:016x}", "", service, "GET /", "server", start, 0.25, False)


def test_samples_come_back_as_they_went_in(store: EmbeddedStore) -> None:
    keys = [series_key("up", {"job": 'a "b"\\\n', "x": "é", "empty": ""}), series_key("up", {"job": "c"})]
    assert store.append_samples(keys, [NOW, NOW], [1.5, float("inf")]) == 2
    rows = store.query(SERIES)
    assert rows == [
        ("up", {"job": 'a "b"\\\n', "x": "é"}, NOW, 1.5),
        ("up", {"job": "c"}, NOW, float("inf")),
    ]


def test_nan_and_the_end_of_a_series_are_different_things(store: EmbeddedStore) -> None:
    keys = [series_key("a", {}), series_key("b", {})]
    store.append_samples(keys, [NOW, NOW], [float("nan"), 7], stale=[False, True])
    (nan,), (ended,) = store.query("SELECT value FROM samples JOIN series USING (series) ORDER BY metric")
    assert np.isnan(nan)
    assert ended is None


def test_a_repeated_or_older_sample_is_left_out(store: EmbeddedStore) -> None:
    key = series_key("a", {})
    assert store.append_samples([key, key], [NOW, NOW + 1], [1, 2]) == 2
    assert store.append_samples([key, key, key], [NOW + 1, NOW + 2, NOW + 2], [9, 3, 9]) == 1
    assert [row[0] for row in store.query("SELECT value FROM samples ORDER BY ts")] == [1, 2, 3]


def test_samples_of_one_call_need_no_order(store: EmbeddedStore) -> None:
    assert store.append_series("a", {}, [NOW + 2, NOW, NOW + 1], [3, 1, 2]) == 3


def test_columns_of_unequal_length_are_refused(store: EmbeddedStore) -> None:
    with pytest.raises(ValueError, match="equally long"):
        store.append_samples([series_key("a", {})], [NOW, NOW], [1.0])
    assert store.query("SELECT * FROM series") == []


def test_a_store_that_opens_again_knows_its_series(tmp_path: Path) -> None:
    first = EmbeddedStore(tmp_path / "t.db", 3600, 2**30)
    first.append_series("a", {"job": "x"}, [NOW], [1])
    first.append_metadata([Metadata("a", "counter", "s", "help")])
    first.close()
    second = EmbeddedStore(tmp_path / "t.db", 3600, 2**30)
    assert second.append_series("a", {"job": "x"}, [NOW, NOW + 1], [1, 2]) == 1
    assert second.append_series("b", {}, [NOW], [1]) == 1
    assert second.query("SELECT series, metric FROM series ORDER BY ALL") == [(0, "a"), (1, "b")]
    assert second.metadata("a") == Metadata("a", "counter", "s", "help")
    second.close()


def test_spans_and_logs_come_back_in_order(store: EmbeddedStore) -> None:
    spans = [a_span(2, NOW + 2), a_span(1, NOW + 1)]
    store.append_spans([*spans, spans[0]])
    assert read_spans(store, (), NOW, NOW + 10, 10) == [spans[1], spans[0]]
    assert read_spans(store, ("other",), NOW, NOW + 10, 10) == []
    assert read_trace(store, spans[0].trace_id.upper()) == [spans[0]]
    logs = [
        LogRecord(NOW + i, "orders", level, "body", "t", "s", {"k": "v"})
        for i, level in enumerate(["INFO", "ERROR", "FATAL", "WARN"])
    ]
    store.append_logs(logs)
    assert read_logs(store, ["orders"], NOW, NOW + 9, False, 2) == logs[2:]
    assert read_logs(store, ["orders"], NOW, NOW + 9, True, 9) == logs[1:3]
    assert read_logs(store, [], NOW, NOW + 1, False, 9) == logs[:1]


def test_a_limit_on_spans_keeps_whole_traces_from_the_entire_window(store: EmbeddedStore) -> None:
    spans = [a_span(10 * i + j, NOW + i + j / 100, f"{i:032x}") for i in range(100) for j in range(5)]
    store.append_spans(spans)
    some = read_spans(store, (), NOW, NOW + 200, 100)
    per_trace = [sum(s.trace_id == trace for s in some) for trace in {s.trace_id for s in some}]
    assert len(some) == 100
    assert sorted(per_trace)[1:] == [5] * (len(per_trace) - 1)
    assert {int(s.start - NOW) // 50 for s in some} == {0, 1}
    assert some == read_spans(store, (), NOW, NOW + 200, 100)


def test_pruning_drops_what_is_older_than_the_retention(store: EmbeddedStore) -> None:
    store.append_series("old", {}, [NOW - 4000, NOW - 3700], [1, 2])
    store.append_series("new", {}, [NOW - 4000, NOW], [1, 2])
    store.append_spans([a_span(1, NOW - 4000), a_span(2, NOW)])
    store.append_logs([LogRecord(NOW - 4000, "a", "INFO", "x"), LogRecord(NOW, "a", "INFO", "y")])
    store.prune(NOW)
    assert [(row[0], row[2]) for row in store.query(SERIES)] == [("new", NOW)]
    assert store.query("SELECT metric FROM series") == [("new",)]
    assert len(store.query("FROM spans")) == len(store.query("FROM logs")) == 1
    assert store.append_series("old", {}, [NOW], [1]) == 1


def _fill(store: EmbeddedStore, start: float, rows: int) -> None:
    rng = np.random.default_rng(round(start))
    keys = [series_key("m", {"i": str(i)}) for i in range(1000)]
    for k in range(rows // 1000):
        store.append_samples(keys, np.full(1000, start + k), rng.random(1000))


def test_pruning_keeps_the_file_within_its_size_and_the_newest_data(tmp_path: Path) -> None:
    limit = 4 * 2**20
    store = EmbeddedStore(tmp_path / "t.db", 1e9, limit)
    sizes = []
    for round_ in range(4):
        _fill(store, NOW + round_ * 300, 300_000)
        store.prune(NOW + round_ * 300)
        sizes.append(store.size_bytes())
        (kept,) = store.query("SELECT count(*) FROM samples")
        assert kept[0] > 100_000
    assert max(sizes) <= limit
    (newest, oldest) = store.query("SELECT max(ts), min(ts) FROM samples")[0]
    assert newest == (NOW + 3 * 300 + 299) * 1000
    assert oldest > NOW * 1000 + 300_000
    store.close()
    assert (tmp_path / "t.db").stat().st_size <= limit


def test_a_smaller_limit_shrinks_a_file_that_is_there(tmp_path: Path) -> None:
    store = EmbeddedStore(tmp_path / "t.db", 1e9, 2**30)
    _fill(store, NOW, 600_000)
    store.prune(NOW)
    before = store.size_bytes()
    store.max_bytes = 2 * 2**20
    store.prune(NOW)
    assert store.size_bytes() <= 2 * 2**20 < before
    assert store.append_series("m", {"i": "1"}, [NOW + 5000], [1]) == 1
    assert not (tmp_path / "t.db.compact").exists()
    store.close()


def test_pruning_bounds_a_store_in_memory() -> None:
    store = EmbeddedStore(None, 1e9, 8 * 2**20)
    for round_ in range(4):
        _fill(store, NOW + round_ * 300, 300_000)
        store.prune(NOW)
        assert store.size_bytes() <= 8 * 2**20
    assert store.query("SELECT max(ts) FROM samples")[0][0] == (NOW + 3 * 300 + 299) * 1000
    store.close()


def test_threads_read_while_others_write_and_prune(tmp_path: Path) -> None:
    store = EmbeddedStore(tmp_path / "t.db", 1e9, 4 * 2**20)
    errors: list[BaseException] = []
    done = threading.Event()

    def guarded(function, *arguments) -> None:
        try:
            function(*arguments)
        except BaseException as error:
            errors.append(error)

    def write(name: str) -> None:
        keys = [series_key(name, {"i": str(i)}) for i in range(200)]
        for k in range(40):
            store.append_samples(keys, [NOW + k] * 200, [k] * 200)

    def read() -> None:
        while not done.is_set():
            store.query("SELECT count(*), sum(value) FROM samples JOIN series USING (series)")

    def prune() -> None:
        while not done.is_set():
            store.prune(NOW)
            time.sleep(0.05)

    writers = [threading.Thread(target=guarded, args=(write, f"m{i}")) for i in range(3)]
    others = [threading.Thread(target=guarded, args=(target,)) for target in (read, read, prune)]
    for thread in writers + others:
        thread.start()
    for thread in writers:
        thread.join()
    done.set()
    for thread in others:
        thread.join()
    assert errors == []
    store.close()


CRASH = textwrap.dedent(
    """
    import sys
    from bongsu.sources.base import LogRecord
    from bongsu.sources.embedded import EmbeddedStore, series_key
    store = EmbeddedStore(sys.argv[1], 1e9, 2**30)
    for k in range(1_000_000):
        keys = [series_key("m", {"i": str(i)}) for i in range(50)]
        store.append_samples(keys, [1.7e9 + k] * 50, [k] * 50)
        store.append_logs([LogRecord(1.7e9 + k, "a", "INFO", "x")])
        if k % 40 == 39:
            store.prune(1.7e9)
        print(k, flush=True)
    """
)


@pytest.mark.parametrize("appends", [3, 90])
def test_what_was_appended_survives_a_kill(tmp_path: Path, appends: int) -> None:
    path = tmp_path / "t.db"
    command = [sys.executable, "-c", CRASH, str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if int(line) >= appends:
                os.kill(process.pid, signal.SIGKILL)
                break
        acknowledged = int(line)
    store = EmbeddedStore(path, 1e9, 2**30)
    ((count, newest),) = store.query("SELECT count(*), max(value) FROM samples")
    assert newest >= acknowledged
    assert count == 50 * (newest + 1)
    ((logs,),) = store.query("SELECT count(*) FROM logs")
    assert logs >= acknowledged + 1
    assert store.append_series("m", {"i": "1"}, [1.8e9], [0]) == 1
    store.close()


def test_a_crash_while_compacting_leaves_the_old_file(tmp_path: Path) -> None:
    store = EmbeddedStore(tmp_path / "t.db", 1e9, 2**30)
    store.append_series("a", {}, [NOW], [1])
    store.close()
    (tmp_path / "t.db.compact").write_bytes(b"half a file")
    store = EmbeddedStore(tmp_path / "t.db", 1e9, 1)
    store.append_series("a", {}, [NOW + 1], [1])
    store.max_bytes = 2**20
    store.prune(NOW)
    store._db.compact()
    assert len(store.query("FROM samples")) == 2
    store.close()

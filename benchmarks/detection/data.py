"""Reading sets of labelled metrics, and writing what a detector said of them.

A set is a folder of ``series.parquet`` (series, ts Unix seconds, value), ``meta.json`` (step_seconds and
scored_from
of each series) and, where it is to be scored, ``labels.csv`` (series, start, end).
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb
import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Series:
    """One metric. ``ts`` (T,) grows; ``value`` (T,) has NaN where nothing was read."""

    name: str
    step: int
    scored_from: int
    ts: Ints
    value: Floats


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a detector said of one series: ``score`` (T,) grows with strangeness, ``page`` (T,) its own
    alert."""

    score: Floats
    page: npt.NDArray[np.bool_]


def sets(folder: Path) -> list[str]:
    """The names of the sets in a folder."""
    return sorted(path.parent.name for path in folder.glob("*/series.parquet"))


def read(folder: Path) -> list[Series]:
    """The series of one set, by name. ValueError names what is missing or malformed."""
    meta_path = folder / "meta.json"
    try:
        rows = json.loads(meta_path.read_text("utf-8"))
        meta = {str(row["series"]): (int(row["step_seconds"]), int(row["scored_from"])) for row in rows}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ValueError(
            f"{meta_path}: expected a list of series, step_seconds, scored_from: {error}"
        ) from error
    path = folder / "series.parquet"
    query = "select series::varchar s, ts::bigint t, value::double v from read_parquet(?) order by s, t"
    try:
        table = duckdb.execute(query, [str(path)]).fetchnumpy()
    except duckdb.Error as error:
        raise ValueError(f"{path}: {error}") from error
    names = np.asarray(table["s"]).astype(str)
    values: Floats = np.ma.filled(np.ma.asarray(table["v"], dtype=float), np.nan)
    ts = np.asarray(table["t"], dtype=np.int64)
    series = []
    for name, rows_of in _runs(names):
        if name not in meta:
            raise ValueError(f"{meta_path}: says nothing of {name}, which {path.name} has")
        step, scored_from = meta[name]
        series.append(Series(name, step, scored_from, ts[rows_of], values[rows_of]))
    return series


def read_labels(folder: Path) -> dict[str, list[tuple[int, int]]] | None:
    """The incident ranges of each series, in order of time; None where the set has no labels."""
    path = folder / "labels.csv"
    if not path.exists():
        return None
    rows = duckdb.execute(
        'select series::varchar, start::bigint, "end"::bigint from read_csv(?, header=true) order by 1, 2, 3',
        [str(path)],
    ).fetchall()
    labels: dict[str, list[tuple[int, int]]] = {}
    for series, start, end in rows:
        labels.setdefault(series, []).append((start, end))
    return labels


def write(path: Path, series: Sequence[Series], verdicts: Iterable[Verdict]) -> None:
    """One parquet file of series, ts, score, page."""
    said = list(verdicts)
    names = np.concatenate([np.full(len(one.ts), one.name, dtype=object) for one in series])
    columns = {  # noqa: F841 (DuckDB finds it by its name)
        "series": names,
        "ts": np.concatenate([one.ts for one in series]),
        "score": np.concatenate([one.score for one in said]),
        "page": np.concatenate([one.page for one in said]),
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    target = str(path).replace("'", "''")
    duckdb.execute(f"copy (select * from columns) to '{target}' (format parquet)")


def _runs(names: npt.NDArray[np.str_]) -> Iterator[tuple[str, slice]]:
    edges = np.flatnonzero(names[1:] != names[:-1]) + 1
    for start, stop in zip([0, *edges], [*edges, len(names)], strict=True):
        if stop > start:
            yield str(names[start]), slice(int(start), int(stop))

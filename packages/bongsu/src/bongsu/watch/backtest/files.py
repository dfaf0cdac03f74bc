"""History in Parquet or CSV files, as a source."""

import asyncio
from pathlib import Path

import duckdb
import numpy as np

from bongsu.signals.query import FleetQuery
from bongsu.sources.answers import NOT_A_NUMBER, answered
from bongsu.sources.base import Capability, Sample, Series, Source, SourceError
from bongsu.watch.backtest.history import Floats

LOOKBACK = 300.0
"""Seconds that a value stays the present one, as in Prometheus; longer where values come more seldom."""
_READERS = {".parquet": "read_parquet", ".csv": "read_csv"}
_COLUMNS = ("service", "signal", "ts", "value")


class FileSource(Source):
    """Values of signals in files of the columns ``service, signal, ts, value``.

    ``ts`` is Unix seconds or a timestamp (UTC unless it says otherwise). Several rows of a service and signal
    at a time are of its groups: the worst counts. Objectives cannot be read: files hold values, not events.
    SourceError where the folder holds no such files.
    """

    capabilities = frozenset[Capability]({"metrics"})

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._database = duckdb.connect(":memory:")
        self._database.execute("SET TimeZone = 'UTC'")
        self._load(_files(folder))
        self.start, self.end = self._span()
        self._read: dict[tuple[str, str, bool], tuple[Floats, Floats]] = {}

    @property
    def name(self) -> str:
        return str(self._folder)

    async def instant(self, query: FleetQuery, at: float) -> list[Sample]:
        """The signal's value for each service that has one."""
        found = await self.range(query, at, at, 1.0)
        return [Sample(series.service, series.values[0]) for series in found]

    async def range(self, query: FleetQuery, start: float, end: float, step: float) -> list[Series]:
        """The signal's values at ``start``, ``start + step`` … ``end`` for each service that has any."""
        count = int((end - start) / step + 1e-9) + 1
        times: Floats = start + np.arange(count, dtype=np.float64) * np.float64(step)
        try:
            return await asyncio.to_thread(self._range, query, times)
        except duckdb.Error as error:
            raise SourceError(f"{self._folder}: {query.name}: {error}") from None

    def _range(self, query: FleetQuery, times: Floats) -> list[Series]:
        found = []
        for service in query.services:
            values = _at(times, *self._rows(service, query.name, query.signal.worse == "up"))
            if answered(values).any():
                found.append(Series(service, times.tolist(), values.tolist()))
        return found

    def _rows(self, service: str, signal: str, up: bool) -> tuple[Floats, Floats]:
        """Times and worst values of a service's signal; NaN counts only where there is nothing else."""
        name = (service, signal, up)
        if name not in self._read:
            pick = "max" if up else "min"
            rows = (
                self._database.cursor()
                .execute(
                    f"SELECT ts, coalesce({pick}(value) FILTER (NOT isnan(value)), 'nan'::DOUBLE) AS value"  # noqa: S608
                    " FROM history WHERE service = ? AND signal = ? GROUP BY ts ORDER BY ts",
                    [service, signal],
                )
                .fetchnumpy()
            )
            self._read[name] = np.asarray(rows["ts"]), np.ma.filled(rows["value"], np.nan)
        return self._read[name]

    async def aclose(self) -> None:
        self._database.close()

    def _load(self, files: list[Path]) -> None:
        try:
            parts = [f"SELECT {_typed(file)} FROM {_reader(file)}" for file in files]  # noqa: S608
            self._database.execute(f"CREATE TABLE history AS {' UNION ALL '.join(parts)}")
        except duckdb.Error as error:
            reason = str(error).splitlines()[0]
            wanted = ", ".join(_COLUMNS)
            raise SourceError(f"{self._folder}: {reason}; the columns must be {wanted}") from None

    def _span(self) -> tuple[float, float]:
        row = self._database.execute("SELECT min(ts), max(ts) FROM history").fetchone()
        if row is None or row[0] is None:
            raise SourceError(f"{self._folder}: the files hold no values")
        return float(row[0]), float(row[1])


def _files(folder: Path) -> list[Path]:
    files = sorted(file for file in folder.glob("**/*") if file.suffix in _READERS) if folder.is_dir() else []
    if not files:
        raise SourceError(
            f"{folder}: there are no .parquet or .csv files here; they need the columns {', '.join(_COLUMNS)}"
        )
    return files


def _typed(file: Path) -> str:
    with duckdb.connect(":memory:") as database:
        rows = database.execute(f"DESCRIBE SELECT * FROM {_reader(file)}").fetchall()  # noqa: S608
    kinds = {str(row[0]): str(row[1]) for row in rows}
    timed = kinds.get("ts", "").startswith(("TIMESTAMP", "DATE"))
    ts = "epoch(ts::TIMESTAMPTZ)" if timed else "ts::DOUBLE"
    return f"service::VARCHAR AS service, signal::VARCHAR AS signal, {ts} AS ts, value::DOUBLE AS value"


def _at(times: Floats, known: Floats, values: Floats) -> Floats:
    """The last value at or before each time that is not too old; a value that is no number is marked so."""
    if not len(known):
        return np.full(len(times), np.nan)
    spacing = float(np.median(np.diff(known))) if len(known) > 1 else 0.0
    index = np.searchsorted(known, times + 1e-6, side="right") - 1
    fresh = (index >= 0) & (times - known[index] < max(LOOKBACK, 1.5 * spacing))
    marked = np.where(np.isnan(values), NOT_A_NUMBER, values)
    return np.where(fresh, marked[index], np.nan)


def _reader(file: Path) -> str:
    path = str(file).replace("'", "''")
    return f"{_READERS[file.suffix]}('{path}')"

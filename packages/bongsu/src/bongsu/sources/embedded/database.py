"""One DuckDB database shared by threads: many readers, one writer, and moments that need it alone."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb

_MEMORY_LIMIT = "2GB"


class Database:
    """A DuckDB file, or memory when ``path`` is None.

    DuckDB reuses the blocks of deleted rows after a checkpoint but seldom gives them back to the file
    system; ``compact`` does, by copying what is left into a new file that replaces the old one.
    """

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self._condition = threading.Condition()
        self._users = 0
        self._connection = self._open()
        self._writer = self._connection.cursor()

    @contextmanager
    def reading(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """A cursor of one's own; what it sees does not change during a statement."""
        with self._condition:
            self._users += 1
        try:
            cursor = self._connection.cursor()
            try:
                yield cursor
            finally:
                cursor.close()
        finally:
            with self._condition:
                self._users -= 1
                self._condition.notify_all()

    @contextmanager
    def writing(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """A transaction, durable on leaving and undone on an exception. One at a time: callers see to it."""
        self._writer.execute("BEGIN")
        try:
            yield self._writer
        except BaseException:
            self._writer.execute("ROLLBACK")
            raise
        self._writer.execute("COMMIT")

    def checkpoint(self) -> None:
        """Move the write-ahead log into the file and free the blocks of deleted rows."""
        with self._alone():
            self._writer.execute("CHECKPOINT")

    def compact(self) -> None:
        """Rewrite the file without its free blocks; a crash leaves either the old file or the new one."""
        if self.path is None:
            return
        fresh = self.path.with_name(self.path.name + ".compact")
        with self._alone():
            fresh.unlink(missing_ok=True)
            self._writer.execute(f"ATTACH '{_quoted(fresh)}' AS fresh")
            (name,) = self._writer.execute("SELECT current_database()").fetchone() or ("",)
            self._writer.execute(f'COPY FROM DATABASE "{name}" TO fresh')
            self._writer.execute("DETACH fresh")
            self.close()
            os.replace(fresh, self.path)  # noqa: PTH105
            self._connection = self._open()
            self._writer = self._connection.cursor()

    def used_bytes(self) -> int:
        """Bytes of the blocks in use, without the write-ahead log; in memory, bytes of the tables."""
        if self.path is None:
            sql = "SELECT sum(memory_usage_bytes) FROM duckdb_memory() WHERE tag = 'IN_MEMORY_TABLE'"
        else:
            sql = "SELECT sum(block_size * used_blocks) FROM pragma_database_size()"
        with self.reading() as cursor:
            (size,) = cursor.execute(sql).fetchone() or (0,)
        return int(size or 0)

    def file_bytes(self) -> int:
        """Bytes on disk, with the write-ahead log; 0 in memory."""
        if self.path is None:
            return 0
        wal = self.path.with_name(self.path.name + ".wal")
        return sum(file.stat().st_size for file in (self.path, wal) if file.exists())

    def close(self) -> None:
        self._writer.close()
        self._connection.close()

    @contextmanager
    def _alone(self) -> Iterator[None]:
        with self._condition:
            self._condition.wait_for(lambda: self._users == 0)
            yield

    def _open(self) -> duckdb.DuckDBPyConnection:
        if self.path is not None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        threads = str(min(4, os.cpu_count() or 1))
        config: dict[str, str | bool | int | float | list[str]] = {
            "threads": threads,
            "memory_limit": _MEMORY_LIMIT,
        }
        connection = duckdb.connect(str(self.path) if self.path else ":memory:", config=config)
        # Range queries join few grid rows with many samples, where the loop that DuckDB would choose is
        # fifty times slower than its sorted join.
        connection.execute("SET GLOBAL asof_loop_join_threshold = 0")
        return connection


def _quoted(path: Path) -> str:
    return str(path).replace("'", "''")

"""The orders database: one SQLite file, each statement in a client span of its own."""

import asyncio
import sqlite3
import threading
from collections.abc import Sequence
from pathlib import Path

from opentelemetry import trace

from shop.switch import Switch

SCHEMA = """
CREATE TABLE IF NOT EXISTS orders (
    id TEXT PRIMARY KEY,
    customer TEXT NOT NULL,
    total TEXT NOT NULL,
    status TEXT NOT NULL
) WITHOUT ROWID
"""
Row = tuple[str, ...]


class Orders:
    def __init__(self, path: Path, switch: Switch) -> None:
        self._switch = switch
        self._tracer = trace.get_tracer("shop.database")
        self._lock = threading.Lock()
        self._connection = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA synchronous = NORMAL")
        self._connection.execute(SCHEMA)

    async def add(self, order: str, customer: str, total: str) -> None:
        statement = "INSERT INTO orders (id, customer, total, status) VALUES (?, ?, ?, 'pending')"
        await self._execute("INSERT", statement, (order, customer, total))

    async def settle(self, order: str, status: str) -> None:
        await self._execute("UPDATE", "UPDATE orders SET status = ? WHERE id = ?", (status, order))

    async def find(self, order: str) -> dict[str, str] | None:
        statement = "SELECT id, customer, total, status FROM orders WHERE id = ?"
        rows = await self._execute("SELECT", statement, (order,))
        return dict(zip(("id", "customer", "total", "status"), rows[0], strict=True)) if rows else None

    async def _execute(self, operation: str, statement: str, values: Sequence[str]) -> list[Row]:
        attributes = {
            "db.system": "sqlite",
            "db.system.name": "sqlite",
            "db.operation.name": operation,
            "db.collection.name": "orders",
            "db.query.text": statement,
        }
        with self._tracer.start_as_current_span(
            f"{operation} orders", kind=trace.SpanKind.CLIENT, attributes=attributes
        ):
            await self._switch.at("query")
            return await asyncio.to_thread(self._run, statement, values)

    def _run(self, statement: str, values: Sequence[str]) -> list[Row]:
        with self._lock:
            return self._connection.execute(statement, values).fetchall()

    def close(self) -> None:
        self._connection.close()

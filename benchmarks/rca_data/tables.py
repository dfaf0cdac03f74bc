"""Rows of Parquet and JSON lines as dictionaries."""

import json
from pathlib import Path
from typing import Any

import duckdb


def rows(path: Path) -> list[dict[str, Any]]:
    with duckdb.connect() as connection:
        done = connection.execute("select * from read_parquet(?)", [str(path)])
        names = [column[0] for column in done.description or ()]
        return [dict(zip(names, row, strict=True)) for row in done.fetchall()]


def jsonl(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines() if line.strip()]

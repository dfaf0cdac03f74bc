"""Incidents that are known to have been: from a file, or from the store of a server."""

import csv
import math
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import sqlalchemy as sa

from bongsu.incidents import tables


class KnownError(Exception):
    """The file cannot be read; the text names the line and says what is wanted."""


@dataclass(frozen=True, slots=True)
class Known:
    """Trouble of one or more services, from ``start`` to ``end`` (Unix seconds; infinite while it lasts)."""

    services: frozenset[str]
    start: float
    end: float


def within(known: list[Known], start: float, end: float) -> list[Known]:
    """Those that lie in a time at least in part."""
    return [one for one in known if one.start < end and one.end > start]


def from_csv(path: Path) -> list[Known]:
    """Rows of ``service,start,end``: Unix seconds or ISO 8601 (UTC unless it says otherwise). KnownError."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            missing = {"service", "start", "end"} - set(reader.fieldnames or ())
            if missing:
                raise KnownError(f"{path}:1: the columns must be service,start,end")
            return [_row(path, reader.line_num, row) for row in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise KnownError(f"{path}: {error}") from None


def from_store(path: Path) -> list[Known]:
    """The incidents of a server's store, which may be in use. KnownError where it is none."""
    engine = sa.create_engine(f"sqlite:///file:{path}?mode=ro&uri=true")
    incidents, alerts = tables.incidents, tables.alerts
    services: dict[str, set[str]] = {}
    try:
        with engine.connect() as connection:
            rows = connection.execute(sa.select(incidents)).all()
            bodies = connection.execute(sa.select(alerts.c.incident, alerts.c.body)).all()
    except sa.exc.DBAPIError as error:
        raise KnownError(f"{path}: {error.orig}") from None
    finally:
        engine.dispose()
    for incident, body in bodies:
        services.setdefault(incident, set()).add(_service(body))
    return [
        Known(
            frozenset({row.service, *services.get(row.id, ())} - {""}),
            row.since,
            row.resolved_at if row.resolved_at is not None else math.inf,
        )
        for row in rows
    ]


def _service(body: bytes) -> str:
    import msgspec

    from bongsu.incidents.model import Alert

    return msgspec.json.decode(body, type=Alert).service


def _row(path: Path, line: int, row: dict[str, str]) -> Known:
    try:
        start, end = _time(row["start"]), _time(row["end"] or "inf")
    except (TypeError, ValueError):
        raise KnownError(
            f"{path}:{line}: start and end must be Unix seconds or times like 2026-01-31T09:00:00Z"
        ) from None
    if not row["service"] or end < start:
        raise KnownError(f"{path}:{line}: a service is needed, and an end that is not before the start")
    return Known(frozenset({row["service"].strip()}), start, end)


def _time(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        moment = datetime.fromisoformat(text.strip())
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()

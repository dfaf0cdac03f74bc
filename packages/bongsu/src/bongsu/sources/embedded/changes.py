"""Deploys and restarts, read from the samples that betray them."""

from bongsu.sources.base import Change
from bongsu.sources.embedded.store import EmbeddedStore

_BEFORE = 86_400_000
"""How far before the window the previous version is looked for, in milliseconds."""

_GAP = 300_000
"""A version that was silent for longer is taken to have started anew."""

# A version starts where one of its series does: first sample, after a stale marker, or after a gap.
_DEPLOYS = f"""
WITH info AS (
    SELECT series, coalesce(nullif(labels['service'], ''), labels['job'], '') AS service,
        coalesce(nullif(labels['version'], ''), labels['service_version'], '') AS version
    FROM series WHERE suffix(metric, '_build_info') OR metric = 'target_info'
),
seen AS (
    SELECT ts, value, service, version,
        lag(value) OVER w AS before_value, lag(ts) OVER w AS before_ts
    FROM samples JOIN info USING (series)
    WHERE ts > $start - {_BEFORE} AND ts <= $end AND version <> '' AND service <> ''
    WINDOW w AS (PARTITION BY series ORDER BY ts)
),
started AS (
    SELECT ts, service, version, lag(version) OVER (PARTITION BY service ORDER BY ts, version) AS before
    FROM seen
    WHERE value IS NOT NULL AND (before_ts IS NULL OR before_value IS NULL OR ts - before_ts > {_GAP})
)
SELECT ts, service, before, version FROM started
WHERE before IS NOT NULL AND before <> version AND ts >= $start ORDER BY ts, service
"""  # noqa: S608

_RESTARTS = f"""
WITH born AS (
    SELECT series, coalesce(nullif(labels['service'], ''), labels['job'], '') AS service,
        coalesce(labels['instance'], '') AS instance
    FROM series WHERE metric = 'process_start_time_seconds'
),
seen AS (
    SELECT ts, value, service, instance, lag(value) OVER (PARTITION BY series ORDER BY ts) AS before
    FROM samples JOIN born USING (series)
    WHERE ts > $start - {_BEFORE} AND ts <= $end AND value IS NOT NULL AND service <> ''
)
SELECT ts, service, instance, before, value FROM seen
WHERE value > before + 1 AND NOT isnan(value) AND ts >= $start ORDER BY ts, service
"""  # noqa: S608


def read_changes(store: EmbeddedStore, start: float, end: float) -> list[Change]:
    """Changes that were first seen between ``start`` and ``end``, oldest first.

    *deploy*: a service's ``*_build_info`` or ``target_info`` shows another version than the one that started
    before it (a rolling deploy is one change, a rollback is one too). *restart*: the start time of one
    instance's process moved on. The service is the label ``service``, else ``job``.
    """
    params = {"start": round(start * 1000), "end": round(end * 1000)}
    deploys = [
        Change(ts / 1000, service, "deploy", f"{service} {before} → {after}", before, after)
        for ts, service, before, after in store.query(_DEPLOYS, params)
    ]
    restarts = [
        Change(ts / 1000, service, "restart", f"{instance or service} restarted", repr(before), repr(after))
        for ts, service, instance, before, after in store.query(_RESTARTS, params)
    ]
    return sorted(deploys + restarts, key=lambda change: change.time)

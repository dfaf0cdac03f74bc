"""The embedded store's tables. ``ts`` is Unix milliseconds; ``time``, ``start``, ``duration`` are seconds."""

TABLES = """
CREATE TABLE IF NOT EXISTS series (
    series INTEGER NOT NULL, metric VARCHAR NOT NULL, labels MAP(VARCHAR, VARCHAR) NOT NULL
);
CREATE TABLE IF NOT EXISTS samples (series INTEGER NOT NULL, ts BIGINT NOT NULL, value DOUBLE);
CREATE TABLE IF NOT EXISTS metadata (
    metric VARCHAR NOT NULL, type VARCHAR NOT NULL, unit VARCHAR NOT NULL, help VARCHAR NOT NULL
);
CREATE TABLE IF NOT EXISTS spans (
    start DOUBLE NOT NULL, duration DOUBLE NOT NULL, trace_id VARCHAR NOT NULL, span_id VARCHAR NOT NULL,
    parent_id VARCHAR NOT NULL, service VARCHAR NOT NULL, operation VARCHAR NOT NULL, kind VARCHAR NOT NULL,
    error BOOLEAN NOT NULL, peer VARCHAR NOT NULL, attributes VARCHAR NOT NULL
);
CREATE TABLE IF NOT EXISTS logs (
    time DOUBLE NOT NULL, service VARCHAR NOT NULL, severity VARCHAR NOT NULL, body VARCHAR NOT NULL,
    trace_id VARCHAR NOT NULL, span_id VARCHAR NOT NULL, attributes VARCHAR NOT NULL
);
"""

INSERT_SERIES = """
INSERT INTO series SELECT series, metric, CAST(CAST(labels AS JSON) AS MAP(VARCHAR, VARCHAR)) FROM rows
"""

# DuckDB reads NaN in a numpy array as NULL; the flags keep NaN and the stale marker apart.
INSERT_SAMPLES = """
INSERT INTO samples
SELECT series, ts, CASE WHEN stale THEN NULL WHEN value IS NULL THEN 'nan'::DOUBLE ELSE value END FROM rows
"""

INSERT_SPANS = """
INSERT INTO spans SELECT start, duration, trace_id, span_id, parent_id, service, operation, kind, error, peer,
attributes FROM rows
"""

INSERT_LOGS = "INSERT INTO logs SELECT time, service, severity, body, trace_id, span_id, attributes FROM rows"

INSERT_METADATA = "INSERT INTO metadata SELECT metric, type, unit, help FROM rows"

CUTOFF = """
SELECT quantile_disc(ts, $fraction) FROM (
    SELECT ts FROM samples
    UNION ALL SELECT (start * 1000)::BIGINT FROM spans
    UNION ALL SELECT (time * 1000)::BIGINT FROM logs
)
"""
"""The time before which a given fraction of all rows lies."""

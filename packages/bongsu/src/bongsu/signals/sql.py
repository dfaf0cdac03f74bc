"""A signal of a whole fleet as one SQL statement for the embedded store, with Prometheus' semantics.

Times are integer milliseconds, as in Prometheus. Formulas: ``extrapolatedRate`` and ``bucketQuantile`` of
Prometheus 3 (promql/functions.go, promql/quantile.go) – left-open windows, a look-back of five minutes,
counter resets undone for each series before anything is summed. DuckDB orders NaN above every number,
hence the explicit ``isnan`` beside comparisons.
"""

# ruff: noqa: S608 - every value is a bound parameter; only names made here are put into the text.

from collections.abc import Mapping
from dataclasses import dataclass, field

from bongsu.signals.matchers import Matcher, group_labels, identity_values, parse_matchers
from bongsu.signals.model import Age, AnySignal, Expr, Gauge, Quantile, Ratio
from bongsu.signals.query import FleetQuery

LOOKBACK_MS = 300_000
"""How long a gauge's last sample stays its present value."""

Params = dict[str, object]


@dataclass(frozen=True, slots=True)
class Steps:
    """Evaluation times ``start``, ``start + step`` … up to and including ``end``; Unix seconds."""

    start: float
    end: float
    step: float

    @property
    def millis(self) -> range:
        """The same times in whole milliseconds. ValueError unless ``step`` is at least 1 ms."""
        step = round(self.step * 1000)
        if step < 1:
            raise ValueError("a range needs a step of at least one millisecond")
        return range(round(self.start * 1000), round(self.end * 1000) + 1, step)


def compile(query: FleetQuery, when: float | Steps) -> tuple[str, Params]:  # noqa: A001
    """``(sql, parameters)`` that answer ``query`` at one instant (Unix seconds) or at every step.

    Rows are ``(t, *group_labels(query), value)``: ``t`` in milliseconds, a label that a series lacks is the
    empty string, and a group without a value at ``t`` has no row. ValueError for an ``expr`` signal and for
    a query that names no service.
    """
    if isinstance(query.signal, Expr):
        raise ValueError("raw PromQL (form: expr) needs a Prometheus-compatible source")
    if not query.services:
        raise ValueError(f"query {query.name!r} names no service")
    steps = when if isinstance(when, Steps) else Steps(when, when, 1.0)
    return _Statement(query, steps).build(query.signal)


@dataclass(slots=True)
class _Statement:
    query: FleetQuery
    steps: Steps
    params: Params = field(default_factory=dict)
    ctes: list[str] = field(default_factory=list)
    groups: tuple[str, ...] = ()

    def build(self, signal: AnySignal) -> tuple[str, Params]:
        self.groups = tuple(f"g{i}" for i in range(len(group_labels(self.query))))
        millis = self.steps.millis
        self.params |= {"first": millis.start, "stop": millis.stop, "step": millis.step}
        self._add("steps", "SELECT unnest(range($first, $stop, $step)) AS t")
        columns = ", ".join(["t", *self.groups, "value"])
        answer = self._answer(signal)
        sql = "WITH " + ",\n".join(self.ctes) + f"\nSELECT {columns} FROM ({answer}) ORDER BY ALL"
        return sql, self.params

    def _answer(self, signal: AnySignal) -> str:
        match signal:
            case Ratio():
                return self._ratio(signal)
            case Quantile():
                return self._quantile(signal)
            case Gauge():
                return self._gauge(signal)
            case Age():
                return self._age(signal)
            case Expr():
                raise AssertionError("refused by compile")
        match signal.form:
            case "rate" | "increase":
                return self._summed("a", signal.metric, signal.match, per_second=signal.form == "rate")
            case _:
                return self._present("a", signal.metric, signal.match, "max")

    def _ratio(self, signal: Ratio) -> str:
        self._add("part", self._summed("a", signal.metric, signal.match))
        self._add("whole", self._summed("b", signal.of or signal.metric, signal.of_match))
        return (
            f"SELECT {self._keys('whole')}, coalesce(part.value, 0) / whole.value AS value "
            f"FROM whole LEFT JOIN part USING ({self._using()}) WHERE {self._above('whole', signal.floor)}"
        )

    def _gauge(self, signal: Gauge) -> str:
        value = self._present("a", signal.metric, signal.match, signal.agg, signal.over)
        if signal.divisor is not None:
            self._add("part", value)
            self._add("whole", self._present("b", signal.divisor, signal.divisor_match, signal.agg))
            value = (
                f"SELECT {self._keys('whole')}, part.value / whole.value AS value "
                f"FROM whole JOIN part USING ({self._using()}) WHERE {self._above('whole', 0.0)}"
            )
        if signal.complement:
            value = f"SELECT * REPLACE (1 - value AS value) FROM ({value})"
        if signal.unless is not None:
            excluded = self._present("c", signal.unless.metric, signal.unless.match, "max")
            self._add("excluded", f"SELECT * FROM ({excluded}) AS e WHERE {self._above('e', 0.0)}")
            value = f"SELECT * FROM ({value}) ANTI JOIN excluded USING ({self._using()})"
        return value

    def _age(self, signal: Age) -> str:
        agg, value = ("min", "value - t / 1000.0") if signal.left else ("max", "t / 1000.0 - value")
        stamp = self._present("a", signal.metric, signal.match, agg, signal.over)
        return f"SELECT * REPLACE ({value} AS value) FROM ({stamp})"

    def _quantile(self, signal: Quantile) -> str:
        q = self._bind(signal.q)
        grown = self._increases("a", f"{signal.metric}_bucket", signal.match, le=True)
        self._add("traffic", self._summed("b", f"{signal.metric}_count", signal.match))
        key = self._using()
        self._add(
            "buckets",
            f"SELECT {key}, TRY_CAST(le AS DOUBLE) AS bound, sum(grown) / {self._window()} AS c "
            f"FROM {grown} WHERE bound IS NOT NULL GROUP BY ALL",
        )
        self._add(
            "monotonic",
            f"SELECT {key}, bound, max(c) OVER (PARTITION BY {key} ORDER BY bound) AS c FROM buckets",
        )
        self._add(
            "edges",
            f"SELECT *, lag(bound) OVER w AS lower, lag(c, 1, 0) OVER w AS below, row_number() OVER w AS i, "
            f"count(*) OVER p AS n, max(bound) OVER p AS top, max(c) OVER p AS total FROM monotonic "
            f"WINDOW w AS (PARTITION BY {key} ORDER BY bound), p AS (PARTITION BY {key})",
        )
        self._add(
            "found",
            f"SELECT * FROM edges WHERE c >= {q} * total OR i = n "
            f"QUALIFY row_number() OVER (PARTITION BY {key} ORDER BY bound) = 1",
        )
        value = (
            "CASE WHEN top < 'inf'::DOUBLE OR n < 2 OR total = 0 OR isnan(total) THEN 'nan'::DOUBLE "
            "WHEN i = n THEN lower WHEN i = 1 AND bound <= 0 THEN bound "
            "ELSE coalesce(lower, 0) + (bound - coalesce(lower, 0)) "
            f"* ({q} * total - below) / (c - below) END"
        )
        return (
            f"SELECT {self._keys('found')}, {value} AS value "
            f"FROM found JOIN traffic USING ({key}) WHERE {self._above('traffic', signal.floor)}"
        )

    def _present(
        self, name: str, metric: str, match: Mapping[str, str], agg: str, over: str | None = None
    ) -> str:
        """Each series' value, aggregated over each group: the present one, or that of ``over``.

        A stale series has no present value, but a window still has what came before it.
        """
        self._selection(name, metric, match)
        width = LOOKBACK_MS if over is None else round(self.query.signal.window * 1000)
        since = self._bind(self.steps.millis.start - width)
        fresh = "" if over is None else " AND value IS NOT NULL"
        self._add(
            f"{name}_points",
            f"SELECT series, ts, value FROM samples SEMI JOIN {name}_series USING (series) "
            f"WHERE ts > {since} AND ts < $stop{fresh}",
        )
        value = f"SELECT {self._using()}, {_aggregate(agg)} AS value FROM"
        if over is None or over == "last":
            return (
                f"{value} {name}_grid AS g "
                f"ASOF JOIN {name}_points AS p ON g.series = p.series AND g.t >= p.ts "
                f"WHERE p.ts > g.t - {width} AND p.value IS NOT NULL GROUP BY ALL"
            )
        self._add(
            f"{name}_taken",
            # Every sample with each of the steps whose window it lies in.
            f"SELECT series, t, {_aggregate(over)} AS value FROM (SELECT series, value, unnest(range("
            f"$first + (greatest(ts - $first, 0) + $step - 1) // $step * $step, "
            f"least(ts + {width}, $stop), $step)) AS t FROM {name}_points) GROUP BY series, t",
        )
        return f"{value} {name}_taken JOIN {name}_series USING (series) GROUP BY ALL"

    def _summed(self, name: str, metric: str, match: Mapping[str, str], *, per_second: bool = True) -> str:
        grown = self._increases(name, metric, match)
        value = f"sum(grown) / {self._window()}" if per_second else "sum(grown)"
        return f"SELECT {self._using()}, {value} AS value FROM {grown} GROUP BY ALL"

    def _increases(self, name: str, metric: str, match: Mapping[str, str], *, le: bool = False) -> str:
        """A table of ``grown``: each series' increase over the window, extrapolated to its ends."""
        self._selection(name, metric, match, le=le)
        window = round(self.query.signal.window * 1000)
        since = self._bind(self.steps.millis.start - window)
        self._add(
            f"{name}_points",
            "SELECT series, ts, value, CASE WHEN value < before AND NOT isnan(before) THEN before ELSE 0 END "
            "AS lost FROM (SELECT series, ts, value, lag(value) OVER (PARTITION BY series ORDER BY ts) "
            f"AS before FROM samples SEMI JOIN {name}_series USING (series) "
            f"WHERE ts > {since} AND ts < $stop AND value IS NOT NULL)",
        )
        extra = ", le" if le else ""
        if len(self.steps.millis) == 1:
            self._one_window(name, extra, since)
        else:
            self._windows(name, extra, self._bind(window))
        self._add(
            f"{name}_reach",
            "SELECT *, CASE WHEN head >= mean * 1.1 THEN mean / 2 ELSE head END AS lead_in, "
            "CASE WHEN tail >= mean * 1.1 THEN mean / 2 ELSE tail END AS lead_out, "
            f"CASE WHEN growth > 0 AND initial >= 0 THEN span * (initial / growth) END AS to_zero "
            f"FROM {name}_windows",
        )
        self._add(
            f"{name}_grown",
            f"SELECT {self._using()}{extra}, growth * ((span + least(lead_in, to_zero) + lead_out) / span) "
            f"AS grown FROM {name}_reach",
        )
        return f"{name}_grown"

    def _one_window(self, name: str, extra: str, since: str) -> None:
        """First, last and lost of each series where there is a single window: plain aggregation."""
        self._add(
            f"{name}_windows",
            f"SELECT $first AS t, {', '.join(self.groups)}{extra}, max(ts) - min(ts) AS span, "
            "span / (count(*) - 1) AS mean, arg_min(value, ts) AS initial, "
            "arg_max(value, ts) - initial + sum(lost) AS growth, "
            f"min(ts) - {since} AS head, $first - max(ts) AS tail "
            f"FROM {name}_points JOIN {name}_series USING (series) "
            f"GROUP BY series, {', '.join(self.groups)}{extra} HAVING count(*) > 1",
        )

    def _windows(self, name: str, extra: str, width: str) -> None:
        """The same for every step: running totals, looked up at both ends of each window."""
        self._add(
            f"{name}_totals",
            "SELECT series, ts, value, row_number() OVER w AS rn, sum(lost) OVER w AS lost "
            f"FROM {name}_points "
            "WINDOW w AS (PARTITION BY series ORDER BY ts ROWS UNBOUNDED PRECEDING)",
            once=True,
        )
        self._add(
            f"{name}_windows",
            f"SELECT {self._using()}{extra}, l.ts - f.ts AS span, span / (l.rn - f.rn) AS mean, "
            f"f.value AS initial, l.value - f.value + (l.lost - f.lost) AS growth, "
            f"f.ts - (g.t - {width}) AS head, g.t - l.ts AS tail FROM {name}_grid AS g "
            f"ASOF JOIN {name}_totals AS l ON g.series = l.series AND g.t >= l.ts "
            f"ASOF JOIN {name}_totals AS f ON g.series = f.series AND g.t - {width} < f.ts "
            "WHERE l.rn > f.rn",
        )

    def _selection(self, name: str, metric: str, match: Mapping[str, str], *, le: bool = False) -> None:
        """The series asked for with their group labels, and the grid of those series × steps."""
        labels = [f"{self._label(label)} AS g{i}" for i, label in enumerate(group_labels(self.query))]
        if le:
            labels.append(f"{self._label('le')} AS le")
        wanted = [
            f"list_contains({self._bind(values)}, {self._label(label)})"
            for label, values in identity_values(self.query).items()
        ]
        conditions = [
            f"metric = {self._bind(metric)}",
            *wanted,
            *(self._condition(matcher) for matcher in parse_matchers(match)),
        ]
        columns = ", ".join(["series", *labels])
        self._add(f"{name}_series", f"SELECT {columns} FROM series WHERE {' AND '.join(conditions)}")
        self._add(f"{name}_grid", f"SELECT * FROM {name}_series, steps")

    def _condition(self, matcher: Matcher) -> str:
        label, value = self._label(matcher.label), self._bind(matcher.value)
        match matcher.op:
            case "=":
                return f"{label} = {value}"
            case "!=":
                return f"{label} <> {value}"
            case "=~":
                return f"regexp_full_match({label}, {value}, 's')"
            case _:
                return f"NOT regexp_full_match({label}, {value}, 's')"

    def _label(self, name: str) -> str:
        return f"coalesce(labels[{self._bind(name)}], '')"

    def _above(self, table: str, floor: float) -> str:
        return f"{table}.value > {self._bind(floor)} AND NOT isnan({table}.value)"

    def _window(self) -> str:
        return self._bind(self.query.signal.window)

    def _using(self) -> str:
        return ", ".join(["t", *self.groups])

    def _keys(self, table: str) -> str:
        return ", ".join(f"{table}.{column}" for column in ["t", *self.groups])

    def _bind(self, value: object) -> str:
        name = f"p{len(self.params)}"
        self.params[name] = value
        return f"${name}"

    def _add(self, name: str, body: str, *, once: bool = False) -> None:
        self.ctes.append(f"{name} AS {'MATERIALIZED ' if once else ''}({body})")


def _aggregate(function: str) -> str:
    """The function of ``value``; NaN loses to any number in Prometheus' max and min alike."""
    if function == "max":
        return "coalesce(max(value) FILTER (NOT isnan(value)), 'nan'::DOUBLE)"
    return f"{function}(value)"

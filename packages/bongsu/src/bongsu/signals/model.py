"""A signal is data: a form, a metric and matchers, from which every query, rule and panel is derived."""

import re
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, GetJsonSchemaHandler, field_validator, model_validator
from pydantic_core import CoreSchema

from bongsu.signals.quantities import Duration, Quantity, format_duration, parse_duration, parse_quantity


class Severity(StrEnum):
    """P1 critical (15 min), P2 high (1 h), P3 warning (working hours), P4 info (next day)."""

    P1 = "P1"
    P2 = "P2"
    P3 = "P3"
    P4 = "P4"

    @property
    def rank(self) -> int:
        """1 for the most severe."""
        return int(self.value[1])


class Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class Text(Model):
    """A sentence in each language that people read."""

    en: str
    """In English."""
    ko: str = ""
    """In Korean; the English stands in where it is missing."""

    @model_validator(mode="before")
    @classmethod
    def _from_string(cls, value: Any) -> Any:
        return {"en": value} if isinstance(value, str) else value

    def in_(self, language: str) -> str:
        return (self.ko or self.en) if language == "ko" else self.en


_THRESHOLD = re.compile(r"(?P<op>>=|<=|>|<|==|!=)\s*(?P<value>.+?)(?:\s+for\s+(?P<for>\S.*))?")


class Threshold(Model):
    """A condition that can be read aloud: ``> 5% for 5m``. ``value`` is in base units (s, bytes, ratio)."""

    op: Literal[">", ">=", "<", "<=", "==", "!="]
    """How the value is compared."""
    value: float
    """What it is compared with, in base units."""
    dimension: str | None = Field(default=None, exclude=True)
    """What the value was written in."""
    for_: Duration = Field(default=0.0, alias="for")
    """How long it must hold without a break."""

    @model_validator(mode="before")
    @classmethod
    def _from_string(cls, text: Any) -> Any:
        if not isinstance(text, str):
            return text
        match = _THRESHOLD.fullmatch(text.strip())
        if match is None:
            raise ValueError(f"{text!r} is not a condition; write it like '> 5% for 5m' or '< 1 for 2m'")
        value, dimension = parse_quantity(match["value"])
        hold = parse_duration(match["for"]) if match["for"] else 0.0
        return {"op": match["op"], "value": value, "dimension": dimension, "for": hold}

    def holds(self, value: float) -> bool:
        """Whether ``value`` meets the condition; NaN meets none but ``!=``, as in PromQL."""
        match self.op:
            case ">":
                return value > self.value
            case ">=":
                return value >= self.value
            case "<":
                return value < self.value
            case "<=":
                return value <= self.value
            case "==":
                return value == self.value
            case _:
                return value != self.value

    def __str__(self) -> str:
        hold = f" for {format_duration(self.for_)}" if self.for_ else ""
        return f"{self.op} {self.value:g}{hold}"

    @classmethod
    def __get_pydantic_json_schema__(
        cls, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return {
            "type": "string",
            "pattern": r"^(>=|<=|>|<|==|!=)\s*[-+0-9.].*$",
            "description": "A condition such as '> 5% for 5m'",
            "examples": ["> 5% for 5m", "< 1 for 2m"],
        }


_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_CLOCK = r"(?:[01]\d|2[0-3]):[0-5]\d"
_DAY = "(?:mon|tue|wed|thu|fri|sat|sun)"
_HOURS = (
    rf"(?P<days>{_DAY}(?:-{_DAY})?(?:,{_DAY}(?:-{_DAY})?)*)?"
    rf"(?:(?:^|\s+)(?P<start>{_CLOCK})-(?P<end>{_CLOCK}|24:00))?"
)


class Hours(Model):
    """Hours of the week: ``mon-fri 09:00-18:00``, ``sat,sun``, ``22:00-07:00`` (over midnight)."""

    days: tuple[int, ...] = tuple(range(7))
    """0 is Monday. Hours over midnight belong to the day on which they begin."""
    start: int = 0
    """Minutes after midnight."""
    end: int = 1440
    """Minutes after midnight; not later than ``start`` when the hours end on the next day."""

    @model_validator(mode="before")
    @classmethod
    def _from_string(cls, text: Any) -> Any:
        if not isinstance(text, str):
            return text
        match = re.fullmatch(_HOURS, text.strip().lower())
        if match is None or not text.strip():
            raise ValueError(f"{text!r} are no hours; write them like 'mon-fri 09:00-18:00' or 'sat,sun'")
        given: dict[str, Any] = {}
        if match["days"]:
            given["days"] = tuple(sorted({day for part in match["days"].split(",") for day in _days(part)}))
        if match["start"]:
            given |= {"start": _minutes(match["start"]), "end": _minutes(match["end"])}
        if given.get("start", 0) == given.get("end"):
            raise ValueError(f"{text!r} begins and ends at the same minute; a whole day needs no hours")
        return given

    def __contains__(self, local: datetime) -> bool:
        """Whether ``local``, a time in the catalog's zone, lies within."""
        minute = local.hour * 60 + local.minute
        if self.start < self.end:
            return local.weekday() in self.days and self.start <= minute < self.end
        yesterday = (local.date() - timedelta(days=1)).weekday()
        return (local.weekday() in self.days and minute >= self.start) or (
            yesterday in self.days and minute < self.end
        )

    @classmethod
    def __get_pydantic_json_schema__(
        cls, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return {
            "type": "string",
            "description": "Hours of the week in the catalog's time zone, such as 'mon-fri 09:00-18:00'",
            "examples": ["mon-fri 09:00-18:00", "sat,sun", "22:00-07:00"],
        }


def _days(part: str) -> list[int]:
    first, _, last = part.partition("-")
    start, end = _DAYS.index(first), _DAYS.index(last or first)
    return [day % 7 for day in range(start, end + 1 if end >= start else end + 8)]


def _minutes(clock: str) -> int:
    hours, minutes = clock.split(":")
    return int(hours) * 60 + int(minutes)


Matchers = dict[str, str]
"""Label → anchored regular expression (RE2); a leading ``!`` negates. ``{status: "5.."}``."""


class _Base(Model):
    help: Text = Text(en="")
    """What is measured: ``share of requests that fail``."""
    problem: Text = Text(en="")
    """What to call it when a threshold is broken: ``too many requests fail``."""
    unit: Literal["ratio", "s", "bytes", "per_second", "count", "bool", "celsius", "bytes_per_second"] = (
        "count"
    )
    """What the value is measured in."""
    worse: Literal["up", "down"] = "up"
    """Which way trouble lies."""
    window: Duration = 300.0
    """Over how long rates, increases and quantiles look back."""
    match: Matchers = Field(default_factory=dict)
    """Which series count."""
    by: tuple[str, ...] = ()
    """Extra labels to keep apart beneath the service; the worst one is judged."""
    select: dict[str, str] = Field(default_factory=dict)
    """Labels that tell a service's series in this metric, in place of the service's own: an exporter that
    speaks of many services does not carry their job. ``{namespace: "{namespace}"}`` takes what the service's
    ``runs`` says; an entry that it leaves empty falls away."""
    absent: Literal["ignore", "alert"] = "ignore"
    """What it means when a service has no such series at all: nothing, or that every threshold is broken."""
    active: tuple[Hours, ...] = ()
    """When thresholds are judged, in the catalog's time zone; always unless given."""
    every: Duration | None = None
    """How often the watch reads it; ``watch.interval`` unless given."""
    thresholds: dict[Severity, Threshold] = Field(default_factory=dict)
    """Severity → the condition under which an alert of it fires."""

    @field_validator("active", mode="before")
    @classmethod
    def _one_or_many(cls, value: Any) -> Any:
        return [value] if isinstance(value, str) else value

    @property
    def trouble(self) -> Text:
        """What people are told when it is bad."""
        return self.problem if self.problem.en else self.help


class Rate(_Base):
    """Per-second increase of a counter, summed over its series."""

    form: Literal["rate"]
    metric: str
    """A counter."""


class Ratio(_Base):
    """Share of events: numerator is ``metric`` with ``match``; denominator ``of`` (default ``metric``) with
    ``of_match``. Empty below ``floor`` events a second, so one failure in a quiet hour is not 100 %."""

    form: Literal["ratio"]
    metric: str
    """A counter of the events whose share is meant."""
    of: str | None = None
    """A counter of all events; ``metric`` unless given."""
    of_match: Matchers = Field(default_factory=dict)
    """Which of them count."""
    floor: Quantity = 0.0
    """Events a second below which there is no value."""
    unit: Literal["ratio"] = "ratio"


class Quantile(_Base):
    """``histogram_quantile`` over a histogram; ``metric`` is named without ``_bucket``."""

    form: Literal["quantile"]
    metric: str
    """A histogram, without ``_bucket``."""
    q: float = Field(gt=0, lt=1)
    """0.95 for the 95th percentile."""
    floor: Quantity = 0.0
    """Observations a second below which there is no value."""
    unit: Literal["s", "bytes", "count"] = "s"


class Exclusion(Model):
    """Groups in which any of these series is above zero are left out: read-only mounts, for one."""

    metric: str
    """A gauge with the labels that the signal is grouped by."""
    match: Matchers = Field(default_factory=dict)
    """Which of its series count."""


class Gauge(_Base):
    """The present value, aggregated over the series of a service, with an optional divisor."""

    form: Literal["gauge"]
    metric: str
    """A gauge."""
    agg: Literal["sum", "max", "min", "avg"] = "max"
    """How a service's series become one value."""
    over: Literal["min", "max", "avg", "last"] | None = None
    """What is taken of each series' samples within ``window``, before ``agg``; the present value unless
    given. ``min`` asks that a condition lasts, ``max`` that no short one is missed."""
    divisor: str | None = None
    """A gauge that the value is a share of, aggregated in the same way; above zero."""
    divisor_match: Matchers = Field(default_factory=dict)
    """Which of its series count."""
    complement: bool = False
    """One minus the quotient: what is used, of a metric that says what is free."""
    unless: Exclusion | None = None
    """What is left out."""


class Increase(_Base):
    """How much a counter grew over the window, summed over its series."""

    form: Literal["increase"]
    metric: str
    """A counter."""


class Age(_Base):
    """Seconds since the newest timestamp that the metric carries (Unix seconds)."""

    form: Literal["age"]
    metric: str
    """A gauge of Unix seconds."""
    unit: Literal["s"] = "s"
    left: bool = False
    """Seconds until the earliest timestamp instead: how long a certificate still holds."""
    over: Literal["last"] | None = None
    """The newest sample within ``window``, where a metric is scraped too seldom to be present."""


class Presence(_Base):
    """1 when at least one target of the service is up, 0 when all are down or none is known."""

    form: Literal["presence"]
    metric: str = "up"
    """What is 1 while a target answers."""
    unit: Literal["bool"] = "bool"
    worse: Literal["up", "down"] = "down"
    absent: Literal["ignore", "alert"] = "alert"


class InputSeries(Model):
    """One series of a test of raw PromQL; the labels of the service and of ``by`` are added to its own."""

    metric: str
    """Its name."""
    labels: dict[str, str] = Field(default_factory=dict)
    """Its labels beyond those."""
    value: Quantity
    """Its first sample."""
    growth: Quantity = 0.0
    """By how much it grows in a second."""


class ExprTest(Model):
    """What must come of a rule over raw PromQL while these series are all that there is."""

    name: str
    """The case, in a few words."""
    series: Annotated[tuple[InputSeries, ...], Field(min_length=1)]
    """What is there."""
    fires: tuple[Severity, ...] = ()
    """The severities that fire, after their ``for``; the others stay silent."""


class Expr(_Base):
    """Raw PromQL, with ``$selector`` for the service's matchers, ``$window``, and ``{by}`` for the labels
    to group by (the service's own, then ``by``). For Prometheus-compatible sources only."""

    form: Literal["expr"]
    expr: str
    """The expression."""
    tests: tuple[ExprTest, ...] = ()
    """Its tests: raw PromQL does not say by itself which series it reads."""


Signal = Annotated[
    Rate | Ratio | Quantile | Gauge | Increase | Age | Presence | Expr, Field(discriminator="form")
]
AnySignal = Rate | Ratio | Quantile | Gauge | Increase | Age | Presence | Expr

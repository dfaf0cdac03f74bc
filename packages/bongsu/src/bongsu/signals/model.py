"""A signal is data: a form, a metric and matchers, from which every query, rule and panel is derived."""

import re
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, GetJsonSchemaHandler, model_validator
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
    ko: str = ""

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
    value: float
    dimension: str | None = Field(default=None, exclude=True)
    for_: Duration = Field(default=0.0, alias="for")

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
    worse: Literal["up", "down"] = "up"
    window: Duration = 300.0
    match: Matchers = Field(default_factory=dict)
    by: tuple[str, ...] = ()
    """Extra labels to keep apart beneath the service; the worst one is judged."""
    thresholds: dict[Severity, Threshold] = Field(default_factory=dict)

    @property
    def trouble(self) -> Text:
        """What people are told when it is bad."""
        return self.problem if self.problem.en else self.help


class Rate(_Base):
    """Per-second increase of a counter, summed over its series."""

    form: Literal["rate"]
    metric: str


class Ratio(_Base):
    """Share of events: numerator is ``metric`` with ``match``; denominator ``of`` (default ``metric``) with
    ``of_match``. Empty below ``floor`` events a second, so one failure in a quiet hour is not 100 %."""

    form: Literal["ratio"]
    metric: str
    of: str | None = None
    of_match: Matchers = Field(default_factory=dict)
    floor: Quantity = 0.0
    unit: Literal["ratio"] = "ratio"


class Quantile(_Base):
    """``histogram_quantile`` over a histogram; ``metric`` is named without ``_bucket``."""

    form: Literal["quantile"]
    metric: str
    q: float = Field(gt=0, lt=1)
    floor: Quantity = 0.0
    unit: Literal["s", "bytes", "count"] = "s"


class Gauge(_Base):
    """The present value, aggregated over the series of a service, with an optional divisor."""

    form: Literal["gauge"]
    metric: str
    agg: Literal["sum", "max", "min", "avg"] = "max"
    divisor: str | None = None
    divisor_match: Matchers = Field(default_factory=dict)


class Increase(_Base):
    """How much a counter grew over the window, summed over its series."""

    form: Literal["increase"]
    metric: str


class Age(_Base):
    """Seconds since the newest timestamp that the metric carries (Unix seconds)."""

    form: Literal["age"]
    metric: str
    unit: Literal["s"] = "s"


class Presence(_Base):
    """1 when at least one target of the service is up, 0 when all are down or none is known."""

    form: Literal["presence"]
    metric: str = "up"
    unit: Literal["bool"] = "bool"
    worse: Literal["up", "down"] = "down"


class Expr(_Base):
    """Raw PromQL, with ``$selector`` for the service's matchers and ``$window``; Prometheus only."""

    form: Literal["expr"]
    expr: str


Signal = Annotated[
    Rate | Ratio | Quantile | Gauge | Increase | Age | Presence | Expr, Field(discriminator="form")
]
AnySignal = Rate | Ratio | Quantile | Gauge | Increase | Age | Presence | Expr

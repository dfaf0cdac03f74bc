"""Objectives as PromQL: the share of bad events in each window, and how fast the error budget burns."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from bongsu.catalog import ResolvedService, objectives
from bongsu.catalog.objectives import LEAST_FAILURES, SHORTEST, Pair, bucket_pattern
from bongsu.signals import promql
from bongsu.signals.model import Quantile, Ratio
from bongsu.signals.quantities import format_duration, number
from bongsu.stack.series import selected

_LEVEL = "service_objective"
ERRORS, EVENTS = f"{_LEVEL}:slo_errors:rate5m", f"{_LEVEL}:slo_events:rate5m"
PERIOD_ERRORS = f"{_LEVEL}:slo_period_errors:ratio"
TARGET = f"{_LEVEL}:slo_target:ratio"
BUDGET_LEFT = f"{_LEVEL}:slo_error_budget_remaining:ratio"


@dataclass(frozen=True, slots=True)
class Slo(objectives.Slo):
    """An objective with the PromQL that measures it."""

    @property
    def selector(self) -> str:
        """What the recorded series of this objective are found by."""
        return f"{{objective={promql.quote(self.name)},service={promql.quote(self.service)}}}"

    def events(self, window: float, function: str = "rate") -> str:
        """All events: a second, or with ``increase`` in the window."""
        signal = self.query.signal
        if isinstance(signal, Quantile):
            return self._sum(f"{signal.metric}_count", signal.match, window, function)
        assert isinstance(signal, Ratio)
        return self._sum(signal.of or signal.metric, signal.of_match, window, function)

    def errors(self, window: float, function: str = "rate") -> str:
        """The bad events; zero where there are events and none of them is counted as bad."""
        signal, events = self.query.signal, self.events(window, function)
        if isinstance(signal, Quantile):
            # Without `or`: a histogram without this bucket must not look like one without slow events.
            good = self._sum(f"{signal.metric}_bucket", signal.match, window, function, self.bucket)
            return f"clamp_min({events} - {good}, 0)"
        assert isinstance(signal, Ratio)
        counted = f"({self._sum(signal.metric, signal.match, window, function)} or 0 * {events})"
        return f"clamp_min({events} - {counted}, 0)" if signal.worse == "down" else counted

    def ratio(self, window: float) -> str:
        """The share of bad events; nothing where there are none at all."""
        return f"{self.errors(window)} / ({self.events(window)} > 0)"

    @property
    def bucket(self) -> str:
        """The matcher of the objective's bucket, which Prometheus 3 spells ``3.0`` and older ones ``3``."""
        assert self.objective.below is not None
        return f"le=~{promql.quote(bucket_pattern(self.objective.below))}"

    def unmeasured(self) -> str:
        """True while there are events but no bucket that ends at the objective's bound."""
        signal = self.query.signal
        assert isinstance(signal, Quantile)
        good = self._sum(f"{signal.metric}_bucket", signal.match, SHORTEST, "rate", self.bucket)
        return f"{self.events(SHORTEST)} > 0 unless {good}"

    def burning(self, pair: Pair) -> str:
        """The condition of one pair, from the recorded series."""
        limit, at = number(pair.limit), self.selector
        return (
            f"{ratio_name(pair.short)}{at} > {limit} and {ratio_name(pair.long)}{at} > {limit} "
            f"and {failures_name(pair.long)}{at} >= {LEAST_FAILURES}"
        )

    def _sum(self, metric: str, match: dict[str, str], window: float, function: str, *matchers: str) -> str:
        at = ",".join((promql.fleet_selector(self.query), *matchers))
        return f"sum({function}({selected(metric, match, at)}[{format_duration(window)}]))"


def objectives_of(services: Iterable[ResolvedService]) -> Iterator[Slo]:
    """Every objective of these services, in the catalog's order."""
    for slo in objectives.objectives_of(services):
        yield Slo(slo.service, slo.name, slo.objective, slo.query)


def ratio_name(window: float) -> str:
    """The recorded share of bad events within a window."""
    return f"{_LEVEL}:slo_errors:ratio_rate{format_duration(window)}"


def failures_name(window: float) -> str:
    """The recorded number of bad events within a window."""
    return f"{_LEVEL}:slo_errors:increase{format_duration(window)}"

"""The same question asked of a real Prometheus in PromQL and of the embedded store in SQL."""

import asyncio
import json
import math
import urllib.request

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from bongsu.sources.base import Sample, Series
from bongsu.sources.embedded import EmbeddedSource, EmbeddedStore
from bongsu.sources.prometheus import PrometheusSource
from tests import live_servers
from tests.sources import shipped
from tests.sources.generated import Case, build, each_combination, openmetrics, recipes
from tests.sources.reference import increase

pytestmark = pytest.mark.live

Row = tuple[str, tuple[tuple[str, str], ...]]


@settings(
    max_examples=3,
    deadline=None,
    phases=(Phase.explicit, Phase.generate),
    suppress_health_check=list(HealthCheck),
)
@given(st.lists(recipes, min_size=60, max_size=60))
def test_sql_answers_as_prometheus_does(drawn: list) -> None:
    assert _compared([build(recipe, number) for number, recipe in enumerate(drawn)]) > 200


def test_every_combination_of_fields_is_answered_as_prometheus_does() -> None:
    assert _compared([build(recipe, number) for number, recipe in enumerate(each_combination())]) > 500


def test_the_signals_of_the_shipped_kinds_are_answered_as_prometheus_does() -> None:
    assert _compared([shipped.recorded(query, seed=2) for query in shipped.queries()]) > 500


def _compared(cases: list[Case]) -> int:
    """How many values of the cases are the same in both; the first that is not fails."""
    store = EmbeddedStore(None, 1e12, 2**30)
    for case in cases:
        for series in case.series:
            store.append_series(series.metric, series.labels, series.times / 1000, series.values)
    with live_servers.prometheus(openmetrics=openmetrics(cases)) as server:
        compared = asyncio.run(_compare(cases, server.url, EmbeddedSource(store)))
    store.close()
    return compared


async def _compare(cases: list[Case], url: str, embedded: EmbeddedSource) -> int:
    prometheus, old, compared = PrometheusSource("prometheus", url), _is_old(url), 0
    for case in cases:
        for at in case.at:
            theirs = _points(at, await prometheus.instant(case.query, at))
            ours = _points(at, await embedded.instant(case.query, at))
            compared += _same(case, theirs, ours, old)
        theirs = _steps(await prometheus.range(case.query, *case.span))
        ours = _steps(await embedded.range(case.query, *case.span))
        compared += _same(case, theirs, ours, old)
    await prometheus.aclose()
    return compared


def _points(at: float, samples: list[Sample]) -> dict[tuple[Row, float], float]:
    return {((s.service, tuple(s.labels.items())), at): s.value for s in samples}


def _steps(series: list[Series]) -> dict[tuple[Row, float], float]:
    return {
        ((s.service, tuple(s.labels.items())), at): value
        for s in series
        for at, value in zip(s.times, s.values, strict=True)
        if not math.isnan(value)
    }


def _same(case: Case, theirs: dict, ours: dict, old: bool) -> int:
    compared = 0
    for key in theirs.keys() | ours.keys():
        (service, _), at = key
        if old and _version_matters(case, service, at):
            continue
        assert key in theirs, f"only the embedded store answers {key}: {ours[key]}\n{case.query.signal}"
        assert key in ours, f"only Prometheus answers {key}: {theirs[key]}\n{case.query.signal}"
        close = math.isclose(theirs[key], ours[key], rel_tol=1e-6, abs_tol=1e-12)
        both_nan = math.isnan(theirs[key]) and math.isnan(ours[key])
        assert close or both_nan, f"{key}: Prometheus {theirs[key]}, SQL {ours[key]}\n{case.query.signal}"
        compared += 1
    return compared


def _version_matters(case: Case, service: str, at: float) -> bool:
    """Whether Prometheus before 2.52 extrapolates some series of the answer differently from Prometheus 3."""
    signal, own = case.query.signal, case.query.services[service].items()
    if signal.form not in ("rate", "increase", "ratio", "quantile"):
        return False
    window, millis = round(signal.window * 1000), round(at * 1000)
    for series in case.series:
        if own <= series.labels.items():
            new = increase(series.times, series.values, millis, window)
            before = increase(series.times, series.values, millis, window, old=True)
            if new is not None and before is not None and not math.isclose(new, before, rel_tol=1e-9):
                return True
    return False


def _is_old(url: str) -> bool:
    with urllib.request.urlopen(f"{url}/api/v1/status/buildinfo") as response:
        version = json.load(response)["data"]["version"]
    major, minor = (int(part) for part in version.split("+")[0].split(".")[:2])
    return (major, minor) < (2, 52)

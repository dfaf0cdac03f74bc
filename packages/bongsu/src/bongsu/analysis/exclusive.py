"""Exclusive excess without spans: what a service's metrics show, less what its callees' metrics explain.

``excess(s) = (value during − median before) × requests``; ``exclusive(s) = excess(s) − Σ excess(callee) ×
share(s)``, where a callee's excess is shared among its callers by their requests.
"""

from dataclasses import dataclass, replace

import numpy as np

from bongsu.analysis.channels.base import Findings
from bongsu.analysis.compare import excess
from bongsu.analysis.graph import call_graph, reverse
from bongsu.analysis.metrics import Role, role_of
from bongsu.analysis.model import Evidence, MetricEvidence, Reason, Statement
from bongsu.analysis.series import rarity, saturate, spread, values_in
from bongsu.analysis.statement import state
from bongsu.analysis.symptom import alerting_symptom, beside_the_point

_LEAST_Z = 3.0
_LEAST_FAILURES = 3
_BESIDE_THE_POINT = 0.7
"""What is left of slowness where alerts are about errors, and the other way round."""


@dataclass(frozen=True, slots=True)
class _Moved:
    metric: MetricEvidence
    before: float
    during: float
    z: float

    @property
    def delta(self) -> float:
        return self.during - self.before


def exclusive_errors(evidence: Evidence, channel: str) -> Findings:
    """Floor: one point of error ratio."""
    return _exclusive(evidence, channel, Role.ERRORS, least=0.01, relative=0.0)


def exclusive_latency(evidence: Evidence, channel: str) -> Findings:
    """Floors: 5 ms and a quarter of the usual value."""
    return _exclusive(evidence, channel, Role.LATENCY, least=0.005, relative=0.25)


def _exclusive(
    evidence: Evidence, channel: str, role: Role, *, least: float, relative: float
) -> dict[str, Reason]:
    """Score: significance × share of all exclusive excess."""
    moved = _moved(evidence, role, least)
    if role is Role.ERRORS:
        moved = _counted(evidence, moved)
    weights = _requests(evidence)
    gross = {name: one.delta * weights.get(name, 1.0) for name, one in moved.items()}
    net = {
        name: amount
        for name, amount in _net(evidence, gross, weights).items()
        if moved[name].z >= _LEAST_Z and moved[name].delta >= max(least, relative * moved[name].before)
    }
    everything = sum(net.values())
    weight = _BESIDE_THE_POINT if beside_the_point(evidence, role) else 1.0
    return {
        name: Reason(
            channel=channel,
            score=weight * saturate(moved[name].z, 6.0) * amount / everything,
            says=_says(moved[name].metric),
            evidence=[moved[name].metric.id],
        )
        for name, amount in sorted(net.items())
        if amount > 0
    }


def _moved(evidence: Evidence, role: Role, floor: float) -> dict[str, _Moved]:
    symptom = alerting_symptom(evidence)
    found: dict[str, _Moved] = {}
    for metric in evidence.metrics:
        if role_of(metric) is not role:
            continue
        before, during = values_in(metric, evidence.baseline), symptom.during(metric)
        if not during.size or before.size < 3:
            continue
        sign = -1.0 if metric.worse == "down" else 1.0
        usual = float(np.median(before))
        now = usual + sign * symptom.risen(metric, usual, sign)
        z = sign * (now - usual) / max(spread(before), floor / 3)
        z *= rarity(before, now, usual)
        one = _Moved(metric, sign * usual, sign * now, z)
        if metric.service not in found or z > found[metric.service].z:
            found[metric.service] = one
    return found


def _counted(evidence: Evidence, moved: dict[str, _Moved]) -> dict[str, _Moved]:
    """``moved`` with z no larger than a Poisson count of the failures allows, where traffic is known."""
    rates = _requests(evidence)
    seconds = max(evidence.window.end - evidence.window.start, 1.0)
    seconds_before = max(evidence.baseline.end - evidence.baseline.start, 1.0)
    found = {}
    for name, one in moved.items():
        if name in rates and one.metric.worse == "up":
            before = float(np.mean(values_in(one.metric, evidence.baseline)))
            calls, calls_before = round(rates[name] * seconds), round(rates[name] * seconds_before)
            failed, failed_before = round(one.during * calls), round(before * calls_before)
            more = excess(failed, calls, failed_before, calls_before)
            one = replace(one, z=min(one.z, more.z if more.count >= _LEAST_FAILURES else 0.0))
        found[name] = one
    return found


def _requests(evidence: Evidence) -> dict[str, float]:
    rates: dict[str, float] = {}
    for metric in evidence.metrics:
        if role_of(metric) is Role.TRAFFIC:
            during = values_in(metric, evidence.window)
            if during.size:
                rates[metric.service] = max(rates.get(metric.service, 0.0), float(np.mean(during)))
    return rates


def _net(evidence: Evidence, gross: dict[str, float], weights: dict[str, float]) -> dict[str, float]:
    graph = call_graph(evidence)
    callers = reverse(graph)
    net = {}
    for name, amount in gross.items():
        explained = 0.0
        for callee in graph.get(name, ()):
            all_callers = callers.get(callee, [name])
            total = sum(weights.get(caller, 1.0) for caller in all_callers)
            share = weights.get(name, 1.0) / total if total else 1.0 / len(all_callers)
            explained += max(0.0, gross.get(callee, 0.0)) * share
        net[name] = max(0.0, amount - explained)
    return net


def _says(metric: MetricEvidence) -> Statement:
    now, then = f"while_bad({metric.id})", f"median({metric.id}, baseline)"
    return state(
        "{service}: {signal} went to {now} (before: {usual}), more than its callees explain.",
        "{service}: {signal} 지표가 {now} 수준이 되었습니다(이전: {usual}). "
        "하위 서비스만으로는 설명되지 않습니다.",
        holds=f"{now} {'<' if metric.worse == 'down' else '>'} {then}",
        service=(f"{metric.id}.service", "text"),
        signal=(f"{metric.id}.signal", "text"),
        now=(now, metric.unit),
        usual=(then, metric.unit),
    )

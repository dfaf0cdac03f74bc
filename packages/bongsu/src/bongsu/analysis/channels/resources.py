"""A service short of CPU, memory or a pool: a robust z with floors of practical significance."""

from dataclasses import dataclass

import numpy as np
from msgspec import structs

from bongsu.analysis.channels.base import Findings, keep_worst
from bongsu.analysis.load import load_ratio
from bongsu.analysis.metrics import Role, role_of
from bongsu.analysis.model import Evidence, MetricEvidence, Reason
from bongsu.analysis.series import Floats, kendall_tau, saturate, settled, spread, values_in
from bongsu.analysis.statement import state

NAME = "resources"
_LEAST_Z = 4.0
_MIB = 2.0**20
_LEAK_TAU = 0.7
_ALERTED = 1.4
"""More for the very resource that alerts."""


@dataclass(frozen=True, slots=True)
class _Floor:
    """``least``: what counts at all; ``half``: the rise that scores one half; in the metric's unit."""

    least: float
    half: float


_FLOORS = {Role.CPU: _Floor(0.05, 0.25), Role.MEMORY: _Floor(30 * _MIB, 120 * _MIB)}
_RATIO = _Floor(0.1, 0.25)


def resources(evidence: Evidence) -> Findings:
    load = load_ratio(evidence)
    alerting = {(alert.get("service"), alert.get("signal")) for alert in evidence.alerts}
    found: dict[str, Reason] = {}
    for metric in evidence.metrics:
        role = role_of(metric)
        if role not in (Role.CPU, Role.MEMORY, Role.USAGE):
            continue
        before, during = values_in(metric, evidence.baseline), values_in(metric, evidence.window)
        if during.size < 2 or before.size < 3:
            continue
        level = _level(metric, role, before, during, max(1.0, load.get(metric.service, 1.0)))
        leak = _leak(metric, role, before, during)
        if level is not None and leak is not None:
            level = structs.replace(leak, score=max(level.score, leak.score))
        reason = level or leak
        if reason is not None and (metric.service, metric.signal) in alerting:
            reason = structs.replace(reason, score=min(1.0, _ALERTED * reason.score))
        if reason is not None:
            keep_worst(found, metric.service, reason)
    return found


def _level(metric: MetricEvidence, role: Role, before: Floats, during: Floats, load: float) -> Reason | None:
    """A rise beyond what more requests explain: for CPU, a fifth more than in proportion is expected."""
    sign = -1.0 if metric.worse == "down" else 1.0
    usual = float(np.median(before))
    now = settled(during, metric.worse)
    expected = usual * (1 + 1.2 * (load - 1)) if role is Role.CPU else usual
    rise = sign * (now - expected)
    floor = _floor(metric, role, usual)
    z = rise / max(spread(before), floor.least / _LEAST_Z)
    if rise < floor.least or z < _LEAST_Z:
        return None
    unit = "cores" if role is Role.CPU and metric.unit == "count" else metric.unit
    verb = ("rose", "올랐습니다") if sign > 0 else ("fell", "떨어졌습니다")
    came, was = f"settled({metric.id}, incident)", f"median({metric.id}, baseline)"
    says = state(
        f"{{service}}: {{signal}} {verb[0]} to {{now}} (before: {{usual}}).",
        f"{{service}}: {{signal}} 값이 {{now}}까지 {verb[1]}(이전: {{usual}}).",
        holds=f"{came} {'>' if sign > 0 else '<'} {was}",
        now=(came, unit),
        usual=(was, unit),
        **_named(metric),
    )
    return Reason(channel=NAME, score=saturate(rise, floor.half), says=says, evidence=[metric.id])


def _leak(metric: MetricEvidence, role: Role, before: Floats, during: Floats) -> Reason | None:
    """Monotone growth (Mann-Kendall's τ ≥ 0.7) of memory over the incident, faster than before it."""
    if role is not Role.MEMORY or during.size < 5:
        return None
    grown = float(np.median(during[-3:]) - np.median(during[:3]))
    usual = float(before.max() - before.min())
    if grown < max(_FLOORS[role].least, 1.5 * usual) or kendall_tau(during) < _LEAK_TAU:
        return None
    start, end = f"first({metric.id}, incident)", f"last({metric.id}, incident)"
    says = state(
        "{service}: {signal} has grown without pause from {start} to {end} in {took}, as a leak does.",
        "{service}: {signal} 값이 {took} 동안 {start}에서 {end}까지 쉬지 않고 늘었습니다. "
        "누수일 수 있습니다.",
        holds=f"{end} > {start}",
        start=(start, metric.unit),
        end=(end, metric.unit),
        took=("length(incident)", "duration"),
        **_named(metric),
    )
    score = saturate(grown, _FLOORS[role].half)
    return Reason(channel=NAME, score=score, says=says, evidence=[metric.id])


def _named(metric: MetricEvidence) -> dict[str, tuple[str, str]]:
    return {"service": (f"{metric.id}.service", "text"), "signal": (f"{metric.id}.signal", "text")}


def _floor(metric: MetricEvidence, role: Role, usual: float) -> _Floor:
    if role in _FLOORS:
        return _FLOORS[role]
    if metric.unit == "ratio":
        return _RATIO
    return _Floor(max(5.0, 0.5 * abs(usual)), max(10.0, 2.0 * abs(usual)))

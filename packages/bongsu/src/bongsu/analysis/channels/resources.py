"""A service short of CPU, memory or a pool: a robust z with floors of practical significance."""

from dataclasses import dataclass

import numpy as np
from msgspec import structs

from bongsu.analysis.channels.base import Findings, keep_worst
from bongsu.analysis.load import load_ratio
from bongsu.analysis.metrics import Role, role_of
from bongsu.analysis.model import Evidence, MetricEvidence, Reason, Say, Window
from bongsu.analysis.series import Floats, kendall_tau, saturate, spread, values_in
from bongsu.analysis.wording import minutes, quantity

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
        leak = _leak(metric, role, evidence.window, before, during)
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
    late = (during[during.size // 3 :], during[during.size // 2 :])
    now = sign * max(sign * float(np.median(part)) for part in late)
    expected = usual * (1 + 1.2 * (load - 1)) if role is Role.CPU else usual
    rise = sign * (now - expected)
    floor = _floor(metric, role, usual)
    z = rise / max(spread(before), floor.least / _LEAST_Z)
    if rise < floor.least or z < _LEAST_Z:
        return None
    unit = "cores" if role is Role.CPU and metric.unit == "count" else metric.unit
    now_text, then_text = quantity(now, unit), quantity(usual, unit)
    name, signal = metric.service, metric.signal
    verb = ("rose", "올랐습니다") if sign > 0 else ("fell", "떨어졌습니다")
    text = Say(
        f"{name}: {signal} {verb[0]} to {now_text.en} (before: {then_text.en}).",
        f"{name}: {signal} 값이 {now_text.ko}까지 {verb[1]}(이전: {then_text.ko}).",
    )
    return Reason(channel=NAME, score=saturate(rise, floor.half), text=text, evidence=[metric.id])


def _leak(
    metric: MetricEvidence, role: Role, window: Window, before: Floats, during: Floats
) -> Reason | None:
    """Monotone growth (Mann-Kendall's τ ≥ 0.7) of memory over the incident, faster than before it."""
    if role is not Role.MEMORY or during.size < 5:
        return None
    grown = float(np.median(during[-3:]) - np.median(during[:3]))
    usual = float(before.max() - before.min())
    if grown < max(_FLOORS[role].least, 1.5 * usual) or kendall_tau(during) < _LEAK_TAU:
        return None
    start, end = quantity(float(during[0]), metric.unit), quantity(float(during[-1]), metric.unit)
    took = minutes(window.end - window.start)
    text = Say(
        f"{metric.service}: {metric.signal} has grown without pause from {start.en} to {end.en} "
        f"in {took.en}, as a leak does.",
        f"{metric.service}: {metric.signal} 값이 {took.ko} 동안 {start.ko}에서 {end.ko}까지 쉬지 않고 "
        "늘었습니다. 누수일 수 있습니다.",
    )
    score = saturate(grown, _FLOORS[role].half)
    return Reason(channel=NAME, score=score, text=text, evidence=[metric.id])


def _floor(metric: MetricEvidence, role: Role, usual: float) -> _Floor:
    if role in _FLOORS:
        return _FLOORS[role]
    if metric.unit == "ratio":
        return _RATIO
    return _Floor(max(5.0, 0.5 * abs(usual)), max(10.0, 2.0 * abs(usual)))

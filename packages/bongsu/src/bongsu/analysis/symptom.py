"""When the alert's own signal was bad within the incident: what deviates then explains it, what deviates all
the while explains it less."""

from dataclasses import dataclass

import numpy as np

from bongsu.analysis.metrics import Role, role_of
from bongsu.analysis.model import Evidence, MetricEvidence, Window
from bongsu.analysis.series import Floats, spread, values_in

_STEADY = 0.25
"""What is left of a deviation that was there while the alerting service was well."""
_CONTRAST = 3.0
_MOVED = 3.5
_LEAST_RISE = 0.1
_LEAST_ERRORS = 0.005
_LEAST_FAILURES = 2.5
"""Failed requests in the worst step of an error ratio."""


@dataclass(frozen=True, slots=True)
class Symptom:
    """``bad`` and ``well``: instants of the incident, Unix seconds; ``well`` is empty where it never was."""

    window: Window
    bad: frozenset[float]
    well: frozenset[float]

    def during(self, metric: MetricEvidence) -> Floats:
        """The metric's values while the symptom was bad; of the whole window where that is not known."""
        found = _at(metric, self.bad)
        return found if found.size else values_in(metric, self.window)

    def risen(self, metric: MetricEvidence, usual: float, sign: float) -> float:
        """How far the metric went beyond ``usual`` (in the direction of ``sign``) while the symptom was bad,
        little of what it did while it was well counting."""
        now = float(self.during(metric).mean())
        delta = sign * (now - usual)
        healthy = _at(metric, self.well)
        if not healthy.size:
            return delta
        contrast = sign * (now - float(healthy.mean()))
        return contrast + _STEADY * (delta - contrast) if contrast < delta else delta


def alerting_symptom(evidence: Evidence) -> Symptom:
    """From the metric that alerts; of several, the one that differs most within the incident."""
    alerting = {(str(a.get("service") or ""), str(a.get("signal") or "")) for a in evidence.alerts}
    best, split = 0.0, Symptom(evidence.window, frozenset(), frozenset())
    for metric in sorted(evidence.metrics, key=lambda m: (m.service, m.signal)):
        if (metric.service, metric.signal) not in alerting:
            continue
        contrast, found = _split(metric, evidence)
        if contrast > best:
            best, split = contrast, found
    return split


def beside_the_point(evidence: Evidence, role: Role) -> bool:
    """Whether every alert is about the other of latency and errors than ``role``."""
    about = _alerting_roles(evidence)
    return bool(about) and about <= {Role.LATENCY, Role.ERRORS} and role not in about


def _alerting_roles(evidence: Evidence) -> set[Role]:
    signals = {(str(a.get("service") or ""), str(a.get("signal") or "")) for a in evidence.alerts}
    return {role_of(metric) for metric in evidence.metrics if (metric.service, metric.signal) in signals}


def well(evidence: Evidence) -> bool:
    """Whether everything that was read of the alerting services' latency, errors and presence stayed in its
    usual range: then there is little to explain. False where nothing of the kind was read, and where an alert
    is about something else."""
    if _alerting_roles(evidence) - {Role.LATENCY, Role.ERRORS, Role.PRESENCE}:
        return False
    alerting = {str(alert.get("service") or "") for alert in evidence.alerts}
    traffic = {m.service: m for m in evidence.metrics if role_of(m) is Role.TRAFFIC}
    found = [
        _moved(metric, traffic.get(metric.service), evidence)
        for metric in evidence.metrics
        if metric.service in alerting
    ]
    known = [one for one in found if one is not None]
    return bool(known) and not any(known)


def _moved(metric: MetricEvidence, traffic: MetricEvidence | None, evidence: Evidence) -> bool | None:
    role, window = role_of(metric), evidence.window
    before, during = values_in(metric, evidence.baseline), values_in(metric, window)
    if role is Role.PRESENCE and during.size:
        return bool((during < 0.5).any())
    if role not in (Role.LATENCY, Role.ERRORS) or before.size < 3 or not during.size:
        return None
    sign = -1.0 if metric.worse == "down" else 1.0
    usual, worst = float(np.median(before)), sign * float((sign * during).max())
    rise = sign * (worst - min(usual, float(during.min()), key=lambda v: sign * v))
    if role is Role.LATENCY:
        return rise >= max(_MOVED * spread(before), _LEAST_RISE * usual)
    if traffic is None:
        return rise >= max(_MOVED * spread(before), _LEAST_ERRORS)
    rate = values_in(traffic, window)
    return rise * float(rate.mean() if rate.size else 0.0) * _step(metric) >= _LEAST_FAILURES


def _step(metric: MetricEvidence) -> float:
    gaps = np.diff(metric.times)
    return float(np.median(gaps)) if gaps.size else 0.0


def _split(metric: MetricEvidence, evidence: Evidence) -> tuple[float, Symptom]:
    """Instants above and below the middle of the metric's range within the incident, where that range is
    wide against the noise of the baseline and against its rise above the baseline."""
    window, sign = evidence.window, -1.0 if metric.worse == "down" else 1.0
    pairs = [
        (t, sign * v)
        for t, v in zip(metric.times, metric.values, strict=True)
        if v is not None and window.start <= t <= window.end
    ]
    before = sign * values_in(metric, evidence.baseline)
    nothing = Symptom(window, frozenset(), frozenset())
    if len(pairs) < 3 or before.size < 3:
        return 0.0, nothing
    values = np.array([v for _, v in pairs])
    low, high = float(values.min()), float(values.max())
    noise = max(spread(before), 1e-9)
    if high - low < _CONTRAST * noise:
        return 0.0, nothing
    middle = (low + high) / 2
    bad = frozenset(t for t, v in pairs if v > middle)
    well = frozenset(t for t, v in pairs if v <= middle)
    if low - float(np.median(before)) > 0.5 * (high - low):
        well = frozenset()
    return (high - low) / noise, Symptom(window, bad, well)


def _at(metric: MetricEvidence, instants: frozenset[float]) -> Floats:
    pairs = zip(metric.times, metric.values, strict=True)
    return np.array([v for t, v in pairs if v is not None and t in instants], dtype=float)

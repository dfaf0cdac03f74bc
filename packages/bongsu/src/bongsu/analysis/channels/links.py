"""Time lost between the two ends of a connection, where each end's latency is measured over time."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from bongsu.analysis.model import Evidence, LinkEvidence, Reason, Statement, Window
from bongsu.analysis.series import Floats, rarity, saturate, spread
from bongsu.analysis.statement import state

_LEAST_GAP = 0.01
_LEAST_Z = 4.0


@dataclass(frozen=True, slots=True)
class _Moved:
    link: LinkEvidence
    usual: float
    now: float
    whole: float
    """Seconds that a call took before as its client saw it."""
    rarity: float
    gap: float
    """Seconds more than before, 0 unless it stands out."""


def link_gaps(evidence: Evidence) -> Mapping[str, Reason]:
    """Service → reason: each slow connection is blamed on that of its ends most of whose connections are
    slow, on the callee if equal. Score: how much slower × share of all seconds lost."""
    moved = [one for link in evidence.links if (one := _moved(link, evidence)) is not None]
    slow = [one for one in moved if one.gap > 0]
    heat = heat_of([(one.link.caller, one.link.callee, one.gap > 0) for one in moved])
    everything = sum(one.gap for one in slow)
    lost: dict[str, list[_Moved]] = {}
    for one in slow:
        ends = (one.link.callee, one.link.caller)
        lost.setdefault(max(ends, key=lambda end: heat[end]), []).append(one)
    found = {}
    for service, ones in sorted(lost.items()):
        worst = max(ones, key=lambda one: (one.gap, one.link.caller, one.link.callee))
        share = sum(one.gap for one in ones) / everything
        strength = worst.rarity * 0.9 * saturate(worst.gap / max(worst.whole, 0.01), 1.0) * share
        found[service] = Reason(
            channel="edges",
            score=strength,
            says=_says(worst),
            evidence=[one.link.id for one in ones],
        )
    return found


def heat_of(edges: Sequence[tuple[str, str, bool]]) -> Mapping[str, float]:
    """Of (caller, callee, slow): service → number of its slow edges × their share of all its edges."""
    slow: dict[str, int] = {}
    total: dict[str, int] = {}
    for caller, callee, hot in edges:
        for end in (caller, callee):
            total[end] = total.get(end, 0) + 1
            slow[end] = slow.get(end, 0) + hot
    return {name: slow[name] ** 2 / total[name] for name in total}


def _moved(link: LinkEvidence, evidence: Evidence) -> _Moved | None:
    before, during = _gaps(link, evidence.baseline), _gaps(link, evidence.window)
    if before.size < 3 or not during.size:
        return None
    usual, now = float(np.median(before)), float(np.median(during))
    delta = now - usual
    client = _client(link, evidence.baseline)
    whole = float(np.median(client))
    z = delta / max(spread(before), spread(client), _LEAST_GAP / _LEAST_Z)
    stands_out = z >= _LEAST_Z and delta >= max(_LEAST_GAP, 0.5 * usual, 0.2 * whole)
    return _Moved(link, usual, now, whole, rarity(before, now, usual), delta if stands_out else 0.0)


def _gaps(link: LinkEvidence, window: Window) -> Floats:
    rows = zip(link.times, link.client, link.server, strict=True)
    return np.array(
        [
            max(0.0, client - server)
            for at, client, server in rows
            if client is not None and server is not None and window.start <= at <= window.end
        ],
        dtype=float,
    )


def _client(link: LinkEvidence, window: Window) -> Floats:
    pairs = zip(link.times, link.client, strict=True)
    return np.array([v for at, v in pairs if v is not None and window.start <= at <= window.end], dtype=float)


def _says(one: _Moved) -> Statement:
    link = one.link.id
    now, then = f"median({link}, incident)", f"median({link}, baseline)"
    return state(
        "Calls from {caller} to {callee} lose {gap} between the two (before: {usual}).",
        "{caller} → {callee} 호출이 둘 사이에서 {gap} 지연됩니다(이전: {usual}).",
        holds=f"{now} > {then}",
        caller=(f"{link}.caller", "text"),
        callee=(f"{link}.callee", "text"),
        gap=(now, "s"),
        usual=(then, "s"),
    )

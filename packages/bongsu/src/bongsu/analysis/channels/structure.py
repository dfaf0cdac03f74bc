"""What requests no longer do: steps, calls and log lines that vanished from an operation, and new errors."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bongsu.analysis.channels.base import Findings
from bongsu.analysis.compare import g_test
from bongsu.analysis.graph import call_graph, reachable
from bongsu.analysis.model import EventEvidence, Evidence, Reason, Statement
from bongsu.analysis.series import saturate
from bongsu.analysis.statement import state

NAME = "structure"
_SEVERE = frozenset({"ERROR", "FATAL"})
_NEW_ERROR = 1.5
_NEW_END = 1.5
_LEAST_DROP = 0.3
_EXCHANGED = 0.7
_BRANCH = 0.25
"""What is left of an event that vanished because requests took another branch: the caller asked otherwise."""
_TO_CALLEE = 0.7
"""A request that ends after a call: the share of the blame of the callee, whose answer may have ended it."""
_TO_SOUND_CALLEE = 0.3
"""The same where one caller alone ends there and what the callee does inside was seen and shows nothing."""
_LEAST_G = 10.0
_LEAST_LATE = 3
_FEWEST = 3
"""Requests that ended after a call: fewer may be chance."""
_HALF = 15.0
_EXPLAINED = 0.8
"""A callee that is as anomalous explains this share of its caller's."""


@dataclass(frozen=True, slots=True)
class _Blame:
    amount: float
    row: EventEvidence


def structure(evidence: Evidence) -> Findings:
    """Score: the G statistics of the most telling events, saturated, less what anomalous callees explain."""
    blames = _blames(evidence)
    worst = {service: max(ones, key=lambda one: (one.amount, one.row.id)) for service, ones in blames.items()}
    strength = {service: saturate(_total(ones), _HALF) for service, ones in blames.items()}
    graph = call_graph(evidence)
    found = {}
    for service, one in sorted(worst.items()):
        below = reachable(graph, [service]) - {service}
        explained = max((strength.get(name, 0.0) for name in below), default=0.0)
        score = strength[service] * (1 - _EXPLAINED * explained)
        found[service] = Reason(channel=NAME, score=score, says=_says(one.row), evidence=[one.row.id])
    return found


def _total(ones: Sequence[_Blame]) -> float:
    """The strongest of each operation that speaks of the service."""
    best: dict[tuple[str, str], float] = {}
    for one in ones:
        key = (one.row.service, one.row.operation)
        best[key] = max(best.get(key, 0.0), one.amount)
    return sum(best.values())


def _blames(evidence: Evidence) -> Mapping[str, Sequence[_Blame]]:
    groups: dict[tuple[str, str], list[EventEvidence]] = defaultdict(list)
    for row in evidence.events:
        groups[(row.service, row.operation)].append(row)
    found: dict[str, list[_Blame]] = defaultdict(list)
    for (service, _), rows in sorted(groups.items()):
        found[service] += [_Blame(telling(row), row) for row in rows if new_error(row)]
        lost = [_Blame(telling(row) * _branch(row, rows), row) for row in rows if not new_error(row)]
        one = max(lost, key=lambda b: (b.amount, b.row.id), default=None)
        if one is not None and one.amount > 0:
            found[service].append(one)
    anomalous = {service for service, ones in found.items() if any(one.amount >= _LEAST_G for one in ones)}
    sound = set(evidence.seen_inside) - anomalous
    hinges = [
        row
        for row in evidence.events
        if row.kind == "end" and row.callee and row.of >= _FEWEST and _rise(row) > 0
    ]
    callers: dict[str, set[str]] = defaultdict(set)
    for row in hinges:
        callers[row.callee].add(row.service)
    for row in hinges:
        amount = _NEW_END * _rise(row) * _strength(row)
        several = len(callers[row.callee]) > 1
        share = _TO_SOUND_CALLEE if row.callee in sound and not several else _TO_CALLEE
        found[row.callee].append(_Blame(share * amount, row))
        found[row.service].append(_Blame((1 - share) * amount, row))
    return {service: ones for service, ones in found.items() if ones}


def new_error(row: EventEvidence) -> bool:
    """An error line in more requests than before."""
    risen = row.count * row.baseline_of > row.baseline_count * row.of
    return row.kind == "log" and row.severity in _SEVERE and risen


def telling(row: EventEvidence) -> float:
    """How much an event says about its service: nothing where errors became fewer or plain events more."""
    g = _strength(row)
    share, usual = row.count / row.of, row.baseline_count / row.baseline_of
    if new_error(row):
        return _NEW_ERROR * g * (share - usual)
    if row.kind == "end" or share >= usual or (row.kind == "log" and row.severity in _SEVERE):
        return 0.0
    drop = 1 - share / usual
    return g * drop if drop >= _LEAST_DROP else 0.0


def _strength(row: EventEvidence) -> float:
    """The G statistic, less where the deviation was over by the second half of the incident: what has passed
    does not explain what goes on. Where it came late, that half alone is judged."""
    g = g_test(row.count, row.of, row.baseline_count, row.baseline_of)
    if row.late_of < _LEAST_LATE:
        return g
    usual = row.baseline_count / row.baseline_of
    rise, late = row.count / row.of - usual, row.late_count / row.late_of - usual
    lasting = max(0.0, min(1.0, late / rise)) if rise else 1.0
    return max(
        g * lasting, g_test(row.late_count, row.late_of, row.baseline_count, row.baseline_of) * lasting
    )


def _branch(row: EventEvidence, rows: Sequence[EventEvidence]) -> float:
    """Whether as many events came as went, without an error: requests took another branch, or recovered."""
    fall = -_rise(row)
    plain = [other for other in rows if other.kind != "end"]
    if any(new_error(other) for other in plain):
        return 1.0
    came = sum(_rise(other) >= _EXCHANGED * fall for other in plain)
    went = sum(-_rise(other) >= _EXCHANGED * fall for other in plain)
    return _BRANCH if came >= went else 1.0


def _rise(row: EventEvidence) -> float:
    return row.count / row.of - row.baseline_count / row.baseline_of


def _says(row: EventEvidence) -> Statement:
    name = row.id
    share, usual = f"ratio({name}.count, {name}.of)", f"ratio({name}.baseline_count, {name}.baseline_of)"
    fewer = row.count * row.baseline_of < row.baseline_count * row.of
    if row.kind == "end":
        en = "{share} of {requests} requests to {service} ({operation}) ended after “{event}”"
        ko = "{service} 요청({operation}) {requests}건 중 {share}가 “{event}” 호출 뒤에 끝났습니다"
    elif fewer:
        en = "{service}: only {share} of {requests} requests to {operation} had “{event}”"
        ko = "{service}: {operation} 요청 {requests}건 중 {share}에만 “{event}” 항목이 있었습니다"
    else:
        en = "{service}: {share} of {requests} requests to {operation} had “{event}”"
        ko = "{service}: {operation} 요청 {requests}건 중 {share}에서 “{event}” 항목이 나타났습니다"
    return state(
        f"{en} (before: {{usual}}).",
        f"{ko}(이전: {{usual}}).",
        holds=f"{share} {'<' if fewer else '>'} {usual}",
        service=(f"{name}.service", "text"),
        operation=(f"{name}.operation", "text"),
        event=(f"{name}.event", "short"),
        requests=(f"{name}.of", "whole"),
        share=(share, "ratio"),
        usual=(usual, "ratio"),
    )

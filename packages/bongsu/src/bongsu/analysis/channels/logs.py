"""New error lines: templates seen (far) more often than before; those that name a callee speak of it."""

import math
import re
from collections.abc import Sequence

from bongsu.analysis.channels.base import Findings, keep_worst
from bongsu.analysis.graph import call_graph
from bongsu.analysis.load import load_ratio
from bongsu.analysis.model import Evidence, LogEvidence, Reason, Statement
from bongsu.analysis.series import saturate
from bongsu.analysis.statement import state

NAME = "logs"
_SEVERE = frozenset({"ERROR", "FATAL"})
_LEAST = 5.0
_FATAL_COUNT = 10


def logs(evidence: Evidence) -> Findings:
    """Score: saturating in the count above expectation; lines about a callee count half for either."""
    graph, load = call_graph(evidence), load_ratio(evidence)
    length = max(evidence.window.end - evidence.window.start, 1.0)
    scale = length / max(evidence.baseline.end - evidence.baseline.start, 1.0)
    found: dict[str, Reason] = {}
    for row in evidence.logs:
        more = _more(row, scale * max(1.0, load.get(row.service, 1.0)))
        if more < _LEAST:
            continue
        strength = saturate(math.log1p(more), 3.0)
        about = _named(row, graph.get(row.service, ()))
        says = _says(row)
        if not about:
            keep_worst(found, row.service, _reason(row, strength, says))
        for callee in about:
            keep_worst(found, callee, _reason(row, 0.5 * strength, says))
            keep_worst(found, row.service, _reason(row, 0.2 * strength, says))
    return found


def _more(row: LogEvidence, scale: float) -> float:
    """Lines above expectation, 0 unless at least three standard deviations of a Poisson count."""
    expected = row.baseline_count * scale
    count = row.count * (_FATAL_COUNT if row.severity == "FATAL" else 1)
    more = count - expected
    if row.severity not in _SEVERE:
        more *= 0.3
    return more if more >= 3 * math.sqrt(expected + 1.0) else 0.0


def _named(row: LogEvidence, callees: Sequence[str]) -> list[str]:
    """Those of the service's callees that the line names as a whole word."""
    line = f"{row.template} {row.example}".lower()
    return [
        name
        for name in callees
        if re.search(rf"(?<![\w-]){re.escape(name.partition(':')[0].lower())}(?![\w-])", line)
    ]


def _reason(row: LogEvidence, score: float, says: Statement) -> Reason:
    return Reason(channel=NAME, score=score, says=says, evidence=[row.id])


def _says(row: LogEvidence) -> Statement:
    if row.baseline_count == 0:
        en = "{service} logged a new error {times}: “{line}”."
        ko = "{service} 로그에 새로운 오류가 {times} 나타났습니다: “{line}”."
        holds = f"{row.id}.baseline_count <= 0"
    else:
        en = "{service} logged “{line}” {times} (before: {usual})."
        ko = "{service} 로그에 “{line}” 오류가 {times} 나타났습니다(이전: {usual}번)."
        holds = ""
    return state(
        en,
        ko,
        holds=holds,
        service=(f"{row.id}.service", "text"),
        line=(f"{row.id}.template", "text"),
        times=(f"{row.id}.count", "times"),
        usual=(f"{row.id}.baseline_count", "whole"),
    )

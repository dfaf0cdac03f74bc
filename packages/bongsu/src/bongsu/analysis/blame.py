"""Which change fits what is seen: by its words, by its time and by its service; or that none does.

A change is named only where its text shares rare words with the new errors and the metrics that moved. How
recent it is counts little: the newest change is most often innocent.
"""

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

import numpy as np

from bongsu.analysis.model import ChangeEvidence, Evidence, LogEvidence, MetricEvidence, Window
from bongsu.analysis.series import Floats, spread, values_in
from bongsu.analysis.vocabulary import words

_INERT_SUFFIXES = frozenset({".md", ".rst", ".txt", ".css", ".scss", ".svg", ".png", ".html", ".ts", ".tsx"})
_INERT_NAMES = frozenset({"CODEOWNERS", "LICENSE", ".gitignore", ".editorconfig"})
_INERT_PARTS = ("test", "docs/", "frontend/static")
_INERT = 0.1
_VALUE, _CHANGED, _REWRITTEN, _NAMED, _CONTEXT = 1.5, 1.0, 0.5, 0.3, 0.2
"""What a word weighs: on a line of which only a number changed; that came or went; that is on both sides of a
rewritten line; in the title or a file name; round the change."""
_NUMBER = re.compile(r"\d+(?:\.\d+)*")
_SILENT = re.compile(
    r"(?://|#(?!include)|/?\*|--\s|<!--|(?:[\w.]+[.>]+)?(?:log|logger|logging|console|LOG)\w*\s*[.(])"
)
"""Comments and statements that only log."""
_SETTLED_HOURS = 4.0
_LEAST, _LEAD = 0.5, 1.15
_MANY = 20
_OUTAGE_BEFORE, _OUTAGE_AFTER, _OUTAGE_WORDS = 3600.0, 600.0, 2
_SEVERE = frozenset({"WARN", "ERROR", "FATAL"})


@dataclass(frozen=True, slots=True)
class Verdict:
    """``change`` is None where no change fits, or where ``outside`` says what does."""

    change: ChangeEvidence | None
    score: float
    words: Sequence[str]
    outside: str = ""


def blame(evidence: Evidence, suspects: Mapping[str, float]) -> Verdict:
    """``suspects``: service → score. The verdict is none where two changes fit alike."""
    outside = _outside(evidence)
    if outside:
        return Verdict(None, 0.0, (), outside)
    candidates = [c for c in evidence.changes if c.at <= evidence.onset + 60.0 and c.kind != "outage"]
    seen = _symptoms(evidence)
    rare = _rarities(evidence.changes)
    scored = sorted(
        (_score(change, seen, rare, suspects, evidence) for change in candidates),
        key=lambda pair: (-pair[0], pair[1].change.id if pair[1].change else ""),
    )
    if not scored or scored[0][0] < _LEAST:
        return Verdict(None, scored[0][0] if scored else 0.0, ())
    if len(scored) > 1 and scored[0][0] < _LEAD * scored[1][0]:
        return Verdict(None, scored[0][0], scored[0][1].words)
    return scored[0][1]


def _score(
    change: ChangeEvidence,
    seen: Mapping[str, float],
    rare: Mapping[str, float],
    suspects: Mapping[str, float],
    evidence: Evidence,
) -> tuple[float, Verdict]:
    own = _words_of(change)
    shared = {word: own[word] * seen[word] * rare.get(word, 0.0) for word in own if word in seen}
    lexical = math.sqrt(sum(value * value for value in shared.values()))
    names = [change.service] if change.service else _touched(change, suspects)
    related = 0.4 + 0.6 * min(1.0, 2.0 * max((suspects.get(name, 0.0) for name in names), default=0.0))
    score = lexical * related * _timely(change, evidence) * (_INERT if inert(change) else 1.0)
    best = sorted(shared, key=lambda word: (-shared[word], word))[:5]
    return score, Verdict(change, score, best)


def _touched(change: ChangeEvidence, services: Iterable[str]) -> list[str]:
    """The services that the changed files' paths name, for a change that says no service."""
    parts = {part.lower() for name in change.files for part in PurePosixPath(name).parts}
    return [name for name in services if name.lower() in parts]


def inert(change: ChangeEvidence) -> bool:
    """Whether nothing that runs on a server was touched: documents, tests, styles."""
    return bool(change.files) and all(_inert_file(name) for name in change.files)


def _inert_file(name: str) -> bool:
    path = PurePosixPath(name)
    lower = name.lower()
    return (
        path.suffix in _INERT_SUFFIXES
        or path.name in _INERT_NAMES
        or any(part in lower for part in _INERT_PARTS)
    )


def _words_of(change: ChangeEvidence) -> dict[str, float]:
    found: dict[str, float] = {}

    def note(text: Iterable[str], weight: float) -> None:
        for word in text:
            found[word] = max(found.get(word, 0.0), weight)

    note(words(change.summary), _NAMED)
    for name in change.files:
        note(words(name), _NAMED)
    lines = change.text.splitlines()
    gone = [line[1:].strip() for line in lines if line[:1] == "-" and line[:3] != "---"]
    come = [line[1:].strip() for line in lines if line[:1] == "+" and line[:3] != "+++"]
    for line in lines:
        if line[:1] not in ("+", "-"):
            note(words(line), _CONTEXT)
    kept = {w for line in gone for w in words(line)} & {w for line in come for w in words(line)}
    values = {_NUMBER.sub("0", line) for line in gone} & {_NUMBER.sub("0", line) for line in come}
    for line in (*gone, *come):
        if _SILENT.match(line):
            note(words(line), _CONTEXT)
        elif _NUMBER.sub("0", line) in values:
            note(words(line), 0.0 if line in gone and line in come else _VALUE)
        else:
            note((w for w in words(line) if w not in kept), _CHANGED)
            note((w for w in words(line) if w in kept), _REWRITTEN)
    return found


def _rarities(changes: Iterable[ChangeEvidence]) -> dict[str, float]:
    """How telling each word is: the logarithm of all changes (as if there were a good many) over those that
    use it."""
    changes = list(changes)
    total = max(len(changes), _MANY)
    counts = Counter(word for change in changes for word in _words_of(change))
    return {word: math.log((total + 1) / (count + 0.5)) for word, count in counts.items()}


def _symptoms(evidence: Evidence) -> dict[str, float]:
    """Words of what is wrong, with weights: new lines, metrics that moved, the alert."""
    found: dict[str, float] = {}
    services = " ".join(name.lower() for name in _services(evidence))
    scale = _seconds(evidence.window) / _seconds(evidence.baseline)
    texts: list[tuple[str, float]] = [
        (f"{row.template} {row.example}", 1.0 if row.severity in _SEVERE else 0.7)
        for row in evidence.logs
        if row.count > 2 * row.baseline_count * scale + 1
    ]
    texts += [(metric.signal, 0.8) for metric in evidence.metrics if moved(metric, evidence)]
    texts += [(f"{a.get('signal') or ''} {a.get('name') or ''}", 0.8) for a in evidence.alerts]
    for text, weight in texts:
        for word in words(text):
            if word not in services:
                found[word] = max(found.get(word, 0.0), weight)
    return found


def _services(evidence: Evidence) -> set[str]:
    rows: Sequence[MetricEvidence | LogEvidence | ChangeEvidence] = (
        *evidence.metrics,
        *evidence.logs,
        *evidence.changes,
    )
    return {row.service for row in rows}


def _seconds(window: Window) -> float:
    return max(1.0, window.end - window.start)


def moved(metric: MetricEvidence, evidence: Evidence) -> bool:
    """Whether the metric is well away from where it began."""
    early, during = _early(metric, evidence), values_in(metric, evidence.window)
    if early.size < 5 or not during.size:
        return False
    usual, now = float(np.median(early)), float(np.median(during))
    return abs(now - usual) >= max(4.0 * spread(early), 0.1 * abs(usual), 1e-9)


def _early(metric: MetricEvidence, evidence: Evidence) -> Floats:
    """The first quarter of what was read: later parts may hold the beginning of a slow ramp."""
    found = values_in(metric, Window(float("-inf"), evidence.window.end))
    return found[: max(5, found.size // 4)]


def _timely(change: ChangeEvidence, evidence: Evidence) -> float:
    """More where some metric of the change's service first left its range soon after it: a slow ramp is
    traced back to where it began. Mildly less with the hours."""
    hours = max(0.0, evidence.onset - change.at) / 3600.0
    recent = 0.5 ** (hours / _SETTLED_HOURS)
    delays = [
        began - change.at
        for metric in evidence.metrics
        if metric.service == change.service and (began := first_departure(metric, evidence)) is not None
    ]
    near = [delay for delay in delays if delay >= -60.0]
    aligned = max((0.5 ** (max(0.0, delay) / 600.0) for delay in near), default=0.0)
    too_late = bool(delays) and not near
    return float(recent * (0.5 + aligned) * (0.3 if too_late else 1.0))


def first_departure(metric: MetricEvidence, evidence: Evidence) -> float | None:
    """When the metric left the range of its first quarter for good, Unix seconds; None where it did not."""
    pairs = [
        (t, v)
        for t, v in zip(metric.times, metric.values, strict=True)
        if v is not None and t <= evidence.window.end
    ]
    early = _early(metric, evidence)
    if not moved(metric, evidence):
        return None
    middle = float(np.median(early))
    bound = max(4.0 * spread(early), 0.1 * abs(middle), 1e-9)
    began: float | None = None
    for at, value in pairs:
        if abs(value - middle) <= bound:
            began = None
        elif began is None:
            began = at
    return began


def _outside(evidence: Evidence) -> str:
    """A cause that no change brought: a provider's outage that our errors name, or a deadline that passed."""
    errors = {
        w for row in evidence.logs if row.severity in _SEVERE for w in words(f"{row.template} {row.example}")
    }
    for change in evidence.changes:
        named = set(words(f"{change.service} {change.before} {change.summary} {change.text}"))
        near = -_OUTAGE_BEFORE <= change.at - evidence.onset <= _OUTAGE_AFTER
        if change.kind == "outage" and near and len(named & errors) >= _OUTAGE_WORDS:
            return change.summary
    for metric in evidence.metrics:
        if _expired(metric, evidence):
            return f"{metric.service} {metric.signal}"
    return ""


def _expired(metric: MetricEvidence, evidence: Evidence) -> bool:
    """A countdown, one second a second, that reached zero round onset."""
    pairs = [(t, v) for t, v in zip(metric.times, metric.values, strict=True) if v is not None]
    before = [(t, v) for t, v in pairs if t < evidence.onset and v > 0]
    after = [v for t, v in pairs if t >= evidence.onset]
    if len(before) < 5 or not after or min(after) > 0:
        return False
    (t0, v0), (t1, v1) = before[0], before[-1]
    return bool(t1 > t0 and abs((v0 - v1) / (t1 - t0) - 1.0) < 0.05)

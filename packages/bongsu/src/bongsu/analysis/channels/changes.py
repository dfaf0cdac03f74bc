"""What changed shortly before: a prior that multiplies other suspicion and never makes a suspect alone."""

from bongsu.analysis.channels.base import Findings, keep_worst
from bongsu.analysis.model import ChangeEvidence, Evidence, Reason, Statement
from bongsu.analysis.statement import state

NAME = "changes"
_BONUS = {"deploy": 0.6, "config": 0.6, "flag": 0.6, "restart": 0.2}
_HALF_LIFE = 1200.0
_AFTER_ONSET = 60.0
"""A change this long after the estimated onset, in seconds, may still be its cause."""


def changes(evidence: Evidence) -> Findings:
    """Score: by how much other suspicion grows (0.6 = × 1.6), halved every 20 min before onset."""
    found: dict[str, Reason] = {}
    for change in evidence.changes:
        before = evidence.onset - change.at
        if before < -_AFTER_ONSET:
            continue
        bonus = _BONUS.get(change.kind, 0.3) * 0.5 ** (max(0.0, before) / _HALF_LIFE)
        if bonus >= 0.02:
            reason = Reason(
                channel=NAME, score=round(bonus, 6), says=_says(change, before), evidence=[change.id]
            )
            keep_worst(found, change.service, reason)
    return found


def _says(change: ChangeEvidence, before: float) -> Statement:
    noun = {
        "deploy": ("a deploy", "배포", "가"),
        "restart": ("a restart", "재시작", "이"),
        "config": ("a configuration change", "설정 변경", "이"),
        "flag": ("a flag change", "플래그 변경", "이"),
    }.get(change.kind, ("a change", "변경", "이"))
    figures = {"service": (f"{change.id}.service", "text")}
    detail = ""
    if change.before or change.after:
        detail = "({was} → {became})"
        figures |= {"was": (f"{change.id}.before", "short"), "became": (f"{change.id}.after", "short")}
    elif change.summary:
        detail = "({what})"
        figures["what"] = (f"{change.id}.summary", "short")
    when_en, when_ko = "at onset", "장애 시작 무렵"
    if before >= 1:
        when_en, when_ko = "{ago} before onset", "장애 시작 {ago} 전"
        figures["ago"] = (f"before_onset({change.id}.at)", "duration")
    return state(
        f"{{service}} had {noun[0]} {detail} {when_en}.".replace("  ", " "),
        f"{when_ko} {{service}} 서비스에 {noun[1]}{detail}{noun[2]} 있었습니다.",
        holds="",
        **figures,
    )

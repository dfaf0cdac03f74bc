"""The daily report: all is well or not, and each incident of the day. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from bongsu.delivery import words
from bongsu.incidents.model import Incident, IncidentStatus


@dataclass(frozen=True, slots=True)
class Told:
    """An incident with its first suspect, empty when none was found."""

    incident: Incident
    suspect: str = ""


@dataclass(frozen=True, slots=True)
class DailyReport:
    day: date
    zone: ZoneInfo
    services: int
    incidents: Sequence[Told]

    @property
    def unresolved(self) -> list[Told]:
        return [t for t in self.incidents if t.incident.status is not IncidentStatus.RESOLVED]


def day_bounds(day: date, zone: ZoneInfo) -> tuple[float, float]:
    """Unix seconds of the day's first moment and of the next day's, in ``zone``."""
    start = datetime.combine(day, time.min, zone)
    end = datetime.combine(day + timedelta(days=1), time.min, zone)
    return start.timestamp(), end.timestamp()


def of_day(incidents: Sequence[Told], day: date, zone: ZoneInfo, services: int) -> DailyReport:
    """The report of every incident that was open at any moment of ``day``."""
    start, end = day_bounds(day, zone)
    during = [
        t
        for t in incidents
        if t.incident.since < end and (t.incident.resolved_at is None or t.incident.resolved_at >= start)
    ]
    return DailyReport(day, zone, services, sorted(during, key=lambda t: t.incident.since))


def markdown(report: DailyReport, language: str) -> str:
    """The report as Markdown; its first line says whether all is well."""
    ko = language == "ko"
    lines = [f"# {_headline(report, ko)}", ""]
    day = report.day.isoformat()
    count = len(report.incidents)
    lines.append(
        f"{day} · 서비스 {report.services}개 · 장애 {count}건"
        if ko
        else f"{day} · {report.services} services · {count} incidents"
    )
    if report.incidents:
        head = (
            "| # | 심각도 | 장애 | 시작 | 지속 | 확인까지 | 유력 원인 |"
            if ko
            else ("| # | severity | incident | since | lasted | acknowledged after | first suspect |")
        )
        lines += ["", head, "|---|---|---|---|---|---|---|"]
        lines += [_row(told, report.zone, language) for told in report.incidents]
    return "\n".join(lines) + "\n"


def _headline(report: DailyReport, ko: bool) -> str:
    still = len(report.unresolved)
    if still:
        return f"🔥 미해결 장애 {still}건" if ko else f"🔥 {still} incidents are still open"
    if report.incidents:
        return "🟢 모든 장애가 복구되었습니다" if ko else "🟢 All is well again: every incident was resolved"
    return "🟢 이상 없음" if ko else "🟢 All is well"


def _row(told: Told, zone: ZoneInfo, language: str) -> str:
    incident = told.incident
    began = datetime.fromtimestamp(incident.since, zone).strftime("%H:%M")
    lasted = words.duration(incident.resolved_at - incident.since, language) if incident.resolved_at else "…"
    acknowledged = (
        words.duration(incident.acknowledged_at - incident.since, language)
        if incident.acknowledged_at
        else "–"
    )
    title = incident.title.replace("|", "\\|")
    return (
        f"| {incident.number} | {incident.severity} | {title} | {began} | {lasted} | {acknowledged} "
        f"| {told.suspect or '–'} |"
    )

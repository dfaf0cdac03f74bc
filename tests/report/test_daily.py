"""The daily report says in its first line whether all is well, and tells each incident of the day once."""

from datetime import date, datetime
from zoneinfo import ZoneInfo

from bongsu.incidents.model import Incident, IncidentStatus
from bongsu.report.daily import Told, markdown, of_day
from bongsu.signals.model import Severity

SEOUL = ZoneInfo("Asia/Seoul")
DAY = date(2026, 3, 1)


def at(hour: int, minute: int = 0, day: int = 1) -> float:
    return datetime(2026, 3, day, hour, minute, tzinfo=SEOUL).timestamp()


def incident(number: int, since: float, until: float | None, acknowledged: float | None = None) -> Told:
    return Told(
        Incident(
            id=str(number),
            number=number,
            status=IncidentStatus.RESOLVED if until else IncidentStatus.OPEN,
            severity=Severity.P1,
            title=f"payments: fault {number} | x",
            service="payments",
            owner="",
            since=since,
            opened_at=since,
            resolved_at=until,
            acknowledged_at=acknowledged,
        ),
        "payments",
    )


def test_a_quiet_day_is_well() -> None:
    text = markdown(of_day([], DAY, SEOUL, 4), "en")
    assert text == "# 🟢 All is well\n\n2026-03-01 · 4 services · 0 incidents\n"


def test_an_open_incident_stands_in_the_first_line() -> None:
    text = markdown(of_day([incident(1, at(9), None)], DAY, SEOUL, 4), "ko")
    assert text.splitlines()[0] == "# 🔥 미해결 장애 1건"


def test_only_incidents_that_were_open_on_the_day_are_told() -> None:
    known = [
        incident(1, at(10, day=1) - 86400, at(11) - 86400),
        incident(2, at(23, 50) - 86400, at(0, 10)),
        incident(3, at(9), at(9, 30)),
        incident(4, at(0, 0, day=2), None),
    ]
    assert [t.incident.number for t in of_day(known, DAY, SEOUL, 4).incidents] == [2, 3]


def test_a_row_says_when_how_long_and_why() -> None:
    text = markdown(of_day([incident(7, at(9), at(9, 30), at(9, 4))], DAY, SEOUL, 4), "en")
    assert "| 7 | P1 | payments: fault 7 \\| x | 09:00 | 30 min | 4 min | payments |" in text

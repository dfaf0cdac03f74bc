"""What a message says of what could not be read."""

import pytest

from bongsu.analysis.model import Analysis, Gap, Say
from bongsu.catalog import Catalog
from bongsu.delivery.compose import Known, compose
from bongsu.incidents.model import Incident, IncidentStatus
from bongsu.signals.model import Severity

INCIDENT = Incident(
    id="i1",
    number=1,
    status=IncidentStatus.OPEN,
    severity=Severity.P1,
    title="payments: too many requests fail",
    service="payments",
    owner="",
    since=1000.0,
    opened_at=1010.0,
)
ANALYSIS = Analysis(
    incident="i1",
    suspects=[],
    abstained=True,
    summary=Say("No cause found.", "원인을 찾지 못했습니다."),
    gaps=[
        Gap("Baseline: only 31 s.", "비교 기준: 31초.", minor=True),
        Gap("logs of the incident: refused", "장애 중 로그: refused"),
    ],
)


@pytest.mark.parametrize(
    ("language", "said"), [("en", "logs of the incident: refused"), ("ko", "장애 중 로그: refused")]
)
def test_gaps_that_matter_are_told_in_the_readers_language(language: str, said: str) -> None:
    known = Known(INCIDENT, (), analysis=ANALYSIS)
    message = compose(known, Catalog(name="shop"), lambda *_: None, language=language, mention=False)
    assert message.gaps == (said,)

"""Where Alertmanager tells the channels itself, Bongsu tells them of nothing that Alertmanager has told."""

from typing import cast

import pytest

from bongsu.analysis.archive import Archive
from bongsu.analysis.recent import Recent
from bongsu.catalog import loads
from bongsu.delivery.deliver import Deliverer
from bongsu.incidents.model import Alert, AlertStatus, Incident, IncidentStatus
from bongsu.incidents.store import Store
from bongsu.signals.model import Severity

CATALOG = """\
name: team
{notifier}
targets: {{prometheus: "3.5", {systems}}}
services: {{web: {{kind: fastapi}}}}
channels:
  chat: {{type: slack, webhook: {{env: A}}}}
  signed: {{type: webhook, url: "https://hook.example.com", sign: {{env: B}}}}
routes: [{{to: [chat, signed]}}]
"""
MANAGED = 'alertmanager: "0.28"'
INCIDENT = Incident(
    id="1",
    number=1,
    status=IncidentStatus.OPEN,
    severity=Severity.P1,
    title="",
    service="web",
    owner="",
    since=0.0,
    opened_at=0.0,
)


def told(*sources: str, notifier: str = "notifier: alertmanager", systems: str = MANAGED) -> list[str]:
    catalog = loads(CATALOG.format(notifier=notifier, systems=systems))
    nothing = cast("Store", None)
    deliverer = Deliverer(
        catalog, nothing, cast("Archive", None), {}, cast("Recent", None), lambda service, signal: None
    )
    alerts = [
        Alert(
            source=source,
            fingerprint=f"{number}",
            status=AlertStatus.FIRING,
            starts_at=0.0,
            name="x",
            severity=Severity.P1,
        )
        for number, source in enumerate(sources)
    ]
    return deliverer.channels(INCIDENT, alerts)


def test_what_alertmanager_told_is_told_only_where_alertmanager_cannot() -> None:
    # Alertmanager cannot sign what it posts: this channel is left to Bongsu.
    assert told("alertmanager", "alertmanager") == ["signed"]


@pytest.mark.parametrize("sources", [("watch",), ("grafana",), ("alertmanager", "watch")])
def test_what_bongsu_finds_itself_is_told_everywhere(sources: tuple[str, ...]) -> None:
    assert told(*sources) == ["chat", "signed"]


def test_bongsu_tells_everything_where_it_is_the_notifier() -> None:
    assert told("alertmanager", notifier="") == ["chat", "signed"]


def test_without_a_generated_alertmanager_nobody_else_tells() -> None:
    assert told("alertmanager", systems='grafana: "12"') == ["chat", "signed"]

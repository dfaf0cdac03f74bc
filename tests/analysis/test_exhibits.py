"""The incident's page and its messages show what the analysis claims beside what it rests on."""

import re
from collections.abc import Sequence

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from msgspec import structs

from bongsu.analysis.model import ChangeEvidence, Evidence, LinkEvidence, LogEvidence, Window
from bongsu.analysis.observed import observe
from bongsu.analysis.rank import analyse
from bongsu.catalog import Catalog
from bongsu.console.app import console_router
from bongsu.console.exhibits import anchor
from bongsu.delivery.compose import Known, compose
from bongsu.sources.base import LogRecord, Span
from tests.console.memory import TOKEN, Shop
from tests.console.sample import burning_shop
from tests.console.support import OUTAGE, form_token, words

POOL = ChangeEvidence(
    id="D1",
    at=900.0,
    service="payments",
    kind="deploy",
    summary="Shrink the ledger pool",
    text="-ledger_pool_size = 50\n+ledger_pool_size = 5",
)


def requests_at(start: float, *, well: bool) -> tuple[Sequence[Span], Sequence[LogRecord]]:
    spans, lines = [], []
    for n in range(60):
        at, trace = start + 2 * n, f"t{start}-{n}"
        spans.append(Span(trace, "a", "", "gateway", "work", "server", at, 0.3, not well))
        spans.append(Span(trace, "b", "a", "payments", "charge", "server", at + 0.05, 0.1, not well))
        body = "ledger entry written" if well else f"ledger pool exhausted, {n} waiting"
        level = "INFO" if well else "ERROR"
        lines.append(LogRecord(at + 0.1, "payments", level, body, trace, "b"))
    return spans, lines


@pytest.fixture(scope="module")
def evidence() -> Evidence:
    spans_before, logs_before = requests_at(0.0, well=True)
    spans, logs = requests_at(1000.0, well=False)
    times = [float(at) for at in range(0, 1120, 10)]
    return observe(
        incident=OUTAGE,
        window=Window(1000.0, 1120.0),
        baseline=Window(0.0, 120.0),
        alerting=[("gateway", "error_ratio")],
        spans_before=spans_before,
        spans=spans,
        logs_before=logs_before,
        logs=logs,
        changes=[POOL],
        links=[
            LinkEvidence(
                id="",
                caller="orders",
                callee="inventory",
                times=times,
                client=[0.01 if at < 1000 else 2.0 for at in times],
                server=[0.009] * len(times),
            )
        ],
        depends_on={"gateway": ["payments"], "orders": ["inventory"]},
    )


def page(evidence: Evidence, language: str) -> TestClient:
    shop: Shop = burning_shop()
    shop.by_evidence[OUTAGE] = evidence
    shop.by_analysis[OUTAGE] = analyse(evidence)
    app = FastAPI()
    app.include_router(console_router(shop.deps()))
    client = TestClient(app, follow_redirects=False, headers={"accept-language": language})
    client.post("/sign-in", data={"token": TOKEN, "form_token": form_token(client.get("/sign-in"))})
    return client


def changes_told(evidence: Evidence, language: str) -> Sequence[str]:
    incident = structs.replace(burning_shop().incidents[OUTAGE], opened_at=1010.0)
    known = Known(incident, (), evidence, analyse(evidence))
    return compose(known, Catalog(name="shop"), lambda *_: None, language=language, mention=False).changes


@pytest.mark.parametrize("language", ["en", "ko"])
def test_every_claim_on_the_page_leads_to_its_evidence(evidence: Evidence, language: str) -> None:
    answer = page(evidence, language).get(f"/incidents/{OUTAGE}")
    analysis = analyse(evidence)
    said = words(answer)
    cited = set(re.findall(r'class="cite" href="#([^"]+)"', answer.text))
    assert cited <= set(re.findall(r'id="([^"]+)"', answer.text))
    for claim in analysis.claims:
        if claim.kind in ("reason", "impact"):
            assert claim.text.in_(language).split("“")[0].strip() in said
            assert {anchor(name) for name in claim.evidence[:6]} <= cited
    assert {name[0] for name in (e for c in analysis.claims for e in c.evidence)} >= {"V", "K", "C", "L"}


@pytest.mark.parametrize("language", ["en", "ko"])
def test_the_change_that_fits_is_named(evidence: Evidence, language: str) -> None:
    analysis = analyse(evidence)
    assert analysis.blame is not None
    assert analysis.blame.text.in_(language) in words(page(evidence, language).get(f"/incidents/{OUTAGE}"))
    assert changes_told(evidence, language)[0] == analysis.blame.text.in_(language)
    fitting = next(claim for claim in analysis.claims if claim.kind == "change")
    assert fitting.evidence[0] == "D1"
    rows = {row.id: row for row in evidence.logs}
    assert any(isinstance(rows.get(name), LogEvidence) for name in fitting.evidence)


def test_an_analysis_without_a_fitting_change_lists_the_changes_alone(evidence: Evidence) -> None:
    other = structs.replace(POOL, summary="Translate the help page", text="", files=["help.md"])
    calm = structs.replace(evidence, changes=[other])
    analysis = analyse(calm)
    assert analysis.blame is None
    assert changes_told(calm, "en") == ("Translate the help page",)

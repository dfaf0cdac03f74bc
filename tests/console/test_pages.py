"""What the pages say and hold back: headers, escaping, languages, filters, forms, charts."""

import re
from collections.abc import Callable

import msgspec
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from bongsu.analysis.model import Evidence
from bongsu.console.app import add_error_pages, console_router
from bongsu.console.exhibits import anchor
from bongsu.incidents.model import IncidentStatus
from bongsu.signals.model import Severity
from tests.console.memory import Shop
from tests.console.sample import calm_shop
from tests.console.support import OUTAGE, form_token, words

PAGES = ["/", "/incidents", f"/incidents/{OUTAGE}", "/incidents/nothing"]
HOSTILE = "<img src=x onerror=alert(1)>\"'&{{7*7}}<script>alert(2)</script>"


@pytest.mark.parametrize("path", [*PAGES, "/sign-in"])
@pytest.mark.parametrize("language", ["en", "ko"])
def test_every_page_has_the_headers_and_no_inline_code(
    signed_in: TestClient, path: str, language: str
) -> None:
    answer = signed_in.get(path, headers={"accept-language": language})
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert answer.headers["cache-control"] == "no-store"
    assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son\w+=|javascript:|hx-on", answer.text)
    assert not re.search(r'(?:src|href)="(?:https?:)?//', answer.text), "something is loaded from elsewhere"


def test_the_first_line_says_whether_all_is_well(signed_in: TestClient, shop: Shop) -> None:
    assert '<h1 aria-live="polite">2 incidents are open.</h1>' in signed_in.get("/").text
    for incident_id in list(shop.incidents):
        shop.change(incident_id, status=IncidentStatus.RESOLVED)
    page = signed_in.get("/")
    assert '<h1 aria-live="polite">All is well.</h1>' in page.text
    assert page.text.count('class="beacon lit') == 1


@pytest.mark.parametrize(("severity", "fires"), [("P1", 5), ("P2", 4), ("P3", 3), ("P4", 2)])
def test_more_fires_are_more_danger(signed_in: TestClient, shop: Shop, severity: str, fires: int) -> None:
    shop.incidents = {OUTAGE: msgspec.structs.replace(shop.incidents[OUTAGE], severity=Severity(severity))}
    assert signed_in.get("/").text.count('class="beacon lit') == fires


def test_the_incident_page_tells_the_whole_story(signed_in: TestClient) -> None:
    said = words(signed_in.get(f"/incidents/{OUTAGE}"))
    for told in (
        "87.1 %", "above 50 %", "Payments team", "Most likely cause: payments", "First suspect",
        "Rolling payments back to 2.8.1", "403 Missing Access", "1310422187364450314", "2.8.1 → 2.9.0",
        "charge refused by provider &lt;*&gt;", "POST /checkout", "KST",
        "inventory logs: no answer within 4 s",
    ):  # fmt: skip
        assert told in said, told


def test_every_citation_leads_to_its_evidence(signed_in: TestClient) -> None:
    page = signed_in.get(f"/incidents/{OUTAGE}").text
    cited = set(re.findall(r'class="cite" href="#([^"]+)"', page))
    assert {anchor(e) for e in ("C2", "M1", "L1", "D1", "E2", "T1")} <= cited
    assert cited <= set(re.findall(r'id="([^"]+)"', page))


def test_ids_are_unique(signed_in: TestClient) -> None:
    for path in PAGES:
        ids = re.findall(r'\sid="([^"]+)"', signed_in.get(path).text)
        assert len(ids) == len(set(ids)), path


def _poison(value: object) -> object:
    """Every string of ``value``, replaced by markup."""
    if isinstance(value, str):
        return HOSTILE
    if isinstance(value, list):
        return [_poison(v) for v in value]
    if isinstance(value, dict):
        return {k: _poison(v) for k, v in value.items()}
    return value


def test_telemetry_is_never_markup(signed_in: TestClient, shop: Shop) -> None:
    evidence = msgspec.to_builtins(shop.by_evidence[OUTAGE])
    shop.by_evidence[OUTAGE] = msgspec.convert(_poison(evidence), Evidence)
    shop.by_alerts[OUTAGE] = [
        msgspec.structs.replace(a, service=HOSTILE, signal="", summary=HOSTILE, name=HOSTILE)
        for a in shop.by_alerts[OUTAGE]
    ]
    shop.by_events[OUTAGE] = [
        msgspec.structs.replace(e, text=HOSTILE, actor=HOSTILE, detail=dict.fromkeys(e.detail, HOSTILE))
        for e in shop.by_events[OUTAGE]
    ]
    shop.change(OUTAGE, title=HOSTILE, service=HOSTILE, owner=HOSTILE)
    for path in PAGES[:3]:
        page = signed_in.get(path).text
        assert "&lt;img src=x" in page
        assert "<img src=x" not in page
        assert "<script>alert" not in page
        assert "49<script" not in page


def test_pages_are_said_in_the_readers_language(signed_in: TestClient) -> None:
    korean = {"accept-language": "ko-KR,ko;q=0.9,en;q=0.8"}
    page = signed_in.get("/", headers=korean)
    assert '<html lang="ko"' in page.text
    assert "진행 중인 장애가 2건 있습니다." in page.text
    assert "실패한 요청의 비율" in page.text
    token = form_token(page)
    chosen = signed_in.post("/preferences", data={"form_token": token, "language": "en", "next": "/"})
    assert chosen.headers["location"] == "/"
    assert '<html lang="en"' in signed_in.get("/", headers=korean).text


def test_gaps_are_said_in_the_readers_language(signed_in: TestClient) -> None:
    page = signed_in.get(f"/incidents/{OUTAGE}", headers={"accept-language": "ko"}).text
    assert "inventory 로그: 4초 안에 응답이 없었습니다" in page
    assert "no answer within" not in page


def test_a_theme_is_kept_and_a_strange_one_is_not(signed_in: TestClient) -> None:
    token = form_token(signed_in.get("/"))
    signed_in.post("/preferences", data={"form_token": token, "theme": "dark"})
    assert 'data-theme="dark"' in signed_in.get("/").text
    signed_in.post("/preferences", data={"form_token": token, "theme": '"><script>'})
    assert 'data-theme="dark"' in signed_in.get("/").text


def test_times_are_in_the_catalogs_zone(visit: Callable[..., TestClient], signed_in: TestClient) -> None:
    assert "+09:00" in signed_in.get("/").text
    assert "Times are in Asia/Seoul" in words(signed_in.get("/"))


@pytest.mark.parametrize(
    ("query", "numbers"),
    [
        ("", [43, 42, 41, 40, 39, 38]),
        ("?status=live", [43, 42]),
        ("?status=resolved", [41, 40, 39, 38]),
        ("?severity=P1&severity=P2", [42, 41, 40, 39]),
        ("?service=inventory", [43, 38]),
        ("?status=live&service=gateway", []),
        ("?status=nonsense&severity=P9&before=x", [43, 42, 41, 40, 39, 38]),
        ("?before=40", [39, 38]),
    ],
)
def test_incidents_are_filtered(signed_in: TestClient, query: str, numbers: list[int]) -> None:
    page = signed_in.get(f"/incidents{query}").text
    assert [int(n) for n in re.findall(r'id="incident-(\d+)"', page)] == numbers
    assert numbers or "No incident matches these filters" in page


def test_incidents_are_paged(signed_in: TestClient, shop: Shop) -> None:
    first = shop.incidents[OUTAGE]
    shop.incidents = {f"i{n}": msgspec.structs.replace(first, id=f"i{n}", number=n) for n in range(1, 61)}
    seen: list[int] = []
    path = "/incidents?severity=P1"
    while path:
        page = signed_in.get(path).text
        seen += [int(n) for n in re.findall(r'id="incident-(\d+)"', page)]
        older = re.search(r'rel="next" href="([^"]+)"', page)
        path = older[1].replace("&amp;", "&") if older else ""
    assert seen == list(range(60, 0, -1))


def test_acknowledging_noting_and_silencing(signed_in: TestClient, shop: Shop) -> None:
    path = f"/incidents/{OUTAGE}"
    token = form_token(signed_in.get(path))
    assert signed_in.post(f"{path}/acknowledge", data={"form_token": token}).headers["location"] == path
    assert shop.incidents[OUTAGE].acknowledged_by == "jihye"
    assert f'action="{path}/acknowledge"' not in signed_in.get(path).text
    signed_in.post(f"{path}/notes", data={"form_token": token, "text": "  되돌리는 중 <b>  "})
    assert shop.by_events[OUTAGE][-1].text == "되돌리는 중 <b>"
    assert "되돌리는 중 &lt;b&gt;" in signed_in.get(path).text
    signed_in.post(f"{path}/silence", data={"form_token": token, "target": "orders|latency_p95"})
    signed_in.post(f"{path}/silence", data={"form_token": token, "target": "payments|"})
    assert shop.silences == [("orders", "latency_p95", 3600.0, "jihye"), ("payments", "", 3600.0, "jihye")]


@pytest.mark.parametrize("target", ["", "|", "billing|", "orders|memory", "orders"])
def test_only_what_alerts_can_be_silenced(signed_in: TestClient, shop: Shop, target: str) -> None:
    token = form_token(signed_in.get(f"/incidents/{OUTAGE}"))
    data = {"form_token": token, "target": target}
    answer = signed_in.post(f"/incidents/{OUTAGE}/silence", data=data)
    assert (answer.status_code == 303) is (target == "orders")
    assert len(shop.silences) == (1 if target == "orders" else 0)


def test_charts_come_from_stored_evidence(signed_in: TestClient, shop: Shop) -> None:
    ratio, latency = signed_in.get(f"/incidents/{OUTAGE}/charts.json").json()
    incident = shop.incidents[OUTAGE]
    assert ratio["unit"] == "ratio"
    assert ratio["threshold"] == 0.5
    assert ratio["shade"] == [incident.since, None]
    assert ratio["timezone"] == "Asia/Seoul"
    assert [(s["label"], s["role"]) for s in ratio["series"]] == [
        ("payments", "main"), ("orders", "main"), ("gateway", "main"), ("inventory", "context"),
    ]  # fmt: skip
    assert [s["label"] for s in latency["series"]] == ["orders", "payments"]
    assert "deployed 2.9.0" in ratio["markers"][0]["label"]


def test_an_incident_without_evidence_still_has_its_page(signed_in: TestClient, shop: Shop) -> None:
    for stored in (shop.by_evidence, shop.by_analysis, shop.by_alerts, shop.by_events, shop.by_deliveries):
        stored.clear()
    said = words(signed_in.get(f"/incidents/{OUTAGE}"))
    assert "The evidence is being read" in said
    assert "nobody has been told" in said
    assert signed_in.get(f"/incidents/{OUTAGE}/charts.json").json() == []


def test_an_empty_installation_helps(
    visit: Callable[..., TestClient], signed_in: TestClient, shop: Shop
) -> None:
    shop.incidents.clear()
    shop.health = calm_shop().health
    assert "All is well." in words(signed_in.get("/"))
    assert "No incident has been recorded yet" in words(signed_in.get("/incidents"))


@pytest.mark.parametrize("language", ["en", "ko"])
def test_errors_are_pages_too(
    signed_in: TestClient, shop: Shop, language: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    header = {"accept-language": language}
    missing = signed_in.get("/incidents/nothing", headers=header)
    assert missing.status_code == 404
    assert f'<html lang="{language}"' in missing.text

    async def broken(*_: object, **__: object) -> None:
        raise RuntimeError("secret detail")

    monkeypatch.setattr(shop, "list_incidents", broken)
    failed = signed_in.get("/incidents", headers=header)
    assert failed.status_code == 500
    assert "secret detail" not in failed.text
    assert failed.headers["content-security-policy"]


def test_an_unknown_address_is_a_page_for_people_only(shop: Shop) -> None:
    app = FastAPI()
    app.include_router(console_router(shop.deps()))
    add_error_pages(app, shop.deps())
    client = TestClient(app)
    page = client.get("/nowhere", headers={"accept": "text/html,*/*"})
    assert page.status_code == 404
    assert "There is no such page." in page.text
    assert page.headers["content-security-policy"]
    assert client.get("/nowhere", headers={"accept": "*/*"}).json() == {"detail": "Not Found"}


def test_built_files_are_served_compressed_and_for_ever(signed_in: TestClient) -> None:
    page = signed_in.get("/").text
    names = re.findall(r"/static/([\w.-]+)", page)
    assert {name.rsplit(".", 1)[1] for name in names} >= {"js", "css", "svg"}
    for name in names:
        answer = signed_in.get(f"/static/{name}")
        assert answer.status_code == 200
        if name != "licenses.md":
            assert "immutable" in answer.headers["cache-control"]
        assert answer.headers["content-encoding"] == "gzip"
    assert "uplot" in signed_in.get("/static/licenses.md").text
    for outside in ("app.py", "..%2Fapp.py", "manifest.json", "inputs.sha256"):
        assert signed_in.get(f"/static/{outside}").status_code == 404

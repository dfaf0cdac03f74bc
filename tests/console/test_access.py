"""Who may see and change what: routes without a session, forms without their token, attempts."""

from collections.abc import Callable

import pytest
from fastapi.routing import APIRoute
from fastapi.testclient import TestClient

from bongsu.console.app import console_router
from bongsu.console.guard import local_path
from bongsu.console.session import SESSION_COOKIE, Attempts, Session, Signer
from tests.console.memory import TOKEN, Shop
from tests.console.sample import burning_shop
from tests.console.support import OUTAGE, form_token

PUBLIC = {"/sign-in", "/static/{name}", "/favicon.ico", "/preferences"}
ROUTES = [
    (method, route.path)
    for route in console_router(burning_shop().deps()).routes
    if isinstance(route, APIRoute)
    for method in sorted(route.methods)
]


def test_the_routes_that_need_no_session_are_known() -> None:
    public = {
        route.path
        for route in console_router(burning_shop().deps()).routes
        if isinstance(route, APIRoute) and getattr(route.endpoint, "public", False)
    }
    assert public == PUBLIC
    assert len(ROUTES) >= 13


@pytest.mark.parametrize(("method", "path"), [r for r in ROUTES if r[1] not in PUBLIC])
def test_nothing_is_told_or_done_without_a_session(
    visit: Callable[..., TestClient], shop: Shop, method: str, path: str
) -> None:
    client = visit()
    answer = client.request(method, path.replace("{incident_id}", OUTAGE))
    assert answer.status_code in {303, 401}
    if answer.status_code == 303:
        assert answer.headers["location"].startswith("/sign-in")
    assert "payments" not in answer.text
    assert shop.incidents[OUTAGE].status == "open"


@pytest.mark.parametrize("path", [p for m, p in ROUTES if m == "POST"])
@pytest.mark.parametrize("token", [None, "", "x" * 43])
def test_a_form_without_its_token_is_refused(
    signed_in: TestClient, shop: Shop, path: str, token: str | None
) -> None:
    data = {"text": "x", "token": TOKEN} | ({} if token is None else {"form_token": token})
    answer = signed_in.post(path.replace("{incident_id}", OUTAGE), data=data)
    assert answer.status_code == 403
    assert shop.incidents[OUTAGE].status == "open"
    assert not shop.silences


def test_a_form_token_is_of_one_session(visit: Callable[..., TestClient], signed_in: TestClient) -> None:
    stranger = form_token(visit().get("/sign-in"))
    path = f"/incidents/{OUTAGE}/acknowledge"
    assert signed_in.post(path, data={"form_token": stranger}).status_code == 403


def test_signing_in_leads_back_to_the_page_that_was_asked_for(visit: Callable[..., TestClient]) -> None:
    client = visit()
    turned_away = client.get(f"/incidents/{OUTAGE}?a=b")
    page = client.get(turned_away.headers["location"])
    data = {"token": TOKEN, "form_token": form_token(page), "next": f"/incidents/{OUTAGE}?a=b"}
    answer = client.post("/sign-in", data=data)
    assert answer.headers["location"] == f"/incidents/{OUTAGE}?a=b"
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    assert client.get(answer.headers["location"]).status_code == 200


@pytest.mark.parametrize(
    "target", ["//evil.example", "https://evil.example", "/\\evil.example", "/a\nb", "javascript:alert(1)"]
)
def test_nobody_is_sent_to_another_server(target: str) -> None:
    assert local_path(target) == "/"


def test_wrong_tokens_are_counted(visit: Callable[..., TestClient]) -> None:
    client = visit()
    token = form_token(client.get("/sign-in"))
    wrong = {"token": "nope", "form_token": token}
    assert [client.post("/sign-in", data=wrong).status_code for _ in range(11)] == [401] * 10 + [429]
    right = {"token": TOKEN, "form_token": token}
    assert client.post("/sign-in", data=right).status_code == 429


def test_attempts_forget_the_oldest_addresses() -> None:
    attempts = Attempts(limit=1, addresses=2)
    for address in "abc":
        attempts.failed(address)
    assert attempts.wait("a") == 0
    assert attempts.wait("c") > 0
    attempts.succeeded("c")
    assert attempts.wait("c") == 0


def test_a_session_cannot_be_forged_or_outlived(monkeypatch: pytest.MonkeyPatch) -> None:
    signer = Signer(b"one")
    sealed = signer.seal(signer.open("jihye"))
    opened = signer.unseal(sealed)
    assert isinstance(opened, Session)
    assert opened.actor == "jihye"
    assert Signer(b"two").unseal(sealed) is None
    for broken in ("", ".", "a.b", sealed[:-1], sealed + "x", "é.é", sealed.replace(".", "")):
        assert signer.unseal(broken) is None
    monkeypatch.setattr("time.time", lambda: opened.ends_at + 1)
    assert signer.unseal(sealed) is None


def test_signing_out_ends_the_session(signed_in: TestClient) -> None:
    token = form_token(signed_in.get("/"))
    assert signed_in.post("/sign-out", data={"form_token": token}).status_code == 303
    assert SESSION_COOKIE not in signed_in.cookies
    assert signed_in.get("/").status_code == 303


def test_a_link_from_elsewhere_asks_again_rather_than_for_the_token(visit: Callable[..., TestClient]) -> None:
    answer = visit().get(f"/incidents/{OUTAGE}", headers={"sec-fetch-site": "cross-site"})
    assert answer.status_code == 200
    assert 'http-equiv="refresh"' in answer.text
    assert "payments" not in answer.text


def test_a_refresh_without_a_session_leads_to_the_sign_in_page(visit: Callable[..., TestClient]) -> None:
    answer = visit().get("/", headers={"hx-request": "true"})
    assert answer.status_code == 401
    assert answer.headers["hx-redirect"] == "/sign-in"


def test_a_form_that_is_too_long_is_refused(signed_in: TestClient) -> None:
    token = form_token(signed_in.get(f"/incidents/{OUTAGE}"))
    data = {"form_token": token, "text": "x" * 40_000}
    assert signed_in.post(f"/incidents/{OUTAGE}/notes", data=data).status_code == 413

from collections.abc import Callable

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from bongsu.console.app import console_router
from tests.console.memory import TOKEN, Shop
from tests.console.sample import burning_shop
from tests.console.support import form_token


@pytest.fixture
def shop() -> Shop:
    return burning_shop()


@pytest.fixture
def visit(shop: Shop) -> Callable[..., TestClient]:
    """A client of a console over ``shop``, for somebody who has not signed in."""

    def client(**deps: object) -> TestClient:
        app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
        app.include_router(console_router(shop.deps(**deps)))
        return TestClient(app, follow_redirects=False)

    return client


@pytest.fixture
def signed_in(visit: Callable[..., TestClient]) -> TestClient:
    client = visit()
    data = {"token": TOKEN, "form_token": form_token(client.get("/sign-in"))}
    assert client.post("/sign-in", data=data).status_code == 303
    return client

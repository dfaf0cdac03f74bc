"""A client of a running Bongsu server, for commands."""

import os
from pathlib import Path
from typing import Any, Self

import httpx2


class ServerError(Exception):
    """The server could not be asked; the text says what to do."""


def admin_token(data: Path) -> str:
    """From ``BONGSU_ADMIN_TOKEN``, or the file that the server made in its data folder."""
    token = os.environ.get("BONGSU_ADMIN_TOKEN", "")
    file = data / "admin.token"
    if not token and file.exists():
        token = file.read_text(encoding="utf-8").strip()
    if not token:
        raise ServerError(
            f"no admin token: set BONGSU_ADMIN_TOKEN, or name the server's data folder ({file} is absent)"
        )
    return token


class Server:
    """The API of one server. Methods raise ServerError with the endpoint and what to do."""

    def __init__(self, url: str, token: str) -> None:
        self._url = url.rstrip("/")
        headers = {"authorization": f"Bearer {token}"}
        self._client = httpx2.AsyncClient(base_url=self._url, headers=headers, timeout=15.0, trust_env=False)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._client.aclose()

    async def get(self, path: str, **params: str | float) -> Any:
        return await self._ask("GET", path, params=params)

    async def post(self, path: str, body: bytes = b"") -> Any:
        return await self._ask("POST", path, content=body)

    async def _ask(self, method: str, path: str, **options: Any) -> Any:
        try:
            answer = await self._client.request(method, path, **options)
        except httpx2.HTTPError as error:
            hint = "is the server running? Start it with: bongsu serve"
            raise ServerError(f"{self._url}{path}: {type(error).__name__}; {hint}") from None
        if answer.is_success:
            return answer.json()
        if answer.status_code in {401, 403}:
            raise ServerError(f"{self._url}{path}: the token was refused; set BONGSU_ADMIN_TOKEN")
        raise ServerError(f"{self._url}{path}: HTTP {answer.status_code}: {answer.text[:300]}")

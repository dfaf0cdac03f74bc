"""Calls from one service to another: one traced client, bounded waiting, errors that name the peer."""

import asyncio
from typing import Any

import httpx2
from fastapi import HTTPException

from shop.errors import PeerError

Json = dict[str, Any]


class Peer:
    def __init__(self, name: str, url: str, client: httpx2.AsyncClient, *, seconds: float = 2.0) -> None:
        self.name = name
        self._url = url
        self._client = client
        self._seconds = seconds

    async def get(self, path: str) -> Json:
        return await self._call("GET", path)

    async def post(self, path: str, body: Json) -> Json:
        return await self._call("POST", path, body)

    async def _call(self, method: str, path: str, body: Json | None = None) -> Json:
        try:
            async with asyncio.timeout(self._seconds):
                response = await self._client.request(method, self._url + path, json=body)
        except (TimeoutError, httpx2.TimeoutException) as error:
            message = f"{self.name} did not answer {method} {path} within {self._seconds:g} s"
            raise PeerError(self.name, message, 504) from error
        except httpx2.TransportError as error:
            message = f"{self.name} is unreachable for {method} {path}: {error or type(error).__name__}"
            raise PeerError(self.name, message) from error
        if response.status_code >= 500:
            message = f"{self.name} answered {response.status_code} to {method} {path}: {_detail(response)}"
            raise PeerError(self.name, message)
        if response.status_code >= 400:
            raise HTTPException(response.status_code, _detail(response))
        answer: Json = response.json()
        return answer


def _detail(response: httpx2.Response) -> str:
    try:
        return str(response.json()["detail"])
    except (ValueError, KeyError, TypeError):
        return response.text[:200]

"""The services of a Prometheus: its jobs, their targets, and which metrics each job has."""

import asyncio
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

import httpx2

from bongsu.catalog.discover import Labels, Metrics, Seen, wanted_labels
from bongsu.catalog.models import Kind
from bongsu.cli import say
from bongsu.cli.discovery import DiscoveryError

_AT_ONCE = 4
_RECENT = 3600.0
_MAX_SERIES = 2000


@dataclass(slots=True)
class _Job:
    name: str
    targets: list[str] = field(default_factory=list)
    down: list[str] = field(default_factory=list)


async def from_prometheus(url: str, kinds: Mapping[str, Kind], *, token: str = "") -> list[Seen]:
    """Every job of the last hour. DiscoveryError when the API does not answer."""
    async with _Api(url, token) as api:
        jobs = await _jobs(api)
        gate = asyncio.Semaphore(_AT_ONCE)

        async def seen(job: _Job) -> Seen:
            async with gate:
                return Seen(
                    job.name, await _metrics(api, job.name, kinds), tuple(job.targets), tuple(job.down)
                )

        return list(await asyncio.gather(*(seen(job) for job in jobs)))


async def _jobs(api: "_Api") -> list[_Job]:
    """From the targets; where there are none to ask (Mimir, Thanos), from what is stored."""
    found: dict[str, _Job] = {}
    data = await api.get("api/v1/targets", {"state": "active"}, optional=True)
    for target in (data or {}).get("activeTargets", ()):
        labels = target.get("labels", {})
        job = found.setdefault(labels.get("job", ""), _Job(labels.get("job", "")))
        instance = labels.get("instance", target.get("scrapeUrl", ""))
        job.targets.append(instance)
        if target.get("health") == "down":
            job.down.append(f"{instance}: {target.get('lastError', '')}")
    for name in await api.get("api/v1/label/job/values", {"match[]": "up", **_recent()}):
        found.setdefault(name, _Job(name))
    return sorted((job for job in found.values() if job.name), key=lambda job: job.name)


async def _metrics(api: "_Api", job: str, kinds: Mapping[str, Kind]) -> Metrics:
    selector = f"{{job={_quoted(job)}}}"
    names = await api.get("api/v1/label/__name__/values", {"match[]": selector, **_recent()})
    names = [name for name in names if name != "up" and not name.startswith("scrape_")]
    metrics: dict[str, Labels | None] = dict.fromkeys(names)
    for name in sorted(wanted_labels(names, kinds)):
        one = f"{{__name__={_quoted(name)},job={_quoted(job)}}}"
        series = await api.get("api/v1/series", {"match[]": one, "limit": str(_MAX_SERIES), **_recent()})
        metrics[name] = _labels(series)
    return metrics


def _labels(series: Sequence[Mapping[str, str]]) -> Labels:
    found: dict[str, set[str]] = {}
    for labels in series:
        for label, value in labels.items():
            if label not in {"__name__", "job", "instance"}:
                found.setdefault(label, set()).add(value)
    return {label: frozenset(values) for label, values in found.items()}


def _recent() -> dict[str, str]:
    now = time.time()
    return {"start": f"{now - _RECENT:.0f}", "end": f"{now:.0f}"}


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


class _Api:
    def __init__(self, url: str, token: str) -> None:
        headers = {"authorization": f"Bearer {token}"} if token else {}
        try:
            self._client = httpx2.AsyncClient(base_url=url.rstrip("/") + "/", headers=headers, timeout=15.0)
        except httpx2.InvalidURL as error:
            raise DiscoveryError(f"{url}: {error}") from None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._client.aclose()

    async def get(self, path: str, params: dict[str, str], *, optional: bool = False) -> Any:
        """The ``data`` of an answer; None for what is ``optional`` and not there."""
        base = self._client.base_url
        where = f"{base.scheme}://{base.host}{f':{base.port}' if base.port else ''}{base.path}{path}"
        try:
            answer = await self._client.get(path, params=params)
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            reason = str(error) or type(error).__name__
            hint = say(
                "is Prometheus running there? Give its address without /api/v1, like http://127.0.0.1:9090",
                "그 주소에 Prometheus가 실행 중인가요? http://127.0.0.1:9090처럼 /api/v1 없이 지정하세요",
            )
            raise DiscoveryError(f"{where}: {reason}; {hint}") from None
        if answer.status_code in {401, 403}:
            hint = say(
                "name the variable that holds its token with --token-env",
                "토큰이 든 환경 변수 이름을 --token-env로 지정하세요",
            )
            raise DiscoveryError(f"{where}: HTTP {answer.status_code}; {hint}")
        if optional and answer.status_code in {404, 405, 501}:
            return None
        return self._data(answer, where)

    def _data(self, answer: httpx2.Response, where: str) -> Any:
        try:
            body = answer.json()
        except ValueError:
            body = None
        if not isinstance(body, dict) or body.get("status") != "success":
            detail = body.get("error", "") if isinstance(body, dict) else ""
            hint = detail or say(
                "this is not the API of a Prometheus; give its address without a path",
                "Prometheus API가 아닙니다. 경로를 뺀 주소를 지정하세요",
            )
            raise DiscoveryError(f"{where}: HTTP {answer.status_code}; {hint}")
        return body.get("data") or []

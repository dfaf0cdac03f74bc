"""The services behind ``/metrics`` pages."""

import asyncio
import ipaddress
from collections.abc import Iterable, Sequence
from typing import NamedTuple
from urllib.parse import urlsplit

import httpx2

from bongsu.catalog.discover import Labels, Seen
from bongsu.cli import say
from bongsu.cli.discovery import DiscoveryError
from bongsu.sources.embedded.exposition import Exposition, ExpositionError, parse

_ACCEPT = "application/openmetrics-text;version=1.0.0;q=0.6,text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
_PARTS = {
    "histogram": ("_bucket", "_count", "_sum"),
    "summary": ("", "_count", "_sum"),
    "counter": ("", "_total"),
}


class Page(NamedTuple):
    name: str
    url: str

    @property
    def target(self) -> str:
        """As a catalog names it: the path only where it is not ``/metrics``."""
        parts = urlsplit(self.url)
        plain = parts.scheme == "http" and parts.path == "/metrics" and not parts.query
        return parts.netloc if plain else self.url


def page(text: str) -> Page:
    """``orders=127.0.0.1:8102`` or a URL. DiscoveryError when it is neither."""
    name, equals, rest = text.partition("=")
    if not equals or "/" in name or ":" in name:
        name, rest = "", text
    url = rest if "://" in rest else f"http://{rest}"
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        hint = say("write it like http://127.0.0.1:8000/metrics", "http://127.0.0.1:8000/metrics처럼 쓰세요")
        raise DiscoveryError(f"{text!r}: {hint}")
    if parts.path in {"", "/"}:
        url = f"{parts.scheme}://{parts.netloc}/metrics"
    return Page(name, url)


async def from_pages(texts: Sequence[str]) -> list[Seen]:
    """One service for each page. DiscoveryError when a page cannot be read."""
    pages = [page(text) for text in texts]
    async with httpx2.AsyncClient(timeout=10.0, headers={"accept": _ACCEPT}) as client:
        return list(await asyncio.gather(*(_seen(client, each) for each in pages)))


async def _seen(client: httpx2.AsyncClient, each: Page) -> Seen:
    try:
        answer = await client.get(each.url)
    except (httpx2.HTTPError, httpx2.InvalidURL) as error:
        hint = say("is the service running?", "서비스가 실행 중인가요?")
        raise DiscoveryError(f"{each.url}: {str(error) or type(error).__name__}; {hint}") from None
    hint = say("give the address of its /metrics page", "/metrics 페이지의 주소를 지정하세요")
    if answer.status_code != 200:
        raise DiscoveryError(f"{each.url}: HTTP {answer.status_code}; {hint}")
    openmetrics = answer.headers.get("content-type", "").startswith("application/openmetrics-text")
    try:
        found = parse(answer.content, openmetrics=openmetrics)
    except ExpositionError as error:
        why = say(f"no metrics: {error}", f"메트릭이 아닙니다: {error}")
        raise DiscoveryError(f"{each.url}: {why}; {hint}") from None
    return Seen(each.name or _name(each.url, found), _metrics(found), (each.target,))


def _metrics(found: Exposition) -> dict[str, Labels | None]:
    """Those with samples, and those that are declared but have none yet."""
    metrics: dict[str, Labels | None] = {}
    for about in found.metadata:
        metrics.update(dict.fromkeys(about.metric + part for part in _PARTS.get(about.type, ("",))))
    metrics.update(labels_by_metric(found.keys))
    return metrics


def labels_by_metric(keys: Iterable[tuple[str, Iterable[tuple[str, str]]]]) -> dict[str, Labels]:
    """Metric → label → values, of series."""
    collected: dict[str, dict[str, set[str]]] = {}
    for metric, labels in keys:
        values = collected.setdefault(metric, {})
        for label, value in labels:
            values.setdefault(label, set()).add(value)
    return {
        metric: {label: frozenset(values) for label, values in labels.items()}
        for metric, labels in collected.items()
    }


def _name(url: str, found: Exposition) -> str:
    """What the page calls its service, or a host name that is one; empty where neither tells."""
    for metric, labels in found.keys:
        if metric == "target_info":
            return dict(labels).get("service_name", "")
    host = urlsplit(url).hostname or ""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return "" if host == "localhost" else host.partition(".")[0]
    return ""

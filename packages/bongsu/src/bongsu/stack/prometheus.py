"""Prometheus: what it scrapes, which rules it judges, and where its alerts go."""

from collections.abc import Iterable
from urllib.parse import urlsplit

from bongsu.catalog import Catalog, ResolvedService, fleet_queries
from bongsu.signals.quantities import format_duration
from bongsu.stack.files import to_yaml
from bongsu.stack.rules import About, rule_groups


def render(
    catalog: Catalog, services: Iterable[ResolvedService], *, alertmanager: str, scrape_interval: float
) -> dict[str, str]:
    """``prometheus.yml`` and ``rules/bongsu.yml``; ``alertmanager`` is its ``host:port``."""
    known = list(services)
    interval = format_duration(scrape_interval)
    config = {
        "global": {"scrape_interval": interval, "scrape_timeout": interval, "evaluation_interval": interval},
        "rule_files": ["rules/*.yml"],
        "alerting": {"alertmanagers": [{"static_configs": [{"targets": [alertmanager]}]}]},
        "scrape_configs": [_scrape(service) for service in known if service.spec.targets],
    }
    about = About.of(catalog, known)
    rules = rule_groups(
        fleet_queries(known), interval=scrape_interval, language=catalog.language, about=about
    )
    return {"prometheus.yml": to_yaml(config), "rules/bongsu.yml": to_yaml(rules)}


def _scrape(service: ResolvedService) -> dict[str, object]:
    urls = [urlsplit(t if "://" in t else f"http://{t}") for t in service.spec.targets]
    labels = {name: value for name, value in service.labels.items() if name != "job"}
    static: dict[str, object] = {"targets": [url.netloc for url in urls]}
    if labels:
        static["labels"] = labels
    return {
        "job_name": service.labels.get("job", service.name),
        "scheme": urls[0].scheme,
        "metrics_path": urls[0].path or "/metrics",
        "static_configs": [static],
    }

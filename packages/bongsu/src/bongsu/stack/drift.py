"""In what the systems that run differ from what the catalog says: what a render and reload would change."""

import asyncio
import json
from collections.abc import Iterable, Mapping
from typing import Any

import yaml

from bongsu.stack.check.alertmanager import CONFIGURATION as ALERTMANAGER
from bongsu.stack.check.crossing import Generated
from bongsu.stack.check.prometheus import CONFIGURATION as PROMETHEUS
from bongsu.stack.check.prometheus import RULES
from bongsu.stack.diff import Difference, of_alert_rules, of_configuration, of_dashboard, of_rules
from bongsu.stack.model import Stack
from bongsu.stack.targets import render
from bongsu.stack.verify.model import Places
from bongsu.stack.verify.reading import Reader, Reading


async def drift(stack: Stack, places: Places, asked: Iterable[str]) -> tuple[list[Difference], list[str]]:
    """The differences of the systems that are asked, and why one could not be read."""
    files = {path: text for group in render(stack).values() for path, text in group.items()}
    found: list[Difference] = []
    unread: list[str] = []
    tokens = {getattr(places, system, ""): token for system, token in places.tokens.items()}
    readers = {"prometheus": _prometheus, "alertmanager": _alertmanager, "grafana": _grafana}
    async with Reader(tokens) as reader:
        for system in asked:
            base = getattr(places, system)
            differences, troubles = await readers[system](reader, base, stack, files)
            found += differences
            unread += troubles
    return found, unread


Answer = tuple[list[Difference], list[str]]


def _trouble(reading: Reading) -> list[str]:
    return [f"{reading.url}: {reading.trouble or 'not the answer that was expected'}"]


async def _prometheus(reader: Reader, base: str, _: Stack, files: Mapping[str, str]) -> Answer:
    config, rules = await asyncio.gather(
        reader.get(f"{base}/api/v1/status/config"), reader.get(f"{base}/api/v1/rules")
    )
    found: list[Difference] = []
    unread: list[str] = []
    if not isinstance(config.data, dict):
        unread += _trouble(config)
    elif PROMETHEUS in files:
        # Where its rules lie is the place's own business.
        ours, theirs = (
            _without_paths(text) for text in (files[PROMETHEUS], str(config.data.get("yaml", "")))
        )
        found += of_configuration("prometheus", ours, theirs)
    if not isinstance(rules.data, dict):
        unread += _trouble(rules)
    else:
        found += of_rules({f: t for f, t in files.items() if f.startswith(RULES)}, rules.data)
    return found, unread


def _without_paths(text: str) -> str:
    document = yaml.safe_load(text) or {}
    return yaml.safe_dump({key: value for key, value in document.items() if key != "rule_files"})


async def _alertmanager(reader: Reader, base: str, _: Stack, files: Mapping[str, str]) -> Answer:
    status = await reader.get(f"{base}/api/v2/status")
    document = status.json() if status.ok else None
    try:
        running = str(document["config"]["original"])  # type: ignore[index]
    except (KeyError, TypeError):
        return [], _trouble(status)
    if ALERTMANAGER not in files:
        return [], []
    return of_configuration("alertmanager", files[ALERTMANAGER], running), []


async def _grafana(reader: Reader, base: str, stack: Stack, files: Mapping[str, str]) -> Answer:
    generated = Generated(stack, files)
    dashboards = [d for f, d in generated.dashboards.items() if f.startswith("grafana/")]
    urls = [f"{base}/api/dashboards/uid/{dashboard['uid']}" for dashboard in dashboards]
    answers = await asyncio.gather(*(reader.get(url) for url in urls))
    found: list[Difference] = []
    unread: list[str] = []
    for dashboard, answer in zip(dashboards, answers, strict=True):
        document = answer.json()
        if answer.status == 404:
            found.append(
                Difference("grafana", f"dashboard[{dashboard['uid']}]", None, str(dashboard["title"]))
            )
        elif answer.ok and isinstance(document, dict) and isinstance(document.get("dashboard"), dict):
            found += of_dashboard(dashboard, document["dashboard"])
        else:
            unread += _trouble(answer)
            return found, unread
    declared = list(_alert_rules(generated))
    if declared:
        answer = await reader.get(f"{base}/api/v1/provisioning/alert-rules")
        running = answer.json()
        if answer.ok and isinstance(running, list):
            found += of_alert_rules(declared, running)
        else:
            unread += _trouble(answer)
    return found, unread


def _alert_rules(generated: Generated) -> Iterable[Mapping[str, Any]]:
    """The alert rules that Grafana is provisioned with, as its API shows them."""
    for file, found in generated.yaml.items():
        if "/alerting/" not in file:
            continue
        for document in found:
            for group in document.get("groups") or () if isinstance(document, dict) else ():
                for rule in group.get("rules") or ():
                    shown = {
                        "uid",
                        "title",
                        "condition",
                        "for",
                        "labels",
                        "annotations",
                        "noDataState",
                        "execErrState",
                        "data",
                    }
                    yield json.loads(json.dumps({k: v for k, v in rule.items() if k in shown}))

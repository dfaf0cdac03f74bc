"""What a render would change: in a folder of files, and in systems that run."""

import difflib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from bongsu.signals.quantities import parse_duration
from bongsu.stack.check import promql
from bongsu.stack.check.shapes import load
from bongsu.stack.files import digest, read_manifest

How = Literal["new", "changed", "removed", "same"]


@dataclass(frozen=True, slots=True)
class FileChange:
    """What a render would do to one file."""

    path: str
    how: How
    before: str = ""
    after: str = ""
    by_hand: bool = False
    """It is no longer what was last rendered: somebody changed or removed it since."""

    @property
    def lines(self) -> list[str]:
        """The unified diff."""
        return list(
            difflib.unified_diff(
                self.before.splitlines(),
                self.after.splitlines(),
                "/dev/null" if self.how == "new" else f"a/{self.path}",
                "/dev/null" if self.how == "removed" else f"b/{self.path}",
                lineterm="",
            )
        )


def in_folder(targets: Mapping[str, Mapping[str, str]], folder: Path) -> list[FileChange]:
    """What ``files.sync`` of the same targets would do to ``folder``, in the order of the paths."""
    manifest = read_manifest(folder)
    files = {path: text for group in targets.values() for path, text in group.items()}
    rendered = {path: hashed for group in manifest.values() for path, hashed in group.items()}
    used = {path for target, group in manifest.items() if target not in targets for path in group}
    gone = {path for target in targets for path in manifest.get(target, {})} - files.keys() - used
    changes = []
    for path in sorted(files.keys() | gone):
        where = folder / path
        there = where.read_text(encoding="utf-8", errors="replace") if where.is_file() else None
        by_hand = path in rendered and (there is None or digest(there) != rendered[path])
        if path in gone:
            if there is not None:
                changes.append(FileChange(path, "removed", there, "", by_hand))
        elif there is None:
            changes.append(FileChange(path, "new", "", files[path], by_hand))
        else:
            how: How = "same" if there == files[path] else "changed"
            changes.append(FileChange(path, how, there, files[path], by_hand))
    return changes


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing in which a running system is not what the catalog says. ``None`` is: not there."""

    system: str
    where: str
    running: str | None
    declared: str | None

    @property
    def how(self) -> Literal["missing", "unknown", "differs"]:
        """``missing`` from the system, ``unknown`` to the catalog, or ``differs``."""
        if self.running is None:
            return "missing"
        return "unknown" if self.declared is None else "differs"


_DEFAULTS: Mapping[str, Sequence[Any]] = {
    "honor_timestamps": (True,),
    "honor_labels": (False,),
    "track_timestamps_staleness": (False,),
    "follow_redirects": (True,),
    "enable_http2": (True,),
    "enable_compression": (True,),
    "scheme": ("http",),
    "metrics_path": ("/metrics",),
    "timeout": ("10s", "0s"),
    "api_version": ("v2",),
    "separator": (";",),
    "regex": ("(.*)", "^(?:(.*))$"),
    "replacement": ("$1",),
    "action": ("replace",),
    "send_resolved": (True,),
    "max_alerts": (0,),
    "continue": (False,),
    "type": ("Bearer",),
    "templates": ([],),
    "require_tls": (True,),
}
"""What the systems add to a configuration by themselves when they show it."""
_FILLED_IN = frozenset(
    {
        "scrape_interval",
        "scrape_timeout",
        "evaluation_interval",
        "scrape_protocols",
        "global",
        "runtime",
        "storage",
        "otlp",
        "always_scrape_classic_histograms",
        "convert_classic_histograms_to_nhcb",
        "scrape_native_histograms",
        "metric_name_validation_scheme",
        "metric_name_escaping_scheme",
        "tls_config",
        "http_config",
    }
)
"""Keys that are shown with whatever holds, where a file leaves them out."""
_NAMES = ("job_name", "name", "uid")


def of_configuration(system: str, declared: str, running: str) -> list[Difference]:
    """In what the configuration that ``system`` shows differs from the declared YAML.

    A system shows secrets as ``<secret>`` and fills in what a file leaves to it; neither is a difference.
    """
    return list(_compared(system, "", load(declared) or {}, load(running) or {}))


def _compared(system: str, where: str, declared: Any, running: Any) -> Iterator[Difference]:
    if isinstance(declared, dict) and isinstance(running, dict):
        for key in declared.keys() | running.keys():
            place = f"{where}.{key}" if where else str(key)
            if key not in running:
                if declared[key] not in ({}, [], None, *_DEFAULTS.get(key, ())):
                    yield Difference(system, place, None, _text(declared[key]))
            elif key not in declared:
                if key not in _FILLED_IN and running[key] not in ({}, [], *_DEFAULTS.get(key, ())):
                    yield Difference(system, place, _text(running[key]), None)
            else:
                yield from _compared(system, place, declared[key], running[key])
    elif isinstance(declared, list) and isinstance(running, list):
        yield from _compared_lists(system, where, declared, running)
    elif not _equal(declared, running):
        yield Difference(system, where, _text(running), _text(declared))


def _compared_lists(system: str, where: str, declared: list[Any], running: list[Any]) -> Iterator[Difference]:
    key = next((k for k in _NAMES if all(isinstance(x, dict) and k in x for x in declared + running)), None)
    if key is None:
        if not all(isinstance(part, dict) for part in declared + running):
            if sorted(map(_text, declared)) != sorted(map(_text, running)):
                yield Difference(system, where, _text(running), _text(declared))
            return
        ours = {str(number): part for number, part in enumerate(declared)}
        theirs = {str(number): part for number, part in enumerate(running)}
    else:
        ours = {str(part[key]): part for part in declared}
        theirs = {str(part[key]): part for part in running}
    for name in dict.fromkeys([*ours, *theirs]):
        place = f"{where}[{name}]"
        if name not in theirs:
            yield Difference(system, place, None, _text(ours[name]))
        elif name not in ours:
            yield Difference(system, place, _text(theirs[name]), None)
        else:
            yield from _compared(system, place, ours[name], theirs[name])


def _equal(declared: Any, running: Any) -> bool:
    if declared == running or running == "<secret>":
        return True
    if _seconds(declared) == _seconds(running) is not None or str(declared) == str(running):
        return True
    # Paths that a file names relative to itself are shown whole.
    return isinstance(running, str) and running.startswith("/") and running.endswith(f"/{declared}")


def _seconds(value: Any) -> float | None:
    try:
        return parse_duration(value)
    except ValueError:
        return None


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def of_rules(declared: Mapping[str, str], running: Mapping[str, Any]) -> list[Difference]:
    """In what the rules that Prometheus evaluates (``/api/v1/rules``) differ from the declared files."""
    ours = {
        (group["name"], *_identity(rule)): rule
        for text in declared.values()
        for group in (load(text) or {}).get("groups", ())
        for rule in group["rules"]
    }
    theirs = {
        (group["name"], *_identity(rule)): rule
        for group in running.get("groups", ())
        for rule in group.get("rules", ())
    }
    found = []
    for key in sorted(ours.keys() | theirs.keys()):
        where = f"{key[0]}/{key[1]}"
        if key not in theirs:
            found.append(Difference("prometheus", where, None, str(ours[key]["expr"])))
        elif key not in ours:
            found.append(Difference("prometheus", where, str(theirs[key].get("query", "")), None))
        else:
            found += _compared_rule(where, ours[key], theirs[key])
    return found


def _identity(rule: Mapping[str, Any]) -> tuple[str, str]:
    """The name, and the labels, by which rules of one name in a group are told apart."""
    name = rule.get("alert") or rule.get("record") or rule.get("name") or ""
    return str(name), json.dumps(rule.get("labels") or {}, sort_keys=True)


def _compared_rule(where: str, ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> Iterator[Difference]:
    running, declared = str(theirs.get("query", "")), str(ours["expr"])
    if not promql.same(running, declared):
        yield Difference("prometheus", f"{where}.expr", running, declared)
    if "alert" not in ours:
        return
    hold, loaded = parse_duration(ours.get("for") or 0), float(theirs.get("duration", 0))
    if hold != loaded:
        yield Difference("prometheus", f"{where}.for", f"{loaded:g}s", f"{hold:g}s")
    for name, text in (ours.get("annotations") or {}).items():
        now = (theirs.get("annotations") or {}).get(name)
        if now != text:
            yield Difference("prometheus", f"{where}.annotations.{name}", now, text)


_GRAFANA_OWN = frozenset(
    {"id", "version", "iteration", "schemaVersion", "pluginVersion", "preload", "weekStart"}
)


def of_dashboard(declared: Mapping[str, Any], running: Mapping[str, Any]) -> list[Difference]:
    """In what a dashboard of Grafana's API differs from the declared one of the same uid.

    What Grafana numbers and fills in by itself is no difference.
    """
    where = f"dashboard[{declared['uid']}]"
    return list(_subset("grafana", where, _without(declared), _without(running)))


def of_alert_rules(
    declared: Sequence[Mapping[str, Any]], running: Sequence[Mapping[str, Any]]
) -> list[Difference]:
    """In what Grafana's alert rules (``/api/v1/provisioning/alert-rules``) differ from the declared ones."""
    ours = {str(rule["uid"]): rule for rule in declared}
    theirs = {
        str(rule.get("uid")): rule for rule in running if str(rule.get("uid")) in ours or _is_ours(rule)
    }
    found: list[Difference] = []
    for uid in sorted(ours.keys() | theirs.keys()):
        where = f"alert-rule[{uid}]"
        if uid not in theirs:
            found.append(Difference("grafana", where, None, str(ours[uid].get("title", uid))))
        elif uid not in ours:
            found.append(Difference("grafana", where, str(theirs[uid].get("title", uid)), None))
        else:
            found += _subset("grafana", where, ours[uid], theirs[uid])
    return found


def _is_ours(rule: Mapping[str, Any]) -> bool:
    """Provisioned from files, as ours are; what people made in the browser is theirs."""
    return rule.get("provenance") == "file"


def _without(dashboard: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in dashboard.items() if key not in _GRAFANA_OWN}


def _subset(system: str, where: str, declared: Any, running: Any) -> Iterator[Difference]:
    """Grafana fills in much by itself: only what is declared is looked for, and what lists have more."""
    if isinstance(declared, Mapping) and isinstance(running, Mapping):
        for key, value in declared.items():
            if key not in running:
                if value not in (None, {}, [], "", False):
                    yield Difference(system, f"{where}.{key}", None, _text(value))
            else:
                yield from _subset(system, f"{where}.{key}", value, running[key])
    elif isinstance(declared, list) and isinstance(running, list):
        for number in range(max(len(declared), len(running))):
            place = f"{where}[{number}]"
            if number >= len(running):
                yield Difference(system, place, None, _text(declared[number]))
            elif number >= len(declared):
                yield Difference(system, place, _text(running[number]), None)
            else:
                yield from _subset(system, place, declared[number], running[number])
    elif not _equal(declared, running):
        yield Difference(system, where, _text(running), _text(declared))

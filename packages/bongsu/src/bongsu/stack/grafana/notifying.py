"""How Grafana tells Bongsu: contact points, policies by severity, mute timings and message templates."""

from collections.abc import Iterator, Sequence
from typing import Any

from bongsu.signals.model import Severity, Text
from bongsu.signals.quantities import format_duration
from bongsu.stack.bongsu_server import INGEST_TOKEN
from bongsu.stack.hours import maintenance, maintenance_name
from bongsu.stack.model import Stack
from bongsu.stack.rule import WORDS
from bongsu.stack.rules import WATCHDOG

RECEIVER = "bongsu"
HEARTBEAT = "bongsu-heartbeat"
_SHORTEST_SECONDS = 1.0
_HOUR = 3600.0
_PACE = {
    # wait and interval at least, and repeat at most or at least: (seconds, seconds, least, most)
    Severity.P1: (0.0, 0.0, 0.0, _HOUR),
    Severity.P2: (0.0, 0.0, 0.0, 4 * _HOUR),
    Severity.P3: (30.0, 60.0, 0.0, 12 * _HOUR),
    Severity.P4: (60.0, 300.0, 24 * _HOUR, float("inf")),
}
_EMOJI = {"critical": "🔴", "high": "🟠", "warning": "🟡", "info": "🔵"}
_LEVELS = {
    "critical": Text(en="P1 critical", ko="P1 긴급"),
    "high": Text(en="P2 high", ko="P2 높음"),
    "warning": Text(en="P3 warning", ko="P3 주의"),
    "info": Text(en="P4 info", ko="P4 참고"),
}
_RESOLVED = Text(en="resolved", ko="해결")
_OWNER = Text(en="Owner", ko="담당")
_DASHBOARD = Text(en="Dashboard", ko="대시보드")
_RUNBOOK = Text(en="Runbook", ko="대응 절차")


def escaped(text: str) -> str:
    """Text in which nothing is a variable of the environment."""
    return text.replace("$", "$$")


def documents(stack: Stack) -> dict[str, dict[str, Any]]:
    """File name → content."""
    windows = {maintenance_name(w, stack.catalog.zone): w for w in stack.catalog.maintenance}
    found: dict[str, dict[str, Any]] = {
        "contact-points": {"contactPoints": list(_contact_points(stack))},
        "policies": {"policies": [_policy(stack)]},
        "templates": {"templates": [{"orgId": 1, "name": "bongsu", "template": template(stack)}]},
    }
    if windows:
        timings = [
            {"orgId": 1, "name": name, "time_intervals": maintenance(window, stack.catalog.zone)}
            for name, window in windows.items()
        ]
        found["mute-timings"] = {"muteTimes": timings}
    return found


def _contact_points(stack: Stack) -> Iterator[dict[str, Any]]:
    settings = {
        "url": escaped(f"{stack.url('bongsu')}/webhooks/grafana"),
        "httpMethod": "POST",
        "authorization_scheme": "Bearer",
        "authorization_credentials": f"$__file{{{stack.secret_file(INGEST_TOKEN)}}}",
        "title": '{{ template "bongsu.title" . }}',
        "message": '{{ template "bongsu.message" . }}',
    }
    yield _contact_point(RECEIVER, "webhook", settings, tell_resolved=True)
    heartbeat = stack.catalog.heartbeat
    if heartbeat is not None:
        url = {"url": f"$__file{{{stack.secret_file(heartbeat)}}}", "httpMethod": "POST"}
        yield _contact_point(HEARTBEAT, "webhook", url, tell_resolved=False)


def _contact_point(name: str, kind: str, settings: dict[str, str], *, tell_resolved: bool) -> dict[str, Any]:
    receiver = {
        "uid": name,
        "type": kind,
        "disableResolveMessage": not tell_resolved,
        "settings": settings,
    }
    return {"orgId": 1, "name": name, "receivers": [receiver]}


def _policy(stack: Stack) -> dict[str, Any]:
    grouping = stack.catalog.grouping
    return {
        "orgId": 1,
        "receiver": RECEIVER,
        "group_by": ["grafana_folder", *grouping.by],
        "group_wait": format_duration(max(grouping.wait, _SHORTEST_SECONDS)),
        "group_interval": format_duration(max(grouping.interval, _SHORTEST_SECONDS)),
        "repeat_interval": format_duration(grouping.repeat),
        "routes": [*_heartbeat(stack), *_by_severity(stack)],
    }


def _heartbeat(stack: Stack) -> Iterator[dict[str, Any]]:
    if stack.catalog.heartbeat is not None:
        yield {
            "receiver": HEARTBEAT,
            "object_matchers": [["alertname", "=", WATCHDOG]],
            "group_wait": "0s",
            "group_interval": "30s",
            "repeat_interval": "1m",
        }


def _by_severity(stack: Stack) -> Iterator[dict[str, Any]]:
    everywhere, apart = _windows(stack)
    for severity, word in WORDS.items():
        matcher = ["severity", "=", word]
        for names, services in apart.items():
            only = ["service", "=~", "|".join(services)]
            yield _route(stack, severity, [matcher, only], [*everywhere, *names])
        yield _route(stack, severity, [matcher], everywhere)


def _route(
    stack: Stack, severity: Severity, matchers: Sequence[Sequence[str]], mute: Sequence[str]
) -> dict[str, Any]:
    grouping = stack.catalog.grouping
    wait, interval, least, most = _PACE[severity]
    route: dict[str, Any] = {
        "receiver": RECEIVER,
        "object_matchers": [[escaped(part) for part in matcher] for matcher in matchers],
        "group_wait": format_duration(max(grouping.wait, wait, _SHORTEST_SECONDS)),
        "group_interval": format_duration(max(grouping.interval, interval, _SHORTEST_SECONDS)),
        "repeat_interval": format_duration(min(max(grouping.repeat, least), most)),
    }
    return route | ({"mute_time_intervals": list(mute)} if mute else {})


def _windows(stack: Stack) -> tuple[list[str], dict[tuple[str, ...], list[str]]]:
    """The maintenance of all services; and windows → the services that have just these more."""
    zone = stack.catalog.zone
    windows = stack.catalog.maintenance
    everywhere = [maintenance_name(window, zone) for window in windows if not window.services]
    apart: dict[tuple[str, ...], list[str]] = {}
    for service in stack.services:
        names = tuple(maintenance_name(w, zone) for w in windows if service.name in w.services)
        if names:
            apart.setdefault(names, []).append(service.name.replace(".", "\\."))
    return everywhere, apart


def template(stack: Stack) -> str:
    """``bongsu.title`` and ``bongsu.message``, for Bongsu's contact point and whichever a team adds."""
    language = stack.catalog.language

    def chosen(given: str, texts: dict[str, str], other: str) -> str:
        first, *rest = texts.items()
        parts = [f'{{{{ if eq {given} "{first[0]}" }}}}{first[1]}']
        parts += [f'{{{{ else if eq {given} "{word}" }}}}{text}' for word, text in rest]
        return "".join(parts) + f"{{{{ else }}}}{other}{{{{ end }}}}"

    levels = {word: f"{_EMOJI[word]} {text.in_(language)}" for word, text in _LEVELS.items()}
    resolved = f"✅ {_RESOLVED.in_(language)}"
    owner, board, runbook = (text.in_(language) for text in (_OWNER, _DASHBOARD, _RUNBOOK))
    return f"""\
{{{{ define "bongsu.level" -}}}}
{{{{ if eq .Status "resolved" }}}}{resolved}{{{{ else }}}}{chosen(".Labels.severity", levels, "⚪")}\
{{{{ end }}}}
{{{{- end }}}}

{{{{ define "bongsu.title" -}}}}
{{{{ if eq .Status "resolved" }}}}{resolved}{{{{ else }}}}{chosen(".CommonLabels.severity", levels, "⚪")}\
{{{{ end }}}} {{{{ if .CommonLabels.service }}}}{{{{ .CommonLabels.service }}}}: {{{{ end }}}}\
{{{{ .CommonLabels.alertname }}}}{{{{ if gt (len .Alerts) 1 }}}} ({{{{ len .Alerts }}}}){{{{ end }}}}
{{{{- end }}}}

{{{{ define "bongsu.alert" -}}}}
{{{{ template "bongsu.level" . }}}} {{{{ .Annotations.summary }}}}
{{{{ with .Annotations.description }}}}{{{{ . }}}}
{{{{ end }}}}{{{{ with .Labels.owner }}}}{owner}: {{{{ . }}}}
{{{{ end }}}}{{{{ with .Annotations.dashboard }}}}{board}: {{{{ . }}}}
{{{{ end }}}}{{{{ with .Annotations.runbook_url }}}}{runbook}: {{{{ . }}}}
{{{{ end }}}}
{{{{- end }}}}

{{{{ define "bongsu.message" -}}}}
{{{{ range .Alerts }}}}{{{{ template "bongsu.alert" . }}}}
{{{{ end }}}}
{{{{- end }}}}
"""

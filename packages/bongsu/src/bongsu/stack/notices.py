"""What Alertmanager writes when it tells a channel itself: the templates of its messages, in Go's language.

Labels and annotations hold what telemetry says: each destination's markup is taken out of them, so that they
cannot call on anybody or pass for a link.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from bongsu.catalog import Catalog
from bongsu.catalog.models import Owner
from bongsu.signals.model import Severity
from bongsu.stack.rules import WORDS

PATH = "alertmanager/templates/bongsu.tmpl"


@dataclass(frozen=True, slots=True)
class _Words:
    severities: Mapping[str, str]
    resolved: str
    owner: str
    runbook: str
    dashboard: str


_EMOJI = {"critical": "🔴", "high": "🟠", "warning": "🟡", "info": "🔵"}
_WORDS = {
    "en": _Words(
        {"critical": "P1 critical", "high": "P2 high", "warning": "P3 warning", "info": "P4 info"},
        "✅ Resolved",
        "Owner",
        "Runbook",
        "Dashboard",
    ),
    "ko": _Words(
        {"critical": "P1 긴급", "high": "P2 높음", "warning": "P3 주의", "info": "P4 참고"},
        "✅ 해결",
        "담당",
        "런북",
        "대시보드",
    ),
}
_ESCAPES = {
    "plain": "{{ . }}",
    "slack": "{{ . | reReplaceAll `&` `&amp;` | reReplaceAll `<` `&lt;` | reReplaceAll `>` `&gt;` }}",
    # A mention in an embed calls on nobody; what is left to take out is markup.
    "discord": r"{{ . | reReplaceAll `([\\*_~|<>\[\]#@\x60])` `\$1` }}",
}
_URL = r"{{ . | reReplaceAll `[\s<>|()]` `` }}"
_COLOURS = {"critical": "#E5484D", "high": "#F76B15", "warning": "#E2B203", "info": "#3E8EDE"}
_RESOLVED = "#30A46C"
_PAGERDUTY = {"critical": "critical", "high": "error", "warning": "warning", "info": "info"}


def templates(catalog: Catalog) -> str:
    """The file of templates: ``bongsu.<destination>.<part>.<language>``, and who is called upon."""
    languages = sorted({c.language or catalog.language for c in catalog.channels.values()})
    parts = [_define(f"bongsu.{markup}", text) for markup, text in _ESCAPES.items()]
    parts += [
        _define("bongsu.url", _URL),
        _define("bongsu.colour", by_severity(_COLOURS, resolved=_RESOLVED)),
        _define("bongsu.pagerduty", by_severity(_PAGERDUTY)),
        _define("bongsu.owner", _owner(catalog.owners)),
    ]
    parts += [_define(f"bongsu.{name}", text) for name, text in _calls(catalog.owners)]
    for language in languages:
        parts += [_define(f"bongsu.{name}.{language}", text) for name, text in _notices(_WORDS[language])]
    return "\n".join(parts)


def by_severity(values: Mapping[str, str], *, resolved: str = "") -> str:
    """A template: the value of the worst severity that fires; ``resolved``, if given, when none does."""
    worst = '{{ $worst := 5 }}{{ range .Alerts }}{{ if or (eq .Status "firing") (eq $.Status "resolved") }}'
    chosen = ""
    fallback = values.get(WORDS[Severity.P3], "")
    for severity in sorted(WORDS):
        word, rank = WORDS[severity], severity.rank
        worst += f'{{{{ if and (eq .Labels.severity "{word}") (gt $worst {rank}) }}}}'
        worst += f"{{{{ $worst = {rank} }}}}{{{{ end }}}}"
        opening = "else if" if chosen else "if"
        chosen += f"{{{{ {opening} eq $worst {rank} }}}}{values.get(word, '')}"
    text = f"{worst}{{{{ end }}}}{{{{ end }}}}{chosen}{{{{ else }}}}{fallback}{{{{ end }}}}"
    return (
        f'{{{{ if eq .Status "resolved" }}}}{resolved}{{{{ else }}}}{text}{{{{ end }}}}' if resolved else text
    )


def _define(name: str, text: str) -> str:
    return f'{{{{ define "{name}" }}}}{text}{{{{ end }}}}'


def _notices(words: _Words) -> Iterable[tuple[str, str]]:
    look = {word: f"{_EMOJI[word]} {name}" for word, name in words.severities.items()}
    for markup in _ESCAPES:
        yield f"{markup}.title", _title(markup, look, words)
    yield "plain.text", _plain(words)
    yield "slack.text", _marked("slack", words, bold="*", link='<{{{{ template "bongsu.url" . }}}}|{}>')
    yield (
        "discord.text",
        _marked("discord", words, bold="**", link='[{}](<{{{{ template "bongsu.url" . }}}}>)'),
    )
    yield "email.html", _html(words)


def _title(markup: str, look: Mapping[str, str], words: _Words) -> str:
    first = (
        '{{ with index . 0 }}{{ template "bongsu.%s" (or .Annotations.summary .Labels.alertname) }}{{ end }}'
    )
    named = (first % markup) + "{{ if gt (len .) 1 }} [{{ len . }}]{{ end }}"
    return (
        f"{by_severity(look, resolved=words.resolved)}: "
        f"{{{{ if .Alerts.Firing }}}}{{{{ with .Alerts.Firing }}}}{named}{{{{ end }}}}"
        f"{{{{ else }}}}{{{{ with .Alerts }}}}{named}{{{{ end }}}}{{{{ end }}}}"
    )


def _marked(markup: str, words: _Words, *, bold: str, link: str) -> str:
    """One paragraph an alert: what, how much, whose, and where to read on."""
    escape = f'{{{{ template "bongsu.{markup}" %s }}}}'
    heading = escape % "(or .Annotations.summary .Labels.alertname)"
    owner = '{{ template "bongsu.owner" . }}'
    return (
        '{{ range .Alerts }}{{ if eq .Status "resolved" }}✅{{ else }}•{{ end }} '
        f"{bold}{heading}{bold}\n"
        f"{{{{ with .Annotations.description }}}}{escape % '.'}\n{{{{ end }}}}"
        f"{{{{ with .Labels.owner }}}}{words.owner}: {owner}\n{{{{ end }}}}"
        f"{{{{ with .Annotations.runbook_url }}}}{link.format(words.runbook)} {{{{ end }}}}"
        f"{{{{ with .Annotations.dashboard }}}}{link.format(words.dashboard)}{{{{ end }}}}\n"
        "{{ end }}"
    )


def _plain(words: _Words) -> str:
    return (
        '{{ range .Alerts }}{{ if eq .Status "resolved" }}✅{{ else }}•{{ end }} '
        "{{ or .Annotations.summary .Labels.alertname }}\n"
        "{{ with .Annotations.description }}{{ . }}\n{{ end }}"
        f'{{{{ with .Labels.owner }}}}{words.owner}: {{{{ template "bongsu.owner" . }}}}\n{{{{ end }}}}'
        f"{{{{ with .Annotations.runbook_url }}}}{words.runbook}: {{{{ . }}}}\n{{{{ end }}}}"
        f"{{{{ with .Annotations.dashboard }}}}{words.dashboard}: {{{{ . }}}}\n{{{{ end }}}}\n"
        "{{ end }}"
    )


def _html(words: _Words) -> str:
    """Escaped by Alertmanager, which executes the HTML of e-mail as Go's html/template."""
    cell = 'style="padding:12px 16px;border-bottom:1px solid #e4e4e7;font-family:sans-serif"'
    return (
        '<table style="border-collapse:collapse;width:100%;max-width:640px">{{ range .Alerts }}'
        f"<tr><td {cell}>"
        '<b>{{ if eq .Status "resolved" }}✅ {{ end }}{{ or .Annotations.summary .Labels.alertname }}</b>'
        "{{ with .Annotations.description }}<br>{{ . }}{{ end }}"
        f'{{{{ with .Labels.owner }}}}<br>{words.owner}: {{{{ template "bongsu.owner" . }}}}{{{{ end }}}}'
        f'{{{{ with .Annotations.runbook_url }}}}<br><a href="{{{{ . }}}}">{words.runbook}</a>{{{{ end }}}}'
        f'{{{{ with .Annotations.dashboard }}}}<br><a href="{{{{ . }}}}">{words.dashboard}</a>{{{{ end }}}}'
        "</td></tr>{{ end }}</table>"
    )


def _owner(owners: Mapping[str, Owner]) -> str:
    """Owners as people call them."""
    return _case({name: _literal(owner.name) for name, owner in owners.items() if owner.name}, "{{ . }}")


def _calls(owners: Mapping[str, Owner]) -> Iterable[tuple[str, str]]:
    """Who is called upon as an alert begins; nobody when it is over."""
    slack = {name: _called(owner, owners, _slack_call) for name, owner in owners.items()}
    discord = {name: _called(owner, owners, _discord_call) for name, owner in owners.items()}
    for kind, calls, here in (("slack", slack, "<!here>"), ("discord", discord, "@here")):
        who = _case({name: call for name, call in calls.items() if call}, "")
        begins = '{{ if eq .Status "firing" }}%s{{ end }}'
        yield f"{kind}.mention", begins % f"{{{{ with .CommonLabels.owner }}}}{who}{{{{ end }}}}"
        yield f"{kind}.here", begins % here


def _called(owner: Owner, owners: Mapping[str, Owner], call: Callable[[Owner], str]) -> str:
    own = call(owner)
    members = (call(owners[member]) for member in owner.members if member in owners)
    return own or " ".join(text for text in members if text)


def _slack_call(owner: Owner) -> str:
    if not owner.slack:
        return ""
    return f"<!subteam^{owner.slack}>" if owner.slack.startswith("S") else f"<@{owner.slack}>"


def _discord_call(owner: Owner) -> str:
    if owner.discord.role:
        return f"<@&{owner.discord.role}>"
    return f"<@{owner.discord.user}>" if owner.discord.user else ""


def _case(values: Mapping[str, str], otherwise: str) -> str:
    """A template of one name: the text that stands for it."""
    text = ""
    for name, value in values.items():
        text += f"{{{{ {'else if' if text else 'if'} eq . {json.dumps(name)} }}}}{value}"
    return f"{text}{{{{ else }}}}{otherwise}{{{{ end }}}}" if text else otherwise


def _literal(text: str) -> str:
    return f"{{{{ {json.dumps(text, ensure_ascii=False)} }}}}"

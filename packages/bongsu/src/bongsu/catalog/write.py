"""A first catalog, written from what was seen: commented YAML that ``bongsu check`` accepts."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from bongsu.catalog.discover import Match, Seen, choose, without_circles
from bongsu.catalog.models import Kind, Service
from bongsu.catalog.resolve import kind_signals
from bongsu.signals.model import Presence

SCRAPED, TRACED = "scraped", "traced"
"""The kinds of services whose metrics no shipped kind reads, and of those that have none."""

_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_./-]*")
_SURPRISES = {"y", "yes", "n", "no", "on", "off", "true", "false", "null"}
_NOT_NAME = re.compile(r"[^A-Za-z0-9_.-]+")
_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Entry:
    """One service as it will be declared."""

    name: str
    seen: Seen
    matches: Sequence[Match]
    depends_on: Sequence[str] = ()
    others: Sequence[str] = ()
    """What it calls that is not among the services."""

    @property
    def kinds(self) -> tuple[str, ...]:
        if self.matches:
            return tuple(match.kind for match in self.matches)
        return (SCRAPED if self.seen.targets else TRACED,)

    @property
    def prefix(self) -> str:
        """As a catalog writes it, without its underscore where that changes nothing."""
        found = next((match.prefix for match in self.matches if match.prefix), "")
        short = found.removesuffix("_")
        return found if short.endswith(("_", ":")) else short


@dataclass(frozen=True, slots=True)
class Draft:
    """What the catalog will say."""

    name: str
    language: str
    timezone: str
    sources: Mapping[str, Mapping[str, str]]
    entries: Sequence[Entry] = ()
    weaker: Sequence[tuple[str, str]] = ()
    """Calls left out of ``depends_on``, as they close a circle."""
    pushed: bool = False
    """The services send their metrics; nobody scrapes them."""
    token: str = ""
    """The environment variable that holds the token of the first source."""


def entries(seen: Sequence[Seen], kinds: Mapping[str, Kind]) -> tuple[list[Entry], list[tuple[str, str]]]:
    """An entry for each service under a name of its own, and the calls that would close a circle."""
    names: dict[int, str] = {}
    matches = [choose(service.metrics, kinds) for service in seen]
    for i, service in enumerate(seen):
        names[i] = _free(_name(service, matches[i]), set(names.values()))
    by_job = {service.job: names[i] for i, service in enumerate(seen) if service.job}
    calls = {
        names[i]: {by_job[callee]: count for callee, count in service.calls.items() if callee in by_job}
        for i, service in enumerate(seen)
    }
    depends_on, weaker = without_circles(calls)
    found = [
        Entry(
            names[i],
            service,
            matches[i],
            depends_on.get(names[i], ()),
            sorted(callee for callee in service.calls if callee not in by_job),
        )
        for i, service in enumerate(seen)
    ]
    return found, weaker


def clean_name(text: str) -> str:
    """``text`` as a name that a catalog allows; empty when nothing of it is left."""
    return _NOT_NAME.sub("-", text).strip("-_.")[:80]


def printable(text: str, longest: int = 100) -> str:
    """Text from telemetry on one line, without what a terminal or a comment would act on."""
    line = "".join(char if char.isprintable() else " " for char in text)
    return line if len(line) <= longest else line[: longest - 1] + "…"


def render(draft: Draft, kinds: Mapping[str, Kind]) -> str:
    """The catalog's text."""
    ko = draft.language == "ko"
    lines = [
        *_head(draft, ko),
        *_sources(draft, ko),
        *_own_kinds(draft, ko),
        *_services(draft, kinds, ko),
        *_people(ko),
    ]
    return "\n".join(lines) + "\n"


def _name(seen: Seen, matches: Sequence[Match]) -> str:
    found = clean_name(seen.job) or clean_name(next((m.prefix for m in matches if m.prefix), ""))
    if found:
        return found
    port = urlsplit(f"//{seen.targets[0]}").port if seen.targets and "://" not in seen.targets[0] else None
    return f"service-{port}" if port else "service"


def _free(name: str, taken: set[str]) -> str:
    number, found = 2, name
    while found in taken:
        found, number = f"{name}-{number}", number + 1
    return found


def _head(draft: Draft, ko: bool) -> list[str]:
    about = (
        [
            "# 무엇이 실행되고 무엇을 감시하며 누구에게 알리는지 적습니다. bongsu init이 만들었습니다.",
            "# 자유롭게 고치세요.",
            "# 검사: bongsu check. 서비스마다 묻는 질의 보기: bongsu signals.",
            "# 편집기 자동 완성: bongsu schema > bongsu.schema.json 후 첫 줄에 다음을 적습니다:"
            " # yaml-language-server: $schema=bongsu.schema.json",
        ]
        if ko
        else [
            "# What runs, what is watched, and who is told. Written by bongsu init; it is yours to edit.",
            "# To check it: bongsu check. To see what is asked of each service: bongsu signals.",
            "# For editors that complete it: bongsu schema > bongsu.schema.json, and as the first line:"
            " # yaml-language-server: $schema=bongsu.schema.json",
        ]
    )
    values = [("name", draft.name), ("language", draft.language), ("timezone", draft.timezone)]
    return [*about, *(f"{key}: {scalar(value)}" for key, value in values), ""]


def _sources(draft: Draft, ko: bool) -> list[str]:
    lines = ["# 원격 측정 데이터를 묻는 곳." if ko else "# Where telemetry is asked for.", "sources:"]
    for name, source in draft.sources.items():
        given = [f"{key}: {scalar(value)}" for key, value in source.items()]
        if draft.token and source["type"] != "embedded":
            given.append(f"token: {{env: {draft.token}}}")
        lines.append(f"  {name}: {{{', '.join(given)}}}")
    watch = "# 모든 신호를 읽는 주기." if ko else "# How often every signal is read."
    return [*lines, "", watch, "watch: {interval: 15s}", ""]


def _own_kinds(draft: Draft, ko: bool) -> list[str]:
    used = {kind for entry in draft.entries for kind in entry.kinds} & {SCRAPED, TRACED}
    if not used:
        return []
    why = (
        "# 기본 제공 종류에 맞는 메트릭이 없는 서비스입니다. 신호를 여기에 선언하세요."
        if ko
        else "# For services whose metrics no shipped kind reads: declare their signals here."
    )
    lines = [why, "kinds:"]
    if SCRAPED in used:
        lines += [
            f"  {SCRAPED}:",
            "    title: {en: Scraped target, ko: 수집 대상}",
            "    signals:",
            "      up:",
            "        form: presence",
            "        help: {en: a target answers its scrape, ko: 하나 이상의 대상이 수집에 응답함}",
            "        problem: {en: no target answers, ko: 응답하는 대상이 없음}",
            '        thresholds: {P1: "< 1 for 2m"}',
            "      # requests: {form: rate, metric: my_requests_total, unit: per_second}",
        ]
    if TRACED in used:
        lines += [
            f"  {TRACED}:",
            "    title: {en: Seen in traces and logs only, ko: 트레이스와 로그로만 확인됨}",
        ]
    return [*lines, ""]


def _services(draft: Draft, kinds: Mapping[str, Kind], ko: bool) -> list[str]:
    if not draft.entries:
        example = [
            "# services:",
            "#   orders:",
            "#     kind: fastapi",
            "#     prefix: shop",
            '#     targets: "127.0.0.1:8102"',
        ]
        return ["# 감시할 서비스." if ko else "# What is watched.", *example, ""]
    lines = ["# 감시할 서비스." if ko else "# What is watched.", "services:"]
    for entry in draft.entries:
        lines += _service(entry, draft, kinds, ko)
    return [*lines, ""]


def _service(entry: Entry, draft: Draft, kinds: Mapping[str, Kind], ko: bool) -> list[str]:
    lines = [f"  # {line}" for line in reasons(entry, ko)]
    lines += [f"  {scalar(entry.name)}:", f"    kind: {_listed(entry.kinds)}"]
    if entry.prefix:
        lines.append(f"    prefix: {scalar(entry.prefix)}")
    variables = {name: value for match in entry.matches for name, value in match.variables.items()}
    if variables:
        lines.append(f"    variables: {_mapped(variables)}")
    if "embedded" in {source["type"] for source in draft.sources.values()} and entry.seen.targets:
        lines.append(f"    targets: {_listed(entry.seen.targets)}")
    if entry.seen.job and entry.seen.job != entry.name:
        lines.append(f"    labels: {{job: {scalar(entry.seen.job)}}}")
    if entry.depends_on:
        lines.append(f"    depends_on: [{', '.join(map(scalar, entry.depends_on))}]")
    for callee in (callee for caller, callee in draft.weaker if caller == entry.name):
        why = "도 호출하지만 순환이 되어 뺐습니다" if ko else " is called too, but that would close a circle"
        lines.append(f"    # {printable(callee)}{why}")
    if entry.others:
        also = "목록에 없는 호출 대상" if ko else "also calls"
        lines.append(f"    # {also}: {printable(', '.join(entry.others[:_SHOWN]))}")
    if draft.pushed:
        lines += _not_scraped(entry, kinds, ko)
    return lines


def _not_scraped(entry: Entry, kinds: Mapping[str, Kind], ko: bool) -> list[str]:
    """Services that push have no scrape that could fail."""
    names = tuple(kind for kind in entry.kinds if kind in kinds)
    signals = kind_signals(Service(kind=names), kinds) if names else {}
    levels = {
        name: ", ".join(f"{severity}: none" for severity in signal.thresholds)
        for name, signal in signals.items()
        if isinstance(signal, Presence) and signal.thresholds
    }
    if not levels:
        return []
    why = "    # 메트릭을 직접 보내므로 수집 여부는 판정하지 않습니다."
    text = why if ko else "    # It sends its metrics, so there is no scrape that could fail."
    return [text, "    thresholds:", *(f"      {name}: {{{none}}}" for name, none in levels.items())]


def reasons(entry: Entry, ko: bool) -> list[str]:
    """Why the entry is what it is, a line for each kind."""
    if not entry.matches:
        names = sorted(entry.seen.metrics)
        if not names and entry.seen.targets:
            return ["아직 메트릭이 없습니다" if ko else "no metrics have been seen of it"]
        if not names:
            return ["메트릭은 없고 트레이스나 로그만 있습니다" if ko else "no metrics, only traces or logs"]
        shown = printable(", ".join(names[:_SHOWN]))
        if ko:
            return [f"기본 제공 종류에 맞지 않는 메트릭 {len(names)}개: {shown}"]
        return [
            f"no shipped kind reads its {len(names)} metrics: {shown}{' …' if len(names) > _SHOWN else ''}"
        ]
    return [_reason(match, ko) for match in entry.matches]


def _reason(match: Match, ko: bool) -> str:
    there, total = len(match.answered), len(match.answered) + len(match.missing)
    missing, alike = ", ".join(match.missing[:_SHOWN]), ", ".join(match.alike)
    if ko:
        text = f"{match.kind}: 신호 {total}개 중 {there}개의 메트릭이 있음"
        text += f", 없음: {missing}" if missing else ""
        return text + (f"; {alike}도 메트릭이 같음" if alike else "")
    text = f"{match.kind}: the metrics of {there} of {total} signals are there"
    text += f", not those of {missing}" if missing else ""
    return text + (f"; {alike} would fit as well" if alike else "")


def _people(ko: bool) -> list[str]:
    why = (
        "# 누구에게 알릴지 정합니다. 웹훅 주소는 환경 변수에 두고 이름만 적습니다."
        if ko
        else "# Whom to tell. The webhook's address stays in the environment; only its name is written here."
    )
    return [
        why,
        "# channels:",
        "#   incidents: {type: discord, webhook: {env: DISCORD_WEBHOOK_URL}}",
        "# routes:",
        "#   - to: incidents",
    ]


def scalar(text: str) -> str:
    """``text`` as YAML, quoted where it could be read as something else."""
    if _PLAIN.fullmatch(text) and text.lower() not in _SURPRISES:
        return text
    return json.dumps(text, ensure_ascii=False)


def _listed(values: Sequence[str]) -> str:
    written = [scalar(value) for value in values]
    return written[0] if len(written) == 1 else f"[{', '.join(written)}]"


def _mapped(values: Mapping[str, str]) -> str:
    return "{" + ", ".join(f"{scalar(name)}: {scalar(value)}" for name, value in values.items()) + "}"

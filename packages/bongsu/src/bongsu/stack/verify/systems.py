"""The servers themselves: whether each answers, in the version that the catalog declares."""

import re
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from bongsu.signals.model import Text
from bongsu.signals.quantities import format_duration
from bongsu.stack.check import crossing
from bongsu.stack.check.prometheus import RULES
from bongsu.stack.diff import of_rules
from bongsu.stack.systems import Version
from bongsu.stack.verify.expected import rows
from bongsu.stack.verify.facts import Facts
from bongsu.stack.verify.model import Line, bad, ok, said, skipped
from bongsu.stack.verify.reading import Reading

SKEW_SECONDS = 5.0
"""Beyond this, the windows that evidence is read in miss the alert that they explain."""
_NUMBERS = re.compile(r"(\d+)\.(\d+)(?:\.(\d+))?")
_STALE_SECONDS = 10.0


def prometheus(facts: Facts) -> Iterator[Line]:
    """``prometheus``, ``clock``, ``rules loaded``, ``rules healthy`` and ``rules evaluated``."""
    url = facts.places.prometheus
    if not url:
        yield skipped("prometheus", "", said("not asked: no URL is known", "주소를 몰라 확인하지 않음"))
        return
    ready, build = facts.prometheus["ready"], facts.prometheus["build"]
    if not ready.ok:
        yield down("prometheus", ready)
        return
    if _gauge(facts.prometheus["metrics"], "prometheus_config_last_reload_successful") == 0:
        why = said(
            "its last reload failed: it still runs the configuration of before",
            "마지막 설정 리로드가 실패해 이전 설정으로 동작 중",
        )
        fix = said(
            "promtool check config says what is wrong with it; see its log",
            "promtool check config와 로그에서 원인을 확인하세요",
        )
        yield bad("prometheus", "", why, fix)
        return
    running = (build.data or {}).get("version", "") if isinstance(build.data, dict) else ""
    yield versioned(facts, "prometheus", running)
    yield _clock(facts.prometheus["clock"])
    yield from _rules(facts)


def down(system: str, reading: Reading, *, start: Text | None = None) -> Line:
    """A server that does not answer."""
    base = reading.url.split("/-/")[0].split("/api/")[0].removesuffix("/readyz")
    why = said(f"{base}: {reading.trouble}", f"{base}: {reading.trouble}")
    fix = start or said(
        f"start {system} (bongsu up --target local does), or say where it is with --{system}",
        f"{system}을(를) 시작하거나(bongsu up --target local) --{system}로 주소를 알려 주세요",
    )
    return bad(system, "", why, fix)


def versioned(facts: Facts, system: str, running: str) -> Line:
    """Bad when the server is older than what configuration is generated for, or of another major version."""
    found = _NUMBERS.search(running)
    url = getattr(facts.places, system)
    if found is None:
        return ok(system, "", said(f"{url} answers", f"{url} 응답함"))
    now = Version(int(found[1]), int(found[2]), int(found[3] or 0))
    declared = facts.stack.catalog.targets.get(system)
    if declared is not None:
        wanted = Version.parse(declared)
        if now.major != wanted.major or (now.major, now.minor) < (wanted.major, wanted.minor):
            why = said(
                f"it is {now}, the catalog declares {declared}",
                f"실행 중인 버전은 {now}, 카탈로그에는 {declared}",
            )
            fix = said(
                f"declare targets.{system}: '{now.major}.{now.minor}' and render, or install {declared}",
                f"targets.{system}을 '{now.major}.{now.minor}'로 고쳐 렌더링하거나 {declared} 설치",
            )
            return bad(system, "", why, fix)
    return ok(system, "", said(f"{now} at {url}", f"{url}, 버전 {now}"))


def _clock(reading: Reading) -> Line:
    data = reading.data
    if not isinstance(data, dict) or data.get("resultType") != "scalar":
        return skipped("clock", "", said(f"not told: {reading.trouble}", f"확인 불가: {reading.trouble}"))
    there = float(data["result"][1])
    # Its clock was read somewhere between our sending and our receiving.
    skew = there - reading.ended if there > reading.ended else min(0.0, there - reading.began)
    if abs(skew) <= SKEW_SECONDS:
        return ok(
            "clock",
            "",
            said(f"within {abs(skew):.1f} s of this machine", f"이 장비와 {abs(skew):.1f}초 이내"),
        )
    way = ("ahead of", "빠름") if skew > 0 else ("behind", "느림")
    why = said(
        f"Prometheus' clock is {abs(skew):.0f} s {way[0]} this machine's",
        f"Prometheus 시계가 이 장비보다 {abs(skew):.0f}초 {way[1]}",
    )
    return bad(
        "clock", "", why, said("keep both by NTP (chronyc tracking)", "NTP로 맞추세요 (chronyc tracking)")
    )


def _rules(facts: Facts) -> Iterator[Line]:
    reading = facts.prometheus["rules"]
    running = reading.data
    files = {f: t for f, t in facts.generated.files.items() if f.startswith(RULES)}
    if not isinstance(running, dict) or not files:
        why = reading.trouble or "the catalog has no rules"
        yield skipped("rules loaded", "", said(why, reading.trouble or "카탈로그에 규칙이 없음"))
        return
    yield _loaded(files, running)
    loaded = [(group, rule) for group in running.get("groups", ()) for rule in group.get("rules", ())]
    yield _healthy(loaded)
    yield _evaluated(facts, running)


def _loaded(files: dict[str, str], running: dict[str, Any]) -> Line:
    differences = [d for d in of_rules(files, running) if d.how != "unknown"]
    if not differences:
        count = sum(len(group.get("rules", ())) for group in running.get("groups", ()))
        return ok("rules loaded", "", said(f"{count} rules, as declared", f"규칙 {count}개, 카탈로그와 같음"))
    absent = [d.where for d in differences if d.how == "missing"]
    fix = said(
        "render again and reload Prometheus (kill -HUP, or POST /-/reload); rule_files must name the folder",
        "다시 렌더링하고 Prometheus를 리로드하세요(kill -HUP). rule_files 경로도 확인하세요",
    )
    if absent:
        names = _few(absent)
        why = said(
            f"{len(absent)} rules are not loaded: {names}", f"불러오지 않은 규칙 {len(absent)}개: {names}"
        )
    else:
        names = _few([d.where for d in differences])
        why = said(f"other rules than declared run: {names}", f"카탈로그와 다른 규칙이 돌고 있음: {names}")
    return bad("rules loaded", "", why, fix)


def _healthy(loaded: list[tuple[dict[str, Any], dict[str, Any]]]) -> Line:
    failing = [(group, rule) for group, rule in loaded if rule.get("health") == "err"]
    if not failing:
        return ok(
            "rules healthy",
            "",
            said(f"{len(loaded)} evaluate without errors", f"{len(loaded)}개 모두 오류 없이 평가됨"),
        )
    group, rule = failing[0]
    name = f"{group.get('name')}/{rule.get('name')}"
    error = " ".join(str(rule.get("lastError", "")).split())[:300]
    more_en, more_ko = (
        (f" (and {len(failing) - 1} more)", f" 외 {len(failing) - 1}개") if failing[1:] else ("", "")
    )
    why = said(f"{name} cannot be evaluated: {error}{more_en}", f"{name} 규칙 평가 실패: {error}{more_ko}")
    fix = said(
        "series that the expression joins are doubled, or not what it takes them for: ask it in Prometheus",
        "식이 결합하는 시계열이 중복되었거나 예상과 다릅니다. Prometheus에서 식을 직접 조회해 보세요",
    )
    return bad("rules healthy", "", why, fix)


def _evaluated(facts: Facts, running: dict[str, Any]) -> Line:
    clock = facts.prometheus["clock"].data
    now = float(clock["result"][1]) if isinstance(clock, dict) else facts.prometheus["clock"].ended
    late = []
    for group in running.get("groups", ()):
        last = _seconds(str(group.get("lastEvaluation", "")))
        every = float(group.get("interval", 60))
        if now - last > max(3 * every, _STALE_SECONDS):
            late.append((str(group.get("name")), now - last))
    if not late:
        return ok("rules evaluated", "", said("every group in time", "모든 그룹이 제때 평가됨"))
    name, age = late[0]
    never = age > 10 * 365 * 86400
    when = (
        ("not yet", "아직 평가 전")
        if never
        else (f"{format_duration(round(age))} ago", f"{format_duration(round(age))} 전")
    )
    why = said(f"{name} was last evaluated: {when[0]}", f"{name} 마지막 평가: {when[1]}")
    fix = said(
        "wait one interval; if it stays so, Prometheus is overloaded or does not own the group",
        "한 주기를 기다려 보고, 계속되면 Prometheus 과부하를 의심하세요",
    )
    return bad("rules evaluated", "", why, fix)


def dashboards(facts: Facts) -> Iterator[Line]:
    """``dashboards``: each panel's query, asked of Prometheus."""
    if not facts.panels:
        return
    failing = [(q, r) for q, r in facts.panels.items() if not r.ok]
    empty = [q for q, r in facts.panels.items() if r.ok and not (r.data or {}).get("result")]
    if failing:
        query, reading = failing[0]
        where = f"{query.dashboard} › {query.panel}"
        if _rule_errors(facts):
            why = said(
                f"{where}: as its rule, it cannot be evaluated", f"{where}: 규칙과 같은 이유로 평가 실패"
            )
            yield skipped("dashboards", "", why)
            return
        why = said(f"{where}: {reading.trouble}", f"{where}: {reading.trouble}")
        fix = said("ask the panel's query in Prometheus", "패널의 쿼리를 Prometheus에서 직접 조회해 보세요")
        yield bad("dashboards", "", why, fix)
        return
    total = len(facts.panels)
    text = said(
        f"{total - len(empty)} of {total} queries have data",
        f"쿼리 {total}개 중 {total - len(empty)}개에 데이터 있음",
    )
    if empty:
        missing = [q for q in empty if crossing.expected_metrics(q.expression) & absent_metrics(facts)]
        quiet = [f"{q.panel}" for q in empty if q not in missing]
        if missing:
            text = said(
                f"{text.en}; without their metric: {_few([q.panel for q in missing])}",
                f"{text.ko}; 메트릭이 없는 패널: {_few([q.panel for q in missing])}",
            )
        if quiet:
            text = said(
                f"{text.en}; quiet (too little traffic, or no such event yet): {_few(quiet)}",
                f"{text.ko}; 조용한 패널(트래픽 부족 또는 아직 사건 없음): {_few(quiet)}",
            )
    if len(empty) == total:
        yield skipped("dashboards", "", text)
    else:
        yield ok("dashboards", "", text)


def absent_metrics(facts: Facts) -> set[str]:
    """The expected metrics that no service has."""
    return (
        {
            e.metric
            for service in facts.expected.values()
            for e in service
            if e.metric not in {row.get("__name__") for row in rows(facts.names[e.selector].data)}
        }
        if facts.names
        else set()
    )


def _rule_errors(facts: Facts) -> bool:
    data = facts.prometheus["rules"].data
    groups = data.get("groups", ()) if isinstance(data, dict) else ()
    return any(rule.get("health") == "err" for group in groups for rule in group.get("rules", ()))


def grafana(facts: Facts) -> Iterator[Line]:
    """``grafana``, a ``datasource`` line each, and ``grafana dashboards``."""
    if not facts.grafana:
        if facts.stack.has("grafana"):
            why = said(
                "not asked: --grafana says where it is", "확인하지 않음: --grafana로 주소를 알려 주세요"
            )
            yield skipped("grafana", "", why)
        return
    health = facts.grafana["health"]
    if not health.ok:
        yield down("grafana", health)
        return
    document = health.json()
    yield versioned(facts, "grafana", str(document.get("version", "")) if isinstance(document, dict) else "")
    for name, reading in facts.grafana.items():
        kind, _, uid = name.partition(" ")
        if kind == "datasource":
            yield _datasource(uid, reading)
    absent = [n.split(" ", 1)[1] for n, r in facts.grafana.items() if n.startswith("dashboard ") and not r.ok]
    total = sum(name.startswith("dashboard ") for name in facts.grafana)
    if absent:
        first = facts.grafana[f"dashboard {absent[0]}"]
        why = said(f"{_few(absent)}: {first.trouble}", f"{_few(absent)}: {first.trouble}")
        fix = said(
            "copy grafana/dashboards to where its provider looks; 401 asks for --token grafana=VARIABLE",
            "grafana/dashboards를 프로비저닝 폴더에 두세요. 401이면 --token grafana=변수이름이 필요합니다",
        )
        yield bad("grafana dashboards", "", why, fix)
    elif total:
        yield ok("grafana dashboards", "", said(f"{total} are there", f"{total}개 모두 있음"))


def _datasource(uid: str, reading: Reading) -> Line:
    document = reading.json()
    told = str(document.get("message", "")) if isinstance(document, dict) else ""
    if reading.ok and isinstance(document, dict) and document.get("status", "OK") == "OK":
        return ok("datasource", uid, said(told or "it answers", told or "응답함"))
    fixes = {
        401: said("give a token: --token grafana=VARIABLE", "토큰이 필요합니다: --token grafana=변수이름"),
        404: said(
            "Grafana has no data source of that uid: provision grafana/provisioning/datasources",
            "이 uid의 데이터 소스가 없습니다. grafana/provisioning/datasources를 프로비저닝하세요",
        ),
    }
    fix = fixes.get(
        reading.status,
        said(
            "Grafana cannot reach it: its URL is meant from where Grafana runs",
            "Grafana가 실행되는 곳에서 그 주소에 닿을 수 있어야 합니다",
        ),
    )
    why = reading.trouble or told or "unhealthy"
    return bad("datasource", uid, said(why, why), fix)


def _gauge(reading: Reading, metric: str) -> float | None:
    """The first sample of a metric on a metrics page."""
    found = re.search(
        rf"^{metric}(?:\{{[^}}]*\}})? (\S+)", reading.body.decode(errors="replace"), re.MULTILINE
    )
    return float(found[1]) if found else None


def _seconds(stamp: str) -> float:
    """Unix seconds of an RFC 3339 time with up to nanoseconds."""
    text = re.sub(r"(\.\d{6})\d+", r"\1", stamp.replace("Z", "+00:00"))
    try:
        return datetime.fromisoformat(text).timestamp()
    except (ValueError, OverflowError):
        return 0.0


def _few(names: list[str], limit: int = 4) -> str:
    distinct = list(dict.fromkeys(names))
    return ", ".join(distinct[:limit]) + (", …" if len(distinct) > limit else "")

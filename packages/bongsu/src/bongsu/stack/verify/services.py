"""Each service: whether Prometheus collects it, and whether it has the series that its signals read."""

from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import Any
from urllib.parse import urlsplit

from bongsu.catalog import ResolvedService
from bongsu.sources.embedded.exposition import ExpositionError, parse
from bongsu.stack.verify import operator
from bongsu.stack.verify.expected import Expected, rows
from bongsu.stack.verify.facts import Facts, target_urls
from bongsu.stack.verify.model import Line, State, bad, ok, said, skipped
from bongsu.stack.verify.reading import Reading
from bongsu.stack.verify.reasons import reason

Target = Mapping[str, Any]

RENDER = said(
    "render again and reload Prometheus, or correct the catalog",
    "다시 렌더링해 Prometheus를 리로드하거나 카탈로그를 고치세요",
)


def scraped(facts: Facts, prober: Line | None) -> Iterator[Line]:
    """A ``scrape`` line for each service, and for each other job of the generated configuration."""
    reading = facts.prometheus.get("targets")
    data = reading.data if reading is not None else None
    for service in facts.stack.services:
        if not isinstance(data, dict):
            yield skipped("scrape", service.name, said("Prometheus was not read", "Prometheus를 읽지 못함"))
            continue
        probes = "probe_success" in service.signals
        if probes and prober is not None and prober.state is State.BAD:
            why = said("its prober has a problem of its own", "점검 도구 자체에 문제가 있음")
            yield skipped("scrape", service.name, why)
            continue
        yield _scrape(facts, service, data)
    for name in facts.stack.elsewhere:
        why = said("its metrics are not in Prometheus", "메트릭이 Prometheus에 없음")
        yield skipped("scrape", name, why)


def others(facts: Facts, known_down: set[str]) -> Iterator[Line]:
    """The jobs of the generated configuration that belong to no service: the systems of the stack itself."""
    reading = facts.prometheus.get("targets")
    data = reading.data if reading is not None else None
    if not isinstance(data, dict):
        return
    own = {labels.get("job") for s in facts.stack.services for labels in (s.labels, *s.selectors.values())}
    active = data.get("activeTargets") or []
    for config in facts.generated.jobs:
        job = str(config.get("job_name"))
        found = [t for t in active if t.get("scrapePool") == job]
        if job in own or not config.get("static_configs") or {t["labels"].get("job") for t in found} & own:
            continue
        if job in known_down:
            yield skipped("scrape", job, said(f"{job} is down itself", f"{job} 자체가 내려가 있음"))
        elif not found:
            why = said("no such job runs in Prometheus", "Prometheus에 이 잡이 없음")
            yield bad("scrape", job, why, RENDER)
        else:
            yield _judged(facts, job, found, [])


def _scrape(facts: Facts, service: ResolvedService, data: Mapping[str, Any]) -> Line:
    active: list[Target] = data.get("activeTargets") or []
    mine = [t for t in active if _has(t.get("labels") or {}, service.labels)]
    declared = target_urls(facts.stack, service.name)
    if mine:
        return _judged(facts, service.name, mine, declared)
    if not declared:
        return _undeclared(facts, service, data)
    hosts = {urlsplit(url).netloc for url in declared}
    near = [t for t in active if urlsplit(str(t.get("scrapeUrl"))).netloc in hosts]
    if near:
        return _mislabelled(service, near[0])
    dropped = [t for t in data.get("droppedTargets") or () if _address(t) in hosts]
    if dropped:
        job = dropped[0].get("discoveredLabels", {}).get("job", "?")
        why = said(
            f"{_address(dropped[0])} is dropped by the relabeling of job {job!r}",
            f"{job!r} 잡의 relabel 설정이 {_address(dropped[0])}을(를) 버림",
        )
        fix = said(
            "look at its relabel_configs with keep or drop", "relabel_configs의 keep, drop 규칙을 확인하세요"
        )
        return bad("scrape", service.name, why, fix)
    why = said(
        f"it is not in Prometheus' configuration at all: no target {', '.join(sorted(hosts))}",
        f"Prometheus 설정에 아예 없음: 대상 {', '.join(sorted(hosts))} 없음",
    )
    return bad("scrape", service.name, why, RENDER)


def _undeclared(facts: Facts, service: ResolvedService, data: Mapping[str, Any]) -> Line:
    if facts.stack.place in ("operator", "kubernetes"):
        why, fix = operator.why_not(facts.stack, service, data, facts.pools, facts.cluster)
        return bad("scrape", service.name, why, fix)
    if any(not _has(selector, service.labels) for selector in service.selectors.values()):
        why = said("another exporter speaks of it", "다른 익스포터가 이 서비스의 메트릭을 냄")
        return skipped("scrape", service.name, why)
    why = said(
        f"no target is declared, and Prometheus has none with {_spelled(service.labels)}",
        f"선언한 대상이 없고 Prometheus에도 {_spelled(service.labels)}인 대상이 없음",
    )
    fix = said(
        f"declare services.{service.name}.targets: host:port",
        f"services.{service.name}.targets: host:port를 선언하세요",
    )
    return bad("scrape", service.name, why, fix)


def _mislabelled(service: ResolvedService, target: Target) -> Line:
    labels = target.get("labels") or {}
    wrong = {
        name: labels.get(name, "") for name in service.labels if labels.get(name) != service.labels[name]
    }
    url, right = target.get("scrapeUrl"), _spelled(service.labels)
    why = said(
        f"{url} is scraped as {_spelled(wrong)}; the catalog selects {right}",
        f"{url}에서 {_spelled(wrong)} 라벨로 수집 중. 카탈로그가 찾는 라벨: {right}",
    )
    fix = said(
        f"name the job so, or declare services.{service.name}.labels as they are",
        f"잡 이름을 맞추거나 services.{service.name}.labels를 실제 라벨로 선언하세요",
    )
    return bad("scrape", service.name, why, fix)


def _judged(facts: Facts, name: str, targets: Sequence[Target], declared: Sequence[str]) -> Line:
    urls = [str(t.get("scrapeUrl")) for t in targets]
    probes = any(urlsplit(url).path == "/probe" for url in urls)
    for target in targets:
        if target.get("health") == "down":
            return _down(facts, name, target, [] if probes else declared)
    waiting = [t for t in targets if t.get("health") != "up"]
    if waiting:
        why = said("not scraped yet", "아직 수집 전")
        fix = said("wait one scrape interval (--timeout waits)", "수집 주기 한 번을 기다리세요 (--timeout)")
        return bad("scrape", name, why, fix)
    absent = [] if probes else [url for url in declared if url not in urls]
    if absent:
        why = said(
            f"{absent[0]} is not scraped; Prometheus asks {', '.join(urls)}",
            f"{absent[0]}은(는) 수집되지 않음. Prometheus는 {', '.join(urls)}에 물음",
        )
        return bad("scrape", name, why, RENDER)
    return ok("scrape", name, said(f"{len(targets)} up", f"{len(targets)}개 정상"))


def _down(facts: Facts, name: str, target: Target, declared: Sequence[str]) -> Line:
    url, error = str(target.get("scrapeUrl")), " ".join(str(target.get("lastError", "")).split())
    why, fix = reason(error)
    elsewhere = [u for u in declared if u != url]
    if declared and url not in declared:
        text_en = f"Prometheus asks {url}, the catalog says {elsewhere[0]}"
        text_ko = f"Prometheus는 {url}에 묻지만 카탈로그에는 {elsewhere[0]}"
        why, fix = said(f"{why.en}: {text_en}", f"{why.ko}: {text_ko}"), RENDER
    else:
        why = said(f"{url}: {why.en}", f"{url}: {why.ko}")
        direct = facts.endpoints.get(url)
        if direct is not None and direct.ok and "unknown" not in error:
            fix = said(
                "this machine can read it: Prometheus cannot reach it from where it runs",
                "이 장비에서는 읽힙니다. Prometheus가 실행되는 곳에서 닿지 않는 주소입니다",
            )
    return bad("scrape", name, why, fix)


def measured(facts: Facts, scrapes: Mapping[str, Line]) -> Iterator[Line]:
    """A ``metrics`` line for each service that has signals beside presence."""
    for service in facts.stack.services:
        wanted = facts.expected.get(service.name, [])
        scrape = scrapes.get(service.name)
        if not wanted:
            continue
        if facts.names and (scrape is None or scrape.state is not State.BAD):
            if scrape is not None and scrape.state is State.SKIPPED and not _any_series(facts, wanted):
                yield skipped("metrics", service.name, scrape.why)
            else:
                yield _in_prometheus(facts, service, wanted)
        elif scrape is not None and scrape.state is State.BAD:
            why = said("not judged while it is not collected", "수집되지 않아 확인하지 않음")
            yield skipped("metrics", service.name, why)
        else:
            yield _at_endpoint(facts, service, wanted)


def _any_series(facts: Facts, wanted: Sequence[Expected]) -> bool:
    return any(_live(facts, e.selector) for e in wanted)


def _live(facts: Facts, selector: str) -> set[str]:
    return {row.get("__name__", "") for row in rows(facts.names[selector].data)}


def _in_prometheus(facts: Facts, service: ResolvedService, wanted: Sequence[Expected]) -> Line:
    metadata = _declared(facts, service)
    absent = [e for e in wanted if e.metric not in _live(facts, e.selector)]
    told = [e for e in absent if _family(e.metric, metadata)]
    missing = [e for e in absent if e not in told]
    if missing:
        return _missing(service, missing, _live(facts, missing[0].selector))
    bare = [
        (e, label)
        for (e, label), r in facts.labelled.items()
        if e.service == service.name and not rows(r.data)
    ]
    bare = [(e, label) for e, label in bare if (facts.labelled[e, label].data or {}).get("result") == []]
    if bare:
        expected, label = bare[0]
        has = rows(facts.series[expected].data) if expected in facts.series else []
        return _unlabelled(service, expected, label, set(has[0]) if has else set())
    text = said(
        f"{len(wanted) - len(told)} series families, with their labels",
        f"메트릭 {len(wanted) - len(told)}종, 라벨 모두 있음",
    )
    if told:
        names = ", ".join(sorted({e.metric for e in told})[:4])
        text = said(f"{text.en}; nothing counted yet: {names}", f"{text.ko}; 아직 집계 없음: {names}")
    return ok("metrics", service.name, text)


def _declared(facts: Facts, service: ResolvedService) -> Mapping[str, Any]:
    """The metrics whose type is declared: on the service's own page, else anywhere Prometheus looked."""
    pages = [facts.endpoints[u] for u in target_urls(facts.stack, service.name) if u in facts.endpoints]
    names: set[str] = set()
    for page in pages:
        try:
            names |= series_of(page)[1] if page.ok else set()
        except ExpositionError:
            continue
    return dict.fromkeys(names) if names else facts.prometheus["metadata"].data or {}


def _family(metric: str, metadata: Mapping[str, Any]) -> bool:
    """Whether some target declares the metric's type, so that it exists though nothing was counted yet."""
    stem = metric
    for suffix in ("_bucket", "_count", "_sum", "_total"):
        stem = stem.removesuffix(suffix)
    return metric in metadata or stem in metadata


def _missing(service: ResolvedService, missing: Sequence[Expected], live: set[str]) -> Line:
    first = missing[0]
    near = get_close_matches(first.metric, sorted(live), n=1, cutoff=0.8)
    names = [e.metric for e in missing]
    more = "".join(f", {name}" for name in names[1:3]) + (f" (+{len(names) - 3})" if names[3:] else "")
    signals = ", ".join(sorted(first.signals))
    if near:
        why = said(
            f"{first.metric}{more} {'are' if more else 'is'} not there; found {near[0]}",
            f"{first.metric}{more} 메트릭이 없음. 비슷한 이름: {near[0]}",
        )
        fix = said(
            f"did you mean {near[0]}? Correct the application, or the signal {signals} of the catalog",
            f"{near[0]}을(를) 뜻했나요? 애플리케이션이나 카탈로그의 신호 {signals}를 고치세요",
        )
    else:
        why = said(
            f"{first.metric}{more} {'are' if more else 'is'} not there", f"{first.metric}{more} 메트릭이 없음"
        )
        own = [name for name in sorted(live) if name.endswith(first.metric.rpartition("_")[2])][:3]
        hint_en = f"; it has {', '.join(own)}" if own else ""
        fix = said(
            f"the signal {signals} reads it: instrument the service, or correct prefix or signal{hint_en}",
            f"신호 {signals}가 읽는 메트릭입니다. 계측을 추가하거나 prefix 또는 신호를 고치세요",
        )
    return bad("metrics", service.name, why, fix)


def _unlabelled(service: ResolvedService, expected: Expected, label: str, has: set[str]) -> Line:
    own = sorted(has - {"__name__", "job", "instance"} - service.labels.keys())
    near = get_close_matches(label, own, n=1, cutoff=0.5)
    why = said(
        f"{expected.metric} has no label {label!r}; it has {', '.join(own) or 'none'}",
        f"{expected.metric}에 {label!r} 라벨이 없음. 있는 라벨: {', '.join(own) or '없음'}",
    )
    hint_en, hint_ko = (f"did you mean {near[0]!r}? ", f"{near[0]!r}을(를) 뜻했나요? ") if near else ("", "")
    fix = said(
        f"{hint_en}Add the label in the application, or say its name in variables",
        f"{hint_ko}애플리케이션에 라벨을 넣거나 variables에 이름을 적으세요",
    )
    return bad("metrics", service.name, why, fix)


def _at_endpoint(facts: Facts, service: ResolvedService, wanted: Sequence[Expected]) -> Line:
    """Without Prometheus, the service's own page tells."""
    read = [
        (url, facts.endpoints[url])
        for url in target_urls(facts.stack, service.name)
        if url in facts.endpoints
    ]
    if not read:
        return skipped("metrics", service.name, said("nobody was asked", "확인할 곳이 없음"))
    for url, reading in read:
        if not reading.ok:
            why = said(f"{url}: {reading.trouble}", f"{url}: {reading.trouble}")
            return bad("metrics", service.name, why, reason(reading.trouble)[1])
    found: dict[str, set[str]] = {}
    declared: set[str] = set()
    for url, reading in read:
        try:
            page = series_of(reading)
        except ExpositionError as error:
            why = said(f"{url} is not the metrics format: {error}", f"{url}: 메트릭 형식이 아님: {error}")
            return bad(
                "metrics",
                service.name,
                why,
                said("correct targets or scrape.path", "targets나 scrape.path를 고치세요"),
            )
        for name, labels in page[0].items():
            found.setdefault(name, set()).update(labels)
        declared |= page[1]
    missing = [e for e in wanted if e.metric not in found and not _family(e.metric, dict.fromkeys(declared))]
    if missing:
        return _missing(service, missing, set(found))
    for e in wanted:
        for label in sorted(e.labels - found.get(e.metric, e.labels)):
            return _unlabelled(service, e, label, found[e.metric])
    return ok(
        "metrics", service.name, said(f"{len(wanted)} on its own page", f"자체 페이지에 {len(wanted)}종 있음")
    )


def series_of(reading: Reading) -> tuple[dict[str, set[str]], set[str]]:
    """Metric → label names of a metrics page, and the names whose type it declares; ExpositionError."""
    page = parse(reading.body, openmetrics="openmetrics" in reading.content_type)
    found: dict[str, set[str]] = {}
    for metric, labels in page.keys:
        found.setdefault(metric, set()).update(name for name, _ in labels)
    return found, {about.metric for about in page.metadata}


def _has(labels: Mapping[str, str], wanted: Mapping[str, str]) -> bool:
    return all(labels.get(name) == value for name, value in wanted.items())


def _address(target: Target) -> str:
    return str((target.get("discoveredLabels") or {}).get("__address__", ""))


def _spelled(labels: Mapping[str, str]) -> str:
    return "{" + ", ".join(f'{name}="{value}"' for name, value in labels.items()) + "}"

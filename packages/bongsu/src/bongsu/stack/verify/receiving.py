"""From an alert to Bongsu: Alertmanager, its way there, the exporters that only probe."""

from collections.abc import Iterator
from typing import Any

import yaml

from bongsu.sources.embedded.exposition import ExpositionError, parse
from bongsu.sources.embedded.store import SeriesKey
from bongsu.stack.check import alertmanager as checks
from bongsu.stack.check.shapes import load
from bongsu.stack.diff import of_configuration
from bongsu.stack.verify.facts import Facts, running_configuration
from bongsu.stack.verify.model import Line, State, bad, ok, said, skipped
from bongsu.stack.verify.reading import Reading
from bongsu.stack.verify.systems import down, versioned


def alertmanager(facts: Facts) -> Iterator[Line]:
    """``alertmanager``, ``alertmanager from prometheus`` and ``routes``."""
    if not facts.alertmanager:
        if facts.stack.has("alertmanager"):
            yield skipped("alertmanager", "", said("not asked: no URL is known", "주소를 몰라 확인하지 않음"))
        return
    ready, status = facts.alertmanager["ready"], facts.alertmanager["status"].json()
    if not ready.ok:
        yield down("alertmanager", ready)
        return
    version = (status.get("versionInfo") or {}).get("version", "") if isinstance(status, dict) else ""
    yield versioned(facts, "alertmanager", version)
    if facts.prometheus and facts.prometheus["ready"].ok:
        yield _told(facts)
    yield _routes(facts)


def _told(facts: Facts) -> Line:
    """Whether Prometheus sends its alerts to this Alertmanager."""
    data = facts.prometheus["alertmanagers"].data
    urls = (
        [str(a.get("url")) for a in data.get("activeAlertmanagers") or ()] if isinstance(data, dict) else []
    )
    address = facts.stack.address("alertmanager")
    check = "alertmanager from prometheus"
    if not urls:
        why = said(
            "Prometheus knows no Alertmanager: its alerts go nowhere",
            "Prometheus가 아는 Alertmanager가 없어 알림이 나가지 않음",
        )
        fix = said(
            "add alerting.alertmanagers: render again and reload",
            "alerting.alertmanagers가 필요합니다. 다시 렌더링해 리로드하세요",
        )
        return bad(check, "", why, fix)
    if not any(address in url for url in urls):
        why = said(
            f"Prometheus tells {urls[0]}, the catalog's is {address}",
            f"Prometheus는 {urls[0]}에 알리지만 카탈로그는 {address}",
        )
        fix = said("render again and reload Prometheus", "다시 렌더링해 Prometheus를 리로드하세요")
        return bad(check, "", why, fix)
    return ok(check, "", said(urls[0], urls[0]))


def _routes(facts: Facts) -> Line:
    """Whether Alertmanager runs the declared configuration."""
    if _sample(facts.alertmanager["metrics"], "alertmanager_config_last_reload_successful") == 0:
        why = said(
            "its last reload failed: it runs the configuration of before",
            "마지막 리로드가 실패해 이전 설정으로 동작 중",
        )
        return bad(
            "routes", "", why, said("amtool check-config says why", "amtool check-config로 원인을 확인하세요")
        )
    declared = facts.generated.files.get(checks.CONFIGURATION)
    running = running_configuration(facts.alertmanager)
    if declared is None or not running:
        return skipped("routes", "", said("nothing to compare", "비교할 설정이 없음"))
    differences = of_configuration("alertmanager", declared, yaml.safe_dump(dict(running)))
    if differences:
        first = differences[0]
        why = said(
            f"it runs another configuration: {first.where} ({len(differences)} differences)",
            f"다른 설정으로 동작 중: {first.where} (차이 {len(differences)}건)",
        )
        fix = said(
            "render again and reload it; bongsu diff shows all",
            "다시 렌더링해 리로드하세요. bongsu diff로 전부 볼 수 있습니다",
        )
        return bad("routes", "", why, fix)
    receivers = len(running.get("receivers") or ())
    return ok(
        "routes", "", said(f"as declared, {receivers} receivers", f"카탈로그와 같음, 수신자 {receivers}개")
    )


def server(facts: Facts) -> Iterator[Line]:
    """``bongsu`` and ``webhook``."""
    if not facts.server:
        yield skipped("bongsu", "", said("not asked: no URL is known", "주소를 몰라 확인하지 않음"))
        return
    ready = facts.server["ready"]
    if not ready.ok:
        start = said(
            "start it: bongsu serve, or say where it is with --server",
            "bongsu serve로 시작하거나 --server로 주소를 알려 주세요",
        )
        yield down("bongsu", ready, start=start)
        yield skipped("webhook", "", said("Bongsu does not answer", "Bongsu가 응답하지 않음"))
        return
    yield ok(
        "bongsu", "", said(f"{facts.places.server} takes alerts", f"{facts.places.server} 알림 수신 가능")
    )
    yield _webhook(facts)


def _webhook(facts: Facts) -> Line:
    reading = facts.server.get("webhook")
    if reading is None:
        fix = said(
            "set BONGSU_INGEST_TOKEN, or name the server's --data folder",
            "BONGSU_INGEST_TOKEN을 설정하거나 서버의 --data 폴더를 알려 주세요",
        )
        return skipped("webhook", "", said("no token is known here", "이 장비에서 아는 토큰이 없음"), fix)
    if reading.ok:
        return ok(
            "webhook",
            "",
            said(f"the token of {facts.token_of} is taken", f"{facts.token_of}의 토큰이 받아들여짐"),
        )
    if reading.status in (401, 403):
        why = said(
            f"Bongsu refuses the token of {facts.token_of}", f"Bongsu가 {facts.token_of}의 토큰을 거부함"
        )
        fix = said(
            "put the server's token there (ingest.token of its data folder); Alertmanager reads it anew",
            "서버 데이터 폴더의 ingest.token 값을 그 파일에 넣으세요. Alertmanager가 다시 읽습니다",
        )
        return bad("webhook", "", why, fix)
    fix = said("see Bongsu's log", "Bongsu 로그를 확인하세요")
    return bad("webhook", "", said(reading.trouble, reading.trouble), fix)


def deliveries(facts: Facts, known: dict[str, State]) -> Iterator[Line]:
    """``deliveries``: what came of the notifications that Alertmanager has sent since it started.

    Its counters do not tell when: what failed on the way to Bongsu is told by the lines of that way.
    """
    if not facts.alertmanager or not facts.alertmanager["ready"].ok:
        return
    metrics = facts.alertmanager["metrics"]
    sent = _by_integration(metrics, "alertmanager_notifications_total")
    failed = _by_integration(metrics, "alertmanager_notifications_failed_total")
    total, lost = sum(sent.values()), sum(failed.values())
    dead = [name for name, count in failed.items() if count and count >= sent.get(name, 0)]
    if State.BAD in (known.get("bongsu"), known.get("webhook")) and lost:
        yield skipped("deliveries", "", said("they fail for the reason above", "위의 이유로 실패 중"))
        return
    if known.get("webhook") is State.OK:
        dead = [name for name in dead if name != "webhook"]
    if dead:
        why = said(f"every notification by {', '.join(dead)} failed", f"{', '.join(dead)} 알림이 모두 실패")
        fix = said("Alertmanager's log says why", "Alertmanager 로그에서 원인을 확인하세요")
        yield bad("deliveries", "", why, fix)
    else:
        text = said(
            f"{total:g} sent, {lost:g} failed since its start", f"시작 이후 {total:g}건 전송, {lost:g}건 실패"
        )
        yield ok("deliveries", "", text)


def blackbox(facts: Facts) -> Line | None:
    """``blackbox-exporter``: whether it answers, and knows every module that is asked for."""
    if not facts.blackbox:
        return None
    reading = facts.blackbox["config"]
    if not reading.ok:
        return down("blackbox-exporter", reading)
    document = load(reading.body.decode(errors="replace"))
    known = set((document or {}).get("modules") or {}) if isinstance(document, dict) else set()
    wanted = _modules(facts)
    absent = sorted(wanted - known)
    if absent:
        why = said(f"it has no module {', '.join(absent)}", f"{', '.join(absent)} 모듈이 없음")
        fix = said("render again and reload it (kill -HUP)", "다시 렌더링하고 리로드하세요 (kill -HUP)")
        return bad("blackbox-exporter", "", why, fix)
    return ok(
        "blackbox-exporter",
        "",
        said(f"{len(wanted)} modules asked for, all there", f"쓰는 모듈 {len(wanted)}개 모두 있음"),
    )


def _modules(facts: Facts) -> set[str]:
    """The modules that Prometheus asks for: as it is configured, else as declared."""
    reading = facts.prometheus.get("config")
    data = reading.data if reading is not None else None
    jobs: list[dict[str, Any]] = facts.generated.jobs
    if isinstance(data, dict):
        jobs = (load(str(data.get("yaml", ""))) or {}).get("scrape_configs") or []
    probing = [job for job in jobs if job.get("metrics_path") == "/probe"]
    return {str(module) for job in probing for module in (job.get("params") or {}).get("module", ())}


def _by_integration(reading: Reading, metric: str) -> dict[str, float]:
    found: dict[str, float] = {}
    for (name, labels), value in _samples(reading):
        if name == metric:
            integration = dict(labels).get("integration", "")
            found[integration] = found.get(integration, 0.0) + value
    return found


def _sample(reading: Reading, metric: str) -> float | None:
    """The sum of a metric's samples on a metrics page; None when it has none."""
    values = [value for (name, _), value in _samples(reading) if name == metric]
    return sum(values) if values else None


def _samples(reading: Reading) -> list[tuple[SeriesKey, float]]:
    try:
        page = parse(reading.body, openmetrics="openmetrics" in reading.content_type)
    except ExpositionError:
        return []
    return list(zip(page.keys, page.values, strict=True))

"""A payments outage in the demo shop, as it would be stored."""

import math
import random
import time

from bongsu.analysis.model import (
    Analysis,
    CallEvidence,
    ChangeEvidence,
    EdgeEvidence,
    Evidence,
    Gap,
    LogEvidence,
    MetricEvidence,
    Reason,
    Say,
    SpanEvidence,
    Suspect,
    TraceEvidence,
    Window,
)
from bongsu.console.deps import ServiceHealth
from bongsu.incidents.model import (
    Alert,
    AlertStatus,
    Delivery,
    DeliveryState,
    Detail,
    Event,
    Incident,
    IncidentStatus,
)
from bongsu.signals.model import Severity
from tests.console.memory import SERVICES, SIGNALS, Shop


def calm_shop(now: float | None = None) -> Shop:
    now = now or time.time()
    return Shop(health={s.name: ServiceHealth(seen_at=now) for s in SERVICES})


def burning_shop(now: float | None = None) -> Shop:
    """Payments refuses since 11 minutes; orders and gateway fail with it; older incidents are over."""
    now = now or time.time()
    shop = calm_shop(now)
    since = now - 11 * 60
    shop.health |= {
        "payments": ServiceHealth(Severity.P1, now),
        "orders": ServiceHealth(Severity.P1, now),
        "gateway": ServiceHealth(Severity.P2, now),
    }
    _add_outage(shop, since, now)
    _add_slow_inventory(shop, now)
    _add_past(shop, now)
    return shop


def _alert(service: str, signal: str, severity: Severity, since: float, **more: object) -> Alert:
    values: dict[str, object] = {
        "source": "watch",
        "fingerprint": f"{service}-{signal}",
        "status": AlertStatus.FIRING,
        "starts_at": since + 5,
        "since": since,
        "name": f"{service} {signal}",
        "service": service,
        "signal": signal,
        "severity": severity,
        "summary": f"{service}: {SIGNALS[signal].en}",
        **more,
    }
    return Alert(**values)  # type: ignore[arg-type]


def _alerted(service: str, **more: str) -> Detail:
    return {"alert": f"{service} error_ratio", "service": service, "signal": "error_ratio", **more}


def _add_outage(shop: Shop, since: float, now: float) -> None:
    shop.incidents["3f9c1a7be2d04856"] = Incident(
        id="3f9c1a7be2d04856",
        number=42,
        status=IncidentStatus.OPEN,
        severity=Severity.P1,
        title="payments: share of requests that fail",
        service="payments",
        owner="Payments team",
        since=since,
        opened_at=since + 6,
        version=3,
    )
    ratio = {"unit": "ratio"}
    shop.by_alerts["3f9c1a7be2d04856"] = [
        _alert("payments", "error_ratio", Severity.P1, since, value=0.871, threshold=0.5, **ratio),
        _alert("orders", "error_ratio", Severity.P1, since + 8, value=0.642, threshold=0.5, **ratio),
        _alert("gateway", "error_ratio", Severity.P2, since + 12, value=0.228, threshold=0.05, **ratio),
        _alert("orders", "latency_p95", Severity.P2, since + 14, value=1.84, threshold=0.5, unit="s"),
    ]
    told = "shop-incidents"
    shop.by_events["3f9c1a7be2d04856"] = [
        Event(incident="x", at=since + at, kind=kind, detail=detail)
        for at, kind, detail in (
            (0, "first_bad_sample", _alerted("payments")),
            (5, "alert", _alerted("payments")),
            (13, "joined", _alerted("orders", why="depends_on", other="payments")),
            (17, "joined", _alerted("gateway", why="depends_on", other="orders")),
            (18, "escalated", _alerted("payments", before="P2", after="P1")),
            (19, "analysed", {"suspect": "payments"}),
            (21, "delivered", {"channel": told}),
            (22, "refused", {"channel": "payments-oncall", "error": "403 missing access"}),
        )
    ]
    shop.by_events["3f9c1a7be2d04856"].append(
        Event(
            incident="x",
            at=since + 190,
            kind="note",
            text="Rolling payments back to 2.8.1. Provider status page is green.",
            actor="minsu",
        )
    )
    shop.by_deliveries["3f9c1a7be2d04856"] = [
        Delivery(
            incident="x", channel=told, kind="discord", state=DeliveryState.DELIVERED,
            receipt="1310422187364450314", version=3, attempts=1, updated_at=since + 21,
        ),
        Delivery(
            incident="x", channel="payments-oncall", kind="discord", state=DeliveryState.REFUSED,
            attempts=1, error="403 Missing Access: the bot may not write there", updated_at=since + 22,
        ),
    ]  # fmt: skip
    shop.by_evidence["3f9c1a7be2d04856"] = _evidence(since, now)
    shop.by_analysis["3f9c1a7be2d04856"] = _analysis(since)


def _course(since: float, now: float, calm: float, bad: float, lag: float, seed: int) -> list[float]:
    noise = random.Random(seed)
    course = []
    for at in _times(since, now):
        rise = 1 / (1 + math.exp(-(at - since - lag) / 14))
        value = calm + (bad - calm) * rise
        course.append(max(0.0, value * (1 + noise.uniform(-0.09, 0.09))))
    return course


def _times(since: float, now: float) -> list[float]:
    start = since - 30 * 60
    return [start + i * 15.0 for i in range(int((now - start) // 15))]


def _evidence(since: float, now: float) -> Evidence:
    def metric(
        n: int, service: str, signal: str, unit: str, calm: float, bad: float, lag: float, limit: float | None
    ) -> MetricEvidence:
        return MetricEvidence(
            id=f"M{n}", service=service, signal=signal, unit=unit, worse="up", times=_times(since, now),
            values=list(_course(since, now, calm, bad, lag, n)), threshold=limit,
        )  # fmt: skip

    return Evidence(
        incident="3f9c1a7be2d04856",
        collected_at=now - 5,
        onset=since,
        window=Window(since, now),
        baseline=Window(since - 1800, since),
        alerts=[
            {"service": "payments", "signal": "error_ratio"},
            {"service": "orders", "signal": "error_ratio"},
        ],
        depends_on={"gateway": ["orders", "inventory"], "orders": ["payments", "inventory"]},
        metrics=[
            metric(1, "payments", "error_ratio", "ratio", 0.004, 0.87, 22, 0.5),
            metric(2, "orders", "error_ratio", "ratio", 0.006, 0.64, 34, 0.5),
            metric(3, "gateway", "error_ratio", "ratio", 0.003, 0.23, 42, 0.05),
            metric(4, "inventory", "error_ratio", "ratio", 0.002, 0.002, 0, 0.05),
            metric(5, "orders", "latency_p95", "s", 0.11, 1.84, 38, 0.5),
            metric(6, "payments", "latency_p95", "s", 0.062, 0.094, 20, 0.5),
            metric(7, "payments", "memory", "bytes", 1.62e8, 1.71e8, 0, 2.6e8),
            metric(8, "gateway", "request_rate", "per_second", 48.0, 39.0, 60, None),
        ],
        logs=_logs(since),
        traces=_traces(since),
        calls=[
            CallEvidence(
                id="C1", service="payments", operation="POST /charge", window="baseline", count=2871,
                errors=11, exclusive_errors=11, mean=0.048, exclusive_mean=0.047, p95=0.062,
            ),
            CallEvidence(
                id="C2", service="payments", operation="POST /charge", window="incident", count=1012,
                errors=881, exclusive_errors=881, mean=0.071, exclusive_mean=0.070, p95=0.094,
            ),
        ],
        edges=[
            EdgeEvidence(
                id="E1", caller="orders", callee="payments", window="baseline", calls=2874, client_errors=12,
                server_seen=2871, client_mean=0.052, server_mean=0.048,
            ),
            EdgeEvidence(
                id="E2", caller="orders", callee="payments", window="incident", calls=1020, client_errors=886,
                server_seen=1012, client_mean=0.83, server_mean=0.071,
            ),
        ],
        changes=[
            ChangeEvidence(
                id="D1", at=since - 95, service="payments", kind="deployment", summary="deployed 2.9.0",
                before="2.8.1", after="2.9.0",
            )
        ],
        gaps=[Gap("inventory logs: no answer within 4 s", "inventory 로그: 4초 안에 응답이 없었습니다")],
    )  # fmt: skip


def _logs(since: float) -> list[LogEvidence]:
    return [
        LogEvidence(
            id="L1", service="payments", severity="ERROR", count=881, baseline_count=0, first_at=since - 2,
            template="charge refused by provider <*>: certificate verify failed",
            example="2026-11-21T05:03:11Z ERROR charge refused by provider kcp: certificate verify failed: "
            "unable to get local issuer certificate order=ord_91f2 amount=34900",
            trace_id="4bf92f3577b34da6a3ce929d0e0e4736",
        ),
        LogEvidence(
            id="L2", service="orders", severity="ERROR", count=640, baseline_count=9, first_at=since + 3,
            template="payment of <*> failed after <*> attempts",
            example="ERROR payment of ord_91f2 failed after 3 attempts: 502 Bad Gateway",
        ),
        LogEvidence(
            id="L3", service="gateway", severity="WARN", count=231, baseline_count=188, first_at=since,
            template="slow upstream <*> took <*>",
            example="WARN slow upstream orders took 1.84 s",
        ),
    ]  # fmt: skip


def _traces(since: float) -> list[TraceEvidence]:
    def span(
        n: int, parent: int, service: str, operation: str, start: float, took: float, *, error: bool = True,
        kind: str = "server", peer: str = "",
    ) -> SpanEvidence:  # fmt: skip
        return SpanEvidence(
            trace_id="4bf92f3577b34da6a3ce929d0e0e4736", span_id=f"{n:016x}",
            parent_id=f"{parent:016x}" if parent else "", service=service, operation=operation, kind=kind,
            start=since + 60 + start, duration=took, error=error, peer=peer,
        )  # fmt: skip

    failed = [
        span(1, 0, "gateway", "POST /checkout", 0, 1.912),
        span(2, 1, "gateway", "POST orders/orders", 0.004, 1.902, kind="client", peer="orders"),
        span(3, 2, "orders", "POST /orders", 0.009, 1.891),
        span(
            4,
            3,
            "orders",
            "POST inventory/reserve",
            0.014,
            0.038,
            error=False,
            kind="client",
            peer="inventory",
        ),
        span(5, 4, "inventory", "POST /reserve", 0.018, 0.029, error=False),
        span(6, 3, "orders", "POST payments/charge", 0.061, 0.081, kind="client", peer="payments"),
        span(7, 6, "payments", "POST /charge", 0.066, 0.071),
        span(8, 3, "orders", "POST payments/charge", 0.642, 0.078, kind="client", peer="payments"),
        span(9, 8, "payments", "POST /charge", 0.646, 0.069),
        span(10, 3, "orders", "POST payments/charge", 1.803, 0.091, kind="client", peer="payments"),
        span(11, 10, "payments", "POST /charge", 1.808, 0.080),
    ]
    clean = [
        span(21, 0, "gateway", "GET /products", 0, 0.021, error=False),
        span(22, 21, "gateway", "GET inventory/stock", 0.003, 0.016, error=False, kind="client"),
        span(23, 22, "inventory", "GET /stock", 0.006, 0.011, error=False),
    ]
    return [
        TraceEvidence(id="T1", trace_id="4bf92f3577b34da6a3ce929d0e0e4736", why="failed", spans=failed),
        TraceEvidence(id="T2", trace_id="a3ce929d0e0e47364bf92f3577b34da6", why="clean", spans=clean),
    ]


def _analysis(since: float) -> Analysis:
    def reason(channel: str, score: float, en: str, ko: str, *evidence: str) -> Reason:
        return Reason(channel=channel, score=score, text=Say(en, ko), evidence=list(evidence))

    return Analysis(
        incident="3f9c1a7be2d04856",
        suspects=[
            Suspect(
                service="payments",
                score=0.94,
                reasons=[
                    reason(
                        "failures",
                        0.9,
                        "881 of 1,012 calls to POST /charge failed inside payments itself; "
                        "before it was 11 of 2,871.",
                        "POST /charge 호출 1,012건 중 881건이 payments 내부에서 실패했습니다. "
                        "이전에는 2,871건 중 11건이었습니다.",
                        "C2", "C1", "M1",
                    ),
                    reason(
                        "logs",
                        0.8,
                        "A log line never seen before appeared 881 times: certificate verify failed.",
                        "이전에 없던 로그가 881번 나타났습니다: certificate verify failed.",
                        "L1",
                    ),
                    reason(
                        "changes",
                        0.6,
                        "payments was deployed 95 s before the first bad sample (2.8.1 → 2.9.0).",
                        "첫 이상 징후 95초 전에 payments가 배포되었습니다 (2.8.1 → 2.9.0).",
                        "D1",
                    ),
                ],
            ),
            Suspect(
                service="orders",
                score=0.31,
                reasons=[
                    reason(
                        "latency",
                        0.3,
                        "orders waits for its retries of payments: 1.84 s at p95, 110 ms before.",
                        "orders가 payments 재시도를 기다립니다: 95백분위 1.84초, 이전 110 ms.",
                        "M5", "E2", "T1",
                    ),
                ],
            ),
        ],
        abstained=False,
        summary=Say(
            "Most likely cause: payments. It began to refuse charges right after its deployment of 2.9.0.",
            "가장 유력한 원인: payments. 2.9.0 배포 직후부터 결제 요청을 거부하기 시작했습니다.",
        ),
    )  # fmt: skip


def _add_slow_inventory(shop: Shop, now: float) -> None:
    shop.incidents["77aa01c2d3e4f506"] = Incident(
        id="77aa01c2d3e4f506",
        number=43,
        status=IncidentStatus.ACKNOWLEDGED,
        severity=Severity.P3,
        title="inventory: resident memory",
        service="inventory",
        owner="Storefront team",
        since=now - 47 * 60,
        opened_at=now - 46 * 60,
        acknowledged_at=now - 40 * 60,
        acknowledged_by="minsu",
    )
    shop.by_alerts["77aa01c2d3e4f506"] = [
        _alert(
            "inventory", "memory", Severity.P3, now - 47 * 60, value=2.83e8, threshold=2.62e8, unit="bytes"
        )
    ]
    shop.health["inventory"] = ServiceHealth(Severity.P3, now)


def _add_past(shop: Shop, now: float) -> None:
    past = [
        ("gateway", "latency_p95", Severity.P2, 3, 9), ("payments", "up", Severity.P1, 26, 4),
        ("orders", "error_ratio", Severity.P2, 51, 22), ("inventory", "latency_p95", Severity.P4, 75, 130),
    ]  # fmt: skip
    for i, (service, signal, severity, hours, minutes) in enumerate(past):
        since = now - hours * 3600
        incident_id = f"past{i:012x}"
        shop.incidents[incident_id] = Incident(
            id=incident_id, number=41 - i, status=IncidentStatus.RESOLVED, severity=severity,
            title=f"{service}: {SIGNALS[signal].en}", service=service, owner="Storefront team",
            since=since, opened_at=since + 5, resolved_at=since + minutes * 60,
        )  # fmt: skip
        shop.by_alerts[incident_id] = [_alert(service, signal, severity, since, status=AlertStatus.RESOLVED)]

"""How far an incident reaches: the services and endpoints that suffer, and how many requests failed or were
slow. Each is a claim of its own."""

from collections.abc import Iterator, Mapping, Sequence

from bongsu.analysis.claims import claim_of
from bongsu.analysis.compare import calls_by_window, excess
from bongsu.analysis.formula import Facts, FormulaError
from bongsu.analysis.graph import call_graph
from bongsu.analysis.metrics import Role, role_of
from bongsu.analysis.model import CallEvidence, Claim, Evidence, MetricEvidence, Statement
from bongsu.analysis.paths import deviating_calls, deviating_metrics
from bongsu.analysis.statement import state

_MOST = 30
"""Rows that a claim cites at most."""
_LONG = 180.0
"""Seconds of incident from which rates, which lag by their window, tell how many requests there were."""


def impact(facts: Facts) -> list[Claim]:
    """Claims without ids; none where nothing that was read suffers."""
    evidence = facts.evidence
    calls, metrics = deviating_calls(evidence), [metric for metric, _ in deviating_metrics(evidence)]
    found: list[Claim] = []
    for service, says in (
        *_services(calls, metrics),
        *_endpoints(evidence, calls),
        *_requests(evidence, calls, metrics),
    ):
        try:
            found.append(claim_of("impact", service, says, facts))
        except FormulaError:
            continue
    return found


def _services(
    calls: Sequence[CallEvidence], metrics: Sequence[MetricEvidence]
) -> Iterator[tuple[str, Statement]]:
    rows = {one.service: one.id for one in reversed(metrics)}
    rows |= {one.service: one.id for one in reversed(calls)}
    cited = ", ".join(rows[name] for name in sorted(rows)[:_MOST])
    if cited:
        says = state(
            "Services that fail or are slow: {names} ({count} in all).",
            "실패하거나 느려진 서비스: {names} (모두 {count}개).",
            names=(f"names({cited})", "text"),
            count=(f"services({cited})", "whole"),
        )
        yield "", says


def _endpoints(evidence: Evidence, calls: Sequence[CallEvidence]) -> Iterator[tuple[str, Statement]]:
    """Those of the services at the edge, where people are."""
    edge = _outermost(evidence, {row.service for row in calls})
    for service in edge:
        own = sorted((row for row in calls if row.service == service), key=lambda row: (-row.count, row.id))
        cited = ", ".join(row.id for row in own[:_MOST])
        says = state(
            "Endpoints of {service} that fail or are slow: {count}; the busiest is {operation}.",
            "실패하거나 느려진 {service} 엔드포인트: {count}개. 요청이 가장 많은 것은 {operation}입니다.",
            count=(f"operations({cited})", "whole"),
            service=(f"{own[0].id}.service", "text"),
            operation=(f"{own[0].id}.operation", "text"),
        )
        yield service, says


def _requests(
    evidence: Evidence, calls: Sequence[CallEvidence], metrics: Sequence[MetricEvidence]
) -> Iterator[tuple[str, Statement]]:
    """Failed and slow requests over the incident: by metrics, in a short one rather by the spans read."""
    long = evidence.window.end - evidence.window.start >= _LONG
    traffic = {m.service: m for m in evidence.metrics if role_of(m) is Role.TRAFFIC}
    before = calls_by_window(evidence, "baseline")
    suffering = {call.service for call in calls} | {metric.service for metric in metrics}
    for service in _outermost(evidence, suffering):
        own = [metric for metric in metrics if metric.service == service]
        rate = traffic.get(service)
        errors = next((m for m in own if role_of(m) is Role.ERRORS and m.worse == "up"), None)
        failing = [c for c in calls if c.service == service and _more_fail(c, before)]
        if errors is not None and rate is not None and (long or not failing):
            yield service, _failed(errors, rate)
        elif failing:
            yield service, _failed_calls(failing[:_MOST])
        slow = next((m for m in own if role_of(m) is Role.LATENCY and m.threshold is not None), None)
        if slow is not None and rate is not None:
            yield service, _slow(slow, rate)


def _more_fail(now: CallEvidence, before: Mapping[tuple[str, str], CallEvidence]) -> bool:
    then = before.get((now.service, now.operation))
    return then is not None and excess(now.errors, now.count, then.errors, then.count).stands_out


def _failed(errors: MetricEvidence, rate: MetricEvidence) -> Statement:
    failed = f"weighed({errors.id}, {rate.id})"
    return state(
        "About {failed} requests to {service} failed within {time}.",
        "{time} 동안 {service} 요청 약 {failed}건이 실패했습니다.",
        holds=f"{failed} >= 1",
        failed=(failed, "whole"),
        service=(f"{errors.id}.service", "text"),
        time=("length(incident)", "duration"),
    )


def _failed_calls(calls: Sequence[CallEvidence]) -> Statement:
    failed, served = (f"sum({', '.join(f'{c.id}.{part}' for c in calls)})" for part in ("errors", "count"))
    return state(
        "Of the {served} requests to {service} that were traced within {time}, {failed} failed.",
        "{time} 동안 추적된 {service} 요청 {served}건 중 {failed}건이 실패했습니다.",
        failed=(failed, "whole"),
        served=(served, "whole"),
        service=(f"{calls[0].id}.service", "text"),
        time=("length(incident)", "duration"),
    )


def _slow(latency: MetricEvidence, rate: MetricEvidence) -> Statement:
    bound = f"{latency.id}.threshold"
    slow = f"served_beyond({latency.id}, {bound}, {rate.id})"
    return state(
        "For {time}, {signal} of {service} was beyond {bound}; about {slow} requests were served meanwhile.",
        "{service}의 {signal} 값이 {time} 동안 {bound}을(를) 넘었고, 그동안 요청 약 {slow}건을 처리했습니다.",
        holds=f"{slow} >= 1",
        time=(f"seconds_beyond({latency.id}, {bound})", "duration"),
        signal=(f"{latency.id}.signal", "text"),
        service=(f"{latency.id}.service", "text"),
        bound=(bound, latency.unit),
        slow=(slow, "whole"),
    )


def _outermost(evidence: Evidence, services: set[str]) -> list[str]:
    """Those of ``services`` that none of the others calls."""
    graph = call_graph(evidence)
    called = {callee for name in services for callee in graph.get(name, ())}
    return sorted(services - called)[:3]

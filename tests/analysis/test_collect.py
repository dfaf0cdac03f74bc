"""Collecting: bounded in time and size, honest about what could not be read."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import replace

import pytest
from simulated_shop import ONSET, SHOP, Fault, Shop, alert, fleet_queries, request

from bongsu.analysis.collect import collect
from bongsu.analysis.model import EventEvidence, Window
from bongsu.analysis.rank import analyse
from bongsu.analysis.request import Limits
from bongsu.analysis.windows import BaselineRule, Load, choose_baseline
from bongsu.signals.model import Text
from bongsu.signals.query import FleetQuery
from bongsu.sources.base import Change, LogRecord, Series, SourceError, Span


@pytest.fixture
def shop() -> Shop:
    return Shop(SHOP, 7, Fault("error", "payments", strength=0.9))


class BrokenLogs(Shop):
    async def logs(
        self, services: Sequence[str], start: float, end: float, *, errors_only: bool, limit: int
    ) -> list[LogRecord]:
        raise SourceError("simulated: logs: connection refused")


class Hanging(Shop):
    async def spans(
        self, start: float, end: float, *, services: Sequence[str] = (), limit: int
    ) -> list[Span]:
        await asyncio.sleep(3600)
        raise AssertionError

    async def range(self, query: FleetQuery, start: float, end: float, step: float) -> list[Series]:
        while True:
            try:
                await asyncio.sleep(3600)
            except asyncio.CancelledError:
                if self.stubborn:
                    continue
                raise

    stubborn = False


class Broken(Shop):
    async def changes(self, start: float, end: float) -> list[Change]:
        raise ValueError("not even a SourceError")


def test_a_failing_source_is_a_gap(shop: Shop) -> None:
    broken = BrokenLogs(SHOP, 7, Fault("error", "payments", strength=0.9))
    evidence = asyncio.run(collect(request(broken, [alert("gateway")]), broken))
    assert any("connection refused" in gap.en and "logs" in gap.en for gap in evidence.gaps)
    assert any("connection refused" in gap.ko and "장애 중 로그" in gap.ko for gap in evidence.gaps)
    assert not any(gap.minor for gap in evidence.gaps)
    assert not evidence.logs
    analysis = analyse(evidence)
    assert analysis.suspects[0].service == "payments"
    assert analysis.gaps == evidence.gaps


def test_an_unexpected_exception_is_a_gap() -> None:
    broken = Broken(SHOP, 7, Fault("error", "payments", strength=0.9))
    evidence = asyncio.run(collect(request(broken, [alert("gateway")]), broken))
    assert any(gap.en == "changes: not even a SourceError" for gap in evidence.gaps)


class Fragile(Shop):
    async def range(self, query: FleetQuery, start: float, end: float, step: float) -> list[Series]:
        raise SourceError("simulated: no such metric")


def test_a_signal_that_could_not_be_read_is_named_by_what_it_means() -> None:
    fragile = Fragile(SHOP, 7, None)
    asked = request(fragile, [alert("gateway")])
    help_ = Text(en="share of requests that fail", ko="실패한 요청의 비율")
    named = [replace(q, signal=q.signal.model_copy(update={"help": help_})) for q in asked.queries]
    evidence = asyncio.run(collect(replace(asked, queries=named), fragile))
    said = {gap.en: gap.ko for gap in evidence.gaps}
    assert (
        said["share of requests that fail: simulated: no such metric"]
        == "실패한 요청의 비율: simulated: no such metric"
    )


def test_the_deadline_holds_with_a_hanging_source() -> None:
    hanging = Hanging(SHOP, 7, Fault("error", "payments", strength=0.9))
    asked = request(hanging, [alert("gateway")], seconds=1.0, per_read=0.8)
    started = time.monotonic()
    evidence = asyncio.run(collect(asked, hanging))
    assert time.monotonic() - started < 2.5
    assert any("no answer within" in gap.en and "spans" in gap.en for gap in evidence.gaps)
    assert any("초 안에 응답이 없었습니다" in gap.ko and "스팬" in gap.ko for gap in evidence.gaps)
    assert evidence.changes is not None
    assert not evidence.calls


def test_the_deadline_holds_when_cancelling_is_ignored() -> None:
    hanging = Hanging(SHOP, 7, None, after=60)
    hanging.stubborn = True

    async def run() -> float:
        started = time.monotonic()
        await collect(request(hanging, [alert("gateway")], seconds=0.6, per_read=0.3), hanging)
        hanging.stubborn = False
        return time.monotonic() - started

    assert asyncio.run(run()) < 2.0


class Talkative(Shop):
    """Each request to payments says so in a plain line, until ``silent_from``; answers the newest lines, and
    plain ones only where they are asked for."""

    silent_from = ONSET

    async def logs(
        self, services: Sequence[str], start: float, end: float, *, errors_only: bool, limit: int
    ) -> list[LogRecord]:
        plain = [
            LogRecord(s.start, s.service, "INFO", "ledger entry written", s.trace_id, s.span_id)
            for s in self.spans_
            if s.service == "payments" and s.kind == "server" and s.start < self.silent_from
        ]
        said = [r for r in self.logs_ if r.severity == "ERROR"] + ([] if errors_only else plain)
        found = [r for r in said if r.service in services and start <= r.time < end]
        return sorted(found, key=lambda r: r.time)[-limit:]


def written_lines(shop: Shop, **limits: float) -> list[EventEvidence]:
    evidence = asyncio.run(collect(request(shop, [alert("gateway")], **limits), shop))
    assert all(row.severity == "ERROR" for row in evidence.logs)
    return [event for event in evidence.events if event.event == "ledger entry written"]


def test_a_plain_line_that_requests_no_longer_write_is_evidence() -> None:
    shop = Talkative(SHOP, 7, None)
    (*_, event) = found = written_lines(shop)
    assert {event.service for event in found} == {"payments"}
    assert event.count == 0
    assert event.baseline_count == event.baseline_of


def test_lines_that_a_limit_kept_back_are_not_taken_for_vanished() -> None:
    chatty = Talkative(SHOP, 7, None)
    chatty.silent_from = chatty.end
    assert not written_lines(chatty, all_lines=80)
    quiet = Talkative(SHOP, 7, None)
    assert all(event.baseline_count == event.baseline_of for event in written_lines(quiet, all_lines=80))
    assert written_lines(quiet, all_lines=80)


def test_lines_that_could_not_be_read_are_not_taken_for_vanished() -> None:
    class Failing(Talkative):
        silent_from = ONSET + 3600

        async def logs(
            self, services: Sequence[str], start: float, end: float, *, errors_only: bool, limit: int
        ) -> list[LogRecord]:
            if not errors_only and start >= ONSET + 20:
                raise SourceError("simulated: too much")
            return await super().logs(services, start, end, errors_only=errors_only, limit=limit)

    assert not written_lines(Failing(SHOP, 7, None))


def test_the_neighbourhood_alone_is_asked_for(shop: Shop) -> None:
    asked = request(shop, [alert("orders")])
    asked = replace(
        asked,
        depends_on={**SHOP.calls, "stranger": []},
        queries=fleet_queries([*SHOP.services, "stranger"]),
    )
    assert asked.services == ["gateway", "inventory", "orders", "payments"]
    assert "stranger" not in {m.service for m in asyncio.run(collect(asked, shop)).metrics}


def test_size_is_bounded_and_said(shop: Shop) -> None:
    evidence = asyncio.run(collect(request(shop, [alert("gateway")], spans=400, log_templates=3), shop))
    assert any(gap.en.startswith("Spans of the incident: only a part") for gap in evidence.gaps)
    assert any(gap.ko.startswith("장애 중 스팬: 일부만") for gap in evidence.gaps)
    assert len(evidence.logs) <= 3
    assert sum(c.count for c in evidence.calls) < 1000


def test_exemplars_are_failed_slow_and_clean(shop: Shop) -> None:
    traces = asyncio.run(collect(request(shop, [alert("gateway")]), shop)).traces
    assert {t.why for t in traces} == {"failed", "slow", "clean"}
    assert "payments" in {s.service for t in traces if t.why == "failed" for s in t.spans}


def test_short_history_is_said_and_used() -> None:
    young = Shop(SHOP, 7, Fault("error", "payments", strength=0.9), before=80)
    evidence = asyncio.run(collect(request(young, [alert("gateway")]), young))
    assert any("could be compared with" in gap.en and gap.minor for gap in evidence.gaps)
    assert evidence.baseline.end < ONSET
    assert analyse(evidence).suspects[0].service == "payments"


def test_an_empty_source_abstains() -> None:
    class Silent(Shop):
        async def range(self, query: FleetQuery, start: float, end: float, step: float) -> list[Series]:
            return []

    silent = Silent(SHOP, 7, None)
    silent.spans_, silent.logs_ = [], []
    analysis = analyse(asyncio.run(collect(request(silent, [alert("gateway")]), silent)))
    assert analysis.abstained


def test_clients_of_a_dead_service_are_resolved_by_address() -> None:
    dead = Shop(SHOP, 7, Fault("crash", "payments"), before=240)
    dead.spans_ = [
        replace(s, peer="10.0.0.9:80") if s.peer.startswith("payments") else s
        for s in dead.spans_
        if s.start >= ONSET or s.service != "payments"
    ]
    asked = replace(request(dead, [alert("gateway")]), addresses={"10.0.0.9:80": "payments"})
    evidence = asyncio.run(collect(asked, dead))
    assert ("orders", "payments") in {(e.caller, e.callee) for e in evidence.edges}


class TestBaseline:
    rule = BaselineRule(margin=60, longest=300, shortest=60, lookback=3600)

    def test_just_before_onset_when_nothing_is_in_the_way(self) -> None:
        assert choose_baseline(10_000, [], self.rule) == (Window(9640, 9940), [])

    def test_avoids_other_incidents(self) -> None:
        window, gaps = choose_baseline(10_000, [Window(9500, 9900)], self.rule)
        assert window == Window(9200, 9500)
        assert not gaps

    def test_the_widest_free_stretch_when_none_is_long_enough(self) -> None:
        busy = [Window(6000, 9000), Window(9200, 9900)]
        window, gaps = choose_baseline(10_000, busy, self.rule)
        assert window == Window(9000, 9200)
        assert "200 s" in gaps[0].en
        assert "200초" in gaps[0].ko

    def test_says_when_every_stretch_is_contaminated(self) -> None:
        window, gaps = choose_baseline(10_000, [Window(0, 20_000)], self.rule)
        assert window == Window(9640, 9940)
        assert "contaminated" in gaps[0].en
        assert not gaps[0].minor

    def test_a_stretch_under_the_same_load_is_preferred(self) -> None:
        rates = {
            float(at): 100.0 if 7000 <= at < 8000 or at >= 10_000 else 20.0 for at in range(6400, 10_300, 60)
        }
        load = Load(rates, Window(10_000, 10_240))
        window, gaps = choose_baseline(10_000, [], self.rule, load=load)
        assert window.start >= 7000
        assert window.end <= 8000
        assert not gaps
        busy, _ = choose_baseline(10_000, [Window(6900, 8100)], self.rule, load=load)
        assert busy == Window(9640, 9940)

    def test_the_latest_of_stretches_alike(self) -> None:
        rates = {float(at): 20.0 + at % 3 for at in range(6400, 10_300, 60)}
        window, _ = choose_baseline(10_000, [], self.rule, load=Load(rates, Window(10_000, 10_240)))
        assert window == Window(9640, 9940)

    def test_a_load_that_the_incident_took_away_is_not_matched(self) -> None:
        rates = {float(at): 1.0 if at < 7000 or at >= 10_000 else 20.0 for at in range(6400, 10_300, 60)}
        window, _ = choose_baseline(10_000, [], self.rule, load=Load(rates, Window(10_000, 10_240)))
        assert window == Window(9640, 9940)

    def test_short_history(self) -> None:
        window, gaps = choose_baseline(10_000, [], self.rule, history_start=9960)
        assert window == Window(9960, 9980)
        assert "only 20 s" in gaps[0].en

    def test_no_history_at_all(self) -> None:
        window, gaps = choose_baseline(10_000, [], self.rule, history_start=10_050)
        assert window.end <= 10_050
        assert gaps


def test_limits_are_per_request() -> None:
    assert Limits().seconds == 20.0

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bongsu.delivery.discord import limits, render
from bongsu.delivery.message import AlertLine, Link, Mention, Message, SuspectLine
from bongsu.demo.inbox.rules import check, embed_size
from bongsu.signals.model import Severity

NOW = 1_795_237_385.0
LONG = "긴 문장입니다 *_`| " * 600
Build = Callable[..., Message]


def fields(body: dict[str, Any]) -> dict[str, str]:
    return {field["name"]: field["value"] for field in body["embeds"][0]["fields"]}


@pytest.mark.parametrize("language", ["en", "ko"])
@pytest.mark.parametrize("state", ["open", "acknowledged", "resolved"])
@pytest.mark.parametrize("severity", list(Severity))
@pytest.mark.parametrize("picture", [True, False])
def test_every_body_keeps_the_contract(
    message: Build, schema: Callable[[str], Any], language: str, state: str, severity: Severity, picture: bool
) -> None:
    resolved_at = NOW if state == "resolved" else None
    body = render(message(language, state=state, severity=severity, resolved_at=resolved_at), chart=picture)
    schema("IncomingWebhookRequestPartial").validate(body)
    schema("IncomingWebhookUpdateRequestPartial").validate(body)
    check(body, edit=False, uploads=[0] if picture else [])


def test_an_open_incident_in_english(message: Build) -> None:
    body = render(message("en"), chart=True)
    embed = body["embeds"][0]
    assert body["content"] == (
        "<@&1000000000000000002> 🔴 P1 critical · payments · share of requests that fail (5xx): "
        "62.5 % (above 5 %)"
    )
    assert embed["title"] == "🔴 #12 payments: share of requests that fail (5xx)"
    assert embed["color"] == 0xE5484D
    assert embed["description"] == (
        "• **payments** · share of requests that fail (5xx): **62.5 %** (above 5 %)"
    )
    assert embed["image"] == {"url": "attachment://chart.png"}
    said = fields(body)
    assert said["Since"] == f"<t:{int(NOW) - 192}:R>\n21 Nov 13:59:53 KST"
    assert said["Owner"] == "Payments team"
    assert said["State"] == "P1 critical\nOpen"
    assert "deployed 41 s before" in said["First suspect: payments"]
    assert "Also suspected: inventory" in said["First suspect: payments"]
    assert said["Changes before it"] == "• payments v1.4.2 → v1.5.0"
    assert said["Error logs"].startswith("```\npayments ×124")
    assert "[Incident](http://127.0.0.1:8765/incidents/12)" in said["Links"]
    assert body["attachments"][0]["description"].startswith("Chart: payments")


def test_an_open_incident_in_korean(message: Build) -> None:
    body = render(message("ko"), chart=True)
    assert body["content"] == (
        "<@&1000000000000000002> 🔴 P1 긴급 · payments · 실패한 요청의 비율 (5xx): 62.5% (기준 5% 초과)"
    )
    said = fields(body)
    assert said["발생 시각"].endswith("11월 21일 13:59:53 (KST)")
    assert said["담당"] == "결제팀"
    assert said["상태"] == "P1 긴급\n진행 중"
    assert "장애 41초 전 배포" in said["유력 원인: payments"]
    assert "확인하지 못한 항목" in said


def test_an_acknowledged_incident_names_who_has_it(message: Build) -> None:
    english = render(message("en", state="acknowledged", acknowledged_by="kim_minsu"), chart=False)
    assert "Acknowledged by kim\\_minsu" in english["content"]
    korean = render(message("ko", state="acknowledged", acknowledged_by="김민수"), chart=False)
    assert fields(korean)["상태"] == "P1 긴급\n김민수 확인 중"
    assert korean["embeds"][0]["title"].startswith("🔴👀 #12")


def test_a_resolved_incident_is_green_struck_and_says_how_long(message: Build) -> None:
    gone = (AlertLine("payments", "실패한 요청의 비율", 0.625, 0.05, "ratio", False),)
    body = render(message("ko", state="resolved", resolved_at=NOW, alerts=gone), chart=True)
    embed = body["embeds"][0]
    assert "✅ 3분 12초 만에 복구" in body["content"]
    assert embed["title"] == "✅ #12 ~~payments: 실패한 요청의 비율 (5xx)~~"
    assert embed["color"] == 0x30A46C
    assert embed["description"].startswith("✅ ~~payments")
    assert fields(body)["지속 시간"].startswith("**3분 12초**")
    english = render(message("en", state="resolved", resolved_at=NOW, alerts=()), chart=True)
    assert "✅ Resolved after 3 min 12 s · #12" in english["content"]


def test_only_the_named_role_and_user_are_called(message: Build) -> None:
    body = render(message(mention=Mention(role_id="5", user_id="6")), chart=False)
    assert body["allowed_mentions"] == {"parse": [], "roles": ["5"], "users": ["6"]}
    assert body["content"].startswith("<@&5> <@6> ")
    assert render(message(mention=None), chart=False)["allowed_mentions"] == {"parse": []}


def test_no_address_is_put_where_discord_would_validate_it(message: Build) -> None:
    embed = render(message(), chart=True)["embeds"][0]
    assert "url" not in embed
    assert "author" not in embed
    assert set(embed["footer"]) == {"text"}


def test_the_content_is_cut(message: Build) -> None:
    alert = AlertLine(LONG, LONG, 0.6, 0.05, "ratio", True)
    body = render(message(alerts=(alert,), acknowledged_by=LONG, state="acknowledged"), chart=False)
    assert len(body["content"]) <= limits.CONTENT


def test_the_title_is_cut_but_keeps_its_number_and_its_strike(message: Build) -> None:
    title = render(message(title=LONG, state="resolved"), chart=False)["embeds"][0]["title"]
    assert len(title) <= limits.TITLE
    assert title.startswith("✅ #12 ~~")
    assert title.endswith("…~~")


def test_the_description_says_how_many_alerts_it_leaves_out(message: Build) -> None:
    alerts = tuple(AlertLine(f"service-{i}", "fails", 0.6, 0.05, "ratio", True) for i in range(400))
    description = render(message(alerts=alerts), chart=False)["embeds"][0]["description"]
    assert len(description) <= limits.DESCRIPTION
    assert description.endswith("… and 390 more")
    korean = render(message("ko", alerts=alerts), chart=False)["embeds"][0]["description"]
    assert korean.endswith("… 외 390건")


def test_field_names_and_values_are_cut(message: Build) -> None:
    long = message(
        owner=LONG, suspects=(SuspectLine(LONG, (LONG,) * 9),), changes=(LONG,) * 9, logs=(LONG,) * 9
    )
    embed = render(long, chart=False)["embeds"][0]
    assert len(embed["fields"]) <= limits.FIELDS
    for field in embed["fields"]:
        assert 0 < len(field["name"]) <= limits.FIELD_NAME
        assert 0 < len(field["value"]) <= limits.FIELD_VALUE


def test_the_whole_stays_below_6000_and_drops_the_least_important_first(message: Build) -> None:
    long = "w" * 230
    body = render(
        message(
            title=LONG,
            owner=LONG,
            alerts=tuple(AlertLine("s" * 80, long, 0.6, 0.05, "ratio", True) for _ in range(20)),
            suspects=tuple(SuspectLine("s" * 300, (long,) * 9) for _ in range(5)),
            changes=(long,) * 9,
            logs=(long,) * 9,
            gaps=(long,) * 9,
            links=tuple(Link("l" * 80, f"https://x.example/{'p' * 300}") for _ in range(9)),
        ),
        chart=True,
    )
    assert embed_size(body["embeds"][0]) <= limits.EMBED_TOTAL
    said = fields(body)
    assert {"Since", "Owner", "State", "Links", "Error logs"} <= set(said)


def test_a_number_of_links_fits(message: Build) -> None:
    links = tuple(Link(f"link {i}", f"https://x.example/{i}") for i in range(50))
    assert fields(render(message(links=links), chart=False))["Links"].count("](") == 8


def test_the_picture_is_described_within_its_limit(message: Build) -> None:
    long = message()
    assert long.chart is not None
    body = render(replace(long, chart=replace(long.chart, title=LONG)), chart=True)
    assert len(body["attachments"][0]["description"]) <= limits.ATTACHMENT_DESCRIPTION


def test_an_incident_of_which_little_is_known(message: Build, schema: Callable[[str], Any]) -> None:
    bare = message(
        title="", owner="", alerts=(), suspects=(), changes=(), logs=(), links=(), gaps=(), mention=None
    )
    body = render(replace(bare, chart=None), chart=False)
    schema("IncomingWebhookRequestPartial").validate(body)
    check(body, edit=False)
    assert fields(body)["Owner"] == "nobody is declared"


text = st.text(max_size=3000)


@settings(max_examples=60, deadline=None)
@given(text, text, st.lists(text, max_size=12), st.integers(1, 12), st.sampled_from(["en", "ko"]))
def test_no_message_is_too_long_for_discord(
    message: Build,
    schema: Callable[[str], Any],
    one: str,
    other: str,
    many: list[str],
    count: int,
    language: str,
) -> None:
    built = message(
        language,
        title=one,
        service=other,
        owner=one,
        alerts=tuple(AlertLine(s, one, 1e9, None, "s", True) for s in many),
        suspects=(SuspectLine(other, tuple(many)),) * count,
        changes=tuple(many),
        logs=tuple(many),
        gaps=tuple(many),
        links=tuple(Link(s, f"https://x.example/{count}") for s in many),
    )
    body = render(built, chart=False)
    schema("IncomingWebhookRequestPartial").validate(body)
    check(body, edit=False)

"""Text from telemetry does nothing in Discord: it calls nobody, links nowhere and is not markup."""

import re
from collections.abc import Callable
from dataclasses import replace
from html import unescape
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bongsu.delivery.discord import render
from bongsu.delivery.discord.escape import ZERO_WIDTH_SPACE, fenced, link, plain, safe_url, visible
from bongsu.delivery.message import AlertLine, Link, Message, SuspectLine
from bongsu.demo.inbox.markdown import Names, html
from bongsu.demo.inbox.store import mentioned

ROLE = "1000000000000000002"
HOSTILE = [
    "@everyone",
    "@here now",
    "@EVERYONE",
    "\\@everyone",
    "@\u200beveryone",
    "@\u202eeveryone",
    "<@123456789012345678>",
    "<@!123456789012345678>",
    f"<@&{ROLE}>",
    f"\\<@&{ROLE}>",
    f"<\u200b@&{ROLE}>",
    "<#123456789012345678>",
    "</deploy:123456789012345678>",
    "<:fire:123456789012345678>",
    "<a:fire:123456789012345678>",
    "<t:1700000000:R>",
    "<id:customize>",
    "https://evil.example/login",
    "HTTP://evil.example",
    "\\https://evil.example",
    "<https://evil.example>",
    "[click me](https://evil.example)",
    "[click](<https://evil.example>)",
    "![x](https://evil.example/x.png)",
    "](https://evil.example) [",
    "steam://run/1",
    "discord.gg/abc",
    "https://discord.gg/abc",
    "discordapp.com/invite/abc",
    "<mailto:a@evil.example>",
    "<tel:+82101234567>",
    "**bold**",
    "***both***",
    "__under__ and _it_",
    "~~struck~~",
    "||spoiler||",
    "`code`",
    "```\ncode\n```",
    "``` @everyone ```",
    "a```b",
    "````",
    "`",
    "\\",
    "\\\\**x**",
    "# heading",
    "## heading",
    "-# small",
    "- item",
    "+ item",
    "1. item",
    "12) item",
    "> quote",
    ">>> quote",
    ":fire: :smile:",
    "line\nbreak\r\n# next",
    "a\u2028b\u2029c\x85d",
    "\u202ereversed\u202c \u2066x\u2069",
    "\x00\x1b[31mred\x07",
    "z\u0335\u0336\u0337\u0338\u0339a",
    "\u3164\u115f\u2800",
    "\ufeff\u200b\u200c\u200d\u2060",
    "\ud800 lone",
    "\U000e0041\U000e0042",
    "A" * 100_000,
    "*" * 100_000,
    "`" * 5_000,
    "<@1>" * 5_000,
    "가" * 50_000,
    "https://" * 2_000,
    "</script><script>alert(1)</script>",
    "&amp;&lt;",
    '" onmouseover="x',
]


def everywhere(message: Message, text: str) -> Message:
    return replace(
        message,
        title=text,
        service=text,
        owner=text,
        acknowledged_by=text,
        alerts=(AlertLine(text, text, 0.6, 0.05, "ratio", True), AlertLine(text, text, 1, 2, text, False)),
        suspects=(SuspectLine(text, (text, text)), SuspectLine(text, ()), SuspectLine(text, ())),
        changes=(text, text),
        logs=(text, text),
        links=(Link(text, text), Link(text, "https://safe.example/x")),
        gaps=(text,),
    )


def texts(body: dict[str, Any]) -> list[str]:
    embed = body["embeds"][0]
    found = [embed["title"], embed["description"]]
    return found + [part for f in embed["fields"] for part in (f["name"], f["value"])]


def shown(markup: str) -> str:
    return unescape(re.sub(r"<[^>]*>", "", re.sub(r"<svg.*?</svg>", "", markup))).replace(
        ZERO_WIDTH_SPACE, ""
    )


@pytest.mark.parametrize("state", ["open", "acknowledged", "resolved"])
@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_text_calls_nobody_and_links_nowhere(
    message: Callable[..., Message], schema: Callable[[str], Any], text: str, state: str
) -> None:
    body = render(everywhere(message(state=state), text), chart=True)
    schema("IncomingWebhookRequestPartial").validate(body)
    assert mentioned(body["content"], body["allowed_mentions"]) == [f"role:{ROLE}"]
    assert mentioned(body["content"], None) == [f"role:{ROLE}"], "safe even without allowed_mentions"
    for part in texts(body):
        assert mentioned(part, None) == []
        markup = html(part, Names(), pings=True)
        assert 'class="mention"' not in markup
        for address in re.findall(r'href="([^"]*)"', markup):
            # The address of a link is the catalog's own; everything else stays text.
            assert address in {"https://safe.example/x", safe_url(text)}
        assert not re.search(r"<(em|u|small)>|class=\"(spoiler|quote|item|h\d)\"", markup)
    markup = html(body["content"], Names(), pings=True)
    assert markup.count('class="mention"') == 1
    assert "href" not in markup


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_text_is_shown_as_it_was_written(text: str) -> None:
    assert shown(html(plain(text, 200), Names(), pings=True)) == visible(text, 200)


@settings(max_examples=400, deadline=None)
@given(
    st.text(
        alphabet=st.sampled_from("ab1 \\`*_~|<>[]()@#&!:/.-+\n\u200b\u202e가everyoneherehttps"), max_size=60
    )
)
def test_any_text_is_shown_as_it_was_written(text: str) -> None:
    escaped = plain(text, 100)
    assert mentioned(escaped, None) == []
    markup = html(escaped, Names(), pings=True)
    assert shown(markup) == visible(text, 100)
    assert not re.search(r"<(?!/?svg|circle|rect|path|ellipse)", markup)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.text(max_size=400), max_size=8), st.integers(20, 800))
def test_a_code_block_is_never_left(lines: list[str], limit: int) -> None:
    block = fenced(lines, limit)
    assert len(block) <= limit
    if block:
        assert block.count("```") == 2
        assert block.startswith("```\n")
        assert block.endswith("\n```")
        assert html(block, Names()).count("<pre>") == 1
        assert re.fullmatch(r"<pre><code>[^<]*</code></pre>", html(block, Names()), re.DOTALL)


@pytest.mark.parametrize(
    "address",
    [
        "javascript:alert(1)",
        "ftp://x.example",
        "https://user:pass@x.example",
        "https://",
        "http://[::1",
        "https://x.example:99999/",
        "https://x.example/\u202e",
        "https://x.example/a b",
        "//x.example",
        "",
    ],
)
def test_other_addresses_are_no_links(address: str) -> None:
    assert safe_url(address) == ""
    assert link("Runbook", address) == "Runbook"


def test_an_address_cannot_end_its_link_early() -> None:
    assert link("Run [book](x)", "https://x.example/a)b(c>[d]") == (
        "[Run \\[book\\](x)](https://x.example/a%29b%28c%3E%5Bd%5D)"
    )
    assert link("x", "https://x.example/" + "a" * 600) == "x"
    assert link("길잡이", "https://x.example/가?q=a%20b&c=d#e") == (
        "[길잡이](https://x.example/%EA%B0%80?q=a%20b&c=d#e)"
    )


def test_no_role_but_the_catalogs_is_allowed(message: Callable[..., Message]) -> None:
    from bongsu.delivery.message import Mention

    for role in ("1> <@&2", "everyone", "0x1", "١٢٣", "1" * 30):
        body = render(message(mention=Mention(role_id=role, user_id=role)), chart=False)
        assert body["allowed_mentions"] == {"parse": []}
        assert "<@" not in body["content"]

import asyncio
import json
import logging
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI

from bongsu.delivery.base import LostAnswerError, MessageGoneError, PermanentError, TemporaryError
from bongsu.delivery.chart import render_png
from bongsu.delivery.discord import DiscordWebhook, limits
from bongsu.delivery.message import Message
from bongsu.demo.inbox import Inbox, InboxControl, create_inbox

pytestmark = pytest.mark.anyio
TOKEN = "s3cr3t-webhook-token_XYZ"
Build = Callable[..., Message]


@pytest.fixture
def app() -> FastAPI:
    return create_inbox(control=InboxControl(rate=None), token=TOKEN, threads=("77",))


@pytest.fixture
def inbox(app: FastAPI) -> Inbox:
    state: Inbox = app.state.inbox
    return state


@pytest.fixture
def base(app: FastAPI, serve: Callable[[Any], AbstractContextManager[str]]) -> Iterator[str]:
    with serve(app) as address:
        yield address


@pytest.fixture
async def discord(inbox: Inbox, base: str) -> AsyncIterator[DiscordWebhook]:
    destination = DiscordWebhook(inbox.webhook_url(base))
    yield destination
    await destination.close()


async def test_a_message_arrives_with_its_picture(discord: Any, inbox: Inbox, message: Build) -> None:
    receipt = await discord.send(message("ko"))
    stored = inbox.channel.get(receipt.id)
    assert stored is not None
    assert stored.pings == ["role:1000000000000000002"]
    assert message().chart is not None
    assert [file.data for file in stored.files] == [render_png(message().chart)]
    shown = inbox.messages("http://x")[0]
    assert shown["embeds"][0]["image"]["url"].endswith("/chart.png")
    assert shown["embeds"][0]["image"]["width"] == 1000
    assert shown["attachments"] == []


async def test_an_edit_replaces_text_and_picture_and_calls_nobody(
    discord: Any, inbox: Inbox, message: Build
) -> None:
    first = await discord.send(message())
    before = inbox.channel.get(first.id)
    changed = message(state="resolved", resolved_at=message().since + 192)
    assert changed.chart is not None
    changed = replace(changed, chart=replace(changed.chart, shade=(message().since, message().since + 60)))
    second = await discord.edit(first.id, changed)
    after = inbox.channel.get(first.id)
    assert first.id == second.id
    assert after is not None
    assert before is not None
    assert len(inbox.channel.all()) == len(after.files) == 1
    assert after.files[0].id != before.files[0].id
    assert after.files[0].data != before.files[0].data
    assert after.pings == before.pings
    assert "Resolved after 3 min 12 s" in after.content


async def test_an_edit_without_a_chart_keeps_the_picture(discord: Any, inbox: Inbox, message: Build) -> None:
    receipt = await discord.send(message())
    before = inbox.channel.get(receipt.id)
    await discord.edit(receipt.id, message(chart=None, state="resolved"))
    after = inbox.channel.get(receipt.id)
    assert before is not None
    assert after is not None
    assert after.files == before.files
    assert inbox.messages("")[0]["embeds"][0]["image"]["url"].endswith("/chart.png")


async def test_an_edit_of_a_message_without_picture_has_none(
    discord: Any, inbox: Inbox, message: Build
) -> None:
    receipt = await discord.send(message(chart=None))
    await discord.edit(receipt.id, message(chart=None))
    assert "image" not in inbox.messages("")[0]["embeds"][0]
    await discord.edit(receipt.id, message())
    assert "image" in inbox.messages("")[0]["embeds"][0]


async def test_a_thread_is_addressed(inbox: Inbox, base: str, message: Build) -> None:
    discord = DiscordWebhook(inbox.webhook_url(base) + "?thread_id=77")
    receipt = await discord.send(message())
    await discord.edit(receipt.id, message(chart=None))
    assert inbox.channel.all()[0].thread == "77"
    gone = DiscordWebhook(inbox.webhook_url(base) + "?thread_id=78")
    with pytest.raises(PermanentError, match="thread is gone"):
        await gone.send(message())
    await discord.close()
    await gone.close()


async def test_a_chart_that_cannot_be_drawn_or_sent_does_not_stop_the_alert(
    discord: Any, inbox: Inbox, message: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fails(spec: object) -> bytes:
        raise RuntimeError("no font")

    async def huge(spec: object) -> bytes:
        return b"\x89PNG" + bytes(limits.FILE_BYTES)

    for drawer in (fails, huge):
        monkeypatch.setattr("bongsu.delivery.discord.client.chart_png", drawer)
        await discord.send(message())
    assert [m.files for m in inbox.channel.all()] == [[], []]


@pytest.mark.parametrize("status", [500, 502, 503, 504])
async def test_server_errors_are_temporary(discord: Any, inbox: Inbox, message: Build, status: int) -> None:
    inbox.control.fail(1, status)
    with pytest.raises(TemporaryError, match=str(status)):
        await discord.send(message())
    await discord.send(message())
    assert len(inbox.channel.all()) == 1


@pytest.mark.parametrize("everywhere", [False, True])
async def test_a_rate_limit_says_when_to_come_back(
    discord: Any, inbox: Inbox, message: Build, everywhere: bool
) -> None:
    inbox.control.limit(1, 30.5, everywhere=everywhere)
    with pytest.raises(TemporaryError) as first:
        await discord.send(message())
    assert first.value.retry_after == pytest.approx(31)
    with pytest.raises(TemporaryError, match="rate limit is spent") as second:
        await discord.send(message())
    assert second.value.retry_after == pytest.approx(31, abs=2)
    assert len(inbox.control.seen) == 1, "the second try does not bother Discord"


async def test_a_spent_limit_is_waited_for_before_asking(inbox: Inbox, base: str, message: Build) -> None:
    inbox.control.rate = (2, 0.5)
    discord = DiscordWebhook(inbox.webhook_url(base))
    plain = message(chart=None)
    for _ in range(5):
        await discord.send(plain)
    assert [status for _, _, status in inbox.control.seen] == [200] * 5
    await discord.close()


async def test_a_cut_connection_is_temporary(discord: Any, inbox: Inbox, message: Build) -> None:
    inbox.control.cut(accepted=False)
    with pytest.raises(TemporaryError):
        await discord.send(message())
    assert inbox.channel.all() == []


async def test_a_lost_answer_is_told_apart(discord: Any, inbox: Inbox, message: Build) -> None:
    inbox.control.cut(accepted=True)
    with pytest.raises(LostAnswerError):
        await discord.send(message())
    assert len(inbox.channel.all()) == 1


async def test_a_slow_answer_times_out(inbox: Inbox, base: str, message: Build) -> None:
    inbox.control.delay(3.0)
    async with httpx2.AsyncClient(timeout=0.3) as client:
        discord = DiscordWebhook(inbox.webhook_url(base), client=client)
        with pytest.raises(LostAnswerError):
            await discord.send(message())


async def test_nobody_listening_is_temporary_and_certain(message: Build) -> None:
    discord = DiscordWebhook(f"http://127.0.0.1:9/api/webhooks/1/{TOKEN}")
    with pytest.raises(TemporaryError) as caught:
        await discord.send(message())
    assert not isinstance(caught.value, LostAnswerError)
    await discord.close()


async def test_a_deleted_message_is_told_from_a_deleted_webhook(
    discord: Any, inbox: Inbox, message: Build
) -> None:
    receipt = await discord.send(message())
    inbox.channel.delete(receipt.id)
    for changed in (message(), message(chart=None)):
        with pytest.raises(MessageGoneError):
            await discord.edit(receipt.id, changed)
    again = await discord.send(message())
    inbox.alive = False
    with pytest.raises(PermanentError, match="10015") as caught:
        await discord.edit(again.id, message())
    assert not isinstance(caught.value, MessageGoneError)
    with pytest.raises(PermanentError):
        await discord.send(message())


async def test_a_wrong_token_is_permanent(inbox: Inbox, base: str, message: Build) -> None:
    discord = DiscordWebhook(inbox.webhook_url(base).replace(TOKEN, "wrong"))
    with pytest.raises(PermanentError, match="50027"):
        await discord.send(message())
    await discord.close()


async def answers(
    status: int, body: bytes, headers: dict[str, str], call: Callable[[DiscordWebhook], Awaitable[object]]
) -> Exception:
    transport = httpx2.MockTransport(lambda _: httpx2.Response(status, content=body, headers=headers))
    async with httpx2.AsyncClient(transport=transport) as client:
        discord = DiscordWebhook(f"https://discord.com/api/webhooks/1/{TOKEN}", client=client)
        with pytest.raises((TemporaryError, PermanentError)) as caught:
            await call(discord)
    return caught.value


@pytest.mark.parametrize(
    ("status", "body", "headers", "kind", "retry_after"),
    [
        (429, b"<html>blocked</html>", {"Retry-After": "7"}, TemporaryError, 7),
        (429, b'{"retry_after": 1.5, "global": true}', {}, TemporaryError, 1.5),
        (429, b"", {}, TemporaryError, 1.0),
        (429, b'{"retry_after": "soon"}', {"Retry-After": "nan"}, TemporaryError, 1.0),
        (503, b"", {"Retry-After": "4"}, TemporaryError, 4),
        (302, b"", {"Location": "https://evil.example"}, PermanentError, None),
        (200, b"not json", {}, LostAnswerError, None),
        (200, b"[]", {}, LostAnswerError, None),
        (200, b'{"x": 1}', {}, LostAnswerError, None),
        (413, b'{"code": 40005, "message": "Request entity too large"}', {}, PermanentError, None),
        (403, b'{"code": 50013}', {}, PermanentError, None),
        (404, b"<html>", {}, PermanentError, None),
    ],
)
async def test_odd_answers(
    message: Build,
    status: int,
    body: bytes,
    headers: dict[str, str],
    kind: type[Exception],
    retry_after: float | None,
) -> None:
    error = await answers(status, body, headers, lambda d: d.send(message(chart=None)))
    assert type(error) is kind
    assert error.retry_after == retry_after  # type: ignore[attr-defined]


async def test_a_refusal_says_where_the_request_is_wrong(message: Build) -> None:
    tree = {
        "embeds": {"0": {"title": {"_errors": [{"code": "X", "message": "Must be 256 or fewer in length."}]}}}
    }
    body = json.dumps({"code": 50035, "message": "Invalid Form Body", "errors": tree}).encode()
    error = await answers(400, body, {}, lambda d: d.send(message(chart=None)))
    assert "embeds.0.title: Must be 256 or fewer in length." in str(error)


async def test_the_address_is_never_shown(
    discord: Any, inbox: Inbox, base: str, message: Build, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    said = [repr(discord), str(discord)]
    inbox.control.fail(1)
    inbox.control.limit(1, 0.01)
    inbox.control.cut(1)
    dead = DiscordWebhook(f"http://127.0.0.1:9/api/webhooks/1/{TOKEN}")
    for destination in (discord, discord, discord, dead):
        with pytest.raises(TemporaryError) as caught:
            await destination.send(message(chart=None))
        said += ["".join(traceback.format_exception(caught.value)), repr(caught.value)]
        assert caught.value.__context__ is None
    await asyncio.sleep(0.02)
    await discord.send(message(chart=None))
    await dead.close()
    logged = [record.getMessage() for record in caplog.records]
    assert any("/webhooks/" in line for line in logged), "the HTTP library does log addresses"
    assert not [line for line in said + logged + [caplog.text] if TOKEN in line]


@pytest.mark.parametrize(
    "address",
    [
        f"http://discord.com/api/webhooks/1/{TOKEN}",
        f"https://discord.com/webhooks/1/{TOKEN}",
        f"https://discord.com/api/webhooks/one/{TOKEN}",
        f"https://discord.com/api/webhooks/1/{TOKEN}?thread_id=x",
        f"https://discord.com/api/webhooks/1/{TOKEN}/slack",
        "",
    ],
)
def test_other_addresses_are_refused_without_being_repeated(address: str) -> None:
    with pytest.raises(ValueError, match="Discord webhook") as caught:
        DiscordWebhook(address)
    assert TOKEN not in str(caught.value)


@pytest.mark.parametrize("path", ["/api/webhooks", "/api/v8/webhooks", "/api/v10/webhooks"])
async def test_the_api_version_is_pinned(message: Build, path: str) -> None:
    seen: list[httpx2.URL] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        seen.append(request.url)
        return httpx2.Response(200, json={"id": "5"})

    async with httpx2.AsyncClient(transport=httpx2.MockTransport(answer)) as client:
        discord = DiscordWebhook(f"https://ptb.discord.com{path}/1/{TOKEN}", client=client)
        await discord.send(message(chart=None))
        other = DiscordWebhook(
            f"https://discord.com{path}/1/{TOKEN}", base_url="http://127.0.0.1:1", client=client
        )
        await other.send(message(chart=None))
    assert str(seen[0]) == f"https://ptb.discord.com/api/v10/webhooks/1/{TOKEN}?wait=true"
    assert str(seen[1]) == f"http://127.0.0.1:1/api/v10/webhooks/1/{TOKEN}?wait=true"

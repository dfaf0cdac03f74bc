"""The server is killed with -9 in the middle of an incident's life: people are still told, and told once."""

from pathlib import Path

import pytest

from bongsu.demo.inbox import InboxControl
from tests.chain.conftest import CATALOG, Chain, serving_inbox, webhook

pytestmark = pytest.mark.anyio

POINTS = ("accepted", "analysed", "delivered", "resolution accepted", "closed")


@pytest.mark.parametrize("point", POINTS)
async def test_an_incident_completes_and_is_told_once_when_the_server_is_killed(
    chain: Chain, point: str
) -> None:
    async def maybe_kill(reached: str) -> None:
        if reached == point:
            await chain.kill()
            await chain.start()

    if point == "analysed":
        # A crash between Discord's answer and our receipt is the one that a webhook cannot tell apart
        # from a message that never arrived; here the message is certain not to have arrived yet.
        chain.inbox.control.fail()
    assert (await chain.post("/webhooks/alertmanager", webhook())).status_code == 200
    await maybe_kill("accepted")
    for event in ("analysed", "delivered"):
        await chain.until(event)
        await maybe_kill(event)
    await chain.until("delivered")
    assert (await chain.post("/webhooks/alertmanager", webhook("resolved"))).status_code == 200
    await maybe_kill("resolution accepted")
    await chain.until("closed")
    await maybe_kill("closed")

    whole = await chain.until("closed")
    assert whole["incident"]["status"] == "resolved"
    assert [event["kind"] for event in whole["events"]].count("closed") == 1
    assert len(await chain.get("/api/incidents")) == 1
    [message] = chain.messages
    assert message["pings"] == ["role:42"]
    assert "✅" in message["embeds"][0]["title"]


async def test_what_arrives_while_the_server_is_down_is_told_by_the_senders_retry(chain: Chain) -> None:
    await chain.post("/webhooks/alertmanager", webhook())
    await chain.until("delivered")
    await chain.kill()
    await chain.start()
    await chain.post("/webhooks/alertmanager", webhook())
    await chain.post("/webhooks/alertmanager", webhook("resolved"))
    await chain.until("closed")
    assert len(chain.messages) == 1


async def test_a_crash_between_the_answer_and_the_receipt_never_loses_the_message(chain: Chain) -> None:
    chain.inbox.control.cut(accepted=True)
    await chain.post("/webhooks/alertmanager", webhook())
    await chain.until("delivered")
    await chain.post("/webhooks/alertmanager", webhook("resolved"))
    await chain.until("closed")
    assert 1 <= len(chain.messages) <= 2
    assert "✅" in chain.messages[-1]["embeds"][0]["title"]


async def test_an_incident_whose_only_channel_refuses_it_still_closes(chain: Chain) -> None:
    chain.inbox.alive = False
    await chain.post("/webhooks/alertmanager", webhook())
    await chain.until("refused")
    await chain.post("/webhooks/alertmanager", webhook("resolved"))
    whole = await chain.until("closed")
    assert [d["state"] for d in whole["deliveries"]] == ["refused"]
    assert "webhooks/" not in whole["deliveries"][0]["error"]


async def test_an_incident_that_grows_worse_is_told_on_the_channels_of_its_new_severity(
    tmp_path: Path,
) -> None:
    (tmp_path / "bongsu.yaml").write_text(
        CATALOG.replace(
            "routes: [{to: incidents}]",
            "routes: [{to: normal, severity: [P3]}, {to: urgent, severity: [P1]}]",
        ).replace(
            "channels: {incidents: {type: discord, webhook: {env: HOOK}}}",
            "channels: {normal: {type: discord, webhook: {env: HOOK}},"
            " urgent: {type: discord, webhook: {env: HOOK}}}",
        )
    )
    with serving_inbox(InboxControl(rate=None)) as (inbox, url):
        chain = Chain(tmp_path, inbox, url)
        await chain.start()
        try:
            mild = webhook().replace(b"critical", b"warning")
            await chain.post("/webhooks/alertmanager", mild)
            await chain.until("delivered")
            await chain.post("/webhooks/alertmanager", webhook())
            await chain.until_incident(lambda whole: len(whole["deliveries"]) == 2, "a second channel")
            await chain.post("/webhooks/alertmanager", webhook("resolved"))
            whole = await chain.until("closed")
        finally:
            await chain.stop()
    assert {d["channel"]: d["state"] for d in whole["deliveries"]} == {
        "normal": "delivered",
        "urgent": "delivered",
    }
    assert len(chain.messages) == 2

"""The stand-in takes what Discord takes and refuses what Discord refuses, in Discord's words."""

import copy
import json
import re
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from bongsu.demo.inbox import Inbox, InboxControl, create_inbox
from bongsu.demo.inbox.app import TOKEN, WEBHOOK_ID
from bongsu.demo.inbox.markdown import Names, html
from bongsu.demo.inbox.rules import RefusedError, check
from tests.contracts import discord_schema

SENDER = {"username", "avatar_url", "thread_name", "tts", "applied_tags"}
HOOK = f"/api/v10/webhooks/{WEBHOOK_ID}/{TOKEN}"
PNG = (
    b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR"
    + (20).to_bytes(4, "big")
    + (10).to_bytes(4, "big")
    + b"rest\r\n--x"
)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def schema() -> Callable[[str], Draft202012Validator]:
    return discord_schema()


@pytest.fixture
def app() -> FastAPI:
    roles, control = {"5": "Payments <team>"}, InboxControl(rate=None)
    return create_inbox(control=control, roles=roles, users={"6": "kim"}, threads=("77",))


@pytest.fixture
def inbox(app: FastAPI) -> Inbox:
    state: Inbox = app.state.inbox
    return state


@pytest.fixture
async def client(app: FastAPI) -> AsyncIterator[httpx2.AsyncClient]:
    transport = httpx2.ASGITransport(app=app)
    async with httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
        yield client


def multipart(body: object, **files: tuple[str, bytes, str]) -> dict[str, Any]:
    parts: dict[str, Any] = {"payload_json": (None, json.dumps(body).encode(), "application/json")}
    return {"files": parts | {f"files[{name.removeprefix('f')}]": file for name, file in files.items()}}


def texts(most: int) -> st.SearchStrategy[str]:
    return st.one_of(st.text(max_size=20), st.sampled_from(["가" * most, "😀" * (most // 2), "x"]))


def record(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({}, optional={k: st.one_of(v, st.none()) for k, v in fields.items()})


LIMITS = (80, 100, 256, 1024, 2000, 2048, 4096, 6000)
junk = st.one_of(
    st.sampled_from([None, True, -1, 5.0, 5.5, 0xFFFFFF + 1, [], {}, [None], [{}], "", " ", "007", "admins"]),
    st.sampled_from(["y" * (n + 1) for n in LIMITS]),
    st.sampled_from(["http://localhost/x", "ftp://a.b", "attachment://chart.png", "My Discord", "yesterday"]),
    st.sampled_from([[str(n) for n in range(101)], ["users", "users"], ["roles"], [{"title": "t"}] * 11]),
)
urls = st.sampled_from(["https://example.com/a", "http://10.0.0.1:80/", ""])
pictures = st.one_of(urls, st.just("attachment://chart.png"))
snowflakes = st.sampled_from(["0", "5", "123456789012345678"])
fields = st.fixed_dictionaries(
    {"name": texts(256).filter(str.strip), "value": texts(1024).filter(str.strip)},
    optional={"inline": st.booleans()},
)
media = record(url=pictures, width=st.integers(0, 9), description=texts(4096))
embeds = record(
    title=texts(256),
    description=texts(4096),
    url=urls,
    color=st.one_of(st.integers(0, 0xFFFFFF), st.just(5.0)),
    timestamp=st.sampled_from(["2026-11-21T05:03:05Z", "2026-11-21T05:03:05+00:00"]),
    author=record(name=texts(256), url=urls, icon_url=pictures),
    footer=record(text=texts(2048), icon_url=pictures),
    image=media,
    thumbnail=media,
    fields=st.one_of(st.lists(fields, max_size=3), st.lists(fields, min_size=25, max_size=25)),
    unknown=junk,
)
bodies = record(
    content=texts(2000),
    embeds=st.lists(embeds, max_size=3),
    allowed_mentions=record(
        parse=st.sampled_from([[], ["everyone"], ["users", "everyone"]]),
        users=st.lists(snowflakes, max_size=1),
        roles=st.lists(snowflakes, max_size=3, unique=True),
    ),
    attachments=st.just([]),
    tts=st.booleans(),
    flags=st.integers(0, 1 << 15),
    username=texts(80).filter(bool),
    avatar_url=urls,
    thread_name=st.just(""),
    applied_tags=st.lists(snowflakes, max_size=5),
    unknown=junk,
)


def places(node: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    children = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    return [path] * bool(path) + [place for key, child in children for place in places(child, (*path, key))]


@st.composite
def spoiled(draw: st.DrawFn) -> dict[str, Any]:
    """A good body, most often with one or two of its values replaced or left out."""
    body = copy.deepcopy(draw(bodies))
    for _ in range(draw(st.sampled_from([0, 0, 1, 1, 2]))):
        found = places(body)
        if not found:
            break
        *above, last = draw(st.sampled_from(found))
        node: Any = body
        for key in above:
            node = node[key]
        if isinstance(node, dict) and draw(st.booleans()):
            del node[last]
        else:
            node[last] = copy.deepcopy(draw(junk))
    return body


def documented(body: dict[str, Any]) -> bool:
    """Discord's rules beyond its OpenAPI, written here a second time and straight from its documentation."""
    embeds = body.get("embeds") or []
    total = 0
    visible = bool((body.get("content") or "").strip())
    for embed in embeds:
        counted = [embed.get("title"), embed.get("description"), (embed.get("footer") or {}).get("text")]
        counted.append((embed.get("author") or {}).get("name"))
        for field in embed.get("fields") or []:
            if field["name"].strip() == "" or field["value"].strip() == "":
                return False
            counted += [field["name"], field["value"]]
        size = sum(len(text or "") for text in counted)
        pictures = [(embed.get(kind) or {}).get("url") for kind in ("image", "thumbnail")]
        visible = visible or size > 0 or any(pictures)
        total += size
        plain = [embed.get("url"), (embed.get("author") or {}).get("url")]
        icons = [(embed.get("author") or {}).get("icon_url"), (embed.get("footer") or {}).get("icon_url")]
        good = {"https://example.com/a", "http://10.0.0.1:80/", "", None}
        if any(u not in good for u in plain) or any(
            u not in good | {"attachment://chart.png"} for u in pictures + icons
        ):
            return False
        if not (embed.get("timestamp") is None or embed["timestamp"].startswith("2026-")):
            return False
    allowed = body.get("allowed_mentions") or {}
    if any(kind in (allowed.get("parse") or []) and allowed.get(kind) for kind in ("users", "roles")):
        return False
    name = (body.get("username") or "").lower()
    return (
        total <= 6000
        and visible
        and "discord" not in name
        and "clyde" not in name
        and body.get("avatar_url") in {"https://example.com/a", "http://10.0.0.1:80/", "", None}
        and not body.get("thread_name")
        and not body.get("attachments")
    )


def accepts(body: object, *, edit: bool) -> bool:
    try:
        check(copy.deepcopy(body), edit=edit)
    except RefusedError as refusal:
        return not (refusal.status == 400 and refusal.body["code"] in {50035, 50006, 220003})
    return True


PICTURE = {"url": "attachment://chart.png", "width": 1, "height": 2, "placeholder": "p"}
PICTURE |= {"placeholder_version": 1, "is_animated": False, "description": "d"}
FULL: dict[str, Any] = {
    "content": "c",
    "embeds": [
        {
            "type": "rich",
            "title": "t",
            "description": "d",
            "url": "https://example.com/a",
            "color": 1,
            "timestamp": "2026-11-21T05:03:05Z",
            "author": {"name": "n", "url": "https://example.com/a", "icon_url": "attachment://chart.png"},
            "footer": {"text": "t", "icon_url": "attachment://chart.png"},
            "image": PICTURE,
            "thumbnail": PICTURE,
            "video": PICTURE,
            "provider": {"name": "n", "url": "https://example.com/a"},
            "fields": [{"name": "n", "value": "v", "inline": True}],
        }
    ],
    "allowed_mentions": {"parse": ["everyone"], "users": ["5"], "roles": ["6"], "replied_user": False},
    "tts": False,
    "flags": 4,
    "username": "Bongsu",
    "avatar_url": "https://example.com/a",
    "applied_tags": ["5"],
}
SIZES = (0, 1, 5, 10, 25, 64, 80, 100, 256, 1024, 2000, 2048, 4096)
VALUES: list[Any] = [
    *(
        None,
        True,
        False,
        -1,
        0,
        1.0,
        1.5,
        0xFFFFFF,
        0xFFFFFF + 1,
        2**31 - 1,
        2**31,
        [],
        {},
        [None],
        [[]],
        [{}],
    ),
    *("", " ", "0", "5", "007", "-1", "everyone", "admins", "https://example.com/a", "http://localhost/x"),
    *("ftp://a.b/c", "attachment://chart.png", "My Discord", "Clyde", "2026-11-21T05:03:05", "yesterday"),
    *("x" * (size + more) for size in SIZES for more in (0, 1)),
    *([str(n) for n in range(size + more)] for size in (5, 100) for more in (0, 1)),
    *([{"title": "t"}] * size for size in (10, 11)),
    *([{"name": "n", "value": "v"}] * size for size in (25, 26)),
    *(["users"], ["roles"], ["everyone", "everyone"], ["users", "roles", "everyone"], ["5", "5"]),
    *([{"name": "n"}], [{"value": "v"}], [{"name": None, "value": "v"}], [{"name": "n", "value": None}]),
    *({"name": "n"}, {"url": 5}, {"parse": ["roles"], "roles": ["5"]}, {"parse": ["users"], "users": ["5"]}),
    [{"description": "x" * 4096}, {"description": "x" * 1904}],
    [{"description": "x" * 4096}, {"description": "x" * 1905}],
    [{"footer": {"text": "x" * 2048}, "author": {"name": "y" * 256}, "description": "z" * 3697}],
    [{"fields": [{"name": "n" * 200, "value": "v" * 1000}] * 5}],
    [{"fields": [{"name": "n" * 200, "value": "v" * 1000}] * 5, "title": "x"}],
]


@pytest.mark.parametrize("edit", [False, True])
@pytest.mark.parametrize("bare", [False, True])
@pytest.mark.parametrize("place", places(FULL), ids=lambda place: ".".join(map(str, place)))
def test_it_judges_every_value_in_every_place_as_the_contract_does(
    schema: Callable[[str], Draft202012Validator], place: tuple[Any, ...], bare: bool, edit: bool
) -> None:
    edit = edit and place[0] not in SENDER
    name = "IncomingWebhookUpdateRequestPartial" if edit else "IncomingWebhookRequestPartial"
    contract = schema(name)
    full = {key: FULL[key] for key in FULL if key in {place[0], "content"} or not bare}
    if edit:
        full = {key: full[key] for key in full if key not in SENDER}
    for value in VALUES:
        body = copy.deepcopy(full)
        *above, last = place
        node: Any = body
        for key in above:
            node = node[key]
        node[last] = value
        assert accepts(body, edit=edit) is (contract.is_valid(body) and documented(body)), value
    del node[last]
    assert accepts(body, edit=edit) is (contract.is_valid(body) and documented(body)), "left out"


@settings(
    max_examples=600, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)
@given(st.one_of(spoiled(), spoiled(), spoiled(), spoiled(), junk))
def test_it_accepts_exactly_what_the_contract_and_the_documentation_accept(
    schema: Callable[[str], Draft202012Validator], body: Any
) -> None:
    valid = schema("IncomingWebhookRequestPartial").is_valid(body) and documented(body)
    assert accepts(body, edit=False) is valid


@settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)
@given(spoiled())
def test_it_accepts_exactly_the_edits_of_the_contract(
    schema: Callable[[str], Draft202012Validator], body: dict[str, Any]
) -> None:
    rest = {name: value for name, value in body.items() if name not in SENDER}
    valid = schema("IncomingWebhookUpdateRequestPartial").is_valid(body) and documented(rest)
    assert accepts(body, edit=True) is valid


def test_the_generated_bodies_fall_on_both_sides(schema: Callable[[str], Draft202012Validator]) -> None:
    seen = {True: 0, False: 0}

    @settings(max_examples=400, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(spoiled())
    def look(body: dict[str, Any]) -> None:
        seen[accepts(body, edit=False)] += 1

    look()
    assert min(seen.values()) > 80, seen


@pytest.mark.parametrize(
    ("body", "path", "code", "words"),
    [
        ({"content": "x" * 2001}, "content", "BASE_TYPE_MAX_LENGTH", "Must be 2000 or fewer in length."),
        (
            {"embeds": [{"title": "x" * 257}]},
            "embeds.0.title",
            "BASE_TYPE_MAX_LENGTH",
            "Must be 256 or fewer",
        ),
        ({"embeds": [{"title": "x"}] * 11}, "embeds", "BASE_TYPE_MAX_LENGTH", "Must be 10 or fewer"),
        (
            {"embeds": [{"fields": [{"name": "n"}]}]},
            "embeds.0.fields.0.value",
            "BASE_TYPE_REQUIRED",
            "This field is required",
        ),
        (
            {"embeds": [{"description": "x" * 3001}, {"description": "x" * 3000}]},
            "embeds",
            "MAX_EMBED_SIZE_EXCEEDED",
            "Embed size exceeds maximum size of 6000",
        ),
        (
            {"embeds": [{"title": "x", "url": "http://bongsu:8765/"}]},
            "embeds.0.url",
            "URL_TYPE_INVALID_URL",
            "Not a well formed URL.",
        ),
        (
            {"embeds": [{"title": "x", "url": "steam://run/1"}]},
            "embeds.0.url",
            "URL_TYPE_INVALID_SCHEME",
            "Scheme must be one of ('http', 'https').",
        ),
        (
            {"content": "x", "allowed_mentions": {"parse": ["roles"], "roles": ["5"]}},
            "allowed_mentions",
            "MESSAGE_ALLOWED_MENTIONS_PARSE_EXCLUSIVE",
            "mutually exclusive",
        ),
        ({"content": "x", "attachments": [{"id": "3"}]}, "attachments.0.id", "ATTACHMENT_NOT_FOUND", "3"),
        ({"content": 5}, "content", "STRING_TYPE_CONVERT", "as string"),
        ([], "", "MODEL_TYPE_CONVERT", "Only dictionaries"),
    ],
)
@pytest.mark.anyio
async def test_a_refusal_names_the_place(
    client: httpx2.AsyncClient, body: object, path: str, code: str, words: str
) -> None:
    answer = await client.post(HOOK, json=body)
    assert answer.status_code == 400
    said = answer.json()
    assert (said["code"], said["message"]) == (50035, "Invalid Form Body")
    node = said["errors"]
    for step in filter(None, path.split(".")):
        node = node[step]
    assert node["_errors"][0]["code"] == code
    assert words in node["_errors"][0]["message"]


@pytest.mark.parametrize("body", [{}, {"content": "  \n"}, {"embeds": []}, {"embeds": [{"color": 5}]}])
@pytest.mark.anyio
async def test_an_empty_message_is_refused(client: httpx2.AsyncClient, body: object) -> None:
    answer = await client.post(HOOK, json=body)
    assert (answer.status_code, answer.json()["code"]) == (400, 50006)


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("POST", f"/api/webhooks/{WEBHOOK_ID}/wrong", 401, 50027),
        ("POST", f"/api/webhooks/999/{TOKEN}", 404, 10015),
        ("POST", f"/api/webhooks/abc/{TOKEN}", 400, 50035),
        ("GET", f"{HOOK}/messages/5", 404, 10008),
        ("PATCH", f"{HOOK}/messages/5", 404, 10008),
        ("DELETE", f"{HOOK}/messages/5", 404, 10008),
        ("DELETE", f"{HOOK}/messages/x", 400, 50035),
        ("POST", f"{HOOK}?thread_id=78", 404, 10003),
        ("POST", f"{HOOK}?thread_id=x", 400, 50035),
        ("POST", f"{HOOK}?wait=perhaps", 400, 50035),
        ("PUT", HOOK, 405, 0),
        ("POST", f"{HOOK}/messages/5", 405, 0),
        ("GET", "/api/v10/nothing", 404, 0),
    ],
)
@pytest.mark.anyio
async def test_wrong_places(
    client: httpx2.AsyncClient, method: str, path: str, status: int, code: int
) -> None:
    body = {"json": {"content": "x"}} if method in {"POST", "PATCH", "PUT"} else {}
    answer = await client.request(method, path, **body)
    assert (answer.status_code, answer.json()["code"]) == (status, code)


@pytest.mark.anyio
async def test_wrong_content(client: httpx2.AsyncClient) -> None:
    for content, kind, status, code in (
        (b"{", "application/json", 400, 50109),
        (b'{"content": NaN}', "application/json", 400, 50109),
        (b"[" * 100_000, "application/json", 400, 50109),
        (b"hi", "text/plain", 400, 50035),
        (b"--x\r\n", "multipart/form-data; boundary=x", 400, 50035),
        (b"", "multipart/form-data", 400, 50035),
    ):
        answer = await client.post(HOOK, content=content, headers={"Content-Type": kind})
        assert (answer.status_code, answer.json()["code"]) == (status, code), (content[:20], kind)
    large = multipart({"content": "x"}, f0=("a.png", bytes(10 * 1024 * 1024 + 1), "image/png"))
    answer = await client.post(HOOK, **large)
    assert (answer.status_code, answer.json()) == (
        413,
        {"message": "Request entity too large", "code": 40005},
    )


@pytest.mark.anyio
async def test_a_message_lives(
    client: httpx2.AsyncClient, inbox: Inbox, schema: Callable[[str], Draft202012Validator]
) -> None:
    quiet = await client.post(HOOK, json={"content": "quiet"})
    assert (quiet.status_code, quiet.content) == (204, b"")
    body = {
        "content": "hello",
        "embeds": [{"title": "t", "image": {"url": "attachment://chart.png"}}],
        "attachments": [{"id": "0", "filename": "chart.png", "description": "a line"}],
    }
    posted = await client.post(
        HOOK, params={"wait": "true"}, **multipart(body, f0=("x.png", PNG, "image/png"))
    )
    assert posted.status_code == 200
    message = posted.json()
    schema("MessageResponse").validate(message)
    assert message["attachments"] == []
    image = message["embeds"][0]["image"]
    assert (image["width"], image["height"], image["description"]) == (20, 10, "a line")
    assert (await client.get(image["url"])).content == PNG

    address = f"{HOOK}/messages/{message['id']}"
    edited = (await client.patch(address, json={"content": "changed"})).json()
    schema("MessageResponse").validate(edited)
    assert edited["content"] == "changed"
    assert edited["edited_timestamp"]
    assert edited["embeds"][0]["image"]["url"] == image["url"], "what an edit leaves out stays"
    bare = (await client.patch(address, json={"embeds": [{"title": "t"}]})).json()
    assert [a["filename"] for a in bare["attachments"]] == ["chart.png"], (
        "a file that no embed shows re-appears"
    )
    empty = (await client.patch(address, json={"attachments": []})).json()
    assert empty["attachments"] == []
    refused = await client.patch(address, json={"content": "", "embeds": []})
    assert refused.json()["code"] == 50006
    assert (await client.get(address)).json()["content"] == "changed"
    assert (await client.delete(address)).status_code == 204
    assert (await client.get(address)).json() == {"message": "Unknown Message", "code": 10008}
    assert [m.content for m in inbox.channel.all()] == ["quiet"]


@pytest.mark.anyio
async def test_the_webhook_lives(
    client: httpx2.AsyncClient, schema: Callable[[str], Draft202012Validator]
) -> None:
    schema("GuildIncomingWebhookResponse").validate((await client.get(HOOK)).json())
    assert (await client.delete(HOOK)).status_code == 204
    assert (await client.post(HOOK, json={"content": "x"})).json() == {
        "message": "Unknown Webhook",
        "code": 10015,
    }


@pytest.mark.parametrize("headers", [{}, {"Content-Type": "application/x-www-form-urlencoded"}])
@pytest.mark.anyio
async def test_forms(client: httpx2.AsyncClient, headers: dict[str, str]) -> None:
    answer = await client.post(HOOK, params={"wait": "true"}, data={"content": "안녕"}, headers=headers)
    assert answer.json()["content"] == "안녕"


@pytest.mark.parametrize(
    ("content", "allowed", "pings"),
    [
        ("<@&5> hi", {"parse": [], "roles": ["5"]}, ["role:5"]),
        ("<@&5> <@6> @everyone", {"parse": []}, []),
        ("<@&5> <@!6> @here", {"parse": ["users"]}, ["user:6"]),
        ("<@&5> <@&5> <@6> @everyone", None, ["user:6", "role:5", "everyone"]),
        ("`@everyone`", {"parse": ["everyone"]}, ["everyone"]),
        ("hi", {"parse": [], "roles": ["5"]}, []),
    ],
)
@pytest.mark.anyio
async def test_pings(
    client: httpx2.AsyncClient, content: str, allowed: dict[str, Any] | None, pings: list[str]
) -> None:
    body = {"content": content, "embeds": [{"title": "<@6> @everyone"}]}
    posted = await client.post(
        HOOK + "?wait=true", json=body | ({"allowed_mentions": allowed} if allowed else {})
    )
    assert posted.status_code == 200
    await client.patch(f"{HOOK}/messages/{posted.json()['id']}", json={"content": "@everyone <@7>"})
    listed = (await client.get("/api/messages")).json()
    assert listed[0]["pings"] == pings, "an edit notifies nobody"


@pytest.mark.anyio
async def test_a_silent_message_notifies_nobody(client: httpx2.AsyncClient) -> None:
    await client.post(HOOK, json={"content": "<@6>", "flags": 1 << 12})
    assert (await client.get("/api/messages")).json()[0]["pings"] == []


@pytest.mark.anyio
async def test_the_rate_limit_is_announced_and_enforced(client: httpx2.AsyncClient, inbox: Inbox) -> None:
    inbox.control.rate = (2, 5.0)
    first = await client.post(HOOK, json={"content": "1"})
    second = await client.post(HOOK, json={"content": "2"})
    third = await client.post(HOOK, json={"content": "3"})
    assert [r.headers["X-RateLimit-Remaining"] for r in (first, second, third)] == ["1", "0", "0"]
    assert third.status_code == 429
    said = third.json()
    assert said["message"] == "You are being rate limited."
    assert said["global"] is False
    assert 4 < said["retry_after"] <= float(third.headers["X-RateLimit-Reset-After"]) + 0.01 <= 5.01
    assert third.headers["Retry-After"] == "5"
    assert len(inbox.channel.all()) == 2


@pytest.mark.anyio
async def test_messages_survive_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "inbox.jsonl"
    for round_ in range(2):
        app = create_inbox(path=path, control=InboxControl(rate=None))
        transport = httpx2.ASGITransport(app=app)
        async with httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            known = (await client.get("/api/messages")).json()
            assert [m["content"] for m in known] == ["kept 0"] * round_
            body, file = {"content": f"kept {round_}"}, ("a.png", PNG, "image/png")
            await client.post(HOOK, **multipart(body, f0=file))
            gone = (await client.post(HOOK + "?wait=1", json={"content": "gone"})).json()
            await client.delete(f"{HOOK}/messages/{gone['id']}")
            shown = (await client.get("/api/messages")).json()
            assert (await client.get(shown[0]["attachments"][0]["url"])).content == PNG
            assert len({m["id"] for m in shown}) == round_ + 1


def test_faults_cannot_be_reached_over_http(app: FastAPI) -> None:
    paths = {getattr(route, "path", "") for route in app.routes}
    assert {p for p in paths if "webhooks" not in p} == {
        "/",
        "/fragment",
        "/api/messages",
        "/attachments/{channel}/{identity}/{name}",
        "/static/{name}",
    }


@pytest.mark.anyio
async def test_the_page_shows_messages_and_no_foreign_markup(client: httpx2.AsyncClient) -> None:
    evil = '<script>alert(1)</script>"><img src=x onerror=alert(1)>'
    body = {
        "content": f"<@&5> {evil} **b**",
        "username": evil[:80],
        "embeds": [
            {
                "title": evil,
                "description": f"[{evil}](https://x.example/) javascript:alert(1) [a](javascript:alert(1))",
                "color": 0xE5484D,
                "author": {"name": evil},
                "footer": {"text": evil},
                "image": {"url": "https://tracker.example/pixel.png"},
                "fields": [{"name": evil, "value": "<t:1700000000:R> ```\n" + evil + "\n```"}],
            }
        ],
    }
    body["username"] = "<b>x</b>"
    assert (await client.post(HOOK, json=body)).status_code == 204
    page = await client.get("/")
    assert "script-src 'self'" in page.headers["Content-Security-Policy"]
    shown = page.text
    assert shown.count("<script") == 1
    assert "<img" not in shown
    assert "<b>x</b>" not in shown
    assert 'href="javascript' not in shown
    assert '<span class="mention">@Payments &lt;team&gt;</span>' in shown
    assert 'data-at="1700000000" data-style="R"' in shown
    assert 'fill="#e5484d"' in shown
    fragment = await client.get("/fragment")
    assert (await client.get(f"/fragment?seen={fragment.headers['X-Version']}")).status_code == 204
    for name in ("inbox.js", "inbox.css"):
        assert (await client.get(f"/static/{name}")).status_code == 200
    assert (await client.get("/static/page.html")).status_code == 404


@pytest.mark.anyio
async def test_a_file_that_is_no_picture_is_not_run(client: httpx2.AsyncClient) -> None:
    for name, kind in (("x.html", "text/html"), ("x.svg", "image/svg+xml")):
        files = multipart({"content": "x"}, f0=(name, b"<script>1</script>", kind))
        url = (await client.post(HOOK + "?wait=true", **files)).json()["attachments"][0]["url"]
        answer = await client.get(url)
        assert answer.headers["Content-Type"] == "application/octet-stream"
        assert answer.headers["Content-Disposition"].startswith("attachment")


@settings(max_examples=500, deadline=None)
@given(st.text(alphabet=st.sampled_from("ab1 \\`*_~|<>[]()@#&!:/.-\"'=\n한t"), max_size=80))
def test_markdown_never_lets_markup_through(text: str) -> None:
    allowed = r"</?(strong|em|u|s|br|small|pre|code|a|span|time|svg|circle|rect|path|ellipse)(?: [^<>]*)?/?>"
    left = re.sub(allowed, "", html(text, Names()))
    assert "<" not in left
    assert ">" not in left
    for address in re.findall(r'href="([^"]*)"', html(text, Names())):
        assert re.match(r"https?://", address)

"""/faye over HTTP: every transport, clients that hang up, and what the publisher is told."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from aiohttp import ClientResponse, ClientSession, UnixConnector, WSMsgType, web
from aiohttp.test_utils import TestClient, TestServer, make_mocked_request

from gateway.api.forge.dialect import FORGE
from gateway.api.forge.faye.exchange import Exchanges
from gateway.api.forge.faye.hub import BayeuxHub
from gateway.api.forge.faye.routes import Waiting, address_of
from gateway.api.http.app import build_app
from gateway.protocol.bayeux.bounds import Bounds
from gateway.protocol.bayeux.outcome import Outcome
from gateway.protocol.bayeux.server import BayeuxServer
from gateway.protocol.bayeux.session import Line
from tests.api.host import Host
from tests.support.stand import CountingIds, FakeClock

COMMAND = "/printers/58/command"
TOKEN = "WfsVvaD84sN3wQoygfNK-JqmB4pvJko5Mrl2xgUFBzM"
HANDSHAKE = {"channel": "/meta/handshake", "version": "1.0", "supportedConnectionTypes": ["long-polling"]}
ORIGIN = {"Origin": "http://app.example"}


@dataclass
class Faye:
    """The hub in an app with real HTTP, and what its hooks heard."""

    bounds: Bounds = field(default_factory=Bounds)
    lenient: bool = False
    clock: FakeClock = field(default_factory=FakeClock)
    outcomes: list[Outcome] = field(default_factory=list)
    listening: list[tuple[str, bool]] = field(default_factory=list)
    tokens: set[str] = field(default_factory=lambda: {TOKEN})

    async def start(self, host: Host) -> None:
        self.hub = BayeuxHub(
            may_subscribe=lambda channel, token: channel == COMMAND and token in self.tokens,
            on_listening=lambda channel, is_heard: self.listening.append((channel, is_heard)),
            clock=self.clock, ids=CountingIds(), lenient=self.lenient, bounds=self.bounds,
        )  # fmt: skip
        app = build_app(host.services, [FORGE], extra_routes=self.hub.routes)
        self.client = TestClient(TestServer(app))
        await self.client.start_server()

    async def ask(self, *messages: dict[str, Any]) -> list[Any]:
        response = await self.client.post("/faye", json=list(messages))
        assert response.status == 200
        answer: list[Any] = await response.json()
        return answer

    async def handshake(self) -> str:
        [answer] = await self.ask(HANDSHAKE)
        return str(answer["clientId"])

    async def subscribe(self, client: str, token: str | None = TOKEN, channel: str = COMMAND) -> bool:
        extension = {} if token is None else {"ext": {"authentication_token": token}}
        message = {"channel": "/meta/subscribe", "clientId": client, "subscription": channel, **extension}
        [answer] = await self.ask(message)
        return bool(answer["successful"])

    async def listener(self) -> str:
        client = await self.handshake()
        assert await self.subscribe(client)
        return client

    def publish(self, number: int = 1) -> None:
        self.hub.publish(COMMAND, {"n": number}, self.outcomes.append)

    async def poll(self, client: str) -> asyncio.Task[list[Any]]:
        """A connect that is on its way, and held when nothing waits."""
        waiting = self.waiting
        task = asyncio.create_task(self.ask(connect(client)))
        await until(lambda: self.waiting == waiting + 1 or task.done())
        return task

    @property
    def waiting(self) -> int:
        return self.hub.lines


def connect(client: str, kind: str = "long-polling", **more: Any) -> dict[str, Any]:
    return {"channel": "/meta/connect", "clientId": client, "connectionType": kind, **more}


async def until(is_so: Any) -> None:
    async with asyncio.timeout(60):
        while not is_so():
            await asyncio.sleep(0.001)


def numbers(answer: list[Any]) -> list[int]:
    return [message["data"]["n"] for message in answer if "data" in message]


@pytest.fixture
async def faye(host: Host) -> AsyncIterator[Faye]:
    built = Faye()
    await built.start(host)
    yield built
    built.hub.close()
    await built.client.close()


async def test_a_command_reaches_a_printer_that_polls(faye: Faye) -> None:
    client = await faye.listener()
    assert faye.listening == [(COMMAND, True)]
    assert faye.hub.has_listener(COMMAND)
    poll = await faye.poll(client)
    faye.publish()
    [held, message] = await poll
    assert held["successful"]
    assert message == {"channel": COMMAND, "data": {"n": 1}}
    await until(lambda: faye.outcomes == [Outcome.DELIVERED])


async def test_two_clients_each_hear_their_own(faye: Faye) -> None:
    here, away = await faye.listener(), await faye.handshake()
    polls = await faye.poll(here), await faye.poll(away)
    faye.publish()
    assert numbers(await polls[0]) == [1]
    assert not polls[1].done()
    polls[1].cancel()


async def test_publish_calls_nobody_back_before_it_returns(faye: Faye) -> None:
    faye.publish()
    assert faye.outcomes == []
    await until(lambda: faye.outcomes == [Outcome.NOBODY])


async def test_a_client_that_hung_up_in_mid_poll_gets_it_with_its_next(faye: Faye) -> None:
    """Not one byte went to the dead connection: the message waits, and comes once."""
    client = await faye.listener()
    poll = await faye.poll(client)
    runner = faye.client.server.runner
    assert runner is not None
    assert runner.server is not None
    server = runner.server
    connections = len(server.connections)
    poll.cancel()
    await asyncio.gather(poll, return_exceptions=True)
    await until(lambda: len(server.connections) < connections)
    faye.publish()
    await asyncio.sleep(0)
    answer = await (await faye.poll(client))
    assert numbers(answer) == [1]
    await until(lambda: faye.outcomes == [Outcome.DELIVERED])


@pytest.mark.parametrize("is_handed_over", [False, True])
async def test_an_exchange_that_is_canceled_leaves_the_message_for_the_next(is_handed_over: bool) -> None:
    clock = FakeClock()
    server = BayeuxServer(may_subscribe=lambda channel, token: True, new_id=lambda: "c1")
    exchanges = Exchanges(server, clock.monotonic, lambda channel, is_heard: None)
    line, outcomes = Line("10.0.0.1"), list[Outcome]()
    exchanges.receive(json.dumps(HANDSHAKE), line)
    subscribe = {"channel": "/meta/subscribe", "clientId": "c1", "subscription": COMMAND}
    exchanges.receive(json.dumps(subscribe), line)
    assert exchanges.receive(json.dumps(connect("c1")), line) is None
    waiting = Waiting(exchanges, make_mocked_request("POST", "/faye"))
    exchanges.attach(line, waiting)
    if is_handed_over:
        exchanges.publish(COMMAND, {"n": 1}, outcomes.append)
        await asyncio.sleep(0)
        assert waiting.parcel.done()
        waiting.abandon()
    else:
        waiting.parcel.cancel()
        exchanges.publish(COMMAND, {"n": 1}, outcomes.append)
        await asyncio.sleep(0)
        waiting.abandon()
    assert outcomes == []
    parcel = exchanges.receive(json.dumps(connect("c1")), Line("10.0.0.1"))
    assert parcel is not None
    assert numbers(json.loads(parcel.text)) == [1]
    exchanges.close()


async def test_a_printer_that_shook_hands_anew_hears_a_command_once(faye: Faye) -> None:
    before = await faye.poll(await faye.listener())
    newest = await faye.poll(await faye.listener())
    faye.publish()
    assert numbers(await newest) == [1]
    assert faye.outcomes == [Outcome.DELIVERED]
    assert not before.done()
    faye.hub.close()
    assert numbers(await before) == []


async def test_a_command_that_was_taken_back_is_told_to_be_dropped(faye: Faye) -> None:
    client = await faye.listener()
    take_back = faye.hub.publish(COMMAND, {"n": 1}, faye.outcomes.append)
    take_back()
    await until(lambda: faye.outcomes == [Outcome.DROPPED])
    assert numbers(await faye.ask(connect(client, advice={"timeout": 0}))) == []


async def test_a_client_that_vanished_is_dropped_and_its_publisher_told(faye: Faye) -> None:
    await faye.listener()
    faye.publish()
    faye.clock.advance(faye.bounds.grace)
    await until(lambda: faye.outcomes == [Outcome.DROPPED])
    assert faye.listening == [(COMMAND, True), (COMMAND, False)]
    assert not faye.hub.has_listener(COMMAND)


async def test_a_poll_whose_time_is_over_is_answered(faye: Faye) -> None:
    poll = await faye.poll(await faye.handshake())
    faye.clock.advance(faye.bounds.timeout)
    [answer] = await poll
    assert answer["advice"] == {"reconnect": "retry", "interval": 0, "timeout": 45000}


async def test_a_hook_that_fails_stops_nothing(faye: Faye) -> None:
    client = await faye.listener()

    def broken(outcome: Outcome) -> None:
        raise RuntimeError(outcome)

    faye.hub.publish(COMMAND, {}, broken)
    faye.publish()
    assert numbers((await faye.ask(connect(client)))[2:]) == [1]
    await until(lambda: faye.outcomes == [Outcome.DELIVERED])


async def test_strict_wants_the_token_and_a_token_that_ended_hears_nothing(faye: Faye) -> None:
    client = await faye.handshake()
    assert not await faye.subscribe(client, token=None)
    assert not await faye.subscribe(client, token="wrong")
    assert not await faye.subscribe(client, channel="/printers/**")
    assert await faye.subscribe(client)
    faye.tokens.clear()
    faye.publish()
    await until(lambda: faye.outcomes == [Outcome.NOBODY])


async def test_lenient_takes_no_token_for_a_wrong_one_it_does_not_and_no_wildcards(host: Host) -> None:
    faye = Faye(lenient=True)
    await faye.start(host)
    client = await faye.handshake()
    assert await faye.subscribe(client, token=None)
    assert await faye.subscribe(client, token=None, channel="/printers/7/users")
    assert not await faye.subscribe(client, token="wrong")
    for channel in ("/printers/**", "/printers/58/*", "/printers/58/other", "/foo", "/printers/x/users"):
        assert not await faye.subscribe(client, token=None, channel=channel)
    faye.hub.close()
    await faye.client.close()


async def test_a_close_answers_open_polls_and_ends_websockets(faye: Faye) -> None:
    client = await faye.listener()
    poll = await faye.poll(client)
    socket = await faye.client.ws_connect("/faye")
    await faye.listener()
    faye.publish()
    faye.hub.close()
    [answer] = [said for said in await poll if "advice" in said]
    assert answer["advice"] == {"reconnect": "handshake", "interval": 5000}
    assert (await socket.receive()).type is WSMsgType.CLOSE
    await until(lambda: len(faye.outcomes) == 1)
    refused = await faye.client.post("/faye", json=[HANDSHAKE])
    assert (refused.status, refused.headers["Retry-After"]) == (503, "5")


async def answered(response: Awaitable[ClientResponse]) -> tuple[int, Any]:
    async with await response as answer:
        return answer.status, json.loads(await answer.text())


async def test_messages_as_text_plain_as_a_form_and_in_the_query(faye: Faye) -> None:
    text = json.dumps([HANDSHAKE])
    plain = {"Content-Type": "text/plain"}
    post = faye.client.post
    for response in (
        post("/faye", data=text, headers=plain),
        post("/faye", data=f"message={quote(text)}", headers=plain),
        post("/faye", data={"message": text}),
        post("/faye", params={"message": text}),
        post("/faye", data=text, headers={"Content-Type": "application/json; charset=UTF-8"}),
        post("/faye", json=HANDSHAKE),
    ):
        status, [answer] = await answered(response)
        assert (status, answer["successful"]) == (200, True)


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_callback_polling(faye: Faye, method: str) -> None:
    asked = {"message": json.dumps([HANDSHAKE]), "jsonp": "app.cb_1"}
    response = await faye.client.request(method, "/faye", params=asked)
    text = await response.text()
    assert response.status == 200
    assert text.startswith("/**/app.cb_1([{")
    assert text.endswith("}]);")
    assert response.content_type == "application/javascript"
    assert response.headers["X-Content-Type-Options"] == "nosniff"


async def test_callback_polling_has_a_default_and_holds_too(faye: Faye) -> None:
    client = await faye.listener()
    faye.publish()
    response = await faye.client.get(
        "/faye", params={"message": json.dumps(connect(client, "callback-polling"))}
    )
    text = await response.text()
    assert numbers(json.loads(text.removeprefix("/**/jsonpcallback(").removesuffix(");"))) == [1]


@pytest.mark.parametrize("name", ["alert(1)", "a-b", "", "1a", "a..b", "x" * 70, "a\u2028b", "f;g"])
async def test_a_callback_is_a_name(faye: Faye, name: str) -> None:
    asked = {"message": json.dumps([HANDSHAKE]), "jsonp": name}
    status, [answer] = await answered(faye.client.get("/faye", params=asked))
    assert (status, answer["error"]) == (400, "400::This is no name of a callback.")


async def test_a_page_of_another_origin_may_poll(faye: Faye) -> None:
    """Faye's client asks with credentials: then `*` is not enough (Fetch standard, 3.3.5)."""
    preflight = await faye.client.options(
        "/faye", headers={**ORIGIN, "Access-Control-Request-Method": "POST"}
    )
    assert preflight.status == 204
    assert preflight.headers["Access-Control-Allow-Origin"] == ORIGIN["Origin"]
    assert "POST" in preflight.headers["Access-Control-Allow-Methods"]
    assert "Content-Type" in preflight.headers["Access-Control-Allow-Headers"]
    response = await faye.client.post("/faye", json=[HANDSHAKE], headers=ORIGIN)
    assert response.headers["Access-Control-Allow-Origin"] == ORIGIN["Origin"]
    assert response.headers["Access-Control-Allow-Credentials"] == "true"
    assert response.headers["Vary"] == "Origin"
    own = await faye.client.post("/faye", json=[HANDSHAKE])
    assert "Access-Control-Allow-Origin" not in own.headers


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        ("", 400, "There is no message in this form."),
        ("{", 400, "This is no JSON."),
        ("[" * 20000, 400, "This is nested too deeply."),
        ("message=7", 400, "A request is one message or an array of messages."),
        (b"\xff\xfe", 400, "This is neither JSON nor a form."),
        ("[" + " " * 70_000 + "]", 400, "A request may have 65536 bytes."),
        ("[" + " " * 250_000 + "]", 413, "A request may have 65536 bytes."),
    ],
    ids=["nothing", "half", "deep", "number", "bytes", "long", "longer"],
)
async def test_what_is_no_batch(faye: Faye, body: str | bytes, status: int, said: str) -> None:
    response = await faye.client.post("/faye", data=body, headers={**ORIGIN, "Content-Type": "text/plain"})
    assert response.status == status
    assert await response.json() == [{"successful": False, "error": f"{status}::{said}"}]
    assert response.headers["Access-Control-Allow-Origin"] == ORIGIN["Origin"]


async def test_a_get_without_a_message_and_other_methods(faye: Faye) -> None:
    assert (await faye.client.get("/faye")).status == 400
    assert (await faye.client.put("/faye", json=[])).status == 405
    assert (await faye.client.post("/v1/faye", json=[])).status == 404


async def test_a_whole_life_over_a_websocket(faye: Faye) -> None:
    client = await faye.listener()
    async with faye.client.ws_connect("/faye") as socket:
        await socket.send_json([connect(client, "websocket", id="1")])
        await until(lambda: faye.waiting == 1)
        await socket.send_json([{"channel": "/foo", "data": 1, "id": "2"}])  # answered meanwhile
        assert [message["id"] for message in await socket.receive_json()] == ["2"]
        faye.publish(7)
        [held, message] = await socket.receive_json()
        assert (held["id"], message["data"]) == ("1", {"n": 7})
        await until(lambda: faye.outcomes == [Outcome.DELIVERED])
        await socket.send_str("{")
        assert await socket.receive_json() == [{"successful": False, "error": "400::This is no JSON."}]
        await socket.send_json([{"channel": "/meta/disconnect", "clientId": client}])
        [answer] = await socket.receive_json()
        assert answer["successful"]
    await until(lambda: faye.waiting == 0)


async def test_a_websocket_that_breaks_leaves_its_client_for_the_next(faye: Faye) -> None:
    client = await faye.listener()
    socket = await faye.client.ws_connect("/faye")
    await socket.send_json([connect(client, "websocket")])
    await socket.close()
    await until(lambda: faye.waiting == 0)
    faye.publish()
    assert numbers(await faye.ask(connect(client))) == [1]


async def test_frames_too_big_and_not_text_end_a_websocket(faye: Faye) -> None:
    for frame, code in ((b"[]", 1003), ("[" + " " * 70_000 + "]", 1009)):
        async with faye.client.ws_connect("/faye") as socket:
            if isinstance(frame, bytes):
                await socket.send_bytes(frame)
            else:
                await socket.send_str(frame)
            await socket.receive()
            assert socket.close_code == code
    await until(lambda: faye.waiting == 0)


async def test_a_silent_websocket_is_closed_and_too_many_are_refused(host: Host) -> None:
    faye = Faye(bounds=Bounds(sessions_per_address=1))
    await faye.start(host)
    async with faye.client.ws_connect("/faye") as socket:
        headers = {"Upgrade": "websocket", "Connection": "Upgrade"}
        assert (await faye.client.get("/faye", headers=headers)).status == 503
        faye.clock.advance(faye.bounds.timeout + faye.bounds.grace + 1)
        assert (await socket.receive()).type is WSMsgType.CLOSE
    faye.hub.close()
    await faye.client.close()


async def test_a_bad_websocket_handshake_is_refused(faye: Faye) -> None:
    response = await faye.client.get("/faye", headers={"Upgrade": "websocket", "Connection": "Upgrade"})
    assert response.status == 400


async def test_on_a_unix_socket(host: Host, tmp_path: Path, faye: Faye) -> None:
    app = web.Application()
    app.add_routes(faye.hub.routes)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.UnixSite(runner, str(tmp_path / "s")).start()
    async with ClientSession(connector=UnixConnector(str(tmp_path / "s"))) as session:
        response = await session.post("http://localhost/faye", json=[HANDSHAKE])
        assert (await response.json())[0]["successful"]
    await runner.cleanup()


@pytest.mark.parametrize(
    ("remote", "counted_as"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
        ("2001:db8:1:2::7", "2001:db8:1:2::"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        (None, "unix"),
    ],
)
def test_a_host_with_many_addresses_is_one(remote: str | None, counted_as: str) -> None:
    """Else a neighbour with a whole /64, as all have, takes all the places of the printers."""
    assert address_of(make_mocked_request("GET", "/faye").clone(remote=remote)) == counted_as

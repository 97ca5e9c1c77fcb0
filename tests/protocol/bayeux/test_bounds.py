"""How many clients and channels there may be, and who makes room."""

from __future__ import annotations

import json

import pytest

from gateway.protocol.bayeux.bounds import Bounds
from gateway.protocol.bayeux.messages import NotABatch, parse
from gateway.protocol.bayeux.session import Line
from tests.protocol.bayeux.talk import HANDSHAKE, Talk


def test_a_newcomer_takes_the_place_of_the_oldest_without_a_subscription() -> None:
    talk = Talk(Bounds(sessions=3))
    printer, idle, _other = talk.handshake(), talk.handshake(), talk.handshake()
    assert talk.subscribe(printer, "/foo")
    assert talk.connect(idle) is None
    talk.handshake()
    assert len(talk.server) == 3
    [[answer]] = talk.collected
    assert answer["advice"] == {"reconnect": "handshake", "interval": 5000}
    assert talk.connect(idle)[0]["error"] == f"401:{idle}:Unknown client"
    assert talk.connect(printer) is None


def test_when_all_have_a_subscription_a_newcomer_is_turned_away() -> None:
    talk = Talk(Bounds(sessions=2))
    for channel in ("/a", "/b"):
        assert talk.subscribe(talk.handshake(), channel)
    [answer] = talk.ask(HANDSHAKE)
    assert (answer["successful"], answer["error"]) == (False, "503::Too many clients")
    assert answer["advice"] == {"reconnect": "handshake", "interval": 5000}
    assert "clientId" not in answer


def test_an_address_that_has_its_share_crowds_out_only_its_own() -> None:
    talk = Talk(Bounds(sessions=10, sessions_per_address=2))
    other = talk.handshake("10.0.0.9")
    mine = [talk.handshake("10.0.0.1") for _ in range(3)]
    assert talk.connect(other) is None
    assert talk.connect(mine[0])[0]["error"] == f"401:{mine[0]}:Unknown client"
    assert [talk.connect(client) for client in mine[1:]] == [None, None]


def test_who_unsubscribed_from_everything_can_be_crowded_out_again() -> None:
    talk = Talk(Bounds(sessions=1))
    client = talk.handshake()
    talk.subscribe(client, "/foo")
    talk.ask({"channel": "/meta/unsubscribe", "clientId": client, "subscription": "/foo"})
    talk.handshake()
    assert talk.connect(client)[0]["error"] == f"401:{client}:Unknown client"


def test_clients_that_vanish_leave_nothing_behind() -> None:
    talk = Talk(Bounds(spread=0.0))
    for number in range(50):
        client = talk.handshake(f"10.0.0.{number}")
        talk.subscribe(client, f"/foo/{number}")
        talk.connect(client)
        talk.publish("/foo/0", {})
    talk.wait(200.0)
    assert len(talk.server) == 0
    assert talk.server.queued_bytes == 0
    assert sorted(talk.listening) == sorted(f"{sign}/foo/{n}" for sign in "+-" for n in range(50))


def test_channels_of_one_client() -> None:
    talk = Talk(Bounds(subscriptions=2))
    client = talk.handshake()
    assert talk.subscribe(client, "/a")
    message = {"channel": "/meta/subscribe", "clientId": client, "subscription": ["/b", "/c"]}
    assert talk.ask(message)[0]["error"] == "403:/c:Too many subscriptions"
    assert talk.subscribe(client, "/b")
    assert talk.subscribe(client, "/a")  # has it already
    assert not talk.subscribe(client, "/c")
    assert talk.listening == ["+/a", "+/b"]


def test_clients_drift_apart() -> None:
    """Held between 80 and 100 % of the time, each its own share."""
    talk = Talk()
    clients = [talk.handshake() for _ in range(100)]
    for client in clients:
        talk.connect(client)
    answered: list[int] = []
    while len(answered) < 100:
        talk.wait(talk.now + 1.0)
        answered += [round(talk.now)] * len(talk.collected)
        talk.collected.clear()
    assert answered[0] >= 36
    assert answered[-1] <= 45
    assert max(answered.count(second) for second in set(answered)) <= 25


def test_two_clients_may_share_one_websocket() -> None:
    talk = Talk(Bounds(spread=0.0))
    line = Line("10.0.0.1", is_stream=True)
    one, two = talk.handshake(), talk.handshake()
    talk.subscribe(two, "/foo")
    assert talk.connect(one, line=line) is None
    assert talk.connect(two, line=line) is None
    talk.publish("/foo", {})
    assert [[said.get("clientId") for said in answer] for answer in talk.collected] == [[two, None]]
    talk.server.lose(line, talk.now)
    talk.wait(44.0)
    assert len(talk.server) == 2
    talk.wait(45.0)
    assert len(talk.server) == 0


def test_on_a_stream_the_answers_to_a_batch_do_not_wait_for_its_connect() -> None:
    talk = Talk(Bounds(spread=0.0))
    client = talk.handshake()
    connect = {"channel": "/meta/connect", "clientId": client, "connectionType": "websocket", "id": "2"}
    subscribe = {"channel": "/meta/subscribe", "clientId": client, "subscription": "/foo", "id": "3"}
    answers = talk.ask(connect, subscribe, line=Line("10.0.0.1", is_stream=True))
    assert [answer["id"] for answer in answers] == ["3"]
    talk.publish("/foo", 1)
    [[held, message]] = talk.collected
    assert (held["id"], message) == ("2", {"channel": "/foo", "data": 1})


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (json.dumps([{"channel": "/foo"}] * 65), "A request may have 64 messages."),
        (" " * 65536 + "[]", "A request may have 65536 bytes."),
        ("[" * 30000, "This is nested too deeply."),
        ('[{"channel": "/foo", "id": ' + "9" * 5000 + "}]", "This is no JSON."),
        (b"\xff\xfe\xff", "This is no JSON."),
    ],
    ids=["messages", "bytes", "depth", "digits", "no UTF-8"],
)
def test_requests_are_bounded(text: str | bytes, said: str) -> None:
    with pytest.raises(NotABatch, match=f"^{said}$"):
        parse(text, Bounds())


def test_long_fields_fail_their_message_and_are_not_echoed() -> None:
    talk = Talk()
    client = talk.handshake()
    answers = talk.ask(
        {"channel": "/" + "a" * 300, "id": "1"},
        {"channel": "/foo", "id": "x" * 200},
        {"channel": "/meta/subscribe", "clientId": client, "subscription": "/" + "a" * 300, "id": "2"},
        {"channel": "/meta/connect", "clientId": client, "connectionType": "websocket", "id": 2**60},
    )
    assert answers == [
        {"id": "1", "successful": False, "error": "400:channel:Bad request"},
        {"channel": "/foo", "successful": False, "error": "400:id:Bad request"},
        {"channel": "/meta/subscribe", "id": "2", "successful": False,
         "error": "400:subscription:Bad request"},
        {"channel": "/meta/connect", "successful": False, "error": "400:id:Bad request"},
    ]  # fmt: skip

"""The Bayeux client message by message, against vectors from the specification; and what it survives."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest

from firmware_sim.forge.bayeux import (
    BayeuxClient,
    Connected,
    Delivered,
    Event,
    Outgoing,
    Subscribed,
    SubscriptionRefused,
    TurnedAway,
)

VECTORS = tomllib.loads(
    (Path(__file__).parents[2] / "vectors" / "forge" / "bayeux.toml").read_text(encoding="utf-8")
)
TOKEN = {"authentication_token": "WfsVvaD84sN3wQoygfNK-JqmB4pvJko5Mrl2xgUFBzM"}
SHAKEN = {"channel": "/meta/handshake", "successful": True, "clientId": "c1"}


def client(connection_type: str = "long-polling") -> BayeuxClient:
    return BayeuxClient(connection_type, connect_timeout=120.0, retry=5.0)


def connected() -> tuple[BayeuxClient, Outgoing]:
    """Subscribed to one channel, with a long poll open."""
    one = client()
    one.subscribe("/a", {}, 0.0)
    one.poll(0.0)
    one.receive([SHAKEN], 0.0)
    [subscription, poll] = one.poll(0.0)
    one.receive([{"channel": "/meta/subscribe", "subscription": "/a", "successful": True}], 0.0)
    one.events.clear()
    assert not subscription.is_connect
    assert poll.is_connect
    return one, poll


def told(event: Event) -> str | None:
    match event:
        case Delivered(channel, _):
            return f"delivered {channel}"
        case Subscribed(channel):
            return f"subscribed {channel}"
        case SubscriptionRefused(channel, error):
            return f"refused {channel} {error}"
        case TurnedAway(error):
            return f"turned away {error}"
    return None


def test_a_session_as_specified() -> None:
    one = client()
    one.subscribe("/printers/58/users", TOKEN, 0.0)
    one.subscribe("/printers/58/command", TOKEN, 0.0)
    for exchange in VECTORS["exchange"]:
        at = exchange["at"]
        if "sends" in exchange:
            sent = [list(outgoing.messages) for outgoing in one.poll(at)]
            wanted = [[json.loads(text) for text in request] for request in exchange["sends"]]
            assert sent == wanted, exchange["source"]
        one.receive([json.loads(text) for text in exchange.get("gets", [])], at)
        events = [word for event in one.events if (word := told(event))]
        assert events == exchange.get("events", []), exchange["source"]
        one.events.clear()


def test_a_poll_that_breaks_off_is_made_again_after_a_pause() -> None:
    one, poll = connected()
    one.lost(poll, 30.0)
    assert one.next_deadline() == 35.0
    assert one.poll(34.9) == []
    [again] = one.poll(35.0)
    assert again.is_connect
    assert again.messages[0]["clientId"] == "c1", "the session is the same"


def test_a_handshake_without_answer_is_made_again_after_a_pause() -> None:
    one = client()
    one.subscribe("/a", {}, 0.0)
    [shake] = one.poll(0.0)
    assert one.poll(3.0) == [], "one at a time"
    one.lost(shake, 3.0)
    assert one.poll(7.9) == []
    assert [out.messages[0]["channel"] for out in one.poll(8.0)] == ["/meta/handshake"]


def test_a_refused_handshake_is_tried_again_unless_it_is_told_not_to() -> None:
    for advice, due in ((None, 5.0), ({"reconnect": "handshake"}, 5.0), ({"reconnect": "none"}, None)):
        one = client()
        one.subscribe("/a", {}, 0.0)
        one.poll(0.0)
        answer: dict[str, Any] = {"channel": "/meta/handshake", "successful": False, "error": "500"}
        one.receive([answer | ({"advice": advice} if advice else {})], 0.0)
        assert one.next_deadline() == due


def test_a_lost_subscription_is_sent_again_with_a_pause() -> None:
    one = client()
    one.subscribe("/a", TOKEN, 0.0)
    one.poll(0.0)
    one.receive([SHAKEN], 0.0)
    [subscription, _] = one.poll(0.0)
    one.lost(subscription, 1.0)
    assert one.poll(5.9) == []
    [again] = one.poll(6.0)
    assert again.messages == subscription.messages


def test_one_poll_at_a_time_and_none_without_a_pause_that_was_advised() -> None:
    one, _ = connected()
    assert one.poll(100.0) == []
    advice = {"reconnect": "retry", "interval": 2000}
    answer = {"channel": "/meta/connect", "clientId": "c1", "successful": True, "advice": advice}
    one.receive([answer], 100.0)
    assert one.poll(101.9) == []
    assert len(one.poll(102.0)) == 1


def test_leaving_is_told_and_then_all_is_forgotten() -> None:
    one, _ = connected()
    one.disconnect()
    [word] = one.poll(1.0)
    assert [message["channel"] for message in word.messages] == ["/meta/disconnect"]
    assert word.messages[0]["clientId"] == "c1"
    one.receive([{"channel": "/a", "data": 1}], 1.0)
    assert list(one.events) == []
    assert one.next_deadline() is None


def test_it_waits_a_little_longer_than_the_server_holds_a_poll() -> None:
    one = client()
    one.subscribe("/a", {}, 0.0)
    one.poll(0.0)
    one.receive([SHAKEN | {"advice": {"timeout": 45000, "interval": 0, "reconnect": "retry"}}], 0.0)
    assert one.connect_timeout == 54.0


@pytest.mark.parametrize(
    "message",
    [
        None, 5, "text", [], {}, {"channel": None}, {"channel": 7}, {"channel": "/a"}, {"data": 1},
        {"channel": "/b", "data": 1}, {"channel": "/meta/else"},
        {"channel": "/meta/connect", "clientId": "old"},
        {"channel": "/meta/handshake", "successful": True, "clientId": "uninvited"},
    ],
)  # fmt: skip
def test_what_is_no_message_for_it_changes_nothing(message: object) -> None:
    one, _ = connected()
    one.receive([message], 1.0)
    assert list(one.events) == []
    assert one.client_id == "c1"
    assert one.poll(10.0) == []


def test_a_handshake_says_which_transport_it_wants() -> None:
    one = client("websocket")
    one.subscribe("/a", {}, 0.0)
    [shake] = one.poll(0.0)
    assert shake.messages[0]["supportedConnectionTypes"] == ["websocket"]
    one.receive([SHAKEN], 0.0)
    assert one.poll(0.0)[-1].messages[0]["connectionType"] == "websocket"
    assert Connected("c1") in one.events
    with pytest.raises(ValueError, match="no connection type 'carrier-pigeon'"):
        client("carrier-pigeon")

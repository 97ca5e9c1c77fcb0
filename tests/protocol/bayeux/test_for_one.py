"""Channels that are for one: a machine that shook hands anew leaves sessions behind, and hears once."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.protocol.bayeux.bounds import Bounds
from gateway.protocol.bayeux.messages import Request
from gateway.protocol.bayeux.outcome import Outcome
from gateway.protocol.bayeux.session import Line, Written
from tests.protocol.bayeux.talk import Talk

ONE = "/one/command"


@pytest.fixture
def talk() -> Talk:
    return Talk(Bounds(spread=0.0))


def listener(talk: Talk, token: str | None = "key") -> str:
    client = talk.handshake()
    assert talk.subscribe(client, ONE, token)
    return client


def heard(talk: Talk, client: str) -> list[Any]:
    """What waits for a client."""
    return [message["data"]["n"] for message in talk.connect(client, timeout=0)[1:]]


def test_the_newest_session_hears_it_and_no_other(talk: Talk) -> None:
    before = listener(talk)
    assert talk.connect(before) is None  # held, on a connection that nobody reads any more
    newest = listener(talk)
    talk.publish(ONE, {"n": 1})
    assert talk.collected == []
    assert heard(talk, newest) == [1]
    assert talk.outcomes == [Outcome.DELIVERED]


def test_what_waits_for_a_session_goes_when_a_newer_one_subscribes(talk: Talk) -> None:
    before = listener(talk)
    talk.publish(ONE, {"n": 1})
    newest = listener(talk)
    assert talk.outcomes == [Outcome.DROPPED]
    assert (heard(talk, before), heard(talk, newest)) == ([], [])


def test_what_is_being_written_meanwhile_is_judged_by_its_writing(talk: Talk) -> None:
    for written, outcome in ((Written.MAYBE, Outcome.UNCLEAR), (Written.NO, Outcome.DROPPED)):
        before = listener(talk)
        talk.publish(ONE, {"n": 1})
        message = {"channel": "/meta/connect", "clientId": before, "connectionType": "websocket"}
        parcel = talk.server.receive([Request.model_validate(message)], Line("10.0.0.1"), talk.now)
        newest = listener(talk)
        assert parcel is not None
        assert talk.outcomes == []
        talk.server.settle(parcel, written)
        talk.collect()
        assert talk.outcomes == [outcome]
        assert (heard(talk, before), heard(talk, newest)) == ([], [])
        talk.outcomes.clear()


def test_an_older_session_that_lives_is_heard_again_when_the_newest_is_gone(talk: Talk) -> None:
    before, newest = listener(talk), listener(talk)
    talk.ask({"channel": "/meta/disconnect", "clientId": newest})
    talk.publish(ONE, {"n": 1})
    assert heard(talk, before) == [1]
    assert talk.listening == [f"+{ONE}"]


def test_who_subscribes_again_is_the_newest_and_loses_nothing(talk: Talk) -> None:
    first, second = listener(talk), listener(talk)
    assert talk.subscribe(first, ONE, "key")
    talk.publish(ONE, {"n": 1})
    assert talk.subscribe(first, ONE, "key")
    assert (heard(talk, first), heard(talk, second)) == ([1], [])


def test_a_token_beats_strangers_whenever_they_came(talk: Talk) -> None:
    stranger = listener(talk, token=None)
    talk.publish(ONE, {"n": 1})
    printer = listener(talk)
    assert talk.outcomes == [Outcome.DROPPED]
    talk.publish(ONE, {"n": 2})
    late = listener(talk, token=None)
    assert [heard(talk, client) for client in (stranger, late, printer)] == [[], [], [2]]
    assert talk.outcomes == [Outcome.DROPPED, Outcome.DELIVERED]


def test_who_unsubscribes_is_sent_nothing_more(talk: Talk) -> None:
    client = listener(talk)
    talk.publish(ONE, {"n": 1})
    talk.ask({"channel": "/meta/unsubscribe", "clientId": client, "subscription": ONE})
    assert talk.outcomes == [Outcome.DROPPED]
    assert heard(talk, client) == []


# ---------------------------------------------------------------- taken back, on any channel


def test_what_was_taken_back_is_never_written(talk: Talk) -> None:
    client = listener(talk)
    take_back = talk.publish(ONE, {"n": 1})
    talk.publish(ONE, {"n": 2})
    take_back()
    talk.collect()
    assert talk.outcomes == [Outcome.DROPPED]
    assert heard(talk, client) == [2]
    take_back()
    assert talk.outcomes == [Outcome.DROPPED, Outcome.DELIVERED]
    assert talk.server.queued_bytes == 0


def test_what_was_written_cannot_be_taken_back(talk: Talk) -> None:
    client = listener(talk)
    take_back = talk.publish(ONE, {"n": 1})
    assert heard(talk, client) == [1]
    take_back()
    talk.collect()
    assert talk.outcomes == [Outcome.DELIVERED]


def test_what_was_taken_back_and_comes_back_unwritten_is_dropped(talk: Talk) -> None:
    client = listener(talk)
    take_back = talk.publish(ONE, {"n": 1})
    message = {"channel": "/meta/connect", "clientId": client, "connectionType": "websocket"}
    parcel = talk.server.receive([Request.model_validate(message)], Line("10.0.0.1"), talk.now)
    assert parcel is not None
    take_back()
    talk.server.settle(parcel, Written.NO)
    talk.collect()
    assert talk.outcomes == [Outcome.DROPPED]
    assert heard(talk, client) == []


def test_of_several_copies_those_that_wait_are_taken_back(talk: Talk) -> None:
    clients = [talk.handshake() for _ in range(2)]
    for client in clients:
        assert talk.subscribe(client, "/foo")
    take_back = talk.publish("/foo", {"n": 1})
    assert heard(talk, clients[0]) == [1]
    take_back()
    talk.collect()
    assert heard(talk, clients[1]) == []
    assert talk.outcomes == [Outcome.DELIVERED]

"""What a publisher is told: delivered, dropped, nobody, unclear. A print is started by this, at most once."""

from __future__ import annotations

import pytest

from gateway.protocol.bayeux.bounds import Bounds
from gateway.protocol.bayeux.messages import Request
from gateway.protocol.bayeux.outcome import Outcome
from gateway.protocol.bayeux.session import Line, Written
from tests.protocol.bayeux.talk import Talk

FOO = {"channel": "/foo", "data": {"n": 1}}


@pytest.fixture
def talk() -> Talk:
    return Talk(Bounds(spread=0.0))


def listener(talk: Talk, channel: str = "/foo", token: str | None = None) -> str:
    client = talk.handshake()
    assert talk.subscribe(client, channel, token)
    return client


def test_nobody_there(talk: Talk) -> None:
    listener(talk, "/bar")
    talk.publish("/foo", {})
    assert talk.outcomes == [Outcome.NOBODY]
    assert talk.outcomes[0].is_never_sent


def test_delivered_when_it_was_written_not_before(talk: Talk) -> None:
    client = listener(talk)
    talk.publish("/foo", {"n": 1})
    assert talk.outcomes == []
    [_, message] = talk.connect(client)
    assert message == FOO
    assert talk.outcomes == [Outcome.DELIVERED]
    assert talk.connect(client, timeout=0)[1:] == []  # and it does not come again


def test_a_client_that_never_comes_back_drops_it(talk: Talk) -> None:
    client = listener(talk)
    talk.publish("/foo", {"n": 1})
    talk.wait(44.0)
    assert talk.outcomes == []
    talk.wait(45.0)
    assert talk.outcomes == [Outcome.DROPPED]
    assert talk.listening == ["+/foo", "-/foo"]
    assert talk.connect(client)[0]["error"] == f"401:{client}:Unknown client"


def test_a_connection_that_was_gone_before_a_byte_went_out_leaves_it_for_the_next(talk: Talk) -> None:
    client = listener(talk)
    assert talk.connect(client) is None
    talk.written = Written.NO
    talk.publish("/foo", {"n": 1})
    talk.publish("/foo", {"n": 2})
    assert talk.outcomes == []
    talk.written = Written.YES
    [_, first, second] = talk.connect(client)
    assert (first["data"], second["data"]) == ({"n": 1}, {"n": 2})
    assert talk.outcomes == [Outcome.DELIVERED, Outcome.DELIVERED]


def test_several_that_were_not_written_keep_their_order(talk: Talk) -> None:
    client = listener(talk)
    for number in range(3):
        talk.publish("/foo", {"n": number})
    talk.written = Written.NO
    talk.connect(client)
    talk.publish("/foo", {"n": 3})
    talk.written = Written.YES
    assert [message["data"]["n"] for message in talk.connect(client)[1:]] == [0, 1, 2, 3]


def test_a_connection_that_broke_meanwhile_is_unclear_and_it_is_not_sent_again(talk: Talk) -> None:
    client = listener(talk)
    talk.publish("/foo", {"n": 1})
    talk.written = Written.MAYBE
    talk.connect(client)
    assert talk.outcomes == [Outcome.UNCLEAR]
    assert not talk.outcomes[0].is_never_sent
    talk.written = Written.YES
    assert talk.connect(client, timeout=0)[1:] == []


def test_not_written_and_the_client_gone_meanwhile_is_dropped(talk: Talk) -> None:
    client = listener(talk)
    talk.publish("/foo", {"n": 1})
    line = Line("10.0.0.1")
    message = {"channel": "/meta/connect", "clientId": client, "connectionType": "websocket"}
    parcel = talk.server.receive([Request.model_validate(message)], line, talk.now)
    assert parcel is not None
    talk.ask({"channel": "/meta/disconnect", "clientId": client})
    assert talk.outcomes == []
    talk.server.settle(parcel, Written.NO)
    talk.collect()
    assert talk.outcomes == [Outcome.DROPPED]


def test_a_lost_line_leaves_its_client_the_grace(talk: Talk) -> None:
    client = listener(talk)
    assert talk.connect(client) is None
    talk.wait(20.0)
    talk.server.lose(talk.line, talk.now)
    talk.publish("/foo", {"n": 1})
    assert talk.collected == []
    talk.wait(64.0)
    assert talk.outcomes == []
    assert talk.connect(client)[1] == FOO


def test_a_held_connect_of_an_idle_client_is_no_absence(talk: Talk) -> None:
    client = listener(talk)
    for _ in range(5):
        assert talk.connect(client) is None
        talk.wait(talk.now + 45.0)
        assert len(talk.collected) == 1
        talk.collected.clear()
        talk.wait(talk.now + 44.0)
    assert talk.listening == ["+/foo"]


def test_of_several_subscribers_the_first_that_gets_it_decides(talk: Talk) -> None:
    here, _away = listener(talk), listener(talk)
    talk.publish("/foo", {"n": 1})
    assert talk.connect(here)[1] == FOO
    assert talk.outcomes == [Outcome.DELIVERED]
    talk.wait(60.0)
    assert talk.outcomes == [Outcome.DELIVERED]  # told once


def test_of_several_subscribers_none_of_whom_got_it_the_doubt_remains(talk: Talk) -> None:
    broken, _away = listener(talk), listener(talk)
    talk.publish("/foo", {"n": 1})
    talk.written = Written.MAYBE
    talk.connect(broken)
    assert talk.outcomes == []
    talk.wait(60.0)
    assert talk.outcomes == [Outcome.UNCLEAR]


def test_a_full_queue_drops_the_newest_and_says_so() -> None:
    talk = Talk(Bounds(queue=2, spread=0.0))
    client = listener(talk)
    for number in range(3):
        talk.publish("/foo", {"n": number})
    assert talk.outcomes == [Outcome.DROPPED]
    assert [message["data"]["n"] for message in talk.connect(client)[1:]] == [0, 1]


@pytest.mark.parametrize("bounds", [Bounds(queue_bytes=100), Bounds(queued_bytes=100)])
def test_a_queue_is_bounded_in_bytes_too(bounds: Bounds) -> None:
    talk = Talk(bounds)
    client = listener(talk)
    talk.publish("/foo", {"text": "a" * 50})
    talk.publish("/foo", {"text": "b" * 50})
    assert talk.outcomes == [Outcome.DROPPED]
    assert talk.connect(client)[1]["data"]["text"] == "a" * 50
    talk.publish("/foo", {"text": "c" * 50})  # there is room again
    assert talk.outcomes == [Outcome.DROPPED, Outcome.DELIVERED]
    assert len(talk.connect(client, timeout=0)) == 2


def test_a_right_that_ended_hears_nothing_more(talk: Talk) -> None:
    client = listener(talk, "/secret/a", "key")
    assert talk.connect(client) is None
    talk.is_revoked = True
    talk.publish("/secret/a", {"n": 1})
    assert talk.outcomes == [Outcome.NOBODY]
    assert talk.listening == ["+/secret/a", "-/secret/a"]
    assert talk.collected == []


def test_what_cannot_be_published_raises_and_queues_nothing(talk: Talk) -> None:
    client = listener(talk, "/**")
    for channel, data in (("foo", {}), ("/foo/*", {}), ("/foo", {"n": float("nan")}), ("/foo", {"n": {1}})):
        with pytest.raises(ValueError, match=r"."):
            talk.publish(channel, data)
    assert talk.connect(client, timeout=0)[1:] == []


def test_the_house_closes(talk: Talk) -> None:
    polling, away = listener(talk), listener(talk)
    assert talk.connect(polling) is None
    talk.publish("/bar", {})
    talk.server.publish("/foo", {"n": 1}, talk.outcomes.append)
    talk.server.close(talk.now)
    talk.collect()
    [[answer]] = talk.collected
    assert answer["advice"] == {"reconnect": "handshake", "interval": 5000}
    assert talk.outcomes == [Outcome.NOBODY, Outcome.DROPPED]
    assert talk.listening == ["+/foo", "-/foo"]
    assert talk.connect(away)[0]["error"] == f"401:{away}:Unknown client"

"""The broker in memory does what brokers do. Real ones are asked the same in `tests/transport/brokers`."""

from __future__ import annotations

import asyncio

import pytest

from gateway.transport.mqtt import Connection, MqttLost, MqttMessage, MqttRefused, Will
from tests.support.memory_broker import Fate, MemoryBroker, matches


@pytest.mark.parametrize(
    ("pattern", "topic", "expected"),
    [
        ("a/b", "a/b", True),
        ("a/+", "a/b", True),
        ("a/+", "a/b/c", False),
        ("a/+", "a", False),
        ("+/b", "a/b", True),
        ("a/#", "a/b/c", True),
        ("a/#", "a", True),
        ("#", "a/b", True),
        ("#", "$SYS/uptime", False),
        ("+/uptime", "$SYS/uptime", False),
        ("$SYS/#", "$SYS/uptime", True),
        ("a/b", "a/b/c", False),
        ("a/b/c", "a/b", False),
        ("+", "/a", False),
        ("/+", "/a", True),
    ],
)
def test_filters(pattern: str, topic: str, expected: bool) -> None:
    assert matches(pattern, topic) is expected


async def connected(broker: MemoryBroker, client: str, *filters: str, will: Will | None = None) -> Connection:
    connection = await broker.connecting(client)(will=will)
    await connection.subscribe(*filters)
    return connection


async def test_retained_messages_are_kept_and_cleared() -> None:
    broker = MemoryBroker()
    one = await connected(broker, "one")
    await one.publish("state", b"1", retain=True)
    await one.publish("state", b"2", retain=True)
    await one.publish("state", b"3")
    two = await connected(broker, "two", "state")
    assert await two.receive() == MqttMessage("state", b"2", retain=True)
    await one.publish("state", b"", retain=True)
    assert await two.receive() == MqttMessage("state", b"")
    assert broker.retained == {}


async def test_everybody_hears_a_message_once() -> None:
    broker = MemoryBroker()
    one = await connected(broker, "one", "a/#", "a/b", "+/b")
    two = await connected(broker, "two", "c")
    await one.publish("a/b", b"x", qos=1)
    await one.publish("c", b"end")
    assert (await one.receive()).payload == b"x"
    assert (await two.receive()).payload == b"end"
    assert [(tapped.client, tapped.topic, tapped.qos) for tapped in broker.traffic] == [
        ("one", "a/b", 1), ("one", "c", 0),
    ]  # fmt: skip


@pytest.mark.parametrize(("fate", "arrives"), [(Fate.ACK_LOST, True), (Fate.LOST, False)])
async def test_a_publish_without_acknowledgement_may_have_arrived(fate: Fate, arrives: bool) -> None:
    broker = MemoryBroker()
    one = await connected(broker, "one", will=Will("gone", b"one"))
    two = await connected(broker, "two", "#")
    broker.fate = lambda _client, _message: fate
    with pytest.raises(MqttLost, match="broke"):
        await one.publish("start", b"x", qos=1)
    assert (broker.said("start") == [b"x"]) is arrives
    assert broker.said("gone") == [b"one"]
    assert (await two.receive()).topic == ("start" if arrives else "gone")
    with pytest.raises(MqttLost):
        await one.receive()


async def test_a_publish_without_rights_vanishes() -> None:
    broker = MemoryBroker()
    one = await connected(broker, "one", "#")
    broker.fate = lambda _client, message: Fate.IGNORED if message.topic == "start" else Fate.ARRIVES
    await one.publish("start", b"x", qos=1)
    await one.publish("other", b"x", qos=1)
    assert (await one.receive()).topic == "other"


async def test_an_outage_in_flight() -> None:
    """Going down before a publish arrives, and before its acknowledgement does."""
    for down_after, arrived in [(0.5, []), (1.5, [b"x"])]:
        broker = MemoryBroker(latency=1)
        one = await connected(broker, "one")
        asyncio.get_running_loop().call_later(down_after, broker.down)
        with pytest.raises(MqttLost, match="gone"):
            await one.publish("start", b"x", qos=1)
        assert broker.said("start") == arrived


async def test_after_an_outage_nobody_is_connected() -> None:
    broker = MemoryBroker()
    one = await connected(broker, "one", "#", will=Will("gone", b"one"))
    await one.publish("state", b"1", retain=True)
    broker.down()
    with pytest.raises(MqttLost):
        await broker.connecting("two")()
    broker.up()
    with pytest.raises(MqttLost):
        await one.publish("state", b"2")
    assert broker.said("gone") == []
    two = await connected(broker, "two", "state")
    assert (await two.receive()).payload == b"1"


async def test_credentials() -> None:
    broker = MemoryBroker(credentials={"ana": "secret"})
    with pytest.raises(MqttRefused):
        await broker.connecting("one", username="ana", password="other")()
    with pytest.raises(MqttRefused):
        await broker.connecting("one")()
    await broker.connecting("one", username="ana", password="secret")()


async def test_who_reads_too_slowly_is_disconnected() -> None:
    broker = MemoryBroker()
    slow = await broker.connecting("slow", most_messages=3)(will=Will("gone", b"slow"))
    await slow.subscribe("report")
    for _ in range(4):
        broker.publish("report", b"x")
    with pytest.raises(MqttLost, match="more arrived"):
        await slow.receive()
    await slow.close()
    assert broker.connections == []
    assert broker.said("gone") == [b"slow"]


async def test_a_goodbye_leaves_no_will_and_is_said_once() -> None:
    broker = MemoryBroker()
    one = await connected(broker, "one", will=Will("gone", b"one"))
    await one.close()
    await one.close()
    assert broker.said("gone") == []
    with pytest.raises(MqttLost, match="closed"):
        await one.subscribe("a")

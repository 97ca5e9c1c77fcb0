"""What brokers do that nobody wants, and the sentence that people get."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from gateway.transport.mqtt import MqttLost, MqttRefused
from gateway.transport.mqtt_client import AiomqttConnect, AiomqttConnection
from tests.transport.brokers.odd_broker import CONNECT, DISCONNECT, PINGREQ, PUBLISH, SUBSCRIBE, OddBroker

#: Seconds for what takes milliseconds, on a busy machine.
PATIENCE = 60


def connecting(broker: OddBroker) -> AiomqttConnect:
    return AiomqttConnect(
        "127.0.0.1", broker.port, who="the printer a1", if_refused="read the access code again"
    )


@asynccontextmanager
async def connected(connect: AiomqttConnect) -> AsyncIterator[AiomqttConnection]:
    connection = await connect()
    assert isinstance(connection, AiomqttConnection)
    try:
        async with asyncio.timeout(PATIENCE):
            yield connection
    finally:
        await connection.close()


@pytest.mark.parametrize(
    ("answer", "kind", "words"),
    [
        (b"\x20\x02\x00\x01", MqttLost, "hung up before it answered"),  # the library keeps that to itself
        (b"\x20\x02\x00\x02", MqttLost, "refuses the client id: choose another client_id"),
        (b"\x20\x02\x00\x03", MqttLost, "is not ready; it is tried again"),
        (b"\x20\x02\x00\x04", MqttRefused, "refuses the credentials: read the access code again"),
        (b"\x20\x02\x00\x05", MqttRefused, "refuses the credentials: read the access code again"),
        (
            None,
            MqttLost,
            "hung up before it answered: check port and credentials, or it has too many clients",
        ),
    ],
)
async def test_who_is_not_let_in_is_told_why(answer: bytes | None, kind: type[MqttLost], words: str) -> None:
    async with OddBroker({CONNECT: answer}) as broker:
        with pytest.raises(MqttLost, match=f"^the printer a1 at 127.0.0.1:{broker.port} {words}") as raised:
            await connecting(broker)()
        assert type(raised.value) is kind


@pytest.mark.parametrize(
    "answer", [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n"], ids=["silence", "another protocol"]
)
async def test_a_broker_that_says_nothing_to_the_matter(answer: bytes) -> None:
    async with OddBroker({CONNECT: answer}) as broker:
        with pytest.raises(MqttLost, match=r"does not answer to MQTT within 0\.2 s: check the port"):
            await replace(connecting(broker), connect_seconds=0.2)()


@pytest.mark.parametrize("granted", [b"\x80", b"\x00"], ids=["refused", "less"])
async def test_a_subscription_that_is_not_granted(granted: bytes) -> None:
    answer = b"\x90\x04" + OddBroker.MID + b"\x01" + granted
    async with OddBroker({SUBSCRIBE: answer}) as broker, connected(connecting(broker)) as one:
        with pytest.raises(
            MqttLost, match="does not let this user subscribe to b/#: check its access rights"
        ):
            await one.subscribe("a", "b/#", qos=1)
        with pytest.raises(MqttLost, match="b/#"):
            await one.receive()


@pytest.mark.parametrize("kind", [PUBLISH, SUBSCRIBE])
async def test_no_acknowledgement_ends_the_connection(kind: int) -> None:
    async with OddBroker({kind: b""}) as broker:
        async with connected(replace(connecting(broker), acknowledge_seconds=0.2)) as one:
            asked = one.publish("a", b"", qos=1) if kind == PUBLISH else one.subscribe("a")
            with pytest.raises(MqttLost, match=r"did not acknowledge a .* within 0\.2 s"):
                await asked
            with pytest.raises(MqttLost, match="did not acknowledge"):
                await one.receive()
            assert one._wire.ended.done()
        assert broker.heard.count(kind) == 1


async def test_who_waits_for_an_acknowledgement_hears_of_the_loss_at_once() -> None:
    async with OddBroker({PUBLISH: b"", SUBSCRIBE: None}) as broker:
        async with connected(replace(connecting(broker), acknowledge_seconds=10 * PATIENCE)) as one:
            publishing = [asyncio.create_task(one.publish("a", b"", qos=1)) for _ in range(3)]
            reading = asyncio.create_task(one.receive())
            await asyncio.sleep(0.05)
            with pytest.raises(MqttLost, match="closed the connection"):
                await one.subscribe("a")
            for task in [*publishing, reading]:
                with pytest.raises(MqttLost, match="closed the connection"):
                    await task


async def test_who_publishes_at_the_very_moment_of_the_loss_is_told() -> None:
    for quality in (0, 1):
        async with OddBroker({}) as broker, connected(connecting(broker)) as one:
            one._client.cut()  # nobody has noticed yet
            with pytest.raises(MqttLost, match="closed the connection"):
                await one.publish("a", b"", qos=quality)
        async with OddBroker({}) as broker, connected(connecting(broker)) as one:
            one._client.cut()
            with pytest.raises(MqttLost, match="closed the connection"):
                await one.subscribe("a")


async def test_a_goodbye_that_is_cancelled_is_still_one() -> None:
    async with OddBroker({DISCONNECT: b""}) as broker:
        one = await connecting(broker)()
        assert isinstance(one, AiomqttConnection)
        for turns in range(4):
            closing = asyncio.create_task(one.close())
            for _ in range(turns):
                await asyncio.sleep(0)
            closing.cancel()
            await asyncio.gather(closing, return_exceptions=True)
            if turns:
                assert one._wire.ended.done()
        await one.close()


async def test_a_publish_that_is_cancelled_leaves_the_connection_as_it_was() -> None:
    async with OddBroker({PUBLISH: b""}) as broker, connected(connecting(broker)) as one:
        publishing = asyncio.create_task(one.publish("a", b"", qos=1))
        await asyncio.sleep(0.05)
        publishing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await publishing
        await one.subscribe("a")


async def test_a_broker_that_is_silent_is_asked_and_then_given_up() -> None:
    async with (
        OddBroker({PINGREQ: b""}) as broker,
        connected(replace(connecting(broker), keepalive=1)) as one,
    ):
        with pytest.raises(MqttLost, match="does not answer any more"):
            await one.receive()
        assert broker.heard == [CONNECT, PINGREQ]


async def test_a_broker_that_answers_when_it_is_asked_is_kept() -> None:
    async with OddBroker({}) as broker, connected(replace(connecting(broker), keepalive=1)) as one:
        while broker.heard.count(PINGREQ) < 2:
            await asyncio.sleep(0.05)
        await one.subscribe("a")


@pytest.mark.parametrize(
    "nonsense",
    [
        b"\x30\x05\x00\x03a\xffb",  # a topic that is no UTF-8
        b"\x30\xff\xff\xff\xff\xff",  # a length without end
        b"\x30\x04\x00\xffab",  # a topic longer than its packet
        b"\xf0\x00",  # a kind of packet that does not exist
        b"\x34\x06\x00\x01a\x00\x01b",  # QoS 2, which nobody subscribed to and paho would keep
    ],
)
async def test_nonsense_ends_the_connection_and_nothing_else(nonsense: bytes) -> None:
    complaints: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: complaints.append(context))
    async with OddBroker({}) as broker, connected(connecting(broker)) as one:
        broker.say(nonsense)
        with pytest.raises(MqttLost, match=r"sent what is no MQTT 3\.1\.1"):
            await one.receive()
    assert complaints == []


async def test_pieces_of_packets_are_put_together() -> None:
    payload = bytes(range(256)) * 3
    packet = b"\x30\x83\x06\x00\x01a" + payload
    async with OddBroker({}) as broker, connected(connecting(broker)) as one:
        for end in (1, 2, 3, 10, len(packet)):
            broker.say(packet[:end])
            await asyncio.sleep(0.01)
            packet = packet[end:]
        broker.say(b"\x30\x05\x00\x01abc" * 20)
        assert (await one.receive()).payload == payload
        assert [(await one.receive()).payload for _ in range(20)] == [b"bc"] * 20


async def test_a_packet_beyond_all_bounds_ends_the_connection_before_it_is_read() -> None:
    async with OddBroker({}) as broker, connected(connecting(broker)) as one:
        broker.say(b"\x30\xff\xff\xff\x7f\x00\x01a")  # 256 MB are announced
        with pytest.raises(MqttLost, match="is lost: message too long"):
            await one.receive()

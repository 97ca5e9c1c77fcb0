"""The connection over aiomqtt against brokers that nobody here wrote, on real sockets."""

from __future__ import annotations

import asyncio
import gc
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest

from gateway.transport import tls
from gateway.transport.mqtt import Connection, MqttLost, MqttMessage, MqttRefused, Will
from gateway.transport.mqtt_client import AiomqttConnect, AiomqttConnection
from gateway.transport.mqtt_session import Session
from tests.support.certificates import Authority
from tests.support.real_broker import EACH_KIND, RealBroker

#: Seconds for what takes milliseconds, on a busy machine.
PATIENCE = 60


def connecting(broker: RealBroker) -> AiomqttConnect:
    return AiomqttConnect("127.0.0.1", broker.port)


@asynccontextmanager
async def connected(connect: AiomqttConnect, *, will: Will | None = None) -> AsyncIterator[AiomqttConnection]:
    connection = await connect(will=will)
    assert isinstance(connection, AiomqttConnection)
    try:
        async with asyncio.timeout(PATIENCE):
            yield connection
    finally:
        await connection.close()


def break_off(connection: AiomqttConnection) -> None:
    """As a network that is gone: no goodbye of MQTT, only of TCP."""
    connection._client.cut()


async def test_messages_arrive_with_both_qualities(broker: RealBroker) -> None:
    connect = connecting(broker)
    async with connected(connect) as one, connected(connect) as two:
        await two.subscribe("t1/+/report", "t1/deep/#", qos=1)
        await one.publish("t1/a/report", b"zero")
        await one.publish("t1/a/report", b"one", qos=1)
        await one.publish("t1/other", b"unheard", qos=1)
        await one.publish("t1/deep/b/c", b"\xff\x00", qos=1)
        assert [await two.receive() for _ in range(3)] == [
            MqttMessage("t1/a/report", b"zero"),
            MqttMessage("t1/a/report", b"one"),
            MqttMessage("t1/deep/b/c", b"\xff\x00"),
        ]


async def test_retained_messages_are_kept_and_cleared(broker: RealBroker) -> None:
    connect = connecting(broker)
    async with connected(connect) as one:
        await one.publish("t2/state", b"1", qos=1, retain=True)
        await one.publish("t2/state", b"2", qos=1, retain=True)
        async with connected(connect) as two:
            await two.subscribe("t2/#")
            assert await two.receive() == MqttMessage("t2/state", b"2", retain=True)
        await one.publish("t2/state", b"", qos=1, retain=True)
        async with connected(connect) as three:
            await three.subscribe("t2/#")
            await one.publish("t2/end", b"end", qos=1)
            assert (await three.receive()).topic == "t2/end"


async def test_a_will_is_published_for_who_is_lost_and_for_nobody_else(broker: RealBroker) -> None:
    connect = connecting(broker)
    async with connected(connect) as watcher:
        await watcher.subscribe("t3/#", qos=1)
        async with connected(connect, will=Will("t3/polite", b"offline")):
            pass
        async with connected(connect, will=Will("t3/lost", b"offline")) as lost:
            break_off(lost)
            assert (await watcher.receive()) == MqttMessage("t3/lost", b"offline")
        async with connected(connect) as late:
            await late.subscribe("t3/#")
            assert await late.receive() == MqttMessage("t3/lost", b"offline", retain=True)
        await watcher.publish("t3/lost", b"", qos=1, retain=True)


async def test_a_large_payload_in_both_directions(broker: RealBroker) -> None:
    connect = connecting(broker)
    payload = os.urandom(200_000)
    async with connected(connect) as one:
        await one.subscribe("t4/large", qos=1)
        await one.publish("t4/large", payload, qos=1)
        assert (await one.receive()).payload == payload
        await one.publish("t4/large", payload)
        assert (await one.receive()).payload == payload


async def test_many_publishes_at_once_keep_their_order(broker: RealBroker) -> None:
    async with connected(connecting(broker)) as one:
        await one.subscribe("t5/many", qos=1)
        await asyncio.gather(*(one.publish("t5/many", b"%d" % number, qos=1) for number in range(150)))
        assert [int((await one.receive()).payload) for _ in range(150)] == list(range(150))


async def test_states_coalesce_while_nobody_reads(broker: RealBroker) -> None:
    connect = replace(connecting(broker), coalesces=lambda topic: topic == "t6/state")
    async with connected(connect) as reader, connected(connecting(broker)) as writer:
        await reader.subscribe("t6/#", qos=1)
        for number in range(50):
            await writer.publish("t6/state", b"%d" % number, qos=1)
        await writer.publish("t6/end", b"", qos=1)
        found = await reader.receive()
        while found.topic != "t6/end":
            last, found = found, await reader.receive()
        assert last.payload == b"49"


async def test_who_does_not_read_is_cut_and_told(broker: RealBroker) -> None:
    connect = connecting(broker)
    async with connected(connect) as slow, connected(connect) as writer:
        await slow.subscribe("t7/#", qos=1)
        slow._inbox._most_messages = 10
        for number in range(20):
            await writer.publish("t7/report", b"%d" % number, qos=1)
        await asyncio.wait({slow._wire.ended}, timeout=PATIENCE)
        assert slow._wire.ended.done()
        for call in (slow.receive(), slow.subscribe("t7/a"), slow.publish("t7/a", b"", qos=1)):
            with pytest.raises(MqttLost, match="more arrived"):
                await call


def open_files() -> int:
    """Without those that only wait to be collected, of whatever ran here before."""
    gc.collect()
    return len(os.listdir("/proc/self/fd"))


async def nothing_is_left(files: int, tasks: set[asyncio.Task[object]]) -> None:
    """As soon as the loop has come to it, there are the files and tasks of before."""
    async with asyncio.timeout(PATIENCE):
        while open_files() > files or asyncio.all_tasks() != tasks:
            await asyncio.sleep(0.01)


async def test_a_closed_connection_says_so_and_leaves_nothing(broker: RealBroker) -> None:
    open_before = open_files()
    tasks_before = asyncio.all_tasks()
    for _ in range(5):
        async with connected(connecting(broker)) as one:
            await one.subscribe("t8/#")
        await one.close()
        with pytest.raises(MqttLost, match="closed"):
            await one.receive()
        with pytest.raises(MqttLost, match="closed"):
            await one.publish("t8/a", b"")
    await nothing_is_left(open_before, tasks_before)


async def test_a_connect_that_is_cancelled_leaves_nothing(broker: RealBroker) -> None:
    open_before = open_files()
    tasks_before = asyncio.all_tasks()
    complaints: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: complaints.append(context))
    for turns in range(0, 24, 2):
        connecting_now = asyncio.ensure_future(connecting(broker)())
        for _ in range(turns):
            await asyncio.sleep(0.0005)
        connecting_now.cancel()
        (result,) = await asyncio.gather(connecting_now, return_exceptions=True)
        if isinstance(result, AiomqttConnection):
            await result.close()
    await nothing_is_left(open_before, tasks_before)
    assert complaints == []


@pytest.mark.parametrize("kind", EACH_KIND)
async def test_wrong_credentials_are_refused(kind: str, tmp_path: Path) -> None:
    with RealBroker(kind, tmp_path, credentials=("ana", "secret")) as broker:
        right = replace(connecting(broker), username="ana", password="secret")
        async with connected(right) as one:
            await one.publish("a", b"b", qos=1)
        for wrong in (replace(right, password="other"), connecting(broker)):
            with pytest.raises(MqttLost, match="credentials") as raised:
                await wrong()
            # rumqttd hangs up without an answer, so it may be something else.
            assert isinstance(raised.value, MqttRefused) is (kind != "rumqttd")
        assert "secret" not in repr(right)


@pytest.mark.parametrize("kind", EACH_KIND)
async def test_a_session_comes_back_when_its_broker_does(kind: str, tmp_path: Path) -> None:
    came: asyncio.Queue[MqttMessage] = asyncio.Queue()
    downs: list[str] = []

    async def attend(connection: Connection) -> None:
        await connection.subscribe("news", qos=1)
        await connection.publish("news", b"hello", qos=1)
        while True:
            came.put_nowait(await connection.receive())

    with RealBroker(kind, tmp_path) as broker:
        session = Session(
            connecting(broker),
            monotonic=asyncio.get_running_loop().time,
            chance=Random(1),
            on_down=downs.append,
        )
        running = asyncio.create_task(session.run(attend))
        async with asyncio.timeout(PATIENCE):
            assert (await came.get()).payload == b"hello"
            broker.kill()
            while not downs:
                await asyncio.sleep(0.01)
            broker.start()
            assert (await came.get()).payload == b"hello"
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    assert downs[0] == f"the broker at 127.0.0.1:{broker.port} closed the connection"


@pytest.mark.parametrize("kind", EACH_KIND)
async def test_over_tls_the_serial_is_the_name(kind: str, tmp_path: Path) -> None:
    maker, stranger = Authority(tmp_path), Authority(tmp_path, "Somebody Else")
    with RealBroker(kind, tmp_path, leaf=maker.printer("01P00A123")) as broker:
        right = replace(connecting(broker), context=tls.pinned(maker.file, "01P00A123"))
        async with connected(right) as one:
            await one.subscribe("a", qos=1)
            await one.publish("a", b"x" * 50_000, qos=1)
            assert (await one.receive()).payload == b"x" * 50_000
        for context, why in [
            (tls.pinned(maker.file, "01P00A999"), "made out to another name"),
            (tls.pinned(stranger.file, "01P00A123"), "signed by nobody that this gateway trusts"),
            (tls.verified(maker.file), "made out to another name"),
        ]:
            with pytest.raises(MqttLost, match=why):
                await replace(right, context=context)()
        with pytest.raises(MqttLost, match=r"hung up before it answered|does not answer"):
            await replace(connecting(broker), connect_seconds=2)()
        known = tls.FingerprintFile(tmp_path / "seen")
        for _ in range(2):
            async with connected(replace(right, context=tls.first_use(known))) as one:
                await one.publish("a", b"", qos=1)
        known.write("0" * 64)
        with pytest.raises(
            MqttLost, match=r"not the one of before: .* remove .*/seen and the new one is accepted"
        ):
            await replace(right, context=tls.first_use(known))()


async def test_an_answer_that_is_no_mqtt_and_a_plain_port_asked_for_tls(broker: RealBroker) -> None:
    with pytest.raises(MqttLost, match=r"speaks no TLS|does not answer|reset"):
        await replace(connecting(broker), context=tls.unchecked(), connect_seconds=2)()


async def test_nobody_is_there() -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        port = bound.getsockname()[1]
        with pytest.raises(
            MqttLost, match=f"the printer a1 at 127.0.0.1:{port} refuses the connection: nothing"
        ):
            await AiomqttConnect("127.0.0.1", port, who="the printer a1")()


async def test_a_name_that_nobody_knows() -> None:
    with pytest.raises(MqttLost, match=r"the name of the broker at printer\.invalid:1883 is unknown"):
        await AiomqttConnect("printer.invalid", 1883)()

"""When a connection is made anew, and what its user is told. Waits are within their jitter of a quarter."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from itertools import pairwise
from random import Random

import pytest

from gateway.transport.mqtt import Connection, MqttLost, MqttMessage, Will
from gateway.transport.mqtt_session import Session
from tests.support.memory_broker import MemoryBroker

Attend = Callable[[Connection], Awaitable[None]]


class Bench:
    """One session on one broker, and what it said."""

    def __init__(
        self, broker: MemoryBroker, *, seed: int = 1, password: str = "", will: Will | None = None
    ) -> None:
        self.loop = asyncio.get_running_loop()
        self.broker = broker
        self.downs: list[tuple[float, str]] = []
        self.session = Session(
            broker.connecting("gateway", username="bblp", password=password),
            monotonic=self.loop.time,
            chance=Random(seed),
            on_down=lambda why: self.downs.append((self.loop.time(), why)),
            will=will,
        )

    async def run(self, attend: Attend, seconds: float) -> None:
        """For so long, in a task of its own, as the gateway runs it."""
        running = asyncio.create_task(self.session.run(attend))
        await asyncio.sleep(seconds)
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running

    @property
    def waits(self) -> list[float]:
        """Seconds between the tries to connect."""
        times = [at for at, _ in self.broker.attempts]
        return [later - earlier for earlier, later in pairwise(times)]


async def read_on(connection: Connection) -> None:
    while True:
        await connection.receive()


def grows(waits: list[float], expected: list[float]) -> bool:
    return len(waits) >= len(expected) and all(
        0.75 * wanted <= wait <= 1.25 * wanted for wait, wanted in zip(waits, expected, strict=False)
    )


async def test_a_broker_that_is_away_is_asked_less_and_less_often() -> None:
    broker = MemoryBroker()
    broker.down()
    bench = Bench(broker)
    await bench.run(read_on, 200)
    assert grows(bench.waits, [1, 2, 4, 8, 16, 30, 30])
    assert {why for _, why in bench.downs} == {"nothing listens there"}
    assert len(bench.downs) == len(broker.attempts)


async def test_the_jitter_is_of_the_seed() -> None:
    async def waits(seed: int) -> list[float]:
        broker = MemoryBroker()
        broker.down()
        bench = Bench(broker, seed=seed)
        await bench.run(read_on, 100)
        return [round(wait, 6) for wait in bench.waits]

    assert await waits(1) == await waits(1)
    assert await waits(1) != await waits(2)


async def test_after_a_good_minute_the_first_wait_is_short_again() -> None:
    broker = MemoryBroker()
    broker.down()
    bench = Bench(broker)
    loop = bench.loop
    loop.call_later(100, broker.up)
    loop.call_later(250, broker.drop, "gateway")
    await bench.run(read_on, 300)
    before = [at for at, _ in broker.attempts if at < 250]
    after = [at for at, _ in broker.attempts if at > 250]
    assert before[-1] > 100
    assert len(after) == 1
    assert grows([after[0] - 250], [1])


async def test_connections_that_break_at_once_are_no_good_ones() -> None:
    broker = MemoryBroker()
    bench = Bench(broker)

    async def broken(_connection: Connection) -> None:
        broker.drop("gateway")
        await read_on(_connection)

    await bench.run(broken, 200)
    assert grows(bench.waits, [1, 2, 4, 8, 16, 30])


async def test_credentials_that_are_refused_are_tried_slowly() -> None:
    broker = MemoryBroker(credentials={"bblp": "12345678"})
    bench = Bench(broker, password="wrong")
    await bench.run(read_on, 4000)
    assert grows(bench.waits, [60, 120, 240, 480, 600, 600])
    assert all("refuses the user name or password" in why for _, why in bench.downs)


async def test_credentials_that_are_right_after_all_connect() -> None:
    broker = MemoryBroker(credentials={"bblp": "old"})
    bench = Bench(broker, password="new")
    bench.loop.call_later(30, broker.credentials.update, {"bblp": "new"})  # type: ignore[union-attr]
    came: list[Connection] = []

    async def note(connection: Connection) -> None:
        came.append(connection)
        await read_on(connection)

    await bench.run(note, 100)
    assert len(came) == 1


async def test_who_attends_may_ask_for_a_new_connection() -> None:
    broker = MemoryBroker()
    bench = Bench(broker)
    came: list[Connection] = []

    async def once(connection: Connection) -> None:
        came.append(connection)

    await bench.run(once, 2)
    assert len(came) == 2
    assert came[0] is not came[1]
    assert broker.connections == []
    assert bench.downs[0][1] == "the connection is made anew"
    with pytest.raises(MqttLost):
        await came[0].receive()


async def test_a_cancelled_session_says_goodbye() -> None:
    broker = MemoryBroker()
    bench = Bench(broker, will=Will("status", b"offline"))
    await bench.run(read_on, 10)
    assert broker.connections == []
    assert broker.traffic == []  # no will
    assert bench.downs == []


async def test_a_session_is_cancelled_while_it_connects() -> None:
    broker = MemoryBroker(latency=4)
    bench = Bench(broker)
    await bench.run(read_on, 6)
    assert broker.connections == []


async def test_a_lost_connection_leaves_its_will() -> None:
    broker = MemoryBroker()
    bench = Bench(broker, will=Will("status", b"offline"))
    bench.loop.call_later(5, broker.drop, "gateway")
    await bench.run(read_on, 5.5)
    assert broker.said("status") == [b"offline"]
    assert broker.retained["status"].payload == b"offline"


async def test_a_bug_is_no_lost_connection() -> None:
    broker = MemoryBroker()
    bench = Bench(broker)

    async def wrong(_connection: Connection) -> None:
        raise KeyError("a bug")

    with pytest.raises(KeyError, match="a bug"):
        await bench.session.run(wrong)
    assert broker.connections == []


async def in_a_group(*works: Awaitable[object]) -> None:
    async def one(work: Awaitable[object]) -> None:
        await work

    async with asyncio.TaskGroup() as group:
        for work in works:
            group.create_task(one(work))


async def test_a_group_of_losses_is_one() -> None:
    broker = MemoryBroker()
    bench = Bench(broker)
    bench.loop.call_later(5, broker.drop, "gateway")

    async def two(connection: Connection) -> None:
        await in_a_group(in_a_group(read_on(connection)), asyncio.sleep(1000))

    await bench.run(two, 10)
    assert bench.downs == [(5, "the connection broke")]
    assert len(broker.attempts) == 2


async def test_a_cancellation_at_the_moment_of_a_loss_ends_it() -> None:
    """Before Python 3.13 a TaskGroup forgets that it was cancelled when one of its tasks fails then."""
    bench = Bench(MemoryBroker())
    attended = asyncio.Event()

    async def loses() -> None:
        attended.set()
        try:
            await asyncio.sleep(1000)
        finally:
            raise MqttLost("gone at the same time")

    async def attend(_connection: Connection) -> None:
        await in_a_group(loses())

    running = asyncio.create_task(bench.session.run(attend))
    await attended.wait()
    running.cancel()
    await asyncio.wait({running}, timeout=1)
    assert running.cancelled()


async def test_a_bug_beside_a_loss_is_a_bug() -> None:
    broker = MemoryBroker()
    bench = Bench(broker)

    async def wrong() -> None:
        try:
            await asyncio.sleep(1000)
        finally:
            raise KeyError("a bug")

    async def two(connection: Connection) -> None:
        await in_a_group(read_on(connection), wrong())

    bench.loop.call_later(5, broker.drop, "gateway")
    with pytest.raises(BaseExceptionGroup) as raised:
        await bench.session.run(two)
    assert raised.group_contains(KeyError)
    assert not raised.group_contains(MqttLost)


async def test_what_arrives_is_attended() -> None:
    broker = MemoryBroker()
    bench = Bench(broker)
    broker.publish("status", b"online", retain=True)
    bench.loop.call_later(1, broker.publish, "report/1", b"hello")
    came: list[MqttMessage] = []

    async def read(connection: Connection) -> None:
        await connection.subscribe("status", "report/+")
        while True:
            came.append(await connection.receive())

    await bench.run(read, 5)
    assert came == [MqttMessage("status", b"online", retain=True), MqttMessage("report/1", b"hello")]

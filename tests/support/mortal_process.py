"""A process that dies between two of its own steps, seen from its ports: nothing it does afterwards is done.

Every deed of the process that somebody else could notice goes through a port here: commits, publishes,
uploads, what drivers tell the engine and the engine tells drivers. Before and behind each is a *step*; at one
of them the process may die. From there on its code may run on (it is cancelled a moment later), but each of
its ports waits for ever, or swallows.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from gateway.domain.job import Job
from gateway.domain.orders import Order
from gateway.domain.state import Draft
from gateway.drivers.routing import TakesOrders
from gateway.drivers.start_record import StartRecord
from gateway.engine.ports import Journal, StoredEvent
from gateway.transport.mqtt import Connection, ConnectMqtt, MqttMessage, Will
from gateway.transport.storage import Storage


class Life:
    """Of one process. `dies_at`: asked at each step with its number, from 1, and its name."""

    def __init__(self, dies_at: Callable[[int, str], bool] = lambda number, name: False) -> None:
        self._dies_at = dies_at
        self.steps: list[str] = []
        self.is_over = False
        self.died_at = ""
        self.ended = asyncio.Event()

    def begin_counting(self, dies_at: Callable[[int, str], bool]) -> None:
        """Steps are counted from here on."""
        self._dies_at = dies_at
        self.steps.clear()

    def passes(self, name: str) -> bool:
        """A step; False: the process is dead, and what comes behind it is not done."""
        if self.is_over:
            return False
        self.steps.append(name)
        if self._dies_at(len(self.steps), name):
            self.end(name)
        return not self.is_over

    def end(self, where: str = "") -> None:
        """It is dead."""
        self.is_over, self.died_at = True, where
        self.ended.set()

    async def step(self, name: str) -> None:
        """A step in a coroutine; a dead one goes no further."""
        if not self.passes(name):
            await _for_ever()


async def _for_ever() -> NoReturn:
    await asyncio.Event().wait()
    raise AssertionError("nobody sets it")


class MortalJournal:
    """engine.ports.Journal."""

    def __init__(self, journal: Journal, life: Life) -> None:
        self._journal = journal
        self._life = life

    def __getattr__(self, name: str) -> Any:
        return getattr(self._journal, name)

    async def commit(self, draft: Draft) -> Sequence[StoredEvent]:
        what = _what(draft)
        await self._life.step(f"before the commit of {what}")
        stored = await self._journal.commit(draft)
        await self._life.step(f"behind the commit of {what}")
        return stored

    async def save_progress(self, jobs: Sequence[Job], attempts: Sequence[Any]) -> None:
        if not self._life.is_over:
            await self._journal.save_progress(jobs, attempts)


def _what(draft: Draft) -> str:
    """The newest status of a job in it, else what kind of change it is."""
    statuses = [str(job.status.value) for job in draft.job_rows.values()]
    return statuses[-1] if statuses else "something else"


class MortalOrders:
    """engine.ports.Drivers."""

    def __init__(self, drivers: TakesOrders, life: Life) -> None:
        self._drivers = drivers
        self._life = life

    def submit(self, order: Order) -> None:
        name = type(order).__name__
        if self._life.passes(f"before the order {name}"):
            self._drivers.submit(order)
            self._life.passes(f"behind the order {name}")


class MortalStartRecord:
    """drivers.start_record.StartRecord."""

    def __init__(self, record: StartRecord, life: Life) -> None:
        self._record = record
        self._life = life

    async def preparing(self, key: str) -> None:
        await self._life.step("before the record says preparing")
        await self._record.preparing(key)
        await self._life.step("behind the record says preparing")

    async def sending(self, key: str) -> None:
        await self._life.step("before the record says sending")
        await self._record.sending(key)
        await self._life.step("behind the record says sending")

    def is_unsent(self, key: str) -> bool:
        return self._record.is_unsent(key)


class MortalStorage:
    """transport.storage.Storage."""

    def __init__(self, storage: Storage, life: Life) -> None:
        self._storage = storage
        self._life = life

    async def store(self, path: str, name: str, *, told: Callable[[int], None]) -> None:
        def on_the_way(count: int) -> None:
            if self._life.passes("in the middle of an upload"):
                told(count)

        await self._life.step("before an upload")
        await self._storage.store(path, name, told=on_the_way)
        await self._life.step("behind an upload")

    async def fetch(self, name: str, most_bytes: int) -> bytes:
        await self._life.step("before a download")
        return await self._storage.fetch(name, most_bytes)

    async def delete(self, name: str) -> None:
        await self._life.step("before a file is deleted")
        await self._storage.delete(name)


class MortalConnect:
    """transport.mqtt.ConnectMqtt. `is_start`: whether a payload starts a print."""

    def __init__(self, connect: ConnectMqtt, life: Life, is_start: Callable[[bytes], bool]) -> None:
        self._connect = connect
        self._life = life
        self._is_start = is_start

    async def __call__(self, *, will: Will | None = None) -> Connection:
        await self._life.step("before a connection")
        return _MortalConnection(await self._connect(will=will), self._life, self._is_start)


class _MortalConnection:
    def __init__(self, connection: Connection, life: Life, is_start: Callable[[bytes], bool]) -> None:
        self._connection = connection
        self._life = life
        self._is_start = is_start
        self._has_started = False  # a start was published: what is heard next may be its echo

    async def subscribe(self, *filters: str, qos: int = 0) -> None:
        await self._life.step("before a subscription")
        await self._connection.subscribe(*filters, qos=qos)

    async def publish(self, topic: str, payload: bytes, *, qos: int = 0, retain: bool = False) -> None:
        what = "the start" if self._is_start(payload) else "a question or command"
        await self._life.step(f"before the publish of {what}")
        self._has_started = self._has_started or self._is_start(payload)
        await self._connection.publish(topic, payload, qos=qos, retain=retain)
        await self._life.step(f"behind the publish of {what}")

    async def receive(self) -> MqttMessage:
        message = await self._connection.receive()
        if self._has_started:
            await self._life.step("before a message behind the start is read")
        elif self._life.is_over:
            await _for_ever()
        return message

    async def close(self) -> None:
        await self._connection.close()

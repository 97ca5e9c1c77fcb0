"""The round that workers share: nothing that is heard gets lost, slots are counted by every key, all ends."""

from __future__ import annotations

import asyncio

import pytest

from gateway.engine.ports import StoredEvent
from gateway.publish.hub import BUFFERED_EVENTS, Hub
from gateway.rounds import Rounds, Slots
from tests.support.stand import START


def event(seq: int, kind: str = "job-moved") -> StoredEvent:
    return StoredEvent(seq, kind, START, None, None, None, seq, {})


class Worker:
    """Notes what it hears and how often it looks."""

    def __init__(self) -> None:
        self.hub = Hub()
        self.heard: list[int] = []
        self.looks: list[bool] = []  # whether everything was to be looked at
        self.ended: list[str] = []
        self.rounds = Rounds("worker")

    def hear(self, one: StoredEvent) -> bool:
        self.heard.append(one.seq)
        return one.kind == "job-moved"

    async def look(self) -> float:
        self.looks.append(self.rounds.must_scan)
        self.rounds.must_scan = False
        return 60.0

    async def last(self, name: str) -> None:
        try:
            await asyncio.sleep(3600)
        finally:
            self.ended.append(name)

    async def settle(self) -> None:
        for _ in range(10):
            await asyncio.sleep(0)


@pytest.fixture
async def worker() -> Worker:
    return Worker()


async def test_it_looks_when_it_hears_and_after_lost_events_at_everything(worker: Worker) -> None:
    running = asyncio.create_task(worker.rounds.run(worker.hub.subscribe(), worker.hear, worker.look))
    await worker.settle()
    assert worker.looks == [True]
    worker.hub.publish([event(1), event(2, "key-created")], [])
    await worker.settle()
    assert (worker.looks, worker.heard) == ([True, False], [1, 2])
    worker.hub.publish([event(3, "key-created")], [])
    await worker.settle()
    assert len(worker.looks) == 2
    worker.hub.publish([event(number) for number in range(BUFFERED_EVENTS + 1)], [])
    await worker.settle()
    assert worker.looks == [True, False, True]
    worker.rounds.begin(worker.last("one"), "one")
    worker.rounds.begin(worker.last("two"), "two")
    await worker.settle()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert sorted(worker.ended) == ["one", "two"]
    assert worker.hub.listeners == 0


def test_slots_are_counted_by_every_key() -> None:
    slots = Slots(4, (2, 3), [("a.example", "ana")])
    assert slots.take("a.example", "ana")
    assert not slots.take("a.example", "ben")  # its host is full
    assert slots.take("b.example", "ana")
    assert not slots.take("c.example", "ana")  # it has three
    assert slots.take("c.example", "ben")
    assert not slots.take("d.example", "eve")  # all are taken

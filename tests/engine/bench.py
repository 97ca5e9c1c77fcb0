"""An engine on virtual time, with everything around it that it may touch."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import datetime

from gateway.domain.events import Event
from gateway.domain.orders import StartPrint
from gateway.domain.state import State
from gateway.engine.engine import TICK, Engine
from gateway.engine.ports import StoredEvent
from tests.support.stand import START, CountingIds, FakeDrivers, FakeFiles, MemoryJournal, house


class LoopClock:
    """Wall time that stands still, monotonic time of the (virtual) loop."""

    def wall(self) -> datetime:
        return START

    def monotonic(self) -> float:
        return 1000.0 + asyncio.get_running_loop().time()


class Audience:
    """Remembers what was published."""

    def __init__(self) -> None:
        self.heard: list[StoredEvent] = []
        self.fleeting: list[Event] = []

    def publish(self, events: Sequence[StoredEvent], fleeting: Sequence[Event]) -> None:
        self.heard += events
        self.fleeting += fleeting


class Bench:
    """An engine with everything around it that it may touch."""

    def __init__(self, state: State | None = None) -> None:
        self.journal = MemoryJournal(state or house())
        self.drivers = FakeDrivers()
        self.audience = Audience()
        self.engine = Engine(
            journal=self.journal,
            queries=self.journal,  # type: ignore[arg-type]
            drivers=self.drivers,
            files=FakeFiles(),  # type: ignore[arg-type]
            publisher=self.audience,
            clock=LoopClock(),
            ids=CountingIds(),
        )

    async def settle(self) -> None:
        """Until everything handed in has been decided."""
        await asyncio.sleep(TICK / 100)

    @property
    def key(self) -> str:
        [start] = self.drivers.of(StartPrint)
        assert isinstance(start, StartPrint)
        return start.key


async def running(bench: Bench) -> AsyncIterator[Bench]:
    await bench.engine.start()
    task = asyncio.create_task(bench.engine.run())
    yield bench
    bench.engine.stop()
    await task

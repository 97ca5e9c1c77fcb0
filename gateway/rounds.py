"""The round of a worker beside the engine: hear what was committed, look at what is due, sleep until it is.

    committed events --heard--> woken --+
    something it began has ended -------+--> look: begin what is due and has a slot --> seconds to sleep
    time -------------------------------+

Fetching files, telling apps' servers and running tasks share this shape, and how it ends: what was begun is
cancelled and waited for.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from typing import Any

from gateway.engine.ports import StoredEvent, Subscription


class Rounds:
    """One worker's round. `must_scan`: look at everything, at the start and when events were lost."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._woken = asyncio.Event()
        self._begun: set[asyncio.Task[None]] = set()
        self.must_scan = True

    async def run(
        self,
        events: Subscription,
        hear: Callable[[StoredEvent], bool],  # whether the event concerns it
        look: Callable[[], Awaitable[float]],  # seconds until it should look again, whatever happens
    ) -> None:
        """Go round until cancelled."""
        listening = asyncio.create_task(self._listen(events, hear), name=f"{self._name} listens")
        try:
            while True:
                self._woken.clear()
                seconds = await look()
                await self._wait(seconds)
        finally:
            begun = [listening, *self._begun]
            for task in begun:
                task.cancel()
            await asyncio.gather(*begun, return_exceptions=True)

    def begin(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        """Carry something out beside the round; `work` wakes it when it is done."""
        task = asyncio.create_task(work, name=name)
        self._begun.add(task)
        task.add_done_callback(self._begun.discard)
        return task

    def wake(self) -> None:
        """Look again soon."""
        self._woken.set()

    async def _listen(self, events: Subscription, hear: Callable[[StoredEvent], bool]) -> None:
        try:
            closed = False
            while not closed:
                heard = await events.take()
                closed = heard.closed
                self.must_scan = self.must_scan or heard.overflowed
                concerned = [hear(event) for event in heard.events]
                if any(concerned) or self.must_scan:
                    self._woken.set()
        finally:
            events.close()

    async def _wait(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._woken.wait()
        except TimeoutError:
            pass


class Slots:
    """How much more may begin: in all, and with the same host, for the same member, and so on.

    `limits`: of each key, in the order in which the keys of what is `busy` come.
    """

    def __init__(self, total: int, limits: tuple[int, ...], busy: Iterable[tuple[str, ...]]) -> None:
        self._total, self._limits = total, limits
        self._busy: Counter[tuple[int, str]] = Counter()
        self._taken = 0
        for keys in busy:
            self._count(keys)

    def take(self, *keys: str) -> bool:
        """Whether there is room for one more with these keys; then it is counted."""
        room = all(
            self._busy[place, key] < limit
            for place, (key, limit) in enumerate(zip(keys, self._limits, strict=True))
        )
        if not room or self._taken >= self._total:
            return False
        self._count(keys)
        return True

    def _count(self, keys: tuple[str, ...]) -> None:
        self._taken += 1
        self._busy.update(enumerate(keys))

"""Short reads, many at a time: a reading thread takes one after the other while there are any.

    loop      append a read; begin a round unless all threads are in one
    thread    take reads until none is left, put each outcome down, tell the loop of all it has not taken
    loop      take all outcomes

A call of an executor for each read would wake a thread and the loop once per read, and that costs as much as
reading a page of jobs does.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor
from typing import Any, Generic, TypeVar

C = TypeVar("C")
T = TypeVar("T")


class Reads(Generic[C]):
    """Reads that wait for one of `count` threads. `read(unit)` runs one on a connection of a thread's own."""

    def __init__(self, threads: Executor, count: int, read: Callable[[Callable[[C], Any]], Any]) -> None:
        self._threads = threads
        self._count = count
        self._read = read
        self._rounds = 0  # under way
        self._waiting: deque[tuple[Callable[[C], Any], asyncio.Future[Any]]] = deque()
        self._outcomes: deque[tuple[asyncio.Future[Any], Any, Exception | None]] = deque()
        self._is_told = False  # the loop will look at the outcomes

    async def run(self, unit: Callable[[C], T]) -> T:
        """What `unit` gives; raises what it raises. Of one event loop only."""
        loop = asyncio.get_running_loop()
        outcome: asyncio.Future[T] = loop.create_future()
        self._waiting.append((unit, outcome))
        self._begin(loop)
        return await outcome

    def _begin(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._waiting and self._rounds < self._count:
            made = loop.run_in_executor(self._threads, self._round, loop)
            self._rounds += 1
            made.add_done_callback(lambda _: self._ended(loop))

    def _ended(self, loop: asyncio.AbstractEventLoop) -> None:
        self._rounds -= 1
        self._begin(loop)  # for what came when the thread had just found nothing more

    def _round(self, loop: asyncio.AbstractEventLoop) -> None:
        while True:
            try:
                unit, outcome = self._waiting.popleft()
            except IndexError:
                return
            try:
                self._outcomes.append((outcome, self._read(unit), None))
            except Exception as error:
                self._outcomes.append((outcome, None, error))
            if not self._is_told:
                self._is_told = True
                loop.call_soon_threadsafe(self._deliver)

    def _deliver(self) -> None:
        self._is_told = False  # before looking: what is put down from now on is told anew
        while self._outcomes:
            outcome, found, error = self._outcomes.popleft()
            if outcome.done():
                continue  # whoever asked has gone
            if error is None:
                outcome.set_result(found)
            else:
                outcome.set_exception(error)

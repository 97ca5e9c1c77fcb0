"""One try of a task, as its kind sees it: how to tell how far it is, where to block, when to give up."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from gateway.domain.task import Task, TaskFile

T = TypeVar("T")


class GivenUp(Exception):
    """The try is not wanted any more: raised between two pieces of blocking work."""


class TaskFailed(Exception):
    """The task cannot be done. The text says why and what to do, for people."""

    def __init__(self, error: str, *, is_passing: bool = False) -> None:
        super().__init__(error)
        self.is_passing = is_passing  # another try may succeed


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a try made. `file` is in the file store already."""

    result: Mapping[str, Any] | None = None
    file: TaskFile | None = None


@dataclass(frozen=True, slots=True)
class Reached:
    """How far a try is, in its kind's unit."""

    value: int = 0
    total: int | None = None  # None: not known
    message: str | None = None


class Work:
    """What the pool gives to a kind with each try."""

    def __init__(self, threads: Executor) -> None:
        self._threads = threads
        self._stop = threading.Event()
        self.reached = Reached()

    def at(self, value: int, total: int | None = None, message: str | None = None) -> None:
        """How far it is; from any thread, as often as one likes. Raises GivenUp."""
        self.reached = Reached(value, total, message)
        self.go_on()

    def go_on(self) -> None:
        """Call it between two pieces of blocking work, twice a second at least. Raises GivenUp."""
        if self._stop.is_set():
            raise GivenUp

    async def blocking(self, step: Callable[..., T], *arguments: Any) -> T:
        """Run what blocks in a thread of the pool. It has ended when this returns or raises."""
        running = asyncio.get_running_loop().run_in_executor(self._threads, step, *arguments)
        try:
            return await asyncio.shield(running)
        except asyncio.CancelledError:
            self._stop.set()
            while not running.done():
                try:
                    await asyncio.wait({running})
                except asyncio.CancelledError:
                    continue
            running.exception()  # whatever it is, nobody wants it
            raise


class Kind(Protocol):
    """How the tasks of one kind are done. A try that is given up leaves nothing behind."""

    async def run(self, task: Task, work: Work) -> Outcome:
        """One try. Raises TaskFailed, StoreUnavailable (another try may succeed); anything else is a bug."""

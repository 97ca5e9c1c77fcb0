"""An asyncio event loop on virtual time: a week of sleep takes no time, and the same run is the same run.

A SelectorEventLoop whose selector polls the real file descriptors without waiting and, when none is ready,
jumps to the next timer. Three things end a run that would never end: no timer and nothing ready (`Deadlock`),
and the two budgets, virtual seconds and steps (`OutOfBudget`) - virtual time never runs out by itself, and a
loop that spins without time passing would spin for ever.

    with asyncio.Runner(loop_factory=VirtualLoop) as runner: runner.run(main())
"""

from __future__ import annotations

import asyncio
import selectors
import time
from collections.abc import Callable, Mapping
from typing import Any

DEFAULT_MAX_SECONDS = 400 * 24 * 3600.0
"""Virtual seconds a loop may live: more than a year of them is a run that does not end."""
DEFAULT_MAX_STEPS = 5_000_000
"""Turns of the loop, about a minute of real time."""
GRACE_SECONDS = 0.0002
"""Real time a byte in flight over loopback gets before the clock jumps, tried twice."""
FOREIGN_PATIENCE_SECONDS = 1.0
"""Real time to wait for real descriptors when there is no timer left, before calling it a deadlock."""


class Deadlock(RuntimeError):
    """Nothing is ready and no timer is set: the program would wait for ever."""


class OutOfBudget(RuntimeError):
    """The run used up its virtual seconds or its steps."""


class _JumpingSelector(selectors.BaseSelector):
    """Polls a real selector; where asyncio would block, virtual time passes instead."""

    def __init__(self, loop: VirtualLoop) -> None:
        self._loop = loop
        self._real = selectors.DefaultSelector()
        self._own_pipe: set[int] = set()

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        self._loop.spend_step()
        events = self._real.select(0)
        if events or (timeout is not None and timeout <= 0):
            return events
        if self._has_real_descriptors():
            events = self._linger(GRACE_SECONDS if timeout is not None else FOREIGN_PATIENCE_SECONDS)
            if events:
                return events
        if timeout is None:
            raise Deadlock("no timer is set and no descriptor is ready: everything waits for something else")
        self._loop.advance(timeout)
        return []

    def adopt_self_pipe(self, fd: int) -> None:
        """The loop's own wake-up pipe does not count as a real descriptor."""
        self._own_pipe.add(fd)

    def _has_real_descriptors(self) -> bool:
        return any(fd not in self._own_pipe for fd in self._real.get_map())

    def _linger(self, seconds: float) -> list[tuple[selectors.SelectorKey, int]]:
        until = time.monotonic() + 2 * seconds
        while time.monotonic() < until:
            time.sleep(min(seconds, 0.001))
            if events := self._real.select(0):
                return events
        return []

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        return self._real.register(fileobj, events, data)

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        return self._real.unregister(fileobj)

    def modify(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        return self._real.modify(fileobj, events, data)

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        return self._real.get_map()

    def close(self) -> None:
        self._real.close()


class VirtualLoop(asyncio.SelectorEventLoop):
    """Drop-in loop; `time()` starts at 0. Raises Deadlock and OutOfBudget out of `run_until_complete`."""

    def __init__(
        self, *, max_seconds: float = DEFAULT_MAX_SECONDS, max_steps: int = DEFAULT_MAX_STEPS
    ) -> None:
        self._virtual_now = 0.0
        self._seconds_left = max_seconds
        self._steps_left = max_steps
        selector = _JumpingSelector(self)
        super().__init__(selector)
        for fd in list(selector.get_map()):
            selector.adopt_self_pipe(fd)

    def time(self) -> float:
        """Virtual seconds since the loop was made."""
        return self._virtual_now

    def advance(self, seconds: float) -> None:
        """Let virtual time pass; called by the selector in place of sleeping."""
        self._seconds_left -= seconds
        if self._seconds_left < 0.0:
            self._refill()
            raise OutOfBudget(f"the virtual seconds are used up at {self._virtual_now:.3f} s")
        self._virtual_now += seconds

    def spend_step(self) -> None:
        """Count one turn of the loop."""
        self._steps_left -= 1
        if self._steps_left < 0:
            self._refill()
            raise OutOfBudget(f"the steps are used up at {self._virtual_now:.3f} s of virtual time")

    def run_in_executor(self, _executor: Any, func: Callable[..., Any], *args: Any) -> asyncio.Future[Any]:  # type: ignore[override]
        """Run `func` here and now: SQLite and files become deterministic."""
        future: asyncio.Future[Any] = self.create_future()
        try:
            future.set_result(func(*args))
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as error:  # handed on, as an executor would
            future.set_exception(error)
        return future

    def _refill(self) -> None:
        """After the error is out, the loop needs a little more life to cancel and close what it runs."""
        self._seconds_left, self._steps_left = 3600.0, 100_000

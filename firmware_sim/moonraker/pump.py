"""Turns the crank of a Moonraker machine on an asyncio loop: one timer, and a queue of what it publishes.

Machine time is `speed` times the loop's time since the pump was made.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from firmware_sim.moonraker.printer import MoonrakerPrinter, Publish

SHORTEST_SLEEP_SECONDS = 0.001
"""Real time between two wake-ups by the timer, so that a high speed never becomes a busy loop."""
MOST_UNSENT = 10_000
"""Messages that wait for a slow broker; what comes behind is lost, as with Moonraker's full queue."""


class MachinePump:
    """One machine, kept alive. `said`: what is to be published, in order."""

    def __init__(self, printer: MoonrakerPrinter, *, speed: float = 1.0) -> None:
        if not speed > 0.0:
            raise ValueError(f"speed must be more than 0, not {speed}")
        self.printer, self.speed = printer, speed
        self.said: asyncio.Queue[Publish] = asyncio.Queue(MOST_UNSENT)
        self.turned = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._began = self._loop.time()
        self._timer: asyncio.TimerHandle | None = None

    def now(self) -> float:
        """Machine seconds."""
        return (self._loop.time() - self._began) * self.speed

    def act(self, verb: Callable[..., Any], *arguments: Any) -> Any:
        """A verb of the machine whose last argument is `now`, at this instant."""
        outcome = verb(*arguments, self.now())
        self.turn()
        return outcome

    def turn(self) -> None:
        """Live, hand over, set the timer."""
        for message in self.printer.poll(self.now()):
            if not self.said.full():
                self.said.put_nowait(message)
        self.turned.set()
        self.stop()
        deadline = self.printer.next_deadline()
        if deadline is not None:
            delay = max((deadline - self.now()) / self.speed, SHORTEST_SLEEP_SECONDS)
            self._timer = self._loop.call_later(delay, self.turn)

    def stop(self) -> None:
        """No more wake-ups."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

"""Turns the crank of a board on an asyncio loop: bytes in, bytes out, one timer.

Machine time is `speed` times the loop's time since the pump was made. Works on a real loop and on a
VirtualLoop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from firmware_sim.machine.board import Board
from firmware_sim.wire.link import Link, Talker

SHORTEST_SLEEP_SECONDS = 0.001
"""Real time between two wake-ups by the timer, so that a high speed never becomes a busy loop."""


class Pump:
    """One board, kept alive. `write` takes what the machine says; it must not block.

    link: the cable between, if it has a rate or a latency.
    """

    def __init__(
        self,
        board: Board,
        write: Callable[[bytes], None],
        *,
        speed: float = 1.0,
        loop: asyncio.AbstractEventLoop | None = None,
        link: Link | None = None,
    ) -> None:
        if not speed > 0.0:
            raise ValueError(f"speed must be more than 0, not {speed}")
        self.board = board
        self.link = link
        self._talker: Talker = board if link is None else link
        self._write = write
        self._speed = speed
        self._loop = loop if loop is not None else asyncio.get_running_loop()
        self._began = self._loop.time()
        self._timer: asyncio.TimerHandle | None = None
        self.on_room: Callable[[], None] | None = None

    def now(self) -> float:
        """Machine seconds."""
        return (self._loop.time() - self._began) * self._speed

    def feed(self, data: bytes) -> None:
        """Bytes from the host; answers that are due at once are written before this returns."""
        self._talker.receive(data, self.now())
        self.turn()

    def turn(self) -> None:
        """Poll, write, set the timer. Call it after anything that was done to the board from outside."""
        out = self._talker.poll(self.now())
        if out:
            self._write(out)
        self._set_timer()
        if self.on_room is not None:
            self.on_room()

    def rx_free(self) -> int | None:
        """Bytes that may be read from the host now; None: as many as there are."""
        return self._talker.rx_free()

    def stop(self) -> None:
        """No more wake-ups."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _set_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        deadline = self._talker.next_deadline()
        if deadline is not None:
            delay = max((deadline - self.now()) / self._speed, SHORTEST_SLEEP_SECONDS)
            self._timer = self._loop.call_later(delay, self.turn)

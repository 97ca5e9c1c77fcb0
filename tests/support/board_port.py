"""A simulated board behind a gateway port, on a virtual-time loop.

Faults are the board's own: `Board(..., faults=RandomPlan(seed, rates))`, or `board.faults.arm(...)`; those of
the cable (`unplug`, `port-busy`) work here. With `link=Link(board, baud=115200)` bytes take their time, and
`link.host_baud` is the rate that the host has set.
"""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import Callable

from firmware_sim.machine.board import Board
from firmware_sim.wire.link import Link, Talker
from gateway.transport.port import Port, PortListener, PortUnavailable

#: Seconds a byte takes between the two: a USB round trip takes about a millisecond.
WIRE_SECONDS = 0.0005


class BoardPort:
    """One open connection to a board. `cable` may spoil what is written."""

    def __init__(self, wire: BoardWire, listener: PortListener) -> None:
        self._wire = wire
        self._listener = listener
        self._is_open = True
        self.written = bytearray()

    @property
    def unsent(self) -> int:
        return 0

    def write(self, data: bytes) -> None:
        if self._is_open:
            self.written += data
            self._wire.carry(data)

    def close(self) -> None:
        self._is_open = False

    def deliver(self, data: bytes) -> None:
        if self._is_open:
            self._listener.bytes_received(data)

    def lose(self, reason: str) -> None:
        if self._is_open:
            self._is_open = False
            self._listener.port_lost(reason)


class BoardWire:
    """The cable: opens ports to one board, and can be pulled out and put back."""

    def __init__(
        self,
        board: Board,
        *,
        spoil: Callable[[bytes], bytes] = lambda data: data,
        resets_on_open: bool = False,
        link: Link | None = None,
    ) -> None:
        self.board = board
        self.board.faults.cable = self
        self.link = link
        self._talker: Talker = board if link is None else link
        self.spoil = spoil
        self.resets_on_open = resets_on_open
        self.is_plugged = True
        self.is_busy = False
        self.devices = 1
        """How many names the printer has had: one more with each `unplug-and-return`."""
        self.port: BoardPort | None = None
        self.opened = 0
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        # A loop may call timers of one instant in any order; a cable does not.
        self._to_board: deque[bytes] = deque()
        self._to_host: deque[tuple[BoardPort, bytes]] = deque()

    @property
    def now(self) -> float:
        """Machine seconds: those of the loop."""
        return self._loop.time()

    async def open(self, listener: PortListener) -> Port:
        """A PortOpener."""
        if not self.is_plugged:
            raise PortUnavailable("There is no printer at this port. Check its cable and whether it is on.")
        if self.is_busy:
            raise PortUnavailable("Another program uses this port. Close it.")
        self.opened += 1
        self.port = BoardPort(self, listener)
        if self.resets_on_open:
            self.board.reset(self.now)
        self.turn()
        return self.port

    def unplug(self, seconds: float = math.inf, *, elsewhere: bool = False) -> None:
        """Pull the cable, for `seconds` or until `plug`; the board lives on."""
        self.is_plugged = False
        self.devices += elsewhere
        if self.link is not None:
            self.link.forget()
        if seconds < math.inf:
            self._loop.call_later(seconds, self.plug)
        if self.port is not None:
            self.port.lose("The cable was pulled.")

    def plug(self) -> None:
        """Put it back."""
        self.is_plugged = True

    def block(self, seconds: float) -> None:
        """Somebody else opens the port: nobody can for so long."""
        self.is_busy = True
        self._loop.call_later(seconds, self._unblock)

    def _unblock(self) -> None:
        self.is_busy = False

    def carry(self, data: bytes) -> None:
        """Bytes on their way to the board."""
        self._to_board.append(self.spoil(data))
        self._loop.call_later(WIRE_SECONDS, self._arrive)

    def _arrive(self) -> None:
        self._talker.receive(self._to_board.popleft(), self.now)
        self.turn()

    def _deliver(self) -> None:
        port, data = self._to_host.popleft()
        port.deliver(data)

    def turn(self) -> None:
        """Let the board live up to now; call it after doing something to the board from outside."""
        out = self._talker.poll(self.now)
        if out and self.port is not None:
            self._to_host.append((self.port, out))
            self._loop.call_later(WIRE_SECONDS, self._deliver)
        due = self._talker.next_deadline()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if due is not None:
            self._timer = self._loop.call_later(max(0.0, due - self.now), self.turn)

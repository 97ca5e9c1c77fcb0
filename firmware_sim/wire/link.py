"""The cable between a host and a board: two directions that take their time.

A `Link` has the verbs of a board (`receive`, `poll`, `next_deadline`, `rx_free`), so whatever joins a host to
a board joins it to a link as well: `MemoryLink` in a `World`, the pump of the endpoints, a test's own port.
Faults lie at the board's end (`board.faults`); the link knows rates and latency.

    Link(board, baud=115200)                 # 10 bits a byte, in both directions
    Link(board, baud=250000, latency=0.004)  # and 4 ms on top, as behind a USB adapter

Whole lines are handed to the board when their last byte has passed. A receive buffer that overflows is the
board's (`rx_overflow`, `rx_buffer` of its personality).
"""

from __future__ import annotations

import re
from collections import deque
from typing import TYPE_CHECKING, Protocol

from firmware_sim.wire.uart import Pacer, garble

if TYPE_CHECKING:
    from firmware_sim.machine.board import Board

_PIECES = re.compile(rb"[^\n]*\n|[^\n]+")


class Talker(Protocol):
    """What an endpoint needs of a board or of a link to it; times in machine seconds."""

    def receive(self, data: bytes, now: float) -> None:
        """Bytes from the host."""

    def poll(self, now: float) -> bytes:
        """Live up to `now`; what has reached the host since the last poll."""

    def next_deadline(self) -> float | None:
        """When polling brings something again; None when only the host can change that."""

    def rx_free(self) -> int | None:
        """Bytes that may be sent before the host should be held off; None: nobody holds it off."""


class Link:
    """One cable. `baud` of the board, 0 for USB without a rate; `latency` seconds each way on top."""

    def __init__(self, board: Board, *, baud: int = 0, latency: float = 0.0) -> None:
        self.board = board
        self.baud = baud
        self.host_baud = baud
        """What the host has set; another rate than the board's turns every byte into garbage."""
        self._latency = latency
        self._up, self._down = Pacer(baud), Pacer(baud)
        self._to_board: deque[tuple[float, bytes]] = deque()
        self._to_host: deque[tuple[float, bytes]] = deque()
        self._under_way = 0

    def receive(self, data: bytes, now: float) -> None:
        """The host writes."""
        if self._mismatched():
            data = garble(data, self.host_baud, self.baud)
        for piece in _PIECES.findall(data):
            at = self._up.passed_at(len(piece), now) + self._latency
            self._to_board.append((at, piece))
            self._under_way += len(piece)

    def poll(self, now: float) -> bytes:
        """What has reached the host by `now`."""
        while self._to_board and self._to_board[0][0] <= now:
            at, piece = self._to_board.popleft()
            self._under_way -= len(piece)
            self.board.receive(piece, at)
            self._say(self.board.poll(at), at)
        self._say(self.board.poll(now), now)
        arrived = b""
        while self._to_host and self._to_host[0][0] <= now:
            arrived += self._to_host.popleft()[1]
        return arrived

    def next_deadline(self) -> float | None:
        """The next arrival at either end, or what the board has planned."""
        dues = [queue[0][0] for queue in (self._to_board, self._to_host) if queue]
        if (due := self.board.next_deadline()) is not None:
            dues.append(due)
        return min(dues, default=None)

    def rx_free(self) -> int | None:
        """The board's word, less what is under way to it."""
        free = self.board.rx_free()
        return None if free is None else max(0, free - self._under_way)

    def forget(self) -> None:
        """Pulled out: what was under way is gone."""
        self._to_board.clear()
        self._to_host.clear()
        self._under_way = 0

    def _say(self, data: bytes, now: float) -> None:
        if self._mismatched():
            data = garble(data, self.baud, self.host_baud)
        for piece in _PIECES.findall(data):
            self._to_host.append((self._down.passed_at(len(piece), now) + self._latency, piece))

    def _mismatched(self) -> bool:
        return bool(self.baud) and self.host_baud != self.baud

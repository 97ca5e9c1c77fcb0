"""One client's place at the printer: what waits to be sent to it, and what it is denied."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field

MOST_WAITING = 1000
"""Reports that a client has not taken: then the printer hangs up. An hour's worth of changes."""


@dataclass(eq=False, slots=True)
class Seat:
    """`lost`: why the printer closed the connection; the wire takes it from there."""

    client_id: str
    is_listening: bool = False
    waiting: deque[bytes] = field(default_factory=deque)
    lost: str | None = None
    is_deaf: bool = False
    """Commands vanish here (a half-dead session)."""
    no_full_until: float = -math.inf

    def offer(self, payload: bytes, *, is_full: bool, now: float) -> None:
        """A report for whoever listens."""
        if not self.is_listening or self.lost is not None or (is_full and now < self.no_full_until):
            return
        self.waiting.append(payload)
        if len(self.waiting) > MOST_WAITING:
            self.cut("the client takes nothing")

    def take(self) -> list[bytes]:
        """What is to be sent to the client now, in order."""
        taken = list(self.waiting)
        self.waiting.clear()
        return taken

    def cut(self, why: str) -> None:
        """The connection is closed by the printer; what waited is lost."""
        self.lost = self.lost or why
        self.waiting.clear()

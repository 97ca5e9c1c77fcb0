"""What the board has said and nobody has taken yet.

With a latency (a USB bridge that waits for more before it sends) every line becomes readable so much later,
in the order it was said.
"""

from __future__ import annotations

import math
from collections import deque


class Outbox:
    """`latency` in seconds; 0: readable at once."""

    def __init__(self, latency: float) -> None:
        self._latency = latency
        self._ready = bytearray()
        self._late: deque[tuple[float, bytes]] = deque()

    def put(self, data: bytes, now: float) -> None:
        """Said at `now`."""
        if self._latency:
            self._late.append((now + self._latency, data))
        else:
            self._ready += data

    def take(self, now: float) -> bytes:
        """Everything readable at `now`."""
        late = self._late
        while late and late[0][0] <= now:
            self._ready += late.popleft()[1]
        out = bytes(self._ready)
        self._ready.clear()
        return out

    def next_due(self) -> float:
        """When something is readable: minus infinity for now, infinity for nothing."""
        if self._ready:
            return -math.inf
        return self._late[0][0] if self._late else math.inf

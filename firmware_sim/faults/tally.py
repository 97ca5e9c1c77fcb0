"""Counting occasions: which of the armed faults strikes at the n-th byte, ok, line."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from firmware_sim.faults.catalogue import Fault


@dataclass(slots=True)
class Armed:
    """A fault that strikes when the count reaches `due`: `left` times in a row, or for ever by `gap`."""

    fault: Fault
    due: int
    left: int = 1
    gap: Callable[[], float] | None = None


class Tally:
    """One kind of occasion. `next`: the count at which a fault strikes next, infinity if none is armed."""

    def __init__(self) -> None:
        self.count = 0
        self.next = math.inf
        self._armed: list[Armed] = []

    def arm(self, armed: Armed) -> None:
        """Add a fault; one that is due already strikes at the next occasion."""
        armed.due = max(armed.due, self.count + 1)
        self._armed.append(armed)
        self.next = min(self.next, armed.due)

    def pass_by(self, occasions: int = 1) -> list[tuple[int, Fault]]:
        """Count `occasions`; which of them (0 is the first) are struck, and by what, in order."""
        before = self.count
        self.count += occasions
        struck: list[tuple[int, Fault]] = []
        while self.next <= self.count:
            armed = min(self._armed, key=lambda one: one.due)
            struck.append((armed.due - before - 1, armed.fault))
            self._after_strike(armed)
        return struck

    def _after_strike(self, armed: Armed) -> None:
        if armed.gap is not None:
            armed.due += max(1, round(armed.gap()))
        else:
            armed.left -= 1
            armed.due += 1
            if armed.left <= 0:
                self._armed.remove(armed)
        self.next = min((one.due for one in self._armed), default=math.inf)

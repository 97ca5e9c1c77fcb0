"""Lets through what a driver tells, but not a flood: each snapshot is decided upon, and changes are stored.

A snapshot says all that is known, so of those that come too fast the newest is enough; a doubt about the
plate, which is said once, goes over to it. Answers are never kept, and what was seen before an answer is told
before it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from gateway.domain.observations import OrderAnswered, OrderProgressed, PrinterObserved

#: Snapshots that may come at once: those of a start with all its answers are a dozen.
AT_ONCE: Final = 40
#: Seconds for one more: printers tell something new once or twice a second.
EACH_SECONDS: Final = 0.25

Fact = PrinterObserved | OrderAnswered | OrderProgressed


class Paced:
    """One printer's; `tell` gets what is let through. Used inside the loop."""

    def __init__(self, tell: Callable[[Fact], None], monotonic: Callable[[], float]) -> None:
        self._tell = tell
        self._monotonic = monotonic
        self._until = 0.0  # monotonic seconds when AT_ONCE are possible again
        self._kept: PrinterObserved | None = None
        self._timer: asyncio.TimerHandle | None = None

    def hear(self, fact: Fact) -> None:
        """Tell it, now or as soon as is decent."""
        if not isinstance(fact, PrinterObserved):
            self._tell_kept()
            self._tell(fact)
        elif self._timer is not None:
            doubts = self._kept is not None and self._kept.doubts_plate  # said once, and not lost with it
            self._kept = replace(fact, doubts_plate=True) if doubts else fact
        else:
            self._tell_at_once(fact)

    def close(self) -> None:
        """Nothing is told any more of what was kept."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer, self._kept = None, None

    def _tell_at_once(self, fact: PrinterObserved) -> None:
        now = self._monotonic()
        self._until = max(now, self._until) + EACH_SECONDS
        if self._until > now + AT_ONCE * EACH_SECONDS:
            self._timer = asyncio.get_running_loop().call_later(EACH_SECONDS, self._due)
        self._tell(fact)

    def _due(self) -> None:
        self._timer = None
        self._tell_kept()

    def _tell_kept(self) -> None:
        kept, self._kept = self._kept, None
        if kept is None:
            return
        if self._timer is not None:
            self._tell(kept)
        else:
            self._tell_at_once(kept)

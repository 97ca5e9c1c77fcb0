"""Whether a printer is still there, and when to ask it for its full state.

    what                                   then
    connected                              ask; no full state within FULL_SECONDS: connect anew
    silent for SILENT_SECONDS              ask; still silent after ASK_SECONDS: connect anew
    the last full state is REFRESH old     ask: a change that the printer did not send would stay unknown
    a command without a reply              connect anew: there are sessions that tell and do not listen

P1 and A1 are slow: they are not asked more often than every 5 minutes while they tell.
"""

from __future__ import annotations

import math
from enum import Enum
from typing import Final

#: Seconds without a report; the longest pause recorded on an A1 was 32.
SILENT_SECONDS: Final = 60.0
#: Seconds for an answer of a printer that fell silent.
ASK_SECONDS: Final = 15.0
#: Seconds for the first full state.
FULL_SECONDS: Final = 60.0
#: Seconds between two full states, as Bambu's own clients ask for them.
REFRESH_SECONDS: Final = 300.0


class Act(Enum):
    """What is to be done."""

    NOTHING = "nothing"
    ASK = "ask for the full state"
    RECONNECT = "connect anew"


class Liveness:
    """One connection at a time. `now` is monotonic seconds."""

    def __init__(self) -> None:
        self._silent_at = self._full_at = math.inf
        self._is_asked = False

    @property
    def deadline(self) -> float:
        """When `wake` has something to do; infinite: there is no connection."""
        return min(self._silent_at, self._full_at)

    def connected(self, now: float) -> None:
        """It was asked for its full state just now."""
        self._full_at, self._silent_at, self._is_asked = now + FULL_SECONDS, math.inf, True

    def lost(self) -> None:
        """There is no connection."""
        self._full_at = self._silent_at = math.inf

    def heard(self, now: float, *, is_full: bool) -> None:
        """A report came."""
        self._silent_at = now + SILENT_SECONDS
        if is_full:
            self._full_at = now + REFRESH_SECONDS
        if is_full or self._full_at > now + FULL_SECONDS:
            self._is_asked = False

    def wake(self, now: float) -> Act:
        """Time has passed."""
        if now < self.deadline:
            return Act.NOTHING
        if self._is_asked:
            return Act.RECONNECT
        self._is_asked = True
        if now >= self._silent_at:
            self._silent_at = now + ASK_SECONDS
        self._full_at = max(self._full_at, now + FULL_SECONDS)
        return Act.ASK

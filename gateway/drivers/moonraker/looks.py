"""Orders that wait for one fresh answer of the machine before they go out. `now` is monotonic seconds.

What was heard last may be some seconds old, and somebody may have begun a print since then.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from gateway.drivers.moonraker.watch import Watch

#: Seconds for the fresh answer: two polls.
CHECK_SECONDS: Final = 12.0

#: Told whether the machine has answered, and the time.
Then = Callable[[bool, float], None]


@dataclass(frozen=True, slots=True)
class _Waiting:
    ticket: int  # an answer to a question behind this one is fresh
    deadline: float
    then: Then


class Looks:
    """One printer's."""

    def __init__(self, watch: Watch) -> None:
        self._watch = watch
        self._waiting: list[_Waiting] = []

    def begin(self, then: Then, now: float) -> None:
        """Ask the machine how it stands, and call `then`, once."""
        self._waiting.append(_Waiting(self._watch.ticket(), now + CHECK_SECONDS, then))
        self._watch.poll(now)

    def turn(self, now: float, *, is_up: bool) -> None:
        """Something happened, or time has passed."""
        waiting, self._waiting = self._waiting, []
        for each in waiting:
            is_told = is_up and self._watch.known_ticket > each.ticket
            if is_told or not is_up or now >= each.deadline:
                each.then(is_told, now)
            else:
                self._waiting.append(each)

    def next_deadline(self) -> float:
        """When `turn` has something to do; infinite: never."""
        return min((each.deadline for each in self._waiting), default=math.inf)

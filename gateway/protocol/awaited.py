"""What was asked and not answered yet: by a key that the answer repeats, each with a deadline. No clock.

Bambu's printers repeat `sequence_id`, Moonraker repeats JSON-RPC's `id`. Answers come in any order; an answer
that nobody waits for is somebody else's.
"""

from __future__ import annotations

import math
from typing import Final, Generic, TypeVar

W = TypeVar("W")

#: Questions without an answer to one printer: people press a button again, nobody presses it a hundred times.
MOST: Final = 64


class TooManyAwaited(Exception):
    """The printer answers none of so many questions: it is not there."""


class Awaited(Generic[W]):
    """`W` is what is known of a question until its answer comes."""

    def __init__(self) -> None:
        self._open: dict[str, tuple[float, W]] = {}

    def __len__(self) -> int:
        return len(self._open)

    def expect(self, key: str, what: W, deadline: float) -> None:
        """From now on an answer to `key` is awaited, until monotonic `deadline`. Raises TooManyAwaited."""
        if len(self._open) >= MOST and key not in self._open:
            raise TooManyAwaited(f"{MOST} questions are without an answer")
        self._open[key] = (deadline, what)

    def heard(self, key: str) -> W | None:
        """The question that this answers, which is open no more; None: nobody here asked."""
        found = self._open.pop(key, None)
        return None if found is None else found[1]

    def overdue(self, now: float) -> list[W]:
        """What got no answer in time, in the order it was asked; open no more."""
        late = [key for key, (deadline, _) in self._open.items() if deadline <= now]
        return [self._open.pop(key)[1] for key in late]

    def give_up(self) -> list[W]:
        """Everything that is open: the connection is gone."""
        left = [what for _, what in self._open.values()]
        self._open.clear()
        return left

    def next_deadline(self) -> float:
        """Monotonic; infinite when nothing is open."""
        return min((deadline for deadline, _ in self._open.values()), default=math.inf)

"""A small world on virtual time without asyncio: an event heap, and budgets so that every run ends."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable

from firmware_sim.virtual_loop import OutOfBudget


class World:
    """Events at virtual instants, run in order of time and, at one instant, in order of planning.

    now: virtual seconds, starting at 0. Budgets: `max_seconds` of virtual time and `max_steps` events; a run
    that exceeds either raises OutOfBudget (a live-locked protocol never reaches an end by itself).
    """

    def __init__(self, *, max_seconds: float = 30 * 24 * 3600.0, max_steps: int = 1_000_000) -> None:
        self.now = 0.0
        self.steps = 0
        self._max_seconds = max_seconds
        self._max_steps = max_steps
        self._heap: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()

    def at(self, when: float, do: Callable[[], None]) -> None:
        """Plan `do` at the instant `when`; an instant in the past means now."""
        heapq.heappush(self._heap, (max(when, self.now), next(self._order), do))

    def after(self, seconds: float, do: Callable[[], None]) -> None:
        """Plan `do` in `seconds` from now."""
        self.at(self.now + seconds, do)

    def next_event(self) -> float | None:
        """When the next event is due; None in an empty world."""
        return self._heap[0][0] if self._heap else None

    def step(self) -> bool:
        """Run one event; False when there is none. Raises OutOfBudget."""
        if not self._heap:
            return False
        when, _, do = heapq.heappop(self._heap)
        self.steps += 1
        if self.steps > self._max_steps:
            raise OutOfBudget(f"{self._max_steps} steps are used up at {self.now:.3f} s")
        if when > self._max_seconds:
            raise OutOfBudget(f"{self._max_seconds:g} virtual seconds are used up")
        self.now = when
        do()
        return True

    def run_until(self, when: float) -> None:
        """Run everything planned up to and including `when`, then stand at `when`."""
        while self._heap and self._heap[0][0] <= when:
            self.step()
        self.now = max(self.now, when)

    def run_until_true(self, condition: Callable[[], bool], limit: float) -> bool:
        """Run until `condition` holds; False if it does not by `limit` or nothing is left to run."""
        while not condition():
            due = self.next_event()
            if due is None or due > limit:
                return False
            self.step()
        return True

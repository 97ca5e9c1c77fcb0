"""A board, or a link to one, in a `World`: no asyncio, no descriptors, virtual time, many seeds."""

from __future__ import annotations

from collections.abc import Callable

from firmware_sim.wire.link import Talker
from firmware_sim.world import World


class MemoryLink:
    """Joins a board or a link to a world. `on_bytes` hears what arrives, at its virtual instant."""

    def __init__(self, world: World, board: Talker, on_bytes: Callable[[bytes], None]) -> None:
        self._world = world
        self._board = board
        self._on_bytes = on_bytes
        self._planned_for: float | None = None
        self._plan()

    def send(self, data: bytes) -> None:
        """The host writes: the bytes arrive at this virtual instant."""
        self._board.receive(data, self._world.now)
        self._plan()

    def touched(self) -> None:
        """Something was done to the board from outside (panel, reset, fault): look again."""
        self._plan()

    def _plan(self) -> None:
        due = self._board.next_deadline()
        if due is not None and (self._planned_for is None or due < self._planned_for):
            self._planned_for = max(due, self._world.now)
            self._world.at(self._planned_for, self._turn)

    def _turn(self) -> None:
        self._planned_for = None
        said = self._board.poll(self._world.now)
        if said:
            self._on_bytes(said)
        self._plan()

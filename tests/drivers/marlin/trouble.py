"""Prints that something happens to."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from gateway.domain.observations import OrderResult
from tests.support.marlin_stand import MarlinStand

FileOf = Callable[[str], Path]
EVERYONE = ["marlin-full", "marlin-stock", "marlin-bare", "marlin-sd"]
LONG_MOVES = "G28\n" + "".join(f"G1 X{i % 2 * 150} Y{i} F3000\n" for i in range(60))


def is_cold(stand: MarlinStand) -> bool:
    """Whether the machine itself has both heaters off."""
    return stand.board.hotend.target == stand.board.bed.target == 0


async def printing(stand: MarlinStand, path: Path, moves: int = 20) -> None:
    """A print under way."""
    await stand.ready()
    assert (await stand.start(path)).result is OrderResult.ACCEPTED
    await stand.until(lambda: len(stand.moves()) > moves)

"""The same seed of bad luck is the same print, to the last entry of the machine's ledger."""

from __future__ import annotations

import asyncio
from pathlib import Path

from firmware_sim import Board, Entry, Ledger, RandomPlan, VirtualLoop
from firmware_sim.wire.link import Link
from tests.support.board_port import BoardWire
from tests.support.marlin_stand import MarlinStand

RATES = {
    "byte-flipped to-board": 2e-3,
    "byte-lost to-host": 1e-3,
    "ok-lost": 0.02,
    "resend-repeated": 0.2,
    "silent": {"rate": 0.01, "seconds": 2.0},
    "unplug": {"rate": 0.002, "seconds": 3.0},
}
FILE = "".join(f"G1 X{n % 90} Y{n % 70} F6000\n" for n in range(300))


async def print_once(path: Path, seed: int) -> list[Entry]:
    board = Board("marlin-full", ledger=Ledger(), seed=seed, faults=RandomPlan(seed, RATES))
    wire = BoardWire(board, link=Link(board, baud=115200))
    async with MarlinStand(wire=wire) as stand:
        await stand.ready()
        stand.driver.submit(stand.start_order(path))
        # Whatever becomes of the print: it must become the same again.
        await stand.until(lambda: wire.now > 400.0, 1000.0)
    return board.ledger.entries


def night(path: Path, seed: int) -> list[Entry]:
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(print_once(path, seed))


def test_a_seed_replays_to_an_identical_ledger(tmp_path: Path) -> None:
    path = tmp_path / "part.gcode"
    path.write_text(FILE)
    first, again, other = (night(path, seed) for seed in (3, 3, 4))
    assert first == again
    assert first != other
    assert sum(entry.event == "fault" for entry in first) > 10
    assert sum(entry.event == "executed" for entry in first) > 20

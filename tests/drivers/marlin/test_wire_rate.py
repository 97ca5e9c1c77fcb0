"""Lines a second over a slow answer: 250,000 baud and 4 ms from a line's last byte to its answer's first.

One line at a time reaches 168 there. What more is possible is the firmware's to say: BUFSIZE - 1 lines, and
no more bytes than its receive buffer holds, unless it names the free slots of its command ring.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from firmware_sim.ledger import Ledger
from firmware_sim.machine.board import Board
from firmware_sim.personality import Personality, load_personality
from firmware_sim.wire.link import Link
from gateway.domain.observations import PrintPhase
from tests.support.board_port import WIRE_SECONDS, BoardWire
from tests.support.marlin_stand import MarlinStand, on_virtual_time

BAUD = 250_000
ANSWER_SECONDS = 0.004
#: Moves of 23 characters, short enough for the machine to be done with each before the next.
LINES = [f"G1 X{index / 100:.2f} Y{index / 100:.2f} E{index / 1e3:.3f}"[:23] for index in range(1, 1500)]


async def lines_per_second(folder: Path, personality: str | Personality, profile: str | None = None) -> float:
    path = folder / "clip.gcode"
    path.write_text("\n".join(["M302 P1", "G1 F12000", *LINES]) + "\n")
    board = Board(personality, ledger=Ledger())
    cable = Link(board, baud=BAUD, latency=ANSWER_SECONDS / 2 - WIRE_SECONDS)
    async with MarlinStand(wire=BoardWire(board, link=cable), profile=profile) as stand:
        await stand.ready()
        await stand.start(path)
        await stand.phase(PrintPhase.COMPLETED)
        ran = [entry for entry in stand.ledger.events("executed") if (entry.line or "").startswith("G1 X")]
        assert [entry.line for entry in ran] == LINES
        behind = len(ran) // 3  # the window has found its width by then
        return (len(ran) - behind) / (ran[-1].t - ran[behind].t)


@pytest.mark.parametrize(
    ("personality", "profile", "least"),
    [
        ("marlin-full", None, 700),  # seven lines: the wire itself is full
        ("marlin-stock", None, 520),  # three lines
        ("marlin-stock", "prusa", 165),  # one
    ],
)
@on_virtual_time
async def test_lines_a_second_with_an_answer_that_takes_4_ms(
    personality: str, profile: str | None, least: float, tmp_path: Path
) -> None:
    assert await lines_per_second(tmp_path, personality, profile) >= least


@on_virtual_time
async def test_free_slots_of_the_ring_keep_a_small_receive_buffer_from_overflowing(tmp_path: Path) -> None:
    full = load_personality("marlin-full")
    uart = replace(full, rx_buffer=128, features=full.features | {"rx_overflow"})
    assert await lines_per_second(tmp_path, uart) >= 700

"""A small correct host against the board, in virtual time, with bad luck: many seeds, no asyncio.

The host is not the gateway's: it exists to show that a file can be streamed to this machine at all, with lost
oks and flipped bits, and that the machine then has done exactly the file.
"""

from __future__ import annotations

import random

import pytest

from firmware_sim import Board, Ledger, World
from firmware_sim.endpoints.memory import MemoryLink
from tests.firmware_sim.talk import frame

PATIENCE_SECONDS = {"marlin-bare": 25.0}
"""Busy lines come every two seconds; the build without them is silent for all of G28."""


class SmallHost:
    """Streams numbered lines with a window; believes only `Resend:`, `Last Line:` and oks of what it sent."""

    def __init__(self, world: World, board: Board, lines: list[str], window: int) -> None:
        self._world = world
        self._patience = PATIENCE_SECONDS.get(board.personality.name, 3.0)
        self._lines = lines
        self._window = window
        self._next = 1
        self._unanswered = 0
        self._swallow = 0
        self._resending = 0
        self._heard_at = 0.0
        self._text = ""
        self.done = False
        self.oks = 0
        self._link = MemoryLink(world, board, self._hear)
        world.at(1.0, self._fill)
        world.at(1.0 + self._patience, self._watch)

    def _fill(self) -> None:
        while self._unanswered < self._window and self._next <= len(self._lines):
            self._link.send(frame(self._next, self._lines[self._next - 1]).encode())
            self._next += 1
            self._unanswered += 1

    def _hear(self, data: bytes) -> None:
        self._text += data.decode()
        *lines, self._text = self._text.split("\n")
        for line in lines:
            self._understand(line)
        if self._world.now >= 1.0:
            self._fill()

    def _understand(self, line: str) -> None:
        if line == "wait":
            return
        self._heard_at = self._world.now
        if line.startswith("Resend: "):
            wanted = int(line[8:])
            self._swallow += 1
            if wanted > len(self._lines):
                # The question behind the last line: everything has arrived.
                self.done = True
            if self._resending != wanted or wanted < self._next:
                self._next, self._unanswered = wanted, 0
            self._resending = wanted
        elif line.startswith("ok") and self._swallow:
            self._swallow -= 1
        elif line.startswith("ok"):
            self.oks += 1
            self._resending = 0
            self._unanswered = max(0, self._unanswered - 1)

    def _watch(self) -> None:
        """Silence: ask with a line far ahead which one the board wants; its error tells the truth."""
        if self._world.now - self._heard_at >= self._patience and not self.done:
            self._link.send(frame(999_999, "M105").encode())
        if not self.done:
            self._world.after(self._patience, self._watch)


def sliced(seed: int, moves: int) -> list[str]:
    dice = random.Random(seed)
    lines = ["G90", "M83", "G28", "M302 P1"]
    for index in range(moves):
        lines.append(f"G1 X{dice.uniform(0, 99):.3f} Y{dice.uniform(0, 99):.3f} E{index}.5 F6000")
        if index % 17 == 0:
            lines.append(dice.choice(["G92 E0", "M105", "M117 layer", "G4 P100", "M106 S9"]))
    return lines


def stream(personality: str, seed: int, *, window: int, luck: float) -> tuple[Board, list[str], World]:
    world, dice = World(max_seconds=7200.0, max_steps=200_000), random.Random(seed)
    board = Board(personality, ledger=Ledger(), seed=seed)
    lines = sliced(seed, 120)
    host = SmallHost(world, board, lines, window)

    def mischief() -> None:
        if dice.random() < luck:
            dice.choice([board.fault_lose_ok, board.fault_corrupt_line])()
        if not host.done:
            world.after(dice.uniform(0.1, 2.0), mischief)

    if luck:
        world.at(2.0, mischief)
    assert world.run_until_true(lambda: host.done, limit=7000.0), f"stuck at line {board.last_line_number}"
    # The last lines are accepted, not yet all run.
    world.run_until(world.now + 60.0)
    return board, lines, world


@pytest.mark.parametrize("personality", ["marlin-stock", "marlin-full", "marlin-sd", "marlin-bare"])
@pytest.mark.parametrize("window", [1, 3])
def test_a_file_without_bad_luck(personality: str, window: int) -> None:
    board, lines, _world = stream(personality, 1, window=window, luck=0.0)
    assert board.ledger.executed() == lines
    assert board.ledger.count("resend") == 1, "only the question at the end"


@pytest.mark.parametrize("seed", range(12))
def test_each_line_runs_once_and_in_order_whatever_gets_lost(seed: int) -> None:
    board, lines, _world = stream("marlin-stock", seed, window=3, luck=0.5)
    assert board.ledger.executed() == lines
    assert board.ledger.count("fault") > 3


def test_the_same_seed_is_the_same_run_to_the_last_entry() -> None:
    first, second = (stream("marlin-full", 5, window=2, luck=0.5)[0] for _ in range(2))
    assert first.ledger.entries == second.ledger.entries

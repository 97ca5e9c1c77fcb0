"""Where the head is, what the planner holds and how long it takes.

The model has no acceleration: a move lasts its length over its feedrate, limited per axis by M203. The
planner holds 16 blocks of which 15 are usable (`ok P15` when empty, recorded); a move is acknowledged when it
is planned, not when it is done. The first move of a burst starts 0.1 s late unless two more follow, as Marlin
waits for look-ahead (observed: M410 0.5 s after `G1 X0 F600` finds 3.5 mm done instead of 5).
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field

from firmware_sim.personality import Personality

Point = tuple[float, float, float, float]
"""X, Y, Z, E in millimetres."""

LOOK_AHEAD_MOVES = 3
"""With so many moves planned the first one is delivered at once."""


@dataclass(slots=True)
class Block:
    """One planned move; times in machine seconds."""

    start: float
    end: float
    origin: Point
    goal: Point


class Planner:
    """A queue of moves with their times; empties itself as time passes."""

    def __init__(self, blocks: int, first_move_delay: float) -> None:
        self.capacity = blocks - 1
        self._delay = first_move_delay
        self._blocks: deque[Block] = deque()

    def settle(self, now: float) -> None:
        """Forget the moves that are done."""
        blocks = self._blocks
        while blocks and blocks[0].end <= now:
            blocks.popleft()

    def free(self, now: float) -> int:
        """How many more moves fit: the P of `ok P15 B7`."""
        self.settle(now)
        return self.capacity - len(self._blocks)

    def room_at(self, now: float) -> float:
        """When the next move will fit (now, if it fits already)."""
        return now if self.free(now) > 0 else self._blocks[0].end

    def drained_at(self, now: float) -> float:
        """When the last planned move ends: what M400 waits for (now, if nothing is planned)."""
        self.settle(now)
        return self._blocks[-1].end if self._blocks else now

    def push(self, now: float, seconds: float, origin: Point, goal: Point) -> None:
        """Plan one move; the caller has checked that there is room."""
        self.settle(now)
        start = self._blocks[-1].end if self._blocks else now + self._delay
        self._blocks.append(Block(start, start + seconds, origin, goal))
        head = self._blocks[0].start
        if len(self._blocks) >= LOOK_AHEAD_MOVES and head > now:
            for block in self._blocks:
                block.start -= head - now
                block.end -= head - now

    def stop(self, now: float) -> Point | None:
        """Drop everything (M410, cancel, kill); the point where the head stands, None if it stood still."""
        self.settle(now)
        if not self._blocks:
            return None
        block = self._blocks[0]
        self._blocks.clear()
        share = min(1.0, max(0.0, (now - block.start) / max(block.end - block.start, 1e-9)))
        ox, oy, oz, oe = block.origin
        gx, gy, gz, ge = block.goal
        return (
            ox + (gx - ox) * share,
            oy + (gy - oy) * share,
            oz + (gz - oz) * share,
            oe + (ge - oe) * share,
        )


@dataclass(slots=True)
class Axes:
    """The position as the firmware knows it. Lengths in mm, feedrates in mm/s."""

    personality: Personality
    native: list[float] = field(default_factory=lambda: [0.0, 0.0, 0.0, 0.0])
    shift: list[float] = field(default_factory=lambda: [0.0, 0.0, 0.0])
    homed: set[str] = field(default_factory=set)
    relative: bool = False
    relative_e: bool = False
    feedrate: float = 25.0
    feed_percent: float = 100.0
    steps_per_mm: list[float] = field(default_factory=lambda: [80.0, 80.0, 400.0, 500.0])
    max_feedrate: list[float] = field(default_factory=lambda: [300.0, 300.0, 5.0, 25.0])

    def point(self) -> Point:
        """The planned position in machine coordinates."""
        x, y, z, e = self.native
        return (x, y, z, e)

    def logical(self) -> Point:
        """The planned position as M114 says it, after G92."""
        x, y, z, e = self.native
        return (x + self.shift[0], y + self.shift[1], z + self.shift[2], e)

    def counts(self) -> tuple[int, int, int]:
        """Steps of X, Y, Z."""
        sx, sy, sz = (round(self.native[i] * self.steps_per_mm[i]) for i in range(3))
        return (sx, sy, sz)

    def goal_of(self, words: dict[str, float]) -> list[float]:
        """Where the words X Y Z E of a move lead, soft endstops applied to homed axes."""
        goal = list(self.native)
        for index, letter in enumerate("XYZ"):
            if letter in words:
                value = words[letter]
                goal[index] = goal[index] + value if self.relative else value - self.shift[index]
                if letter in self.homed:
                    goal[index] = min(max(goal[index], 0.0), self.personality.bed[index])
        if "E" in words:
            goal[3] = goal[3] + words["E"] if self.relative_e else words["E"]
        return goal

    def seconds_for(self, goal: list[float], path_mm: float | None = None) -> float:
        """How long the move to `goal` lasts; `path_mm` is the length of an arc."""
        deltas = [goal[i] - self.native[i] for i in range(4)]
        length = path_mm if path_mm is not None else math.hypot(deltas[0], deltas[1], deltas[2])
        if length == 0.0:
            length = abs(deltas[3])
        if length == 0.0:
            return 0.0
        slowest = max(abs(deltas[i]) / self.max_feedrate[i] for i in range(4))
        return max(length / (self.feedrate * self.feed_percent / 100.0), slowest)


def arc_length(axes: Axes, goal: list[float], words: dict[str, float], clockwise: bool) -> float | None:
    """Length in mm of G2/G3 to `goal`; None when the arc has neither I/J nor a usable R."""
    dx, dy = goal[0] - axes.native[0], goal[1] - axes.native[1]
    chord = math.hypot(dx, dy)
    if "R" in words:
        radius = abs(words["R"])
        if chord == 0.0 or radius < chord / 2:
            return None
        angle = 2 * math.asin(chord / 2 / radius)
        flat = radius * (2 * math.pi - angle if words["R"] < 0 else angle)
    elif "I" in words or "J" in words:
        ci, cj = words.get("I", 0.0), words.get("J", 0.0)
        radius = math.hypot(ci, cj)
        start, end = math.atan2(-cj, -ci), math.atan2(dy - cj, dx - ci)
        angle = (start - end if clockwise else end - start) % (2 * math.pi)
        flat = radius * (angle if angle > 1e-9 else 2 * math.pi)
    else:
        return None
    return math.hypot(flat, goal[2] - axes.native[2])

"""Bed leveling with a probe, bilinear: G29 of builds with the feature `probe`.

Source: Marlin 2.1.2, `G29.cpp`, `probe.cpp`, and logs that users posted (issues 9529, 17375 of Marlin); not
recorded. Verbosity 0, as `G29` alone has it: nothing is said of single points.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from firmware_sim.machine import replies
from firmware_sim.machine.state import Machine
from firmware_sim.machine.words import Command

POINTS = 3
"""Marlin's GRID_MAX_POINTS_X and _Y of the default configuration."""
POINT_SECONDS = 2.6
"""Travel and one probing of a point; about that of a BLTouch in the logs."""
MARGIN_MM = 10.0
"""Marlin's PROBING_MARGIN."""
CLEARANCE_MM = 5.0
"""Z above the bed between points, and behind the last one (Z_CLEARANCE_BETWEEN_PROBES)."""
TILT_MM, SAG_MM = 0.08, 0.05
"""How uneven this bed is: from left to right, and in its middle."""


def level_bed(m: Machine, c: Command) -> Iterator[float]:
    """G29: probe the grid, print it, say where the head is. A point that fails ends it: `Error:`, no grid."""
    yield from m.motion_done()
    if not {"X", "Y", "Z"} <= m.axes.homed:
        m.say_home_first()
        m.note("calibration_failed", source=c.source, n=c.number, line=c.text, effect="not homed")
        return
    rows: list[list[float]] = []
    for y in range(POINTS):
        # Marlin probes there and back; the grid does not show it.
        rows.append([])
        for x in range(POINTS):
            end = m.now + POINT_SECONDS
            while m.now < end:
                yield end
            _stand_over(m, x, y)
            if m.probe_is_dead:
                m.say(replies.PROBING_FAILED)
                m.say_position(m.words.homed)
                m.note("calibration_failed", source=c.source, n=c.number, line=c.text, effect="no trigger")
                return
            rows[-1].append(_height(x, y))
    for line in grid(rows):
        m.say(line)
    m.say_position(m.words.homed)
    m.note("calibrated", source=c.source, n=c.number, line=c.text, effect=f"{POINTS * POINTS} points")


def grid(rows: list[list[float]]) -> list[str]:
    """As `print_2d_array` does it: columns are X from 0, rows are Y from 0, an empty line behind."""
    head = "".join(f"{x:>7}" for x in range(len(rows[0])))
    body = [f"{y:>2}" + "".join(f" {z:+.3f}" for z in row) for y, row in enumerate(rows)]
    return ["Bilinear Leveling Grid:", head, *body, ""]


def _stand_over(m: Machine, x: int, y: int) -> None:
    width, depth, _ = m.personality.bed
    step_x, step_y = ((size - 2 * MARGIN_MM) / (POINTS - 1) for size in (width, depth))
    m.axes.native[:3] = [MARGIN_MM + x * step_x, MARGIN_MM + y * step_y, CLEARANCE_MM]


def _height(x: int, y: int) -> float:
    """Of the bed, in mm; the same on each board, so that runs can be compared."""
    last = POINTS - 1
    return TILT_MM * (x / last - 0.5) - SAG_MM * (x * (last - x) * y * (last - y)) / (last / 2) ** 4


HANDLERS: dict[str, Callable[[Machine, Command], Iterator[float] | None]] = {"G29": level_bed}

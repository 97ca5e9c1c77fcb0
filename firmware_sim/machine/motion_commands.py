"""Moves, homing, positions and dwell: G0-G4, G28, G90-G92, M17, M18, M82-M84, M114, M220, M221, M400."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from firmware_sim.machine import replies
from firmware_sim.machine.motion import arc_length
from firmware_sim.machine.state import Machine
from firmware_sim.machine.words import Command

LONGEST_EXTRUSION_MM = 200.0
"""Marlin's EXTRUDE_MAXLENGTH."""
STOP_SECONDS = 1.0
"""A quick stop keeps the loop busy that long (recorded: 1.02 s between M410 and its ok)."""


def line_move(m: Machine, c: Command) -> None:
    """G0, G1: the board has made sure that there is room in the planner."""
    _plan(m, c, None)


def arc_move(m: Machine, c: Command) -> None:
    """G2, G3: one block of the arc's length."""
    _feedrate(m, c)
    length = arc_length(m.axes, m.axes.goal_of(c.words), c.words, c.code == "G2")
    if length is None:
        m.say("Error:G2/G3 bad parameters")
        return
    _plan(m, c, length)


def _feedrate(m: Machine, c: Command) -> None:
    feed = c.words.get("F", 0.0)
    if feed > 0.0:
        m.axes.feedrate = feed / 60.0


def _plan(m: Machine, c: Command, path_mm: float | None) -> None:
    _feedrate(m, c)
    axes = m.axes
    goal = axes.goal_of(c.words)
    extruded = goal[3] - axes.native[3]
    if extruded != 0.0:
        cold = m.hotend.celsius(m.now) < m.minimum_extrusion_celsius and not m.cold_extrusion_allowed
        if cold or abs(extruded) > LONGEST_EXTRUSION_MM:
            m.say(replies.COLD_EXTRUSION if cold else replies.LONG_EXTRUSION)
            m.note("refused", source=c.source, n=c.number, line=c.text, effect="cold" if cold else "long")
            # The firmware believes the filament moved: M114 shows the new E.
            axes.native[3] = goal[3]
    seconds = axes.seconds_for(goal, path_mm)
    if seconds > 0.0:
        m.planner.push(m.now, seconds, axes.point(), (goal[0], goal[1], goal[2], goal[3]))
    axes.native = goal


def dwell(m: Machine, c: Command) -> Iterator[float]:
    """G4 P milliseconds or S seconds, after the moves before it."""
    yield from m.motion_done()
    seconds = c.values["S"] if "S" in c.values else c.values.get("P", 0.0) / 1000.0
    m.notify("Sleep...")
    end = m.now + seconds
    while m.now < end:
        yield end


def home(m: Machine, c: Command) -> Iterator[float]:
    """G28, all axes or those named; reports the position when done."""
    yield from homing(m, c)
    m.say_position(m.words.homed)


def homing(m: Machine, c: Command) -> Iterator[float]:
    """What the machine does for G28, without a word."""
    yield from m.motion_done()
    named = [axis for axis in "XYZ" if axis in c.words] or list("XYZ")
    end = m.now + m.personality.home_seconds * len(named) / 3.0
    while m.now < end:
        yield end
    for axis in named:
        m.axes.native["XYZ".index(axis)] = m.personality.home_z if axis == "Z" else 0.0
        m.axes.shift["XYZ".index(axis)] = 0.0
        m.axes.homed.add(axis)


def set_position(m: Machine, c: Command) -> None:
    """G92; always answers with the position (recorded)."""
    words = {letter: value for letter, value in c.words.items() if letter in "XYZE"}
    for index, letter in enumerate("XYZ"):
        if letter in words:
            m.axes.shift[index] = words[letter] - m.axes.native[index]
    if "E" in words:
        m.axes.native[3] = words["E"]
    m.say_position(m.words.position_set)


def absolute(m: Machine, _c: Command) -> None:
    """G90 switches E too, as in Marlin 2; Prusa's firmware and Klipper leave it to M82 and M83."""
    m.axes.relative = False
    if _sets_extruder(m):
        m.axes.relative_e = False


def relative(m: Machine, _c: Command) -> None:
    """G91, with the extruder where G90 counts for it."""
    m.axes.relative = True
    if _sets_extruder(m):
        m.axes.relative_e = True


def _sets_extruder(m: Machine) -> bool:
    return m.personality.firmware not in ("prusa", "klipper")


def absolute_e(m: Machine, _c: Command) -> None:
    """M82."""
    m.axes.relative_e = False


def relative_e(m: Machine, _c: Command) -> None:
    """M83."""
    m.axes.relative_e = True


def finish_moves(m: Machine, _c: Command) -> Iterator[float]:
    """M400 (and M17, M18, M84): its ok says that the machine stands still."""
    yield from m.motion_done()


def report_position(m: Machine, _c: Command) -> None:
    """M114: the planned position, without waiting for it."""
    m.say(m.position())


def quick_stop(m: Machine, _c: Command) -> Iterator[float]:
    """M410: drop the planned moves."""
    m.stop_motion()
    end = m.now + STOP_SECONDS
    while m.now < end:
        yield end
    if not m.personality.has("emergency_parser"):
        m.say(m.position())


def feed_percent(m: Machine, c: Command) -> None:
    """M220 S; without S it reports."""
    if "S" in c.values:
        m.axes.feed_percent = max(10.0, min(c.values["S"], 999.0))
    elif not c.words:
        m.say(f"FR:{m.axes.feed_percent:.0f}%")


def flow_percent(m: Machine, c: Command) -> None:
    """M221 S; without S it reports."""
    if "S" in c.values:
        m.flow_percent = c.values["S"]
    elif not c.words:
        m.say(f"echo:E0 Flow: {m.flow_percent:.0f}%")


def nothing(_m: Machine, _c: Command) -> None:
    """Known, accepted, without a visible effect here."""


HANDLERS: dict[str, Callable[[Machine, Command], Iterator[float] | None]] = {
    "G0": line_move,
    "G1": line_move,
    "G2": arc_move,
    "G3": arc_move,
    "G4": dwell,
    "G21": nothing,
    "G28": home,
    "G90": absolute,
    "G91": relative,
    "G92": set_position,
    "M17": finish_moves,
    "M18": finish_moves,
    "M84": finish_moves,
    "M82": absolute_e,
    "M83": relative_e,
    "M114": report_position,
    "M211": nothing,
    "M220": feed_percent,
    "M221": flow_percent,
    "M400": finish_moves,
    "M410": quick_stop,
}

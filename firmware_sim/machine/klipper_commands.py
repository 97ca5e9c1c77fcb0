"""Klipper's commands: what a printer with a usual configuration knows, and nothing else.

A move or a dwell is answered as soon as less than a second of motion is planned ahead; only M400 waits for
the end. Errors are raised and become `!!` lines. Source: notes of recorded runs; klippy (commit of 2025)
`gcode.py`, `toolhead.py`, `heaters.py`, `virtual_sdcard.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from firmware_sim.machine import replies
from firmware_sim.machine.heat_commands import HANDLERS as HEAT
from firmware_sim.machine.motion_commands import HANDLERS as MOTION
from firmware_sim.machine.motion_commands import homing
from firmware_sim.machine.state import Machine
from firmware_sim.machine.thermal import Heater
from firmware_sim.machine.words import Command

BUFFER_SECONDS = 1.0
"""klippy's BUFFER_TIME_HIGH: with more motion than this planned, a command waits."""
REPORT_SECONDS = 1.0
"""M109 and M190 print a temperature line so often."""
NEAR_CELSIUS = 1.0
"""Within so much of the target the settling time starts."""


class GcodeError(Exception):
    """The command cannot be run; the text becomes `!!`, with more lines as `//` in front."""


def _lookahead(m: Machine) -> Iterator[float] | None:
    """Wait until less than a second of motion is planned."""
    return _wait_for_room(m) if m.planner.drained_at(m.now) - m.now > BUFFER_SECONDS else None


def _wait_for_room(m: Machine) -> Iterator[float]:
    while (at := m.planner.drained_at(m.now) - BUFFER_SECONDS) > m.now:
        yield at


def move(m: Machine, c: Command) -> Iterator[float] | None:
    """G0, G1: homed axes only, within the bed, and hot enough."""
    axes = m.axes
    feed = c.words.get("F")
    if feed is not None:
        if feed <= 0.0:
            raise GcodeError(f"Invalid speed in '{c.text}'")
        axes.feedrate = feed / 60.0
    goal = list(axes.native)
    for index, letter in enumerate("XYZ"):
        if letter in c.words:
            value = c.words[letter]
            goal[index] = goal[index] + value if axes.relative else value - axes.shift[index]
    if "E" in c.words:
        goal[3] = goal[3] + c.words["E"] if axes.relative or axes.relative_e else c.words["E"]
    _check(m, goal)
    if goal[3] != axes.native[3] and m.hotend.celsius(m.now) < m.minimum_extrusion_celsius:
        raise GcodeError("Extrude below minimum temp\nSee the 'min_extrude_temp' config option for details")
    seconds = axes.seconds_for(goal)
    if seconds > 0.0:
        m.planner.push(m.now, seconds, axes.point(), (goal[0], goal[1], goal[2], goal[3]))
    axes.native = goal
    return _lookahead(m)


def _check(m: Machine, goal: list[float]) -> None:
    for index, letter in enumerate("XYZ"):
        if goal[index] == m.axes.native[index]:
            continue
        where = f"{goal[0]:.3f} {goal[1]:.3f} {goal[2]:.3f} [{goal[3]:.3f}]"
        if letter not in m.axes.homed:
            raise GcodeError(f"Must home axis first: {where}")
        if not 0.0 <= goal[index] <= m.personality.bed[index]:
            raise GcodeError(f"Move out of range: {where}")


def dwell(m: Machine, c: Command) -> Iterator[float] | None:
    """G4 P milliseconds: planned like a move. S is not read."""
    m.planner.push(m.now, max(0.0, c.values.get("P", 0.0)) / 1000.0, m.axes.point(), m.axes.point())
    return _lookahead(m)


def motors_off(m: Machine, _c: Command) -> Iterator[float]:
    """M18, M84: the axes must be homed again."""
    yield from m.motion_done()
    m.axes.homed.clear()


def report_position(m: Machine, _c: Command) -> None:
    """M114: what was asked for last."""
    m.say(m.position())


def report_temperatures(m: Machine, _c: Command) -> None:
    """M105: on the ok line."""
    m.say(m.words.temperature_answer.format(temperatures=m.temperatures()))
    m.forget_answer()


def wait_for_target(m: Machine, c: Command) -> Iterator[float] | None:
    """M109, M190 S: set, and a line a second until it has settled; S0 does not wait."""
    heater = m.bed if c.code == "M190" else m.hotend
    heater.set_target(c.values.get("S", 0.0), m.now)
    m.note("heater", source=c.source, n=c.number, line=heater.name, effect=f"target {heater.target:g}")
    return _settled(m, heater) if heater.target > 0.0 else None


def _settled(m: Machine, heater: Heater) -> Iterator[float]:
    near_since: float | None = None
    while near_since is None or m.now < near_since + heater.constants.residency:
        m.say(m.temperatures())
        if near_since is None and abs(heater.target - heater.celsius(m.now)) <= NEAR_CELSIUS:
            near_since = m.now
        again = m.now + REPORT_SECONDS
        while m.now < again:
            yield again


def identify(m: Machine, _c: Command) -> None:
    """M115: on the ok line."""
    m.say(f"{replies.OK} {m.personality.identity}")
    m.forget_answer()


def echo(m: Machine, c: Command) -> None:
    """M118: always with `echo: ` in front."""
    m.say(f"echo: {c.rest}")


def nothing(_m: Machine, _c: Command) -> None:
    """Known, accepted, without a visible effect here."""


def list_files(m: Machine, _c: Command) -> None:
    """M20."""
    m.say(replies.FILES_BEGIN)
    for file in m.card.files:
        m.say(f"{file.long} {len(file.content)}")
    m.say(replies.FILES_END)


def card_ok(m: Machine, _c: Command) -> None:
    """M21."""
    m.say("SD card ok")


def select(m: Machine, c: Command) -> None:
    """M23: by its whole name, upper or lower case."""
    if m.card.printing:
        raise GcodeError("SD busy")
    name = c.rest.strip().lstrip("/")
    found = m.card.find(name, long_too=True)
    if found is None:
        raise GcodeError("Unable to open file")
    m.card.select(found.short)
    m.job_seconds, m.job_began = 0.0, None
    m.say(m.words.file_opened.format(name=found.long, size=len(found.content)))
    m.say(replies.FILE_SELECTED)


def start(m: Machine, c: Command) -> None:
    """M24."""
    if m.card.printing:
        raise GcodeError("SD busy")
    if m.card.opened is None:
        return
    m.note("sd_resume" if m.card.begun else "sd_start", source=c.source, line=m.card.opened.short)
    m.card.fetching = m.card.begun = True
    m.start_job_clock()


def pause(m: Machine, c: Command) -> None:
    """M25: the file is read no further."""
    if m.card.printing:
        m.card.fetching = False
        m.stop_job_clock()
        m.note("sd_pause", source=c.source, line=m.card.opened.short if m.card.opened else None)


def seek(m: Machine, c: Command) -> None:
    """M26 S: byte position."""
    if m.card.printing:
        raise GcodeError("SD busy")
    if m.card.opened is not None:
        m.card.position = max(0, min(int(c.values.get("S", 0.0)), len(m.card.opened.content)))


def status(m: Machine, _c: Command) -> None:
    """M27; S is not read: there are no automatic reports."""
    m.say_card_status()


def no_writing(_m: Machine, _c: Command) -> None:
    """M28, M29, M30."""
    raise GcodeError("SD write not supported")


def file_done(m: Machine, _c: Command) -> None:
    """Behind the last line of a file; the moves may still run."""
    name = m.card.opened.short if m.card.opened else None
    m.card.close()
    m.stop_job_clock()
    m.say(replies.FILE_PRINTED)
    m.note("sd_done", source="sd", line=name)


def set_position(m: Machine, c: Command) -> None:
    """G92: nothing is reported."""
    MOTION["G92"](m, c)


def finish_moves(m: Machine, _c: Command) -> Iterator[float]:
    """M400."""
    yield from m.motion_done()


def set_flow(m: Machine, c: Command) -> None:
    """M221; a report is not given."""
    m.flow_percent = c.values.get("S", m.flow_percent)


def set_speed(m: Machine, c: Command) -> None:
    """M220."""
    m.axes.feed_percent = c.values.get("S", m.axes.feed_percent)


def inches(_m: Machine, _c: Command) -> None:
    """G20."""
    raise GcodeError("Machine does not support G20 (inches) command")


def fan(m: Machine, c: Command) -> None:
    """M106, M107."""
    m.fan = int(max(0.0, min(c.words.get("S", 255.0), 255.0))) if c.code == "M106" else 0


def shut_down(m: Machine, _c: Command) -> None:
    """M112 when its turn comes: numbered, or seen too late."""
    m.shut_down()


HANDLERS: dict[str, Callable[[Machine, Command], Iterator[float] | None]] = {
    "G0": move,
    "G1": move,
    "G4": dwell,
    "G20": inches,
    "G21": nothing,
    "G28": homing,
    "G90": MOTION["G90"],
    "G91": MOTION["G91"],
    "G92": set_position,
    "M18": motors_off,
    "M20": list_files,
    "M21": card_ok,
    "M23": select,
    "M24": start,
    "M25": pause,
    "M26": seek,
    "M27": status,
    "M28": no_writing,
    "M29": no_writing,
    "M30": no_writing,
    "M73": nothing,
    "M82": MOTION["M82"],
    "M83": MOTION["M83"],
    "M84": motors_off,
    "M104": HEAT["M104"],
    "M105": report_temperatures,
    "M106": fan,
    "M107": fan,
    "M109": wait_for_target,
    "M110": nothing,
    "M112": shut_down,
    "M114": report_position,
    "M115": identify,
    "M117": nothing,
    "M118": echo,
    "M140": HEAT["M140"],
    "M190": wait_for_target,
    "M204": nothing,
    "M220": set_speed,
    "M221": set_flow,
    "M400": finish_moves,
    "M1001": file_done,
}

WHEN_NOT_READY = frozenset({"M110", "M112", "M114", "M115", "M118"})
"""What a klippy that is shut down or starting still runs."""

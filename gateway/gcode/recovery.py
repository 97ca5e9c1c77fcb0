"""How an interrupted print could go on from its last finished layer: what a person confirms, and the lines.

The board lost its position, or the power was gone. What is known is a byte of the file up to which its lines
were accepted. Accepted is not done: behind that byte the planner and the firmware's queue may have held
SETTLED_LINES. The layer to go on with is the last one that begins in front of them; what was laid of it
already is laid again.

The order of the lines: bed, then nozzle, each waited for, for a cold nozzle stands in the part; Z is taken
for what it was and lifted; X and Y are homed, never Z, for the part is in its way; modes, limits, prime away
from the part; back above the place where the layer begins, down, and the file goes on.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import BinaryIO

from gateway.gcode.layers import Layer, highest_in, layers_in
from gateway.gcode.lines import printable, printable_lines, raw_lines
from gateway.gcode.state import MachineState, state_at

#: Lines accepted last that may not have been done: a planner of 16 moves (Marlin's BLOCK_BUFFER_SIZE) and a
#: queue of 8. More would not be safer: a layer that is laid twice is in the nozzle's way.
SETTLED_LINES = 24
#: Bytes read back for them: slicers write about 35 bytes a line, and comments between them.
BACK_BYTES = 64 * 1024
#: Millimetres the nozzle is lifted above all that was laid before anything moves sideways.
LIFT = 5.0
#: Millimetres of filament pushed out, away from the part, before it goes on; and mm/min for it.
PRIME, PRIME_RETRACT, PRIME_SPEED = 10.0, 1.0, 180
TRAVEL_SPEED, LIFT_SPEED = 6000, 300  # mm/min
#: Degrees Celsius below which Marlin moves no filament.
EXTRUDE_MIN = 170.0

_PROBES = re.compile(rb"^\s*(G29|M290|M851)\b", re.MULTILINE)
_PIECE_BYTES = 1 << 20
#: Bytes at the beginning of a file in which its start script is looked through.
HEAD_BYTES = 64 * 1024


class NotRecoverable(ValueError):
    """This print cannot go on. The text says why, for people."""


@dataclass(frozen=True, slots=True)
class RecoveryPlan:
    """What would be done. `token` stands for all of it: a plan that has changed has another one."""

    token: str
    layer: int  # number of the first layer that is printed again, from 1
    layers_done: int
    z: float  # mm at which that layer's print begins, as the file had it in front of it
    z_lost: float  # mm the nozzle is taken to stand at now
    offset: int  # bytes of the file in front of what is sent
    line: int  # printable lines in front of it
    hotend: float  # deg C
    bed: float  # deg C; 0: none
    heat_lines: tuple[str, ...]  # sent first, the machine standing
    move_lines: tuple[str, ...]  # lift, home X and Y, prime, back to the part
    warnings: tuple[str, ...]


def plan_recovery(
    file: BinaryIO,
    sha256: str,
    position: int,
    layer: int | None = None,
    breathe: Callable[[], None] = lambda: None,
    *,
    g90_sets_extruder: bool = True,
) -> RecoveryPlan:
    """The plan for a print of which `position` bytes were accepted. Raises NotRecoverable (or OSError).

    `layer` asks for an earlier layer to go on with. `g90_sets_extruder`: see `state.state_at`.

    Blocks, seconds for big files: run it in a thread.
    """
    _check(file, sha256)
    settled = _settled(file, position)
    begun = [found for found in layers_in(file, position, breathe) if found.begin <= settled]
    if len(begun) < 2:
        raise NotRecoverable("no layer was finished yet, or its file does not tell its layers; print it anew")
    chosen = begun[-1]
    if layer is not None:
        chosen = _asked(begun, layer)
    state = state_at(file, chosen.begin, g90_sets_extruder=g90_sets_extruder, breathe=breathe)
    _refuse(state)
    heights = _heights(file, settled, position, state_at(file, settled, breathe=breathe))
    assert state.z is not None
    warnings = tuple(_warnings(file, heights, chosen, begun))
    highest = highest_in(file, position, breathe)
    heat_lines, move_lines = tuple(_heat_lines(state)), tuple(_move_lines(state, min(heights), highest))
    ordinal = sum(1 for _ in printable_lines_before(file, chosen.begin, breathe))
    said = f"{sha256} {position} {chosen.begin} {heat_lines} {move_lines}"
    return RecoveryPlan(
        token=hashlib.sha256(said.encode()).hexdigest()[:16],
        layer=chosen.number,
        layers_done=chosen.number - 1,
        z=chosen.z if chosen.z is not None else state.z,
        z_lost=min(heights),
        offset=chosen.begin,
        line=ordinal,
        hotend=_hotend(state),
        bed=state.bed or 0.0,
        heat_lines=heat_lines,
        move_lines=move_lines,
        warnings=warnings,
    )


def printable_lines_before(file: BinaryIO, end: int, breathe: Callable[[], None]) -> Iterator[bytes]:
    """The lines in front of a byte that the firmware answers."""
    for number, (raw, behind) in enumerate(raw_lines(file)):
        if behind > end:
            return
        if not number % 10_000:
            breathe()
        if raw[:1] != b";" and printable(raw):
            yield raw


def _check(file: BinaryIO, sha256: str) -> None:
    digest = hashlib.sha256()
    file.seek(0)
    while piece := file.read(_PIECE_BYTES):
        digest.update(piece)
    if digest.hexdigest() != sha256:
        raise NotRecoverable("its file is not the one that was printed")


def _settled(file: BinaryIO, position: int) -> int:
    """The byte behind the last line that is surely done."""
    begin = max(0, position - BACK_BYTES)
    ends = [
        line.end for line in printable_lines(file, start=_line_begin(file, begin)) if line.end <= position
    ]
    return ends[-SETTLED_LINES - 1] if len(ends) > SETTLED_LINES else 0


def _line_begin(file: BinaryIO, offset: int) -> int:
    """`offset`, or the beginning of the line behind it."""
    if offset == 0:
        return 0
    file.seek(offset - 1)
    file.readline()
    return file.tell()


def _asked(begun: list[Layer], number: int) -> Layer:
    found = [layer for layer in begun[1:] if layer.number == number]
    if not found:
        first, last = begun[1].number, begun[-1].number
        raise NotRecoverable(f"layer {number} cannot be gone on with; it may be {first} to {last}")
    return found[0]


def _refuse(state: MachineState) -> None:
    if state.is_shifted or state.is_inch:
        raise NotRecoverable("the file shifts its coordinates or speaks in inches")
    if state.tool != 0 or any(tool != 0 and target > 0 for tool, target in state.hotends.items()):
        raise NotRecoverable("the file uses several tools, whose offsets are not known any more")
    if state.x is None or state.y is None or state.z is None:
        raise NotRecoverable("the file does not say where the nozzle stands in front of that layer")
    if state.e is None and state.is_extruder_absolute:
        raise NotRecoverable("the file does not say how far the filament has come")
    if _hotend(state) < EXTRUDE_MIN:
        raise NotRecoverable("the file does not say how hot the nozzle has to be")


def _hotend(state: MachineState) -> float:
    return state.hotends.get(0, 0.0)


def _heights(file: BinaryIO, settled: int, position: int, state: MachineState) -> list[float]:
    """The heights at which the nozzle may have stood when it stopped. Raises NotRecoverable."""
    if state.z is None:
        raise NotRecoverable("the file does not say how high the nozzle stood")
    heights, z, is_absolute = [state.z], state.z, state.is_absolute
    handed = 0
    for line in printable_lines(file, start=settled):
        # Lines behind the accepted ones may have been on their way.
        handed += line.end > position
        if handed > SETTLED_LINES:
            break
        word = line.text.split(" ", 1)[0]
        if word in ("G90", "G91"):
            is_absolute = word == "G90"
        elif word in ("G28", "G29", "G92") and ("Z" in line.text or word != "G92"):
            break
        elif word in ("G0", "G1", "G2", "G3") and (found := re.search(r"Z\s*(-?[\d.]+)", line.text)):
            z = float(found[1]) if is_absolute else z + float(found[1])
            heights.append(z)
    return heights


def _warnings(file: BinaryIO, heights: list[float], chosen: Layer, begun: list[Layer]) -> Iterator[str]:
    yield (
        "Nobody may have moved the machine in Z: it is taken to stand where it stopped. Without power an axis"
        " may have sunk: look whether the nozzle stands on the part."
    )
    if len(set(heights)) > 1:
        yield (
            f"It stopped between Z {min(heights):g} and {max(heights):g}; the lowest is taken, so that the"
            " nozzle does not dig into the part."
        )
    if begun[-1].number != chosen.number:
        yield (
            f"Layers {chosen.number} to {begun[-1].number} were begun already: where they are laid, the"
            " nozzle runs into them."
        )
    file.seek(0)
    if _PROBES.search(file.read(HEAD_BYTES)):
        yield "The file measured the bed or set the nozzle's height at its beginning: that is not done again."
    yield "Not for machines that cannot home X and Y alone (delta, belt, some CoreXZ)."


def _heat_lines(state: MachineState) -> Iterator[str]:
    yield "M107"
    if state.bed:
        yield f"M190 S{_number(state.bed)}"
    yield f"M109 S{_number(_hotend(state))}"
    if state.chamber:
        yield f"M141 S{_number(state.chamber)}"


def _move_lines(state: MachineState, z_lost: float, highest: float) -> Iterator[str]:
    assert state.x is not None
    assert state.y is not None
    assert state.z is not None
    top = max(z_lost, state.z, highest) + LIFT
    yield from ("G21", "G90", "M82")
    yield f"G92 Z{_number(z_lost)}"
    yield f"G0 Z{_number(top)} F{LIFT_SPEED}"
    yield "G28 X Y"
    yield from state.modal_lines
    yield "G92 E0"
    yield f"G1 E{_number(PRIME)} F{PRIME_SPEED}"
    yield f"G1 E{_number(PRIME - PRIME_RETRACT)} F{PRIME_SPEED}"
    yield f"G0 X{_number(state.x)} Y{_number(state.y)} F{TRAVEL_SPEED}"
    yield f"G0 Z{_number(state.z)} F{LIFT_SPEED}"
    yield f"G1 E{_number(PRIME)} F{PRIME_SPEED}"
    if state.e is not None:
        yield f"G92 E{_number(state.e)}"
    for fan, speed in sorted(state.fans.items()):
        if speed:
            yield f"M106 P{fan} S{_number(speed)}" if fan else f"M106 S{_number(speed)}"
    if state.speed_percent != 100.0:
        yield f"M220 S{_number(state.speed_percent)}"
    if (flow := state.flow_percent.get(0, 100.0)) != 100.0:
        yield f"M221 S{_number(flow)}"
    yield from state.positioning_lines()
    if state.feedrate is not None:
        yield f"G1 F{_number(state.feedrate)}"


def _number(value: float) -> str:
    return f"{value:.5f}".rstrip("0").rstrip(".")

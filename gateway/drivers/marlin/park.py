"""Parking a paused print and bringing it back, as lines of G-code. Pure.

Moves name absolute places: sent again by a successor, in whole or in part, they lead to the same one. Only
the filament is moved by a length: a script of the owner may have given its place another number.

    park      G90, M82, retract, lift, (aside), (nozzle to standby)
    restore   heat and wait, back above the part, prime, down, G92 E, the file's modes and feedrate

The moves are G0, which no part is made of.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from gateway.drivers.contract import Parked
from gateway.drivers.marlin.settings import ParkSettings
from gateway.gcode.homing import Said
from gateway.gcode.state import MachineState

#: Degrees Celsius below which Marlin moves no filament (EXTRUDE_MINTEMP).
EXTRUDE_MIN = 170.0
#: Millimetres by which what M114 says may differ from what the file says: M114 has two decimals, an axis
#: some hundred steps a millimetre.
PLACE_TOLERANCE = 0.05
#: Degrees Celsius above which a bed is off: nothing to heat back to.
_OFF = 0.0

NOT_TOLD = "the printer did not tell twice alike where it stands (M114)"
HEAT_NOT_TOLD = "the printer did not tell twice alike what it is heated to (M105)"
NOT_HOMED = "the file has not homed the printer"
NOT_AS_IN_FILE = "it does not stand where the file has led it"
MODE_UNKNOWN = "the file does not say whether its positions are absolute or relative"
NO_HEIGHT = "how high it may lift is not known (height under [printers.park])"
OTHER_PLACE = "the file has shifted or left its coordinates"
SEVERAL_TOOLS = "the file uses several tools"


@dataclass(frozen=True, slots=True)
class FileState:
    """What the file says up to the place of the pause."""

    machine: MachineState
    said: Said
    highest: float  # mm up to which plastic was laid


def why_not(
    place: Mapping[str, float] | None, state: FileState, *, knows_height: bool, g90_sets_extruder: bool
) -> str | None:
    """Why the machine is better left where it stands; None when it can be parked and brought back."""
    machine, said = state.machine, state.said
    if place is None or not place.keys() >= {"X", "Y", "Z", "E"}:
        return NOT_TOLD
    if not said.is_homed:
        return NOT_HOMED
    if machine.is_shifted or machine.is_inch:
        return OTHER_PLACE
    if machine.tool != 0:
        return SEVERAL_TOOLS
    told = {"X": machine.x, "Y": machine.y, "Z": machine.z}
    known = {axis: value for axis, value in told.items() if value is not None}
    if any(abs(place[axis] - value) > PLACE_TOLERANCE for axis, value in known.items()):
        return NOT_AS_IN_FILE
    # A place that the file's words lead to, read as absolute, proves that they are.
    if not (said.says_mode or known):
        return MODE_UNKNOWN
    is_e_proven = machine.e is None or abs(place["E"] - machine.e) <= PLACE_TOLERANCE
    says_extruder_mode = said.says_extruder_mode or (said.says_mode and g90_sets_extruder)
    if not (says_extruder_mode or is_e_proven):
        return MODE_UNKNOWN
    return None if knows_height else NO_HEIGHT


def park_lines(
    parked: Parked, settings: ParkSettings, *, highest: float, height: float | None, is_hot: bool
) -> Iterator[str]:
    """Away from the part, above all that was laid (`highest`).

    `height`: the machine's, in mm; None: the firmware's end stops hold it.
    """
    yield "G90"
    yield "M82"
    if is_hot and settings.retract:
        yield f"G1 E{_mm(parked.e - settings.retract)} F{_per_minute(settings.retract_speed)}"
    aside = _aside(settings.x, settings.y)
    top = (max(parked.z, highest) if aside else parked.z) + settings.lift
    if height is not None:
        top = max(parked.z, min(top, height))
    if top > parked.z:
        yield f"G0 Z{_mm(top)} F{_per_minute(settings.lift_speed)}"
    if aside:
        yield f"G0{aside} F{_per_minute(settings.travel_speed)}"
    if settings.nozzle_standby is not None and settings.nozzle_standby < parked.hotend:
        yield f"M104 S{settings.nozzle_standby}"


def heat_lines(hotend: float, bed: float) -> Iterator[str]:
    """Up to these targets (0: left as it is), waited for. Both heat at the same time.

    The firmware decides whether there is anything to wait for: a report may be damaged, and a prime into a
    cold nozzle spoils the print. Marlin waits some seconds more where all is hot (TEMP_RESIDENCY_TIME).
    """
    wanted = (("M104", "M109", hotend), ("M140", "M190", bed))
    hot = [row for row in wanted if row[2] > _OFF]
    yield from (f"{set_target} S{_mm(target)}" for set_target, _, target in hot)
    yield from (f"{wait} S{_mm(target)}" for _, wait, target in reversed(hot))


def restore_lines(
    parked: Parked, settings: ParkSettings, machine: MachineState, *, is_hot: bool
) -> Iterator[str]:
    """Back above the part, then down on it; then all is as the next line of the file expects it."""
    yield "G90"
    yield "M82"
    yield f"G0 X{_mm(parked.x)} Y{_mm(parked.y)} F{_per_minute(settings.travel_speed)}"
    if is_hot and settings.retract:
        yield f"G92 E{_mm(parked.e - settings.retract)}"
        yield f"G1 E{_mm(parked.e)} F{_per_minute(settings.retract_speed)}"
    yield f"G0 Z{_mm(parked.z)} F{_per_minute(settings.lift_speed)}"
    yield f"G92 E{_mm(parked.e)}"
    yield from machine.positioning_lines()
    if machine.feedrate is not None:
        yield f"G1 F{_mm(machine.feedrate)}"


def present_lines(
    place: Mapping[str, float], settings: ParkSettings, *, highest: float, height: float | None
) -> Iterator[str]:
    """Off the part of a cancelled print, and aside."""
    parked = Parked(place["X"], place["Y"], place["Z"], place["E"])
    yield from park_lines(parked, settings, highest=highest, height=height, is_hot=False)


def _aside(x: float | None, y: float | None) -> str:
    return "".join(f" {axis}{_mm(value)}" for axis, value in (("X", x), ("Y", y)) if value is not None)


def _mm(value: float) -> str:
    return f"{value:.3f}".rstrip("0").rstrip(".")


def _per_minute(speed: float) -> str:
    return _mm(speed * 60.0)

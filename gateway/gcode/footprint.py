"""What a few lines of G-code would do to an idle machine: does it move, does it lay filament, how hot is it.

Taken for the worst: a command that is not known to leave the axes alone moves them. Words and their meaning
are Marlin's (marlinfw.org/meta/gcode), with RepRapFirmware's `G10 P S` and `M568` for the nozzle and
Klipper's `SET_HEATER_TEMPERATURE`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from gateway.gcode.lines import printable

_COMMAND: Final = re.compile(r"([GMT])\s*0*(\d+)(?:\.(\d+))?")
_PARAMETER: Final = re.compile(r"([A-Z])\s*([-+]?(?:\d+\.?\d*|\.\d+))?")

#: G commands that leave every axis where it is: dwell, retraction and offsets, planes, units, modes, G92.
_STILL_G: Final = frozenset(
    {"G4", "G10", "G11", "G17", "G18", "G19", "G20", "G21", "G31", "G90", "G91", "G92", "G93", "G94"}
)
#: M commands that move an axis or the filament: probe tests, parking, filament changes, axis and nozzle
#: calibration, toolchanges.
_MOVING_M: Final = frozenset(
    {"M6", "M48", "M98", "M125", "M401", "M402", "M425", "M600", "M672", "M701", "M702", "M911", "M916"}
)
_HOTEND: Final = frozenset({"M104", "M109", "M568"})
_BED: Final = frozenset({"M140", "M190"})
_MOVES_IN_A_LINE: Final = frozenset({"G0", "G1", "G2", "G3", "G5"})
_KLIPPER_HEAT: Final = re.compile(r"SET_HEATER_TEMPERATURE\b.*\bHEATER=(\w+).*\bTARGET=(\d+\.?\d*)")


@dataclass(frozen=True, slots=True)
class Footprint:
    """What lines would do. Temperatures in degrees Celsius, the highest that is asked for."""

    moves: bool = False
    prints: bool = False  # filament comes out and something moves: it may lie on the plate
    hotend: float = 0.0
    bed: float = 0.0


def parsed(text: str) -> tuple[str, Mapping[str, str]]:
    """A printable line as its command and its parameters: `G1 X10 F3000` -> ("G1", {"X": "10", "F": "3000"}).

    A command of another kind (Klipper's macros) is its first word, without parameters. The last of equal
    letters counts, as in Marlin.
    """
    found = _COMMAND.match(text)
    if found is None:
        return text.split(maxsplit=1)[0].upper() if text.strip() else "", {}
    word = found[1] + found[2] + (f".{found[3]}" if found[3] else "")
    return word, dict(_PARAMETER.findall(text, found.end()))


def footprint(lines: Iterable[str]) -> Footprint:
    """What these lines would do together."""
    is_moving = is_extruding = False
    hotend = bed = 0.0
    for line in lines:
        text = printable(line.encode("utf-8"))
        if not text:
            continue
        word, parameters = parsed(text)
        is_moving = is_moving or _moves(word, parameters)
        if word in _MOVES_IN_A_LINE:
            is_extruding = is_extruding or float(parameters.get("E") or 0) > 0
        elif word in ("M600", "M701"):
            is_extruding = True
        hotend = max(hotend, _hotend(word, parameters, text))
        bed = max(bed, _bed(word, parameters, text))
    return Footprint(is_moving, is_moving and is_extruding, hotend, bed)


def _moves(word: str, parameters: Mapping[str, str]) -> bool:
    if word in _MOVES_IN_A_LINE:
        # `G1 F3000` sets a speed, `G1 E-2` pulls filament.
        return bool(parameters.keys() & set("XYZABCUVW")) or word in ("G2", "G3", "G5")
    if word[0] == "G":
        return word not in _STILL_G
    if word[0] == "M" and word[1:2].isdigit():
        return word in _MOVING_M
    return not word.startswith(("SET_HEATER_TEMPERATURE", "TURN_OFF_HEATERS"))


def _number(parameters: Mapping[str, str], *letters: str) -> float:
    return max((float(parameters[letter]) for letter in letters if parameters.get(letter)), default=0.0)


def _hotend(word: str, parameters: Mapping[str, str], text: str) -> float:
    # In G10 P is the tool, R its standby temperature.
    if word in _HOTEND or (word == "G10" and "P" in parameters):
        return _number(parameters, "S", "R")
    if word == "M303" and not _is_bed_tuning(parameters):
        return _number(parameters, "S")
    found = _KLIPPER_HEAT.search(text)
    return float(found[2]) if found is not None and found[1] != "HEATER_BED" else 0.0


def _bed(word: str, parameters: Mapping[str, str], text: str) -> float:
    if word in _BED or (word == "M303" and _is_bed_tuning(parameters)):
        return _number(parameters, "S", "R")
    found = _KLIPPER_HEAT.search(text)
    return float(found[2]) if found is not None and found[1] == "HEATER_BED" else 0.0


def _is_bed_tuning(parameters: Mapping[str, str]) -> bool:
    """M303 tunes the bed with E-1 (Marlin: "E<index>: hotend to tune; -1: bed")."""
    return float(parameters.get("E") or 0) < 0

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
    {"G4", "G10", "G11", "G17", "G18", "G19", "G20", "G21", "G90", "G91", "G92", "G93", "G94"}
)
#: M commands of which the same is known: motors on and off, the card, heaters, fans, lights, sounds, texts,
#: questions, settings. Not among them is what parks, probes, changes filament or tools, or steps an axis
#: (M48, M125, M290, M360, M425, M600, M605, M701, M915, ...).
_STILL_M: Final = frozenset(
    f"M{number}"
    for numbers in (
        (5, 9, 16, 17, 18, 20, 21, 22, 26, 27, 31, 33, 42, 73, 75, 76, 77, 78, 82, 83, 84, 85, 86, 87, 92),
        (104, 105, 106, 107, 108, 109, 110, 111, 113, 114, 115, 116, 117, 118, 119, 120, 121, 122, 123),
        (126, 127, 128, 129, 140, 141, 143, 145, 149, 150, 154, 155, 163, 164, 165, 166, 190, 191, 192),
        (200, 201, 202, 203, 204, 205, 206, 207, 208, 209, 210, 211, 218, 220, 221, 250, 255, 256, 260, 261),
        (280, 281, 282, 300, 301, 302, 303, 304, 305, 306, 307, 308, 309, 350, 351, 355, 400),
        (403, 404, 405, 406, 407, 412, 413, 420, 421, 422, 423, 428, 430, 486, 500, 501, 502, 503, 504),
        (510, 511, 512, 524, 540, 550, 551, 552, 553, 554, 557, 566, 568, 569, 572, 592, 593, 603),
        (665, 666, 710, 851, 852, 862, 869, 871, 876, 900, 906, 907, 908, 909, 910, 912, 913, 914, 919),
    )
    for number in numbers
)
_HOTEND: Final = frozenset({"M104", "M109", "M568"})
#: The chamber too: none is heated above what a bed may have.
_BED: Final = frozenset({"M140", "M190", "M141", "M191"})
_MOVES_IN_A_LINE: Final = frozenset({"G0", "G1", "G2", "G3", "G5"})
#: A temperature, with the exponent that firmware of strtod's reads.
_DEGREES: Final = r"\s*(\+?(?:\d+\.?\d*|\.\d+)(?:E\+?\d+)?)"
#: Klipper's, in whatever order and quotes: SET_HEATER_TEMPERATURE, PID_CALIBRATE.
_KLIPPER_TARGET: Final = re.compile(r"\bTARGET=[\"']?(\d+\.?\d*(?:E\+?\d+)?)")
_KLIPPER_BED: Final = re.compile(r"\bHEATER=[\"']?HEATER_BED\b")
#: A temperature that is there and is no plain decimal number: `S0X200`, `SINF`, `TARGET=NAN`. A letter alone
#: (`M104 S`) is none.
_UNREAD: Final = re.compile(
    r"[SRBH](?!\s*[-+]?(?:\d+\.?\d*|\.\d+)(?![\dX])|\s*$|\s+[A-Z]\s*[-+.\d])\s*[^\s]*"
)
_UNREAD_KLIPPER: Final = re.compile(r"\bTARGET=(?![\"']?[-+]?(?:\d+\.?\d*|\.\d+)(?![\dX]))\S*")


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
    # M commands have no variants: firmware that does not know the dot reads `M81.0` as M81.
    word = found[1] + found[2] + (f".{found[3]}" if found[3] and found[1] != "M" else "")
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
        word = word.partition(".")[0]
        is_moving = is_moving or _moves(word, parameters)
        is_extruding = is_extruding or _extrudes(word, text)
        hotend = max(hotend, _hotend(word, text))
        bed = max(bed, _bed(word, text))
    return Footprint(is_moving, is_moving and is_extruding, hotend, bed)


def unread_heat(text: str) -> str | None:
    """The first temperature of a printable line that is no plain decimal number; None: all of them are.

    Firmware hands it to C's strtod, which takes hexadecimal numbers and infinity, too, and all else for 0.
    """
    word, _ = parsed(text)
    if word[1:2].isdigit():
        is_heat = word.partition(".")[0] in _HOTEND | _BED | {"G10", "M145", "M303"}
        found = _UNREAD.search(text, 1) if is_heat else None
    else:
        found = _UNREAD_KLIPPER.search(text)
    return found[0] if found else None


def _moves(word: str, parameters: Mapping[str, str]) -> bool:
    if word in _MOVES_IN_A_LINE:
        # `G1 F3000` sets a speed, `G1 E-2` pulls filament.
        return bool(parameters.keys() & set("XYZABCUVW")) or word in ("G2", "G3", "G5")
    if word[0] == "G":
        return word not in _STILL_G
    if word[0] == "M" and word[1:2].isdigit():
        return word not in _STILL_M
    return not word.startswith(("SET_HEATER_TEMPERATURE", "TURN_OFF_HEATERS"))


def _extrudes(word: str, text: str) -> bool:
    """Whether filament comes out, or would with the next move: `G92 E-5` lets `G1 E-1` push it forward."""
    lengths = [float(length) for letter, length in _PARAMETER.findall(text) if letter == "E" and length]
    if word in _MOVES_IN_A_LINE:
        return any(length > 0 for length in lengths)
    return word in ("M600", "M701") or (word == "G92" and any(length < 0 for length in lengths))


def _hottest(text: str, letters: str) -> float:
    """The highest of these parameters: Marlin takes the last of equal ones, Prusa the first."""
    found = re.findall(f"[{letters}]{_DEGREES}", text)
    return max((float(number) for number in found), default=0.0)


def _hotend(word: str, text: str) -> float:
    # In G10 P is the tool, R its standby temperature; of M109 B is the highest that F may go up to, of M145 H
    # what `M104 I` heats to.
    if word in _HOTEND:
        return _hottest(text, "SRB")
    if word == "G10" or (word == "M303" and not _is_only_bed_tuning(text)):
        return _hottest(text, "SR")
    if word == "M145":
        return _hottest(text, "H")
    return 0.0 if _KLIPPER_BED.search(text) else _klipper_target(text)


def _bed(word: str, text: str) -> float:
    if word in _BED or (word == "M303" and any(number < 0 for number in _heaters_tuned(text))):
        return _hottest(text, "SR")
    if word == "M145":
        return _hottest(text, "B")
    return _klipper_target(text) if _KLIPPER_BED.search(text) else 0.0


def _klipper_target(text: str) -> float:
    return max((float(target) for target in _KLIPPER_TARGET.findall(text)), default=0.0)


def _heaters_tuned(text: str) -> list[float]:
    """M303 tunes a hotend (0 and up) or, with E-1, the bed (Marlin: "E<index>: -1: bed")."""
    return [float(number) for letter, number in _PARAMETER.findall(text) if letter == "E" and number]


def _is_only_bed_tuning(text: str) -> bool:
    numbers = _heaters_tuned(text)
    return bool(numbers) and all(number < 0 for number in numbers)

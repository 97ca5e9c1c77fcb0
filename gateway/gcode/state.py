"""What a print file has made of the machine up to a byte offset: modes, targets, position.

`state_at` answers for any place of any file in one pass of flat memory: most lines of a print are plain
moves, of which only the last word of each letter counts, and those are found from the end of each stretch.
Everything else (modes, temperatures, fans, limits) is read line by line.

What is assumed is Marlin's: `G90` and `G91` set the extruder too (Prusa's 8-bit firmware and Klipper leave it
to M82/M83: `g90_sets_extruder=False`), `G92` sets the logical position, a move's `F` lasts, the last of equal
words of a line counts.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import BinaryIO

from gateway.gcode.chunks import whole_lines
from gateway.gcode.lines import printable

#: Millimetres of an inch (G20).
INCH = 25.4
#: M220's and M221's value when the file says nothing.
FULL_PERCENT = 100.0
#: M106 without a speed: full.
FAN_FULL = 255.0

#: Settings that the firmware forgets in a reset and the file does not say again: repeated as they were.
#: Units and volume (M200), limits and junctions (M201..M205), firmware retraction (M207..M209), offsets
#: (M206, M218), soft endstops, levelling (M420), input shaping (M593), linear advance (M900).
REPEATED = frozenset(
    {
        "M92", "M200", "M201", "M203", "M204", "M205", "M206", "M207", "M208", "M209",
        "M211", "M218", "M301", "M302", "M304", "M412", "M420", "M593", "M900",
    }
)  # fmt: skip
#: Among these a T is a value of its own, not the number of a tool.
_T_IS_A_VALUE = frozenset({"M204", "M205"})
#: Commands that leave the head where the file does not say: probing, parking, calibration, stored places.
_MOVES_ELSEWHERE = frozenset(
    {"G12", "G27", "G29", "G30", "G32", "G33", "G34", "G35", "G38", "G42", "G61", "G76", "G80"}
)
_WORKSPACES = frozenset({"G53", "G54", "G55", "G56", "G57", "G58", "G59"})
_MOVES = frozenset({"G0", "G1", "G2", "G3", "G5"})

_NUMBER = rb"[ \t]*([-+]?(?:\d+\.?\d*|\.\d+))"
#: Lines that are neither a comment nor a move of capital letters and numbers alone.
_OTHER_LINE = re.compile(rb"\n(?![;\r\n]|G[0-3][ \t][-+ \t.\dA-Z]*+[;\r\n])([^\n]*)")
_PLAIN_MOVES = frozenset(b"G%d%c" % (number, blank) for number in range(4) for blank in b" \t")
_WORDS = {letter: re.compile(letter + _NUMBER) for letter in (b"X", b"Y", b"Z", b"E", b"F")}
_E_OF_MOVE = re.compile(rb"\nG[0-3][ \t][^;\n]*E" + _NUMBER)
_COMMAND = re.compile(r"([GMT])\s*0*(\d+)(\.\d+)?")
_PARAMETER = re.compile(r"([A-Z])\s*([-+]?(?:\d+\.?\d*|\.\d+))?")

_NO_TARGETS: Mapping[int, float] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class MachineState:
    """The machine as the file wants it at one place. Millimetres, also where the file speaks in inches."""

    is_absolute: bool = True  # G90/G91: X, Y, Z
    is_extruder_absolute: bool = True  # M82/M83
    is_inch: bool = False  # G20/G21
    feedrate: float | None = None  # mm/min, the last F; None: the file has not said
    tool: int = 0
    #: The last commanded place in the file's own coordinates (behind G92); None: not known, as after G28.
    x: float | None = None
    y: float | None = None
    z: float | None = None
    e: float | None = None
    is_retracted: bool = False  # G10 without G11
    is_shifted: bool = False  # G92 or a workspace moved X, Y or Z away from the machine's own coordinates
    hotends: Mapping[int, float] = field(default_factory=lambda: _NO_TARGETS)  # deg C by tool
    bed: float | None = None  # deg C
    chamber: float | None = None  # deg C
    fans: Mapping[int, float] = field(default_factory=lambda: _NO_TARGETS)  # 0..255 by number
    speed_percent: float = FULL_PERCENT  # M220
    flow_percent: Mapping[int, float] = field(default_factory=lambda: _NO_TARGETS)  # M221 by tool
    linear_advance: float | None = None  # K of M900
    modal_lines: tuple[str, ...] = ()  # the last of each of REPEATED, in the file's order

    def positioning_lines(self) -> Iterator[str]:
        """From `G90` to how the file's next line expects positions: G91 if relative, then M82 or M83."""
        if not self.is_absolute:
            yield "G91"
        yield "M82" if self.is_extruder_absolute else "M83"


def state_at(
    file: BinaryIO,
    offset: int,
    *,
    g90_sets_extruder: bool = True,
    breathe: Callable[[], None] = lambda: None,
) -> MachineState:
    """The state behind the first `offset` bytes (the end of a line) of a file that is open on disk.

    Blocks, about 4 s for 500 MB: run it in a thread. `breathe` is called between chunks; a caller beside an
    event loop sleeps there, or the loop would wait its turn for the interpreter's lock. The file's own
    position is left alone. Raises OSError.
    """
    reader = _Reader(g90_sets_extruder)
    descriptor = file.fileno()
    for lines, start in whole_lines(descriptor, 0, offset, breathe):
        reader.read(lines, start)
    return reader.state(descriptor, breathe)


class _Reader:
    """The state while the file is read; `read` takes whole lines, each behind its newline."""

    def __init__(self, g90_sets_extruder: bool) -> None:
        self._g90_sets_extruder = g90_sets_extruder
        self._is_relative = self._is_e_relative = False
        self._unit = 1.0
        self._position: dict[str, float | None] = dict.fromkeys("XYZE")
        self._feedrate: float | None = None
        # Relative extrusion not added up yet, as stretches of the file: (start, end, unit). Mostly a G92 E0
        # comes before anybody asks.
        self._e_stretches: list[tuple[int, int, float]] = []
        self._e_added = 0.0  # mm of relative extrusion that is added up already
        self._tool = 0
        self._is_retracted = self._is_shifted = False
        self._hotends: dict[int, float] = {}
        self._bed: float | None = None
        self._chamber: float | None = None
        self._fans: dict[int, float] = {}
        self._speed = self._speed_kept = FULL_PERCENT
        self._flow: dict[int, float] = {}
        self._linear_advance: float | None = None
        self._modal: dict[tuple[str, str], list[tuple[frozenset[str], str]]] = {}

    def read(self, data: bytes, start: int) -> None:
        """Whole lines: `data` begins with a newline, which is byte `start` of the file, and ends with one."""
        begin = 0
        for found in _OTHER_LINE.finditer(data):
            text = printable(found[1])
            command = _COMMAND.match(text)
            if command is None:
                continue
            word = command[1] + command[2]
            parameters = dict(_PARAMETER.findall(text, command.end())) if word[0] != "T" else {}
            if word[0] == "G":
                self._moves(data, begin, found.start() + 1, start)
                begin = found.end()
                if command[3] is None:
                    self._general(word, parameters)
            elif word in ("M82", "M83"):
                self._moves(data, begin, found.start() + 1, start)
                begin = found.end()
                self._is_e_relative = word == "M83"
            elif word[0] == "T":
                self._tool = int(word[1:])
            else:
                self._setting(word, parameters, text)
        self._moves(data, begin, len(data), start)

    def _moves(self, data: bytes, begin: int, end: int, start: int) -> None:
        """Plain moves between two other lines: the last word of each letter counts, or their sum."""
        if end - begin <= 1:
            return
        if (feedrate := _last(data, b"F", begin, end)) is not None:
            self._feedrate = feedrate * self._unit
        if self._is_relative:
            for line in data[begin:end].split(b"\n"):
                if line[:3] in _PLAIN_MOVES:
                    words = dict(_PARAMETER.findall(printable(line), 2))
                    self._place({axis: value for axis, value in words.items() if axis in "XYZ"})
        else:
            for letter, axis in ((b"X", "X"), (b"Y", "Y"), (b"Z", "Z")):
                if (value := _last(data, letter, begin, end)) is not None:
                    self._position[axis] = value * self._unit
        if self._is_e_relative:
            if self._position["E"] is not None:
                self._postpone(start + begin, start + end)
        elif (value := _last(data, b"E", begin, end)) is not None:
            self._extruder_at(value * self._unit)

    def _postpone(self, begin: int, end: int) -> None:
        # Neighbouring chunks share the newline between them.
        if self._e_stretches and self._e_stretches[-1][1:] == (begin + 1, self._unit):
            begin = self._e_stretches.pop()[0]
        self._e_stretches.append((begin, end, self._unit))

    def _extruder_at(self, value: float) -> None:
        self._position["E"] = value
        self._e_stretches.clear()
        self._e_added = 0.0
        self._e_added = 0.0

    def _general(self, word: str, parameters: dict[str, str]) -> None:
        """A G command: a mode, a move in unusual spelling, or something that makes the place unknown."""
        if word in _MOVES:
            self._odd_move(parameters)
        elif word in ("G20", "G21"):
            self._unit = INCH if word == "G20" else 1.0
        elif word in ("G90", "G91"):
            self._is_relative = word == "G91"
            if self._g90_sets_extruder:
                self._is_e_relative = self._is_relative
        elif word == "G92":
            for axis in "XYZE":
                if parameters.get(axis):
                    self._set_position(axis, float(parameters[axis]) * self._unit)
        elif word == "G28":
            named = [axis for axis in "XYZ" if axis in parameters]
            self._position.update(dict.fromkeys(named or "XYZ"))
            self._is_shifted = self._is_shifted and bool(named)
        elif word in ("G10", "G11"):
            # With these letters G10 sets the offsets of a tool or a workspace (RepRapFirmware, CNC).
            if not parameters.keys() & {"P", "L"}:
                self._is_retracted = word == "G10"
        elif word in _MOVES_ELSEWHERE:
            self._position.update(dict.fromkeys("XYZ"))
        elif word in _WORKSPACES:
            self._position.update(dict.fromkeys("XYZ"))
            self._is_shifted = True

    def _set_position(self, axis: str, value: float) -> None:
        if axis == "E":
            self._extruder_at(value)
        else:
            self._is_shifted = self._is_shifted or self._position[axis] != value
            self._position[axis] = value

    def _odd_move(self, parameters: dict[str, str]) -> None:
        if parameters.get("F"):
            self._feedrate = float(parameters["F"]) * self._unit
        self._place({axis: value for axis, value in parameters.items() if axis in "XYZ"})
        if parameters.get("E"):
            value = float(parameters["E"]) * self._unit
            if self._is_e_relative:
                self._e_added += value
            else:
                self._extruder_at(value)

    def _place(self, words: dict[str, str]) -> None:
        for axis, text in words.items():
            if not text:
                continue
            value = float(text) * self._unit
            before = self._position[axis]
            if not self._is_relative:
                self._position[axis] = value
            elif before is not None:
                self._position[axis] = before + value

    def _setting(self, word: str, parameters: dict[str, str], text: str) -> None:
        """An M command."""
        if word in ("M104", "M109"):
            if (target := _target(parameters, None)) is not None:
                self._hotends[_index(parameters, "T", self._tool)] = target
        elif word in ("M140", "M190"):
            self._bed = _target(parameters, self._bed)
        elif word in ("M141", "M191"):
            self._chamber = _target(parameters, self._chamber)
        elif word in ("M106", "M107"):
            # T is the number of a second speed, kept aside (Marlin's EXTRA_FAN_SPEED).
            if "T" not in parameters:
                speed = 0.0 if word == "M107" else float(parameters.get("S") or FAN_FULL)
                self._fans[_index(parameters, "P", 0)] = min(max(speed, 0.0), FAN_FULL)
        elif word == "M220":
            if "B" in parameters:
                self._speed_kept = self._speed
            if "R" in parameters:
                self._speed = self._speed_kept
            self._speed = float(parameters.get("S") or self._speed)
        elif word == "M221" and parameters.get("S"):
            self._flow[_index(parameters, "T", self._tool)] = float(parameters["S"])
        elif word in REPEATED:
            if word == "M900" and parameters.get("K"):
                self._linear_advance = float(parameters["K"])
            self._repeat(word, parameters, text)

    def _repeat(self, word: str, parameters: dict[str, str], text: str) -> None:
        """Keep the line; earlier ones are dropped when this one says all that they said."""
        key = (word, "" if word in _T_IS_A_VALUE else parameters.get("T", ""))
        letters = frozenset(parameters)
        kept = [line for line in self._modal.pop(key, []) if not line[0] <= letters]
        self._modal[key] = [*kept, (letters, text)]

    def state(self, descriptor: int, breathe: Callable[[], None]) -> MachineState:
        """What was read, as a value; adds up relative extrusion that is still open."""
        e = self._position["E"]
        if e is not None:
            e += self._e_added
            for begin, end, unit in self._e_stretches:
                e += _extruded(descriptor, begin, end, breathe) * unit
        return MachineState(
            is_absolute=not self._is_relative,
            is_extruder_absolute=not self._is_e_relative,
            is_inch=self._unit != 1.0,
            feedrate=self._feedrate,
            tool=self._tool,
            x=self._position["X"],
            y=self._position["Y"],
            z=self._position["Z"],
            e=e,
            is_retracted=self._is_retracted,
            is_shifted=self._is_shifted,
            hotends=MappingProxyType(self._hotends),
            bed=self._bed,
            chamber=self._chamber,
            fans=MappingProxyType(self._fans),
            speed_percent=self._speed,
            flow_percent=MappingProxyType(self._flow),
            linear_advance=self._linear_advance,
            modal_lines=tuple(text for lines in self._modal.values() for _, text in lines),
        )


def _index(parameters: dict[str, str], letter: str, otherwise: int) -> int:
    text = parameters.get(letter)
    return int(float(text)) if text else otherwise


def _target(parameters: dict[str, str], before: float | None) -> float | None:
    """S, or R (wait for cooling too); a command without either changes nothing."""
    text = parameters.get("S") or parameters.get("R")
    return float(text) if text else before


def _last(data: bytes, letter: bytes, begin: int, end: int) -> float | None:
    """The number behind the last `letter` in the moves between begin and end; comments do not count."""
    while (place := data.rfind(letter, begin, end)) >= 0:
        line = data.rfind(b"\n", begin, place) + 1
        comment = data.find(b";", line, place)
        if comment >= 0:
            end = comment
            continue
        found = _WORDS[letter].match(data, place)
        if found is not None and data[line : line + 3] in _PLAIN_MOVES:
            return float(found[1])
        end = place
    return None


def _extruded(descriptor: int, begin: int, end: int, breathe: Callable[[], None]) -> float:
    """The sum of E over the plain moves of a stretch, whole lines behind a newline, in the file's unit."""
    return sum(
        sum(map(float, _E_OF_MOVE.findall(lines)))
        for lines, _ in whole_lines(descriptor, begin + 1, end, breathe)
    )

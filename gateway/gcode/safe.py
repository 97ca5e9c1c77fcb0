"""Is it safe to print this file? What in it can harm, surprise or not work: one pass of flat memory.

Besides the commands of `safe_rules`: temperatures beyond limits, moves before the machine was homed, filament
pushed through a cold nozzle, a print without heat, speeds that are a slip of the pen. What a file leaves to
the firmware is not held against it: a command that Marlin does not know (Klipper's `START_PRINT`) may have
homed and heated.

Each kind of finding is told once, with its first line and how often it is there.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import BinaryIO, Final

from gateway.gcode.chunks import whole_lines
from gateway.gcode.footprint import parsed
from gateway.gcode.lines import printable
from gateway.gcode.safe_rules import RULES, Rule, Severity

#: Degrees Celsius below which Marlin moves no filament (EXTRUDE_MINTEMP).
EXTRUDE_MIN: Final = 170.0
#: Millimetres a minute that no printer follows: 1 m/s; the fastest hobby machines are told to do half of it.
SPEED_MAX: Final = 60_000.0
#: Degrees Celsius that are a slip of the pen, whatever the machine.
CELSIUS_ABSURD: Final = 500.0
#: Millimetres of an inch (G20).
_INCH: Final = 25.4

_MOVES: Final = frozenset({"G0", "G1", "G2", "G3", "G5"})
_HOTEND: Final = frozenset({"M104", "M109", "M568"})
_BED: Final = frozenset({"M140", "M190"})
_CHAMBER: Final = frozenset({"M141", "M191"})
#: Lines that are neither a comment nor a plain move: all that can change what this module looks at.
_OTHER_LINE: Final = re.compile(rb"\n(?![;\r\n]|G[0-3][ \t][-+ \t.\dA-Z]*+[;\r\n])([^\n]*)")
_MOVE: Final = re.compile(rb"\nG[0-3][ \t]+(?=[^;\n]*[XYZ])")
_EXTRUSION: Final = re.compile(
    rb"\nG[0-3][ \t](?=[^;\n]*[XY])[^;\n]*E[ \t]*(?=[+.\d])(?!0*+\.?+0*+[ \t;\r\n])"
)
#: Speeds of 60000 and more; in inches of 1000 and more.
_FAST: Final = re.compile(rb"F[ \t]*0*([1-9]\d{5,}|[6-9]\d{4})")
_FAST_INCHES: Final = re.compile(rb"F[ \t]*0*([1-9]\d{3,})")
_NUMBERS: Final = re.compile(rb"[ \t]*(?:N\d+[ \t]*)?M0*110\b", re.IGNORECASE)
_PLAIN_MOVES: Final = frozenset(b"G%d%c" % (number, blank) for number in range(4) for blank in b" \t")


class Verdict(StrEnum):
    """All findings in one word: the worst of them."""

    SAFE = "safe"  # notes at most
    LOOK = "look"  # a person should read the findings before
    UNSAFE = "unsafe"  # it should not be printed


@dataclass(frozen=True, slots=True)
class Limits:
    """Degrees Celsius beyond which a temperature is told."""

    hotend: float = 300.0
    bed: float = 120.0
    chamber: float = 90.0  # PrusaSlicer's profiles of industrial machines end there


@dataclass(frozen=True, slots=True)
class Finding:
    """One kind of trouble in a file."""

    line: int  # the first, from 1; 0: the file as a whole
    code: str  # the command, or the name of the rule
    severity: Severity
    words: str
    count: int = 1  # lines of it


def check_safety(
    file: BinaryIO,
    *,
    limits: Limits | None = None,
    breathe: Callable[[int], None] = lambda offset: None,
) -> tuple[Finding, ...]:
    """What is found in a file that is open on disk, in the order of the file.

    Blocks, seconds for big files: run it in a thread. `breathe` is called between pieces with the bytes read
    so far. The file's own position is left alone. Raises OSError.
    """
    reader = _Reader(limits or Limits())
    size = file.seek(0, 2)
    for lines, start in whole_lines(file.fileno(), 0, size):
        reader.read(lines)
        breathe(min(start + len(lines), size))
    return reader.findings()


def verdict(findings: tuple[Finding, ...]) -> Verdict:
    """The worst of them in one word."""
    severities = {finding.severity for finding in findings}
    if Severity.REFUSE in severities:
        return Verdict.UNSAFE
    return Verdict.LOOK if Severity.WARN in severities else Verdict.SAFE


class _Reader:
    """What was found so far; `read` takes whole lines, each behind its newline."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._found: dict[tuple[str, Severity], Finding] = {}  # as many as there are rules
        self._line = 0  # lines in front of the present piece
        self._data = b""
        self._is_homed = self._is_left_to_firmware = False
        self._may_be_cold = False  # M302 allows cold extrusion
        self._hotend = 0.0  # highest target so far
        self._lays = False
        self._laid_early = 0  # the line that lays filament before anything was heated
        self._unit = 1.0

    def read(self, data: bytes) -> None:
        """Whole lines: `data` begins and ends with a newline; the last is the first of the next piece."""
        self._data = data
        begin = 0
        for found in _OTHER_LINE.finditer(data):
            self._moves(begin, found.start() + 1)
            begin = found.end()
            # What `printable` leaves out is only looked at here.
            self._command(found.start(), "M110" if _NUMBERS.match(found[1]) else printable(found[1]))
        self._moves(begin, len(data))
        self._line += data.count(b"\n") - 1

    def findings(self) -> tuple[Finding, ...]:
        """All of them; what is said of the whole file last."""
        found = [*self._found.values(), *self._heated_too_late()]
        return tuple(sorted(found, key=lambda one: (one.line == 0, one.line)))

    def _heated_too_late(self) -> Iterator[Finding]:
        if self._laid_early and self._hotend == 0:
            yield Finding(0, "no-heat", Severity.WARN, "lays filament and never heats the nozzle")
        elif self._laid_early:
            words = "lays filament before the nozzle is heated"
            yield Finding(self._laid_early, "early-extrusion", Severity.WARN, words)

    # ---------------------------------------------------------------- plain moves, many at once

    def _moves(self, begin: int, end: int) -> None:
        """The plain moves between two other lines."""
        if end - begin <= 1:
            return
        if not (self._is_homed or self._is_left_to_firmware):
            self._first(_MOVE, begin, end, self._not_homed)
        if not self._lays or self._is_cold():
            self._first(_EXTRUSION, begin, end, self._laid)
        for fast in (_FAST if self._unit == 1.0 else _FAST_INCHES).finditer(self._data, begin, end):
            line = self._data.rfind(b"\n", 0, fast.start())
            if (
                self._data[line + 1 : line + 4] in _PLAIN_MOVES
                and self._data.find(b";", line, fast.start()) < 0
            ):
                self._speed(line, float(fast[1]))

    def _first(self, what: re.Pattern[bytes], begin: int, end: int, then: Callable[[int], None]) -> None:
        found = what.search(self._data, begin, end)
        if found is not None:
            then(found.start())

    def _not_homed(self, place: int) -> None:
        words = "moves before the machine was homed: it does not know where its axes are"
        self._tell(place, "not-homed", Rule(Severity.WARN, words))

    def _is_cold(self) -> bool:
        return self._hotend < EXTRUDE_MIN and not (self._is_left_to_firmware or self._may_be_cold)

    def _laid(self, place: int) -> None:
        self._lays = True
        if self._is_cold() and self._hotend == 0:
            self._laid_early = self._laid_early or self._line_of(place)
        elif self._is_cold():
            words = f"lays filament at {self._hotend:g} °C; below {EXTRUDE_MIN:g} °C firmware refuses to"
            self._tell(place, "cold-extrusion", Rule(Severity.WARN, words))

    def _speed(self, place: int, speed: float) -> None:
        if speed * self._unit > SPEED_MAX:
            words = f"asks for more than {SPEED_MAX:g} mm/min, which no printer does: a digit too many"
            self._tell(place, "feed-rate", Rule(Severity.WARN, words))

    # ---------------------------------------------------------------- everything else, line by line

    def _command(self, place: int, text: str) -> None:
        if not text:
            return
        word, parameters = parsed(text)
        if word in _MOVES:
            self._odd_move(place, parameters)
        elif word in ("G20", "G21"):
            self._unit = _INCH if word == "G20" else 1.0
        elif word == "G28":
            self._is_homed = True
        elif word == "M302":
            self._may_be_cold = True
            words = "allows filament to be pushed through a cold nozzle, also for later prints"
            self._tell(place, "M302", Rule(Severity.WARN, words))
        elif word[0] not in "GMT" or not word[1:2].isdigit():
            self._is_left_to_firmware = True
        elif word in _HOTEND or (word == "G10" and "P" in parameters):
            self._hotend = max(self._hotend, self._heat(place, "hotend", parameters, self._limits.hotend))
        elif word in _BED:
            self._heat(place, "bed", parameters, self._limits.bed)
        elif word in _CHAMBER:
            self._heat(place, "chamber", parameters, self._limits.chamber)
        elif word in RULES:
            self._ruled(place, word, text)

    def _odd_move(self, place: int, parameters: Mapping[str, str]) -> None:
        if parameters.keys() & set("XYZ") and not (self._is_homed or self._is_left_to_firmware):
            self._not_homed(place)
        if parameters.keys() & set("XY") and float(parameters.get("E") or 0) > 0:
            self._laid(place)
        self._speed(place, float(parameters.get("F") or 0))

    def _heat(self, place: int, what: str, parameters: Mapping[str, str], limit: float) -> float:
        target = max((float(parameters[letter]) for letter in "SR" if parameters.get(letter)), default=0.0)
        if target > CELSIUS_ABSURD:
            words = f"heats the {what} to {target:g} °C, which destroys any"
            self._tell(place, f"{what}-heat", Rule(Severity.REFUSE, words))
        elif target > limit:
            words = f"heats the {what} to {target:g} °C; beyond {limit:g} °C it must be made for that"
            self._tell(place, f"{what}-heat", Rule(Severity.WARN, words))
        return target

    def _ruled(self, place: int, word: str, text: str) -> None:
        if word == "M211" and re.search(r"S\s*0", text) is None:
            return  # asks for soft endstops, or switches them on
        self._tell(place, word, RULES[word])

    def _line_of(self, place: int) -> int:
        """The number of the line behind the newline at this byte of the present piece."""
        return self._line + self._data.count(b"\n", 0, place + 1)

    def _tell(self, place: int, code: str, rule: Rule) -> None:
        """Note a finding in the line behind the newline at this byte of the present piece."""
        key = (code, rule.severity)
        known = self._found.get(key)
        if known is None:
            self._found[key] = Finding(self._line_of(place), code, rule.severity, rule.words)
        else:
            self._found[key] = replace(known, count=known.count + 1)

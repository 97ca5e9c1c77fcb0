"""What a run of a schedule sends: the lines of each type, its arguments filled in, and what they would do.

    GcodeMacroJob   {"gcode": [lines]}              `{1}`..`{9}` stand for the run's arguments, `{1=text}` for
                                                    text where a run has none
    MaintenanceJob  {"note": str, "gcode": [lines]} lines are optional; the note is for people
    CalibrationJob  {"procedure": name, "target": degrees Celsius}
    HistoryExportJob {filters}                      sends nothing

Lines meet a printer that nobody may be looking at: what prints from its card, waits for a person, writes
firmware or acts past the queue is refused.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from gateway.domain.adjustment import CELSIUS_MAX
from gateway.domain.schedule import Macro, ScheduleType
from gateway.gcode.footprint import footprint, parsed, unread_heat
from gateway.gcode.lines import printable
from gateway.gcode.macros import check, cut

#: Lines of one run: what a driver takes as a macro.
MACRO_LINES_MAX: Final = 256
#: Characters of all arguments of one run together, `{1}` to `{9}` (Cloud 66's `job_args`).
ARGUMENTS_CHARS_MAX: Final = 255
#: Degrees Celsius of a PID tuning when its schedule does not say: PLA's, as in the examples of Marlin's M303.
PID_HOTEND, PID_BED = 200, 60
#: Cycles of a PID tuning: Marlin's guide asks for eight or more.
PID_CYCLES: Final = 8

_PLACE: Final = re.compile(r"\{([^{}]*)\}")
#: What stands in a place: the argument's number, and the text that is sent where a run has none.
_ARGUMENT: Final = re.compile(r"([1-9])(?:=(.*))?", re.DOTALL)
#: A command, whole, in front of the first place: what it is must be known when the schedule is made.
_COMMAND: Final = re.compile(r"(?![Nn]\d)[A-Za-z_]++\d*+(?![.{])")
#: What a macro must not do while nobody looks, and why.
_NOT_ALONE: Final[Mapping[str, str]] = {
    **dict.fromkeys(("M0", "M1", "M226", "M600"), "waits for a person at the machine"),
    **dict.fromkeys(("M23", "M24", "M32", "M928"), "starts or writes a print on the printer's card"),
    **dict.fromkeys(("M28", "M29", "M30"), "writes to the printer's card"),
    **dict.fromkeys(("M81", "M80"), "switches the printer's power"),
    **dict.fromkeys(("M3", "M4"), "switches a spindle or a laser on"),
    **dict.fromkeys(("M1000", "SDCARD_PRINT_FILE", "RESUME"), "lets an earlier print go on, or starts one"),
    **dict.fromkeys(("RESTART", "FIRMWARE_RESTART", "SAVE_CONFIG"), "restarts the firmware"),
    "M25": "pauses a print on the printer's card",
    "M43": "switches bare pins of the board, heaters' too",
    "M575": "changes the speed of the connection",
    "M997": "writes the printer's firmware",
    "M999": "restarts a printer that stopped itself: a person must look first",
}
#: A second command in a line. Marlin ignores it; Prusa's firmware and Repetier's look for a G, then for an M
#: anywhere in the line, and carry out that one. Behind Klipper's words `NAME=M5` is none.
_SECOND: Final = re.compile(r"[GM]\s*\d", re.IGNORECASE)
_SECOND_WORD: Final = re.compile(r"(?<![A-Z0-9_=\"'.-])[GM]\s*\d", re.IGNORECASE)
#: Behind the number that the connection gives each line, firmware skips digits, blanks and minus signs.
_BEGINS: Final = re.compile(r"(?![Nn](?:[^A-Za-z_]|$))[A-Za-z_]")
#: The text of this one alone is a text to all of them.
_DISPLAY: Final = "M117"
#: Name -> lines. Sources: Marlin's G28 (home), G29 (bed levelling, behind a G28) and M303 (PID autotune, `U1`
#: uses the values until the next reset; `E-1` is the bed).
_PROCEDURES: Final[Mapping[str, tuple[str, ...]]] = {
    "home": ("G28",),
    "bed-level": ("G28", "G29"),
    "pid-hotend": (f"M303 E0 S{{target}} C{PID_CYCLES} U1",),
    "pid-bed": (f"M303 E-1 S{{target}} C{PID_CYCLES} U1",),
}
_TARGETS: Final = {"pid-hotend": PID_HOTEND, "pid-bed": PID_BED}


class RunPlans:
    """The macro of a run; `Services.run_plans`."""

    def macro(self, type: ScheduleType, params: Mapping[str, Any], arguments: str | None) -> Macro | None:
        """The lines of a run, ready to send, and what they would do.

        None: it sends nothing, or no arguments are given and a place has no text of its own.
        Raises ValueError with words for people: what cannot be sent, arguments that do not fit.
        """
        given = split_arguments(arguments)
        if type is ScheduleType.HISTORY_EXPORT:
            lines: tuple[str, ...] = ()
        elif type is ScheduleType.CALIBRATION:
            lines = _procedure(params)
        else:
            lines = _own_lines(type, params)
        places = _checked(lines)
        if given is None and places.least:
            return None
        _fit(places, given or ())
        filled = tuple(_filled(number, line, given or ()) for number, line in enumerate(lines, 1))
        if not filled:
            return None
        found = footprint(filled)
        _check_heat(found.hotend, found.bed)
        return Macro(filled, found.moves, found.prints, found.hotend, found.bed)


def split_arguments(arguments: str | None) -> tuple[str, ...] | None:
    """Positional arguments, split at blanks; None: none are given. Raises ValueError."""
    if arguments is None:
        return None
    if len(arguments) > ARGUMENTS_CHARS_MAX:
        raise ValueError(f"arguments have {len(arguments)} characters, {ARGUMENTS_CHARS_MAX} are taken")
    for char in arguments:
        if char in ";*":
            raise ValueError(f"arguments must not hold `{char}`: it would end the line of G-code")
        if not (char.isascii() and char.isprintable()):
            raise ValueError("arguments must be printable ASCII characters in one line")
    return tuple(arguments.split())


def _own_lines(type: ScheduleType, params: Mapping[str, Any]) -> tuple[str, ...]:
    lines = params.get("gcode") or ()
    if isinstance(lines, str) or not isinstance(lines, Sequence):
        raise ValueError("gcode must be a list of lines")
    if any(not isinstance(line, str) for line in lines):
        raise ValueError("gcode must be a list of lines, each of them text")
    if not lines and type is ScheduleType.GCODE_MACRO:
        raise ValueError("gcode is empty: give the lines to send")
    if len(lines) > MACRO_LINES_MAX:
        raise ValueError(
            f"gcode has {len(lines)} lines, {MACRO_LINES_MAX} are taken; print them as a file instead"
        )
    return tuple(line.strip() for line in lines)


def _procedure(params: Mapping[str, Any]) -> tuple[str, ...]:
    name, target = params.get("procedure"), params.get("target")
    lines = _PROCEDURES.get(name) if isinstance(name, str) else None
    if lines is None:
        raise ValueError(f"procedure must be one of {', '.join(_PROCEDURES)}")
    if name not in _TARGETS:
        if target is not None:
            raise ValueError(f"procedure {name} takes no target")
        return lines
    target = _TARGETS[name] if target is None else target
    if isinstance(target, bool) or not isinstance(target, int | float) or not 1 <= target <= CELSIUS_MAX:
        raise ValueError(f"target must be degrees Celsius from 1 to {CELSIUS_MAX}")
    return tuple(line.replace("{target}", f"{target:g}") for line in lines)


class _Places(NamedTuple):
    """How many arguments the lines take."""

    least: int  # a place without a text of its own has this number
    most: int


def _checked(lines: Sequence[str]) -> _Places:
    """Raises ValueError for a line that cannot be sent, and for what is no place of an argument."""
    least = most = 0
    for number, line in enumerate(lines, 1):
        for name in _PLACE.findall(line):
            argument = _ARGUMENT.fullmatch(name)
            if argument is None:
                raise ValueError(
                    f"line {number}: {{{name}}} is no argument; they are {{1}} to {{9}}, or {{1=text}}"
                )
            if not _COMMAND.match(line):
                raise ValueError(f"line {number}: the command itself cannot be an argument")
            most = max(most, int(argument[1]))
            least = max(least, int(argument[1]) if argument[2] is None else 0)
        _refuse(number, _sent(line, (), without="1"))
    return _Places(least, most)


def _fit(places: _Places, given: Sequence[str]) -> None:
    least, most = places
    if least <= len(given) <= most:
        return
    count = f"{len(given)} argument{'' if len(given) == 1 else 's'}"
    if not most:
        raise ValueError(f"{count} given, it takes none")
    takes = f"{most}" if least == most else f"{least} to {most}"
    raise ValueError(f"{count} given, the macro takes {takes}")


def _filled(number: int, line: str, given: Sequence[str]) -> str:
    text = cut(_sent(line, given))
    if text != line:
        _refuse(number, text)
    return text


def _sent(line: str, given: Sequence[str], *, without: str = "") -> str:
    """The line with its arguments. Where one is missing: the place's own text, else `without`."""

    def said(place: re.Match[str]) -> str:
        name, _, text = place[1].partition("=")
        if int(name) <= len(given):
            return given[int(name) - 1]
        return text if "=" in place[1] else without

    return _PLACE.sub(said, line).rstrip()


def _refuse(number: int, line: str) -> None:
    """Raise ValueError when this line cannot be sent by a schedule."""
    if "{" in line or "}" in line:
        raise ValueError(f"line {number}: braces are for arguments, {{1}} to {{9}} or {{1=text}}")
    problem = check(line) or _not_alone(printable(line.encode()))
    if problem is not None:
        raise ValueError(f"line {number}: {problem}")


def _not_alone(line: str) -> str | None:
    """Why nobody may send this line while nobody looks; None: it may be sent."""
    word, _ = parsed(line)
    if word in _NOT_ALONE:
        return f"{word} {_NOT_ALONE[word]}"
    if line and not _BEGINS.match(line):
        return "a line begins with its command; the gateway numbers lines itself"
    unread = unread_heat(line)
    if unread is not None:
        return f"`{unread[:20]}` is no temperature in plain digits"
    if word == _DISPLAY:
        return None
    begin = re.match(r"[A-Z_]\s*\d*", line)
    is_plain = word[:1] in "GMT" and word[1:2].isdigit()
    second = (_SECOND if is_plain else _SECOND_WORD).search(line, begin.end() if begin else 0)
    return None if second is None else f"`{line[second.start() :][:20]}` is a second command: one in a line"


def _check_heat(hotend: float, bed: float) -> None:
    for what, target in (("hotend", hotend), ("bed", bed)):
        if target > CELSIUS_MAX:
            raise ValueError(f"{what} target {target:g} °C is a mistake for any printer")

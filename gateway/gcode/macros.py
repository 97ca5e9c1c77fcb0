"""Lines that people write into the configuration: G-code with variables in braces.

    M117 printing {file}        G1 X{x} Y{y}        M104 S{hotend}

What a variable says is cut down to what a line may hold; `{{` and `}}` are braces.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from string import Formatter

#: What each variable says. Positions are the file's own, where the print was paused; else where it is known.
VARIABLES: Mapping[str, str] = {
    "file": "name of the print, reduced to letters, digits, blanks, . _ -",
    "job": "key of the print",
    "printer": "name of the printer",
    "hotend": "target of the hotend, degrees Celsius",
    "bed": "target of the bed, degrees Celsius",
    "x": "position, mm",
    "y": "position, mm",
    "z": "position, mm",
    "e": "position of the filament, mm",
    "feedrate": "mm/min",
    "progress": "percent, whole",
}
#: Characters of one line when it is sent: Marlin's 95 less the number and the checksum around it.
LINE_CHARS_MAX = 80
#: Characters that a name may bring into a line.
NAME_CHARS_MAX = 40
#: Commands whose text people only read: what does not fit of it is left out.
_SHOWN = ("M117 ", "M118 ")
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9 ._-]+")
#: An M command as firmware's emergency parser reads it: numbers, minus signs and blanks in front, blanks and
#: zeros before its own.
_COMMAND = re.compile(r"[N\d\s-]*M\s*0*(\d+)", re.IGNORECASE)
#: Numbers belong to the connection, the emergency commands act at once and not in their turn.
_NOT_FOR_SCRIPTS = frozenset({"M110", "M112", "M108", "M410"})


class MacroInvalid(ValueError):
    """A line of a script cannot be sent. The text says why, for people."""


def render(line: str, values: Mapping[str, object]) -> str:
    """The line with its variables; raises MacroInvalid. Unknown values (None) are left out as 0."""
    known = {name: _said(values.get(name)) for name in VARIABLES}
    try:
        text = line.format_map(known).strip()
    except (KeyError, ValueError, IndexError, AttributeError) as error:
        raise MacroInvalid(check(line) or f"it cannot be read: {error}") from error
    text = cut(text)
    if len(text) > LINE_CHARS_MAX:
        raise MacroInvalid(f"it has {len(text)} characters, {LINE_CHARS_MAX} fit")
    return text


def cut(line: str) -> str:
    """The line, cut to what fits if it only shows a text."""
    return line[:LINE_CHARS_MAX].rstrip() if line.startswith(_SHOWN) else line


def _said(value: object) -> str:
    if value is None:
        return "0"
    if isinstance(value, float):
        return f"{value:.3f}".rstrip("0").rstrip(".") or "0"
    if isinstance(value, int):
        return str(value)
    return _NOT_IN_NAMES.sub("_", str(value))[:NAME_CHARS_MAX].strip() or "_"


def check(line: str) -> str | None:
    """Why this line cannot be sent by a script, for people; None when it can."""
    try:
        parts = list(Formatter().parse(line))
    except ValueError as error:
        return f"its braces do not fit together ({error})"
    for _, name, form, conversion in parts:
        if name is None:
            continue
        if name not in VARIABLES:
            return f"there is no variable {{{name}}}; known: {', '.join(VARIABLES)}"
        if form or conversion:
            return f"{{{name}}} takes no format"
    fixed = "".join(text for text, *_ in parts).strip()
    if ";" in fixed:
        return "a comment is not sent; leave it out"
    if "*" in fixed:
        return "firmware ends a line at `*`, for its checksum; leave it out"
    if not fixed:
        return "there is nothing to send"
    if not (fixed.isascii() and fixed.isprintable()) or "\\" in fixed:
        return "only printable ASCII characters without backslash can be sent"
    if len(fixed) > LINE_CHARS_MAX:
        return f"it has {len(fixed)} characters, {LINE_CHARS_MAX} fit"
    command = _COMMAND.match(fixed)
    word = f"M{command[1]}" if command is not None else ""
    return f"{word} is for the gateway alone" if word in _NOT_FOR_SCRIPTS else None

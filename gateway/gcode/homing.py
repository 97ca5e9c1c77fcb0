"""Whether a print file has homed the machine by a byte offset, and what it says about its modes."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import BinaryIO

from gateway.gcode.chunks import whole_lines

_ALL_AXES = frozenset("XYZ")
#: Homing, motors off, modes. `M84 S60` sets a time and lets nothing go.
_WORDS = re.compile(rb"\n[ \t]*([GgMm])0*(28|18|84|9[01]|8[23])(?![\d.])([^\n;]*)")
_AXES = re.compile(r"[XYZ]")


@dataclass(frozen=True, slots=True)
class Said:
    """What the file has said in so many words, not what follows from its silence."""

    is_homed: bool = False  # all axes, and the motors have not been let go since
    says_mode: bool = False  # G90 or G91
    says_extruder_mode: bool = False  # M82 or M83


def said_by(
    file: BinaryIO, offset: int, *, is_homed: bool = False, breathe: Callable[[], None] = lambda: None
) -> Said:
    """What the first `offset` bytes say. `is_homed`: before the first line already.

    Blocks, about 0.5 s for 500 MB: run it in a thread. The file's own position is left alone. Raises OSError.
    """
    homed = _ALL_AXES if is_homed else frozenset[str]()
    says_mode = says_extruder_mode = False
    for data, _ in whole_lines(file.fileno(), 0, offset, breathe):
        for found in _WORDS.finditer(data):
            word = found[1].decode().upper() + found[2].decode()
            axes = frozenset(_AXES.findall(found[3].decode("ascii", "replace").upper()))
            if word == "G28":
                homed |= axes or _ALL_AXES
            elif word in ("M18", "M84"):
                if b"S" not in found[3].upper():
                    homed -= axes or _ALL_AXES
            elif word in ("G90", "G91"):
                says_mode = True
            elif word in ("M82", "M83"):
                says_extruder_mode = True
    return Said(homed == _ALL_AXES, says_mode, says_extruder_mode)

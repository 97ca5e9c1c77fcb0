"""Names of files on the printer: unique to a start, and telling which start it was.

    bracket-1234567.gcode.3mf     `1234567` is the mark of the start; so is its id, where it carries one

Letters, digits, `-` and `_` only: the firmware reads the name as a part of a URL. A name is never used again:
a file may be replaced while it is printed.
"""

from __future__ import annotations

import re
from typing import Final

#: Characters of a file's own name that are kept: a panel shows no more.
MOST_KEPT: Final = 40
#: The largest mark: P1S clamps greater numbers, and takes the print for the one before (bambuddy #1042).
MOST_MARK: Final = 2**31 - 1
_ENDINGS: Final = (".gcode.3mf", ".3mf", ".gcode", ".gco", ".g")
_MARKED: Final = re.compile(r"-([1-9][0-9]{0,9})$")


def base_name(path: str) -> str:
    """A path without its folders."""
    return path.rstrip("/").rpartition("/")[2]


def stem(name: str) -> str:
    """A file's name without what says of which kind it is."""
    lowered = name.lower()
    found = next((ending for ending in _ENDINGS if lowered.endswith(ending)), "")
    return name[: len(name) - len(found)]


def plain(name: str) -> str:
    """What a printer takes of a name; never empty."""
    kept = re.sub(r"[^A-Za-z0-9_]+", "-", stem(base_name(name)))[:MOST_KEPT].strip("-")
    return kept or "print"


def job_name(name: str, mark: int) -> str:
    """What the printer calls the print of a start: the name with its mark."""
    return f"{plain(name)}-{mark}"


def mark_in_name(name: str) -> int | None:
    """The mark that `job_name` put there; None: a name of somebody else's."""
    found = _MARKED.search(stem(base_name(name)))
    mark = int(found[1]) if found else 0
    return mark if 0 < mark <= MOST_MARK else None

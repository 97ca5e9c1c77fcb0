"""What files are called on the printer.

A print's file has the attempt's mark in its name, so that print_stats and the history tell, after any
restart, whose print it is: `benchy_5a0b7c1e0b5e4d538f2a000000000001.gcode`. Klipper's parser and Moonraker's
paths have opinions about blanks, quotes and `#`: a name has none of them.
"""

from __future__ import annotations

import re
import uuid
from typing import Final

#: Characters of a name that people gave, in a file name; displays cut longer ones anyway.
MOST_STEM: Final = 60
#: What Klipper's virtual_sdcard takes for a print file.
_EXTENSIONS: Final = ("gcode", "gco", "g")
_UNFIT: Final = re.compile(r"[^A-Za-z0-9.-]+")
_MARKED: Final = re.compile(r"(?:.*/)?(?P<stem>[^/]*)_(?P<mark>[0-9a-f]{32})\.gcode", re.DOTALL)


def mark_of(key: str) -> str:
    """32 hex digits that stand for the key of a print the gateway ordered. Raises ValueError."""
    return uuid.UUID(key).hex


def marked_name(name: str, key: str) -> str:
    """The file name of one print, like that of no other. Raises ValueError for a key that is no mark."""
    return f"{_stem(name)}_{mark_of(key)}.gcode"


def mark_in(file: str) -> str | None:
    """The mark in a file name; None: it has none."""
    found = _MARKED.fullmatch(file)
    return None if found is None else found["mark"]


def shown_name(file: str) -> str:
    """A file's name for people, without the mark."""
    found = _MARKED.fullmatch(file)
    return file if found is None else f"{found['stem']}.gcode"


def upload_name(name: str, sha256: str) -> str:
    """The file name of an upload that is no print: never that of a file with another content."""
    return f"{_stem(name)}-{sha256[:8]}.gcode"


def _stem(name: str) -> str:
    base = name.replace("\\", "/").rpartition("/")[2]
    stem, dot, extension = base.rpartition(".")
    if not dot or extension.lower() not in _EXTENSIONS:
        stem = base
    return _UNFIT.sub("-", stem).strip("-.")[:MOST_STEM] or "print"

"""The SD card: names as Marlin lists them, one open file, printing from it, writing to it.

`saving` is the firmware's flag, not the file: only M29 and a reset take it back (cardreader.cpp, closefile).
While it is set every line from the host is written instead of run, also when the file behind it is gone: the
card was pulled, or somebody at the display opened another one. A line that cannot be written is lost.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

MAX_LINE_BYTES = 95
"""A longer line of a file is cut, as on the serial side."""
_LINE_END = re.compile(rb"[\r\n]+")
_NOT_DOS = re.compile(r"[^A-Z0-9_$%'@~!(){}^#&-]")


@dataclass(slots=True)
class CardFile:
    """One file: the 8.3 name that every command uses, the long name of `M20 L`, the bytes."""

    short: str
    long: str
    content: bytes


def short_name(long: str, taken: set[str]) -> str:
    """The 8.3 name FAT gives `long`, unique among `taken`: `cube.gcode` -> `CUBE~1.GCO`."""
    stem, dot, extension = long.upper().rpartition(".")
    if not dot:
        stem, extension = extension, ""
    plain_stem, plain_extension = _NOT_DOS.sub("", stem), _NOT_DOS.sub("", extension)[:3]
    tail = f".{plain_extension}" if plain_extension else ""
    exact = f"{plain_stem}{tail}"
    if len(stem) <= 8 and len(extension) <= 3 and exact == long.upper() and exact not in taken:
        return exact
    for counter in range(1, 10_000):
        suffix = f"~{counter}"
        candidate = f"{plain_stem[: 8 - len(suffix)]}{suffix}{tail}"
        if candidate not in taken:
            return candidate
    raise ValueError(f"too many files like {long!r} on one card")


class Card:
    """The card and the reader's flags. Positions and sizes in bytes."""

    def __init__(self, files: dict[str, bytes] | None = None) -> None:
        self.files: list[CardFile] = []
        self.mounted = True
        self.opened: CardFile | None = None
        self.position = 0
        self.fetching = False
        self.begun = False
        self.finished = False
        self.abort_wanted = False
        self.saving = False
        self.present = True
        self.room = math.inf
        """Bytes that can still be written."""
        self._written: CardFile | None = None
        self._buffer = bytearray()
        for name, content in (files or {}).items():
            self.put(name, content)

    def put(self, long: str, content: bytes) -> CardFile:
        """Put a file on the card as a person with a card reader would."""
        found = self.find(long)
        if found is not None:
            found.content = content
            return found
        file = CardFile(short_name(long, {f.short for f in self.files}), long, content)
        self.files.append(file)
        return file

    def find(self, name: str, *, long_too: bool = False) -> CardFile | None:
        """The file with this 8.3 name, upper or lower case; the firmware opens files by no other name."""
        wanted = name.lstrip("/").upper()
        for file in self.files:
            if file.short == wanted or (long_too and file.long.upper() == wanted):
                return file
        return None

    def listed(self) -> list[CardFile]:
        """What M20 shows: files whose extension starts with G."""
        return [f for f in self.files if f.short.rpartition(".")[2][:1] == "G"]

    def select(self, name: str) -> CardFile | None:
        """M23: open for printing; an open file is closed first either way."""
        self.close()
        found = self.find(name)
        if found is not None:
            self.opened = found
        return found

    def close(self) -> None:
        """Close whatever is open; printing is over."""
        self.opened, self.position = None, 0
        self.fetching = self.begun = self.finished = False
        if self._written is not None:
            self._written.content = bytes(self._buffer)
            self._written = None

    def create(self, name: str) -> bool:
        """M28: an empty file to write to; one of that name is emptied. False: no name that FAT has."""
        self.close()
        if not self.mounted or short_name(name, set()) != name.upper():
            return False
        self._written, self._buffer, self.saving = self.put(name, b""), bytearray(), True
        return True

    def saved(self) -> CardFile | None:
        """M29: the file that was written, if it still could be."""
        file = self._written
        self.close()
        self.saving = False
        return file

    def pull(self) -> None:
        """Take the card out. The size of a file that is being written is not on it yet."""
        self._written = None
        self.mounted = self.present = False

    def power_lost(self) -> None:
        """The board starts again: what was written and not closed is an empty file."""
        self._written, self.saving = None, False
        self.close()

    @property
    def printing(self) -> bool:
        """Between M24 and the end, a pause or an abort."""
        return self.opened is not None and self.fetching

    @property
    def paused(self) -> bool:
        """A file is open and not being printed: selected, or paused (the firmware cannot tell either)."""
        return self.opened is not None and not self.fetching

    def next_line(self) -> bytes | None:
        """The next command of the file, comments and empty lines skipped; None at the end."""
        if self.opened is None:
            return None
        content = self.opened.content
        while self.position < len(content):
            end = _LINE_END.search(content, self.position)
            raw = content[self.position : end.start() if end else len(content)]
            self.position = end.end() if end else len(content)
            line = raw.partition(b";")[0].rstrip(b" ")[:MAX_LINE_BYTES]
            if line:
                return line
        return None

    def write(self, command: bytes) -> bool:
        """One line into the file M28 opened; the firmware ends lines with CR LF. False: it is lost."""
        line = command + b"\r\n"
        if self._written is None or len(line) > self.room:
            return False
        self._buffer += line
        self.room -= len(line)
        return True

    def remove(self, name: str) -> bool:
        """M30; False when there is no such file."""
        found = self.find(name)
        if found is None:
            return False
        self.files.remove(found)
        self.room += len(found.content)
        if found is self.opened:
            self.close()
        return True

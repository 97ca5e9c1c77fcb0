"""The list of the files on a printer's card (M20), and when two of their names are one.

It comes without a checksum, and it is only what stood between its two marks. Measured on Marlin 2.1.2
(`tests/vectors/marlin/full-card.toml`); Marlin 1.1 lists names without sizes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

#: Files of one list that are kept; FAT's root folder holds 512 names on the cards that printers take.
FILES_MAX = 4096

_BEGIN, _END = "Begin file list", "End file list"
_ENTRY = re.compile(r"(\S+)(?:\s+(\d{1,18}))?(?:\s.*)?$")


def same_file(one: str, other: str) -> bool:
    """Whether two 8.3 names are one file: FAT knows no small letters, and the root may be written out."""
    return one.lstrip("/").upper() == other.lstrip("/").upper()


class FileList:
    """The answer to M20, line by line."""

    def __init__(self) -> None:
        self.is_whole = False  # its last line was heard
        self._is_open = False
        self._sizes: dict[str, int | None] = {}

    def hear(self, text: str) -> None:
        """One line that is no other reply."""
        if text.startswith(_BEGIN):
            self._is_open, self.is_whole = True, False
            self._sizes.clear()
        elif text.startswith(_END):
            self.is_whole, self._is_open = self._is_open, False
        elif self._is_open and len(self._sizes) < FILES_MAX and (entry := _ENTRY.match(text)):
            self._sizes[entry[1].lstrip("/").upper()] = int(entry[2]) if entry[2] else None

    @property
    def sizes(self) -> Mapping[str, int | None]:
        """Bytes by 8.3 name in capitals; None where the firmware tells no sizes."""
        return self._sizes

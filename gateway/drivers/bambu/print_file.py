"""What can be started in a print file: a plate of a sliced 3MF, or plain G-code. Blocking; for a thread."""

from __future__ import annotations

import re
import zipfile
from dataclasses import dataclass
from typing import Final

#: Entries of an archive that are looked at; a project of 36 plates has some hundred.
MOST_ENTRIES: Final = 10_000
#: Number of the plate in the name of its G-code.
_PLATE: Final = re.compile(r"Metadata/plate_([1-9][0-9]{0,2})\.gcode")
_ARCHIVE: Final = b"PK"
#: Bytes at the beginning that tell text from anything else.
_HEAD: Final = 4096
#: Of a name on the printer, which goes by it: plain G-code, a sliced 3MF.
ENDINGS: Final = (".gcode", ".gcode.3mf")


class NotPrintable(Exception):
    """The file cannot be started on such a printer. The text is for people: why, and what to do."""


@dataclass(frozen=True, slots=True)
class PrintFile:
    """`plate`: the first sliced one of a 3MF; None: plain G-code."""

    plate: int | None

    @property
    def ending(self) -> str:
        """Of its name on the printer, which goes by it."""
        return ENDINGS[0] if self.plate is None else ENDINGS[1]


def look_at(path: str) -> PrintFile:
    """Raises NotPrintable."""
    try:
        with open(path, "rb") as file:
            head = file.read(_HEAD)
        if head.startswith(_ARCHIVE):
            return PrintFile(_first_plate(path))
    except (OSError, zipfile.BadZipFile, ValueError, NotImplementedError) as error:
        raise NotPrintable(f"its file cannot be read: {error}") from error
    if not head.strip() or b"\0" in head:
        raise NotPrintable("its file is neither a sliced 3MF (.gcode.3mf) nor G-code")
    return PrintFile(plate=None)


def _first_plate(path: str) -> int:
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()[:MOST_ENTRIES]
    plates = [int(found[1]) for found in map(_PLATE.fullmatch, names) if found]
    if not plates:
        raise NotPrintable(
            "the 3MF holds no sliced plate: slice it, and export it as a sliced file (.gcode.3mf)"
        )
    return min(plates)

"""What can be started in a print file: a plate of a sliced 3MF, or plain G-code. Blocking; for a thread."""

from __future__ import annotations

import re
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

#: Entries of an archive that are looked at; a project of 36 plates has some hundred.
MOST_ENTRIES: Final = 10_000
#: Number of the plate in the name of its G-code.
_PLATE: Final = re.compile(r"Metadata/plate_([1-9][0-9]{0,2})\.gcode")
_PLATE_ENDING: Final = ".gcode.3mf"


class NotPrintable(Exception):
    """The file cannot be started on such a printer. The text is for people: why, and what to do."""


@dataclass(frozen=True, slots=True)
class PrintFile:
    """`plate`: the first sliced one of a 3MF; None: plain G-code."""

    plate: int | None

    @property
    def ending(self) -> str:
        """Of its name on the printer, which goes by it."""
        return ".gcode" if self.plate is None else _PLATE_ENDING


def look_at(path: str) -> PrintFile:
    """Raises NotPrintable."""
    try:
        if not Path(path).is_file():
            raise NotPrintable("its file is not there")
        if not zipfile.is_zipfile(path):
            return PrintFile(plate=None)
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()[:MOST_ENTRIES]
    except (OSError, zipfile.BadZipFile, ValueError) as error:
        raise NotPrintable(f"its file cannot be read: {error}") from error
    plates = [int(found[1]) for found in map(_PLATE.fullmatch, names) if found]
    if not plates:
        raise NotPrintable(
            "the 3MF holds no sliced plate: slice it, and export it as a sliced file (.gcode.3mf)"
        )
    return PrintFile(plate=min(plates))

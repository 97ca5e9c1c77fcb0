"""What can be started in a print file: a plate of a sliced 3MF, or plain G-code. Blocking; for a thread."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from gateway.gcode.sliced_3mf import UNREADABLE, sliced_plates

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
    except (OSError, *UNREADABLE) as error:
        raise NotPrintable(f"its file cannot be read: {error}") from error
    if not head.strip() or b"\0" in head:
        raise NotPrintable("its file is neither a sliced 3MF (.gcode.3mf) nor G-code")
    return PrintFile(plate=None)


def _first_plate(path: str) -> int:
    plates = sliced_plates(Path(path))
    if not plates:
        raise NotPrintable(
            "the 3MF holds no sliced plate: slice it, and export it as a sliced file (.gcode.3mf)"
        )
    return plates[0]

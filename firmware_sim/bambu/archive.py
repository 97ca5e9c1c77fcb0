"""Print files: the G-code of a plate in a 3MF archive, and what its slicer wrote about layers and time."""

from __future__ import annotations

import io
import re
import zipfile
import zlib
from bisect import bisect_right
from dataclasses import dataclass, field

MOST_GCODE_BYTES = 256 << 20
"""Of one plate, unpacked: an archive that claims more is none that a printer could keep."""
_LAYER = re.compile(rb";\s*(?:CHANGE_LAYER|LAYER_CHANGE|LAYER:\s*\d+)\s*$")
_TOTAL = re.compile(rb";\s*total layer (?:number|count)s?\s*[:=]\s*(\d+)", re.IGNORECASE)
_PROGRESS = re.compile(rb"M73\b(?=.*\bP(\d+))(?:.*\bR(\d+))?")


class Unprintable(ValueError):
    """No G-code in it; the text says what is wrong."""


_BROKEN = (zipfile.BadZipFile, zlib.error, EOFError, OSError, OverflowError, RuntimeError, ValueError)
"""What zipfile raises over harmed bytes."""


def plate_of(content: bytes, plate: str, most_bytes: int = MOST_GCODE_BYTES) -> bytes:
    """The G-code named `plate` (`Metadata/plate_1.gcode`) of an archive; a plain file is G-code itself.

    Raises Unprintable.
    """
    if not content.startswith(b"PK"):
        if not content.strip() or b"\0" in content:
            raise Unprintable("neither an archive nor text")
        return content
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            entry = archive.getinfo(plate)
            if entry.file_size <= most_bytes:
                return archive.read(entry)
    except KeyError:
        raise Unprintable(f"no {plate} in the archive") from None
    except _BROKEN as error:
        raise Unprintable(f"the archive is broken: {error}") from error
    raise Unprintable(f"{plate} has {entry.file_size} bytes")


@dataclass(frozen=True, slots=True)
class Place:
    """What the file says of its place: layer, percent and minutes left; None where it has said nothing."""

    layer: int = 0
    percent: int | None = None
    minutes: int | None = None


@dataclass(frozen=True, slots=True)
class PrintFile:
    """One plate, read once: places by their offsets in bytes."""

    gcode: bytes
    layers: int
    offsets: list[int] = field(default_factory=list)
    places: list[Place] = field(default_factory=list)

    def place_at(self, offset: int) -> Place:
        """What was said last before `offset`."""
        found = bisect_right(self.offsets, offset) - 1
        return self.places[found] if found >= 0 else Place()

    def percent_at(self, offset: int) -> int:
        """As the slicer said (M73 P), else by bytes; 0 to 100."""
        said = self.place_at(offset).percent
        return min(100, said if said is not None else 100 * offset // max(1, len(self.gcode)))


def read_plate(gcode: bytes) -> PrintFile:
    """Layers by the slicer's comments, progress by M73 P (percent) and R (minutes left)."""
    offsets: list[int] = []
    places: list[Place] = []
    place, announced, offset = Place(), 0, 0
    for line in gcode.splitlines(keepends=True):
        text = line.strip()
        before = place
        if _LAYER.match(text):
            place = Place(place.layer + 1, place.percent, place.minutes)
        elif found := _TOTAL.match(text):
            announced = int(found[1])
        elif text.startswith(b"M73") and (found := _PROGRESS.match(text)):
            minutes = int(found[2]) if found[2] else place.minutes
            place = Place(place.layer, int(found[1]), minutes)
        if place is not before:
            offsets.append(offset)
            places.append(place)
        offset += len(line)
    return PrintFile(gcode, announced or place.layer, offsets, places)

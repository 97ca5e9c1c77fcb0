"""A 3MF as slicers for Bambu printers export it: a ZIP archive with the G-code of a plate, and what it takes.

    Metadata/plate_1.gcode         what is printed; a project that was not sliced has none
    Metadata/slice_info.config     XML: `prediction` in seconds, `weight` in grams, a plate after the other

Nothing is unpacked but the latter (source: files of Bambu Studio and OrcaSlicer; OpenBambuAPI).
"""

from __future__ import annotations

import re
import struct
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Final

#: What an archive is that is broken, encrypted, or packed in a way that nobody reads.
UNREADABLE: Final = (zipfile.BadZipFile, ValueError, NotImplementedError, EOFError, RuntimeError)
#: Bytes of an archive's list of contents, which is read as a whole: that of a print has a hundred names.
DIRECTORY_BYTES: Final = 1024 * 1024
#: Bytes of `slice_info.config`, unpacked.
INFO_BYTES: Final = 256 * 1024
#: What ends a ZIP archive (PKWARE APPNOTE 4.3.16): mark, four fields, size and place of the list, a comment.
_END_MARK: Final = b"PK\x05\x06"
_END: Final = struct.Struct("<4s4H2LH")
#: In front of it, where another place holds the real sizes (4.3.15).
_LOCATOR_MARK: Final = b"PK\x06\x07"
_LOCATOR_BYTES: Final = 20
_COMMENT_BYTES: Final = 65535
_PLATE: Final = re.compile(r"Metadata/plate_([1-9][0-9]{0,2})\.gcode")
_INFO: Final = "Metadata/slice_info.config"
_FACT: Final = re.compile(r'<metadata\s+key="(prediction|weight)"\s+value="([0-9.]{1,12})"')


def sliced_3mf(path: Path) -> Mapping[str, Any] | None:
    """Plates, estimated time (s) and filament (g) of a sliced 3MF; None for any other file."""
    try:
        with _opened(path) as archive:
            plates = _plates(archive)
            return {"plates": plates, **_facts(archive)} if plates else None
    except UNREADABLE:
        return None


def sliced_plates(path: Path) -> list[int]:
    """Numbers of the plates that were sliced, ascending. Raises OSError, or one of UNREADABLE."""
    with _opened(path) as archive:
        return _plates(archive)


@contextmanager
def _opened(path: Path) -> Iterator[zipfile.ZipFile]:
    with path.open("rb") as file:
        if _directory_bytes(file) > DIRECTORY_BYTES:
            raise ValueError(f"its list of contents has more than {DIRECTORY_BYTES} bytes")
        with zipfile.ZipFile(file) as archive:
            yield archive


def _plates(archive: zipfile.ZipFile) -> list[int]:
    found = (_PLATE.fullmatch(name) for name in archive.namelist())
    return sorted(int(match[1]) for match in found if match is not None)


def _directory_bytes(file: BinaryIO) -> int:
    """Size of the list of contents; ValueError without one."""
    size = file.seek(0, 2)
    file.seek(max(0, size - _END.size - _COMMENT_BYTES))
    tail = file.read(_END.size + _COMMENT_BYTES)
    place = tail.rfind(_END_MARK)
    if place < 0 or len(tail) - place < _END.size:
        raise ValueError("no end of a ZIP archive")
    if tail[max(0, place - _LOCATOR_BYTES) : place].startswith(_LOCATOR_MARK):
        raise ValueError("its list is that of an archive beyond 4 GB")
    file.seek(0)
    return int(_END.unpack_from(tail, place)[5])


def _facts(archive: zipfile.ZipFile) -> dict[str, float]:
    """Of the first plate, as far as the slicer says."""
    if _INFO not in archive.namelist():
        return {}
    with archive.open(_INFO) as file:
        text = file.read(INFO_BYTES).decode("utf-8", errors="replace")
    first: dict[str, float] = {}
    for key, value in _FACT.findall(text):
        if value.count(".") < 2 and value != ".":
            first.setdefault({"prediction": "estimated_time", "weight": "filament_g"}[key], float(value))
    return first

"""The pictures that slicers put into the comments of a print file: their size and format, not their pixels.

; thumbnail begin 220x124 10500        PrusaSlicer, SuperSlicer, OrcaSlicer, Bambu Studio: PNG in base64,
; iVBORw0KGgo...                       the number is the count of base64's characters;
; thumbnail end                        `thumbnail_JPG` and `thumbnail_QOI` name other formats
"""

from __future__ import annotations

import re
from typing import BinaryIO, Final, NamedTuple

#: Bytes at the beginning of a file in which they are looked for: a full set of them takes some 100 kB.
HEAD_BYTES: Final = 2 * 1024 * 1024
#: Pictures told of one file: slicers write two or three.
THUMBNAILS_MAX: Final = 16

_BEGIN: Final = re.compile(
    rb"^; ?thumbnail(?:_(PNG|JPG|QOI))? begin (\d{1,5})[x ](\d{1,5}) (\d{1,9})[ \t]*\r?$", re.MULTILINE
)
_FORMATS: Final = {b"": "png", b"PNG": "png", b"JPG": "jpeg", b"QOI": "qoi"}


class Thumbnail(NamedTuple):
    """One picture."""

    width: int  # pixels
    height: int  # pixels
    format: str  # png, jpeg, qoi
    size: int  # bytes, of the picture itself


def thumbnails_in(file: BinaryIO) -> tuple[Thumbnail, ...]:
    """What pictures the beginning of an open, seekable file names. Raises OSError."""
    file.seek(0)
    found = []
    for begin in _BEGIN.finditer(file.read(HEAD_BYTES)):
        kind, width, height, characters = begin.groups()
        found.append(
            Thumbnail(int(width), int(height), _FORMATS[kind or b""], int(characters) * 3 // 4)  # base64
        )
        if len(found) == THUMBNAILS_MAX:
            break
    return tuple(found)

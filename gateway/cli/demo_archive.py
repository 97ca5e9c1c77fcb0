"""The print of the demo's resin printer: one picture a layer, in the archive that such a printer reads.

Ember's prints are a `tar.gz` of `slice_1.png`, `slice_2.png`, ...; white is what hardens. The part is a
stepped pyramid, drawn here: no slicer of that time is left to ask for one.
"""

from __future__ import annotations

import io
import struct
import tarfile
import zlib
from pathlib import Path

#: Layers, each with a picture of its own.
SLICES = 50
#: Pixels of Ember's projector.
WIDTH, HEIGHT = 1280, 800
#: Pixels by which each layer is smaller than the one below, at every side.
STEP = 5


def write(path: Path) -> None:
    """The archive."""
    with tarfile.open(path, "w:gz", compresslevel=1) as archive:
        for number in range(1, SLICES + 1):
            picture = png(slice_rows(number))
            entry = tarfile.TarInfo(f"slice_{number}.png")
            entry.size = len(picture)
            archive.addfile(entry, io.BytesIO(picture))


def slice_rows(number: int) -> list[bytes]:
    """A layer, from 1, as rows of one bit a pixel: a white rectangle on black."""
    margin = STEP * number
    white = range(margin, WIDTH - margin)
    bits = int.from_bytes(b"\xff" * (WIDTH // 8), "big") >> (WIDTH - len(white))
    full = (bits << margin).to_bytes(WIDTH // 8, "big")
    empty = bytes(WIDTH // 8)
    return [full if margin <= row < HEIGHT - margin else empty for row in range(HEIGHT)]


def png(rows: list[bytes]) -> bytes:
    """A PNG of one bit a pixel (RFC 2083: signature, IHDR, IDAT, IEND)."""
    header = struct.pack(">IIBBBBB", WIDTH, len(rows), 1, 0, 0, 0, 0)
    pixels = zlib.compress(b"".join(b"\0" + row for row in rows), 1)  # each row with filter 0: none
    chunks = ((b"IHDR", header), (b"IDAT", pixels), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, content) for kind, content in chunks)


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

"""Print files of moves alone: the zigzag of an infill, as slicers write it, as many as wanted.

A frame (`N<number> ... *<checksum>`) has about 39 bytes, as those of sliced files.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

#: Moves written at a time.
_CHUNK = 10_000


@dataclass(frozen=True, slots=True)
class MoveFile:
    """A file, its moves, and the CRC-32 that a board comes to which executed each once and in order."""

    path: Path
    moves: int
    crc: int


def moves() -> Iterator[str]:
    """Endless: strokes 0.45 mm apart, 2.4 mm long pieces, relative extrusion."""
    ordinal = 0
    while True:
        stroke, piece = divmod(ordinal, 40)
        along = piece if stroke % 2 == 0 else 39 - piece
        x = 52.318 + 2.417 * along
        y = 48.106 + 0.4503 * (stroke % 230)
        yield f"G1 X{x:.3f} Y{y:.3f} E{0.0791 + ordinal % 7 / 10000:.5f}"
        ordinal += 1


def write_moves(path: Path, count: int) -> MoveFile:
    """Write `count` moves to `path`."""
    crc, source = 0, moves()
    with path.open("wb") as file:
        for begin in range(0, count, _CHUNK):
            size = min(_CHUNK, count - begin)
            chunk = "".join(f"{move}\n" for move in islice(source, size)).encode("ascii")
            crc = zlib.crc32(chunk, crc)
            file.write(chunk)
    return MoveFile(path, count, crc)


def write_bytes(path: Path, size: int) -> None:
    """Write moves to `path` until it has at least `size` bytes: one chunk again and again."""
    chunk = "".join(f"{move}\n" for move in islice(moves(), 20 * _CHUNK)).encode("ascii")
    with path.open("wb") as file:
        for _ in range(-(-size // len(chunk))):
            file.write(chunk)

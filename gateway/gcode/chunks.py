"""Whole lines of a print file in pieces of flat memory, for searches through all of it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

#: Bytes read and searched at once: the interpreter's lock is held for the search, 0.5 ms on a slow board.
CHUNK_BYTES = 64 * 1024
#: Bytes of an unfinished line that are carried over to the next chunk; longer ones are comments, dropped.
CARRY_BYTES_MAX = 64 * 1024


def whole_lines(
    descriptor: int, begin: int, end: int, breathe: Callable[[], None] = lambda: None
) -> Iterator[tuple[bytes, int]]:
    """(lines, offset of their first byte) between two line ends; each piece begins and ends with a newline.

    The newline at the end of one piece is the one at the beginning of the next; in front of the first line
    and behind an unfinished last one it is made up. The file's own position is left alone. `breathe` is
    called between pieces. Raises OSError.
    """
    place, carry = begin, b"\n"
    end = min(end, os.fstat(descriptor).st_size)
    while place < end:
        piece = os.pread(descriptor, min(CHUNK_BYTES, end - place), place)
        if not piece:
            return
        start = place - len(carry)
        place += len(piece)
        data = carry + piece
        if place >= end and data[-1:] != b"\n":
            data += b"\n"
        cut = data.rfind(b"\n")
        carry = data[cut:] if len(data) - cut <= CARRY_BYTES_MAX else b"\n;"
        yield data[: cut + 1], start
        breathe()

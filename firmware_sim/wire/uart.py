"""An asynchronous serial line, 8N1: one start bit, eight data bits from the lowest, one stop bit.

`Pacer` tells when bytes have passed; `garble` what a receiver makes of them that samples at another rate.
"""

from __future__ import annotations

BITS_PER_BYTE = 10
"""8N1: start, eight data bits, stop."""
WORST_RATIO = 64.0
"""Rates that lie further apart than this give no bytes at all: a receiver would see one break or noise."""


class Pacer:
    """One direction. `baud` bits a second, 0: no pacing (USB)."""

    def __init__(self, baud: int = 0) -> None:
        self._byte_seconds = BITS_PER_BYTE / baud if baud else 0.0
        self._free_at = 0.0

    def passed_at(self, count: int, now: float) -> float:
        """When the last of `count` bytes handed over at `now` has passed; they queue behind earlier ones."""
        self._free_at = max(self._free_at, now) + count * self._byte_seconds
        return self._free_at


def garble(data: bytes, sent_at: int, read_at: int) -> bytes:
    """What a receiver at `read_at` baud hears of `data` sent without a break at `sent_at` baud.

    It waits for a falling edge, samples the middle of each of its own bit times, and hands on the byte even
    when the stop bit is wrong (a framing error), as UARTs do. Equal rates hand on the bytes.
    """
    if sent_at == read_at:
        return data
    ratio = sent_at / read_at  # sender's bits in one bit time of the receiver
    if not 1 / WORST_RATIO <= ratio <= WORST_RATIO:
        return b""
    levels = bytearray()
    for byte in data:
        levels.append(0)
        levels.extend(byte >> bit & 1 for bit in range(8))
        levels.append(1)
    heard = bytearray()
    total, at = len(levels), 0.0
    while True:
        edge = _falling_edge(levels, at)
        if edge is None:
            return bytes(heard)
        value = 0
        for bit in range(8):
            middle = int(edge + ratio * (bit + 1.5))
            value |= (levels[middle] if middle < total else 1) << bit
        heard.append(value)
        at = max(edge + ratio * 9.5, edge + 1.0)  # the same edge starts no second byte


def _falling_edge(levels: bytearray, start: float) -> int | None:
    """The first place from `start` on where the line falls; the line was high before the first bit."""
    first = int(start)
    if first == 0 and levels[:1] == b"\0":
        return 0
    found = levels.find(b"\1\0", max(0, first))
    return found + 1 if found >= 0 else None

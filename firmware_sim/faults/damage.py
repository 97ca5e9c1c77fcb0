"""What can happen to bytes on the wire, in either direction."""

from __future__ import annotations

import math
from collections.abc import Callable
from random import Random

from firmware_sim.faults.catalogue import Fault
from firmware_sim.wire.uart import garble

BOARD_BAUD = 115_200
"""The board's rate while a `baud-mismatch` lasts; the other side has the rate the fault names."""
LINE_ENDS = b"\n\r"

Struck = list[tuple[int, Fault]]
"""Where in a chunk, and by what; in order of place."""
Log = Callable[[Fault, str], None]


class Damage:
    """One direction of the wire."""

    def __init__(self, dice: Random, log: Log, *, to_board: bool) -> None:
        self._dice = dice
        self._log = log
        self._to_board = to_board
        self._still_lost = 0
        self._deaf_until = -math.inf
        self._garbled_until = -math.inf
        self._other_baud = BOARD_BAUD

    def is_under_way(self, now: float) -> bool:
        """Whether bytes come to harm although no fault strikes among them."""
        return self._still_lost > 0 or now < self._deaf_until or now < self._garbled_until

    def mismatch(self, baud: int, until: float) -> None:
        """The other side runs at `baud` until then."""
        self._other_baud, self._garbled_until = baud, until

    def carry(self, data: bytes, struck: Struck, now: float) -> tuple[bytes, list[tuple[int, int]]]:
        """What arrives of `data`; and each damaged place, as (where it arrived, where it was sent)."""
        if now < self._garbled_until:
            rates = (self._other_baud, BOARD_BAUD) if self._to_board else (BOARD_BAUD, self._other_baud)
            arrived = garble(data, *rates)
            last = max(0, len(data) - 1)
            return arrived, [(at, min(at, last)) for at in range(len(arrived) + 1)]
        out = bytearray()
        places: list[tuple[int, int]] = []
        waiting = iter(struck)
        place, fault = next(waiting, (-1, None))
        for at, byte in enumerate(data):
            while place == at and fault is not None:
                harmed = self._strike(fault, byte, now, data[at:])
                if harmed is not None:
                    places.append((len(out), at))
                    out += harmed
                place, fault = next(waiting, (-1, None))
                if harmed is not None:
                    break
            else:
                if self._is_lost(now):
                    places.append((len(out), at))
                else:
                    out.append(byte)
        return bytes(out), places

    def _is_lost(self, now: float) -> bool:
        if self._still_lost > 0:
            self._still_lost -= 1
            return True
        return now < self._deaf_until

    def _strike(self, fault: Fault, byte: int, now: float, rest: bytes) -> bytes | None:
        """What arrives in place of `byte`; None when the fault only begins something."""
        if self._is_lost(now):
            return b""
        shown = bytes([byte])
        match fault.name:
            case "byte-lost":
                self._log(fault, f"{_shown(shown)} did not arrive")
                return b""
            case "byte-flipped" | "line-corrupted":
                # A corrupted line must never become another valid one: the lowest bit of a command letter.
                bit = 0 if fault.name == "line-corrupted" else self._dice.randrange(8)
                harmed = bytes([byte ^ 1 << bit])
                self._log(fault, f"{_shown(shown)} arrived as {_shown(harmed)}")
                return harmed
            case "byte-doubled":
                self._log(fault, f"{_shown(shown)} arrived twice")
                return shown + shown
            case "byte-inserted":
                harmed = bytes([self._dice.randrange(256)])
                self._log(fault, f"{_shown(harmed)} in front of {_shown(shown)}")
                return harmed + shown
            case "rx-overflow":
                self._still_lost = fault.size - 1
                self._log(fault, f"{fault.size} bytes from {_shown(rest[: fault.size])} on")
                return b""
            case "half-line-then-silence":
                self._deaf_until = now + fault.seconds
                self._log(fault, f"{fault.seconds:g} s from {_shown(rest[:40])} on")
                return b""
        raise ValueError(f"{fault.name} is no fault of bytes")


def _shown(data: bytes) -> str:
    return repr(data.decode("latin-1"))[1:-1]

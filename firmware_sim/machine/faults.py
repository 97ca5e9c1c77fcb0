"""Where faults attach to a board: one-shot orders, spent when they strike. A catalogue can build on them."""

from __future__ import annotations

from collections.abc import Callable

Log = Callable[[str], None]


class Faults:
    """Faults armed and not yet spent. `log` gets a sentence for the ledger whenever one strikes."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._lost_oks = 0
        self._bad_lines = 0
        self._at_line_start = True
        self._in_bad_line = False
        self._previous = 0

    def lose_ok(self, count: int = 1) -> None:
        """The next `count` lines beginning with `ok` are never said; everything else is."""
        self._lost_oks += count

    def corrupt_line(self, count: int = 1) -> None:
        """One bit of each of the next `count` received lines with a blank in them is flipped.

        It is the byte behind the first blank of the line (the command letter of a numbered line), so that a
        numbered line ends as a checksum error and never by chance as a repeated number.
        """
        self._bad_lines += count

    def swallows(self, line: str) -> bool:
        """Whether the board must keep this line to itself."""
        if self._lost_oks and line.startswith("ok"):
            self._lost_oks -= 1
            self._log(f"lost: {line}")
            return True
        return False

    def on_the_wire(self, data: bytes) -> bytes:
        """What reaches the board of what the host sent."""
        if not self._bad_lines:
            if data:
                self._at_line_start, self._in_bad_line = data[-1] in b"\n\r", False
                self._previous = data[-1]
            return data
        damaged = bytearray(data)
        for at, byte in enumerate(data):
            if byte in b"\n\r":
                self._at_line_start, self._in_bad_line = True, False
            elif self._at_line_start:
                self._at_line_start, self._in_bad_line = False, True
            elif self._in_bad_line and self._bad_lines and self._previous == 0x20:
                damaged[at] ^= 0x01
                self._bad_lines -= 1
                self._in_bad_line = False
                self._log(f"flipped: {chr(byte)} arrived as {chr(damaged[at])}")
            self._previous = byte
        return bytes(damaged)

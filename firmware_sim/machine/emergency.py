"""The emergency parser: M108, M112, M410, M876 and KILL seen in the receive interrupt, before any queue.

A state machine over single bytes, so that the command acts although the line cannot be read yet. The line
itself stays in the receive buffer and later gets its own `ok`. Blanks and a line number in front are
allowed; anything may follow the digits up to the end of the line, so `M1125` shuts the printer down too, as
in Marlin.
"""

from __future__ import annotations

_ORDERS = ("M108", "M112", "M410", "M876", "KILL")
_PREFIXES = frozenset(order[:length] for order in _ORDERS for length in range(1, len(order)))
_IGNORE = "-"
_NUMBER = "N"
_DIGITS = frozenset(b"0123456789-+ ")


class EmergencyParser:
    """Feed it every received byte; it answers with the orders completed by them."""

    def __init__(self) -> None:
        self._state = ""

    def feed(self, data: bytes) -> list[str]:
        """The orders (`M108`, `M112`, `M410`, `M876`, `KILL`) whose line ended within `data`."""
        orders: list[str] = []
        at, size = 0, len(data)
        while at < size:
            if self._state == _IGNORE:
                # Nothing but a line end matters here; skipping keeps long streams cheap.
                at = _end_of_line(data, at)
                if at >= size:
                    break
            byte = data[at]
            at += 1
            if byte in b"\n\r":
                if self._state in _ORDERS:
                    orders.append(self._state)
                self._state = ""
            elif self._state not in _ORDERS:
                self._state = self._after(byte)
        return orders

    def _after(self, byte: int) -> str:
        if self._state == "" and byte == 0x20:
            return ""
        if self._state == "" and byte == 0x4E:
            return _NUMBER
        if self._state == _NUMBER and byte in _DIGITS:
            return _NUMBER
        grown = ("" if self._state == _NUMBER else self._state) + chr(byte)
        if self._state == _NUMBER and grown != "M":
            return _IGNORE
        return grown if grown in _PREFIXES or grown in _ORDERS else _IGNORE


def _end_of_line(data: bytes, start: int) -> int:
    ends = [at for at in (data.find(b"\n", start), data.find(b"\r", start)) if at >= 0]
    return min(ends, default=len(data))

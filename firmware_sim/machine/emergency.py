"""The emergency parser: M108, M112, M410, M876 S and KILL seen in the receive interrupt, before any queue.

A state machine over single bytes, so that the command acts although the line cannot be read yet. The line
itself stays in the receive buffer and later gets its own `ok`. Its habits are Marlin's, the odd ones too:

- blanks, a line number and blanks behind the `M` are allowed in front of the digits;
- behind the last digit anything may follow up to the end of the line: `M1125` shuts the printer down too;
- a line that ends in mid-word (`M1`, `N5`) takes the whole next line with it: an order in that one is missed;
- M876 needs its `S` and a digit.
"""

from __future__ import annotations

_ORDERS = frozenset({"M108", "M112", "M410", "KILL"})
_PREFIXES = frozenset(order[:length] for order in (*_ORDERS, "M876") for length in range(1, len(order)))
_IGNORE = "-"
_NUMBER = "N"
_QUESTION, _ANSWER = "M876", "M876 S"
_AFTER_NUMBER = frozenset(b"0123456789- ")
_LINE_ENDS = frozenset(b"\n\r")
_ENDED = _ORDERS | {""}


class EmergencyParser:
    """Feed it every received byte; it answers with the orders completed by them."""

    def __init__(self) -> None:
        self._state = ""

    def feed(self, data: bytes) -> list[str]:
        """The orders (`M108`, `M112`, `M410`, `M876 S0`-`M876 S9`, `KILL`) whose line ended within `data`."""
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
            answered = self._state.startswith(_ANSWER) and self._state != _ANSWER
            if byte in _LINE_ENDS and (self._state in _ENDED or self._state == _IGNORE or answered):
                if self._state in _ORDERS or answered:
                    orders.append(self._state)
                self._state = ""
            elif self._state not in _ORDERS and not answered:
                self._state = self._after(byte)
        return orders

    def _after(self, byte: int) -> str:
        state, blank = self._state, byte == 0x20
        if blank and state in ("", "M", _QUESTION):
            return state
        if state == "" and byte == 0x4E:
            return _NUMBER
        if state == _NUMBER and byte in _AFTER_NUMBER:
            return _NUMBER
        if state == _QUESTION:
            return _ANSWER if byte == 0x53 else _IGNORE
        if state == _ANSWER:
            # Marlin looks for a digit and for nothing else here, not even for the end of the line.
            return f"{_ANSWER}{chr(byte)}" if 0x30 <= byte <= 0x39 else _ANSWER
        grown = ("" if state == _NUMBER else state) + chr(byte)
        if state == _NUMBER and grown != "M":
            return _IGNORE
        return grown if grown in _PREFIXES or grown in _ORDERS or grown == _QUESTION else _IGNORE


def _end_of_line(data: bytes, start: int) -> int:
    ends = [at for at in (data.find(b"\n", start), data.find(b"\r", start)) if at >= 0]
    return min(ends, default=len(data))

"""Keys of prints that nobody ordered: the same for the same print, also after a restart of the gateway.

A print with an id of the printer's has a key by it; one without (an A1's panel) by its name, with a number:
the first whose print is not over yet. So the same file, printed again, is another print.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Collection
from typing import Final

from gateway.drivers.left import native_key
from gateway.protocol.bambu.state import PrinterState

#: Prints of one name, or one id, that are told apart.
MOST_AGAIN: Final = 10_000
#: Names, and ids, for which it is kept how many prints of them are over.
MOST_NAMES: Final = 256
#: Keys of ended prints that are kept: ten times as many as the engine remembers.
MOST_OVER: Final = 10_000
LOCAL: Final = "local-"


class Keys:
    """Of one printer."""

    def __init__(self, printer: str, new_id: Callable[[], str]) -> None:
        self._printer = printer
        self._new_id = new_id
        self._over: OrderedDict[str, None] = OrderedDict()
        self._reached: OrderedDict[str, int] = OrderedDict()  # of a name, the first number that is not over
        self._knows_before = False

    def remember(self, over: Collection[str] | None) -> None:
        """Keys of prints that ended before this process began; None: nobody knows."""
        if over is not None:
            self._knows_before = True
            self._over.update((key, None) for key in over if key.startswith(LOCAL))

    def ended(self, key: str) -> None:
        """The print with this key is over."""
        if key.startswith(LOCAL):
            self._over[key] = None
            while len(self._over) > MOST_OVER:
                self._over.popitem(last=False)

    def of(self, state: PrinterState) -> str:
        """The key of the print that is shown, as far as it can be told: the first that is not over."""
        if state.native_id is None and not self._knows_before:
            return f"{LOCAL}{self._new_id()}"
        named = _named(state)
        for number in range(self._reached.pop(named, 1), MOST_AGAIN):
            key = self._numbered(state, number)
            if key not in self._over:
                self._reached[named] = number
                while len(self._reached) > MOST_NAMES:
                    self._reached.popitem(last=False)
                return key
        return f"{LOCAL}{self._new_id()}"

    def is_told(self, state: PrinterState) -> bool:
        """Whether the end of a print of this id, or of this name, was told before."""
        return self._numbered(state, 1) in self._over

    def first(self, state: PrinterState) -> str:
        """The key of a print whose end only is seen."""
        return self._numbered(state, 1)

    def _numbered(self, state: PrinterState, number: int) -> str:
        named = _named(state)
        return native_key(self._printer, named if number == 1 else f"{named}/{number}")


def _named(state: PrinterState) -> str:
    return f"id/{state.native_id}" if state.native_id else f"name/{state.name or ''}"

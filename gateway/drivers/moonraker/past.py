"""Which rows of the printer's history were dealt with, and which are prints that nobody watched.

Rows come newest first, and new ones only in front: what stands before the first known row is new. At the
first contact only the newest row is: when it ended before the gateway was begun, the engine knows its key
from then, or the plate may have that print on it. The rest of the past is not the gateway's.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from gateway.drivers.moonraker.names import mark_in
from gateway.drivers.moonraker.prints import Print
from gateway.protocol.moonraker.history import ROWS, Row, RowEnd

#: Rows remembered: those of a few pages.
KNOWN_ROWS: Final = 4 * ROWS
#: Prints remembered that ended before their row was found.
MOST_UNCLAIMED: Final = 16


class Past:
    """One printer's history, as far as it was read."""

    def __init__(self) -> None:
        self._known: OrderedDict[str, None] = OrderedDict()  # native ids
        self._is_begun = False
        self._unclaimed: OrderedDict[str, None] = OrderedDict()  # files whose print ended without a row
        self._printed_marks: OrderedDict[str, None] = OrderedDict()  # of ended prints of the gateway

    def claim(self, known: Print) -> None:
        """This row is that print's."""
        if known.row is not None:
            self._know(known.row)

    def ended(self, known: Print) -> None:
        """It is over; its row may not have been read yet."""
        if known.row is not None:
            self._know(known.row)
        else:
            _keep(self._unclaimed, known.file, MOST_UNCLAIMED)
        if (mark := mark_in(known.file)) is not None and not known.is_local:
            _keep(self._printed_marks, mark, KNOWN_ROWS)

    def begin_behind(self, rows: Iterable[Row]) -> None:
        """The former process knew these prints, and so everything older."""
        for row in rows:
            self._is_begun = True
            self._know(row)

    def unwatched(
        self, rows: Sequence[Row], open_starts: Mapping[str, Print], current: Print | None
    ) -> list[Row]:
        """Ended rows that no print has been told for, the oldest first; they count as known from now on."""
        found = []
        for row in reversed(self._new(rows, current)):
            if row.end is RowEnd.RUNNING:
                continue
            self._know(row)
            if self._unclaimed.pop(row.file, False) is None:
                continue
            if self._is_locals(row, rows) or (mark_in(row.file) or "") in open_starts:
                found.append(row)
        return found

    def _new(self, rows: Sequence[Row], current: Print | None) -> list[Row]:
        """What stands before the first known row, without the row of what is on the machine."""
        if not self._is_begun:
            self._is_begun = True
            for row in rows[1:]:
                self._know(row)
        new: list[Row] = []
        for row in rows:
            if current is not None and _is_row_of(row, current):
                continue
            if row.native_id in self._known:
                break
            new.append(row)
        return new

    def _is_locals(self, row: Row, rows: Sequence[Row]) -> bool:
        """Whether somebody else printed it: no mark, or a marked file that was printed before."""
        mark = mark_in(row.file)
        if mark is None or mark in self._printed_marks:
            return True
        same = [other for other in rows if other.file == row.file]
        return same[-1].native_id != row.native_id

    def _know(self, row: Row) -> None:
        _keep(self._known, row.native_id, KNOWN_ROWS)


def _is_row_of(row: Row, known: Print) -> bool:
    return known.is_of(row.file) if known.row is None else known.row.native_id == row.native_id


def _keep(kept: OrderedDict[str, None], name: str, most: int) -> None:
    kept[name] = None
    kept.move_to_end(name)
    while len(kept) > most:
        kept.popitem(last=False)

"""The prints that the former gateway process left, until the printer has told what became of them.

    its row of the history is ended, and it is not on the machine    it ended so
    it is on the machine, or was the last thing on it                Following finds it
    nothing tells of a start that nothing proved                     UNCLEAR; Following goes on looking for it
    the same, and the record says that it never went out             REFUSED; its file is removed
    nothing tells of a print that was seen                           no word of it: the engine holds the job

While Klipper is away only the history can tell; that is waited for, but not for long.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from gateway.drivers.left import LeftPrint, native_key
from gateway.drivers.moonraker.following import GONE_SECONDS, Following
from gateway.drivers.moonraker.names import mark_in, mark_of, marked_name
from gateway.drivers.moonraker.prints import Print, local_print
from gateway.drivers.moonraker.watch import Watch
from gateway.protocol.moonraker.history import Row, RowEnd
from gateway.protocol.moonraker.judging import Doing, Standing

UNPROVEN: Final = (
    "The gateway was restarted while the start was on its way, and the printer shows nothing of it."
)


class LeftPrints:
    """One printer's. `waiting` is what nothing has been heard of yet."""

    def __init__(self, printer: str, following: Following, watch: Watch) -> None:
        self.waiting: list[LeftPrint] = []
        self._printer = printer
        self._following = following
        self._watch = watch
        self._unproven: set[str] = set()
        self._asked_at: float | None = None

    def begin(self, left: Sequence[LeftPrint]) -> None:
        """Before the first connection."""
        self.waiting = list(left)
        for one in left:
            if one.is_local:
                continue
            name = marked_name(one.name, one.key)
            known = Print(one.key, name, is_local=False, name=one.name, progress=one.progress)
            self._following.open_starts[mark_of(one.key)] = known
            if one.phase is None:
                self._unproven.add(one.key)

    def is_proof(self, key: str) -> bool:
        """Whether this, seen on the machine, answers a start of the former process; said once."""
        if key not in self._unproven:
            return False
        self._unproven.discard(key)
        return True

    def forget(self, key: str) -> None:
        """A person has said how it ended."""
        self.waiting = [one for one in self.waiting if one.key != key]

    def settle(self, now: float) -> list[str]:
        """The watch has an answer: keys of starts that stay unproven. Nothing waits when all is told."""
        if self._asked_at is None:
            self._asked_at = now
        standing = self._watch.standing
        if not self._watch.has_read_since(0):
            return []
        is_told = standing.doing not in (Doing.GONE, Doing.BOOTING)
        if not is_told and now < self._asked_at + GONE_SECONDS:
            return []
        waiting, self.waiting = self.waiting, []
        self._mark_past(waiting)
        for one in waiting:
            self._settle(one, standing)
        self._following.follow(now)
        return [
            one.key for one in waiting
            if one.phase is None and not one.is_held and self.is_proof(one.key)
        ]  # fmt: skip

    def _settle(self, left: LeftPrint, standing: Standing) -> None:
        following = self._following
        row = self._row_of(left)
        if left.is_local:
            file = left.file_name or (row.file if row is not None else "")
            if row is None and (not file or file != standing.file or standing.doing is Doing.IDLE):
                return
            known = local_print(left.key, file, row)
            known.progress = left.progress
            if row is not None and self._is_over(row, standing):
                following.end_by(known, row)
            elif following.current is None:
                following.current = known
        elif row is not None and self._is_over(row, standing):
            following.end_by(following.open_starts[mark_of(left.key)], row)

    def _is_over(self, row: Row, standing: Standing) -> bool:
        """Whether the row tells the end: one that Moonraker lost sight of may be on the machine."""
        is_on_it = standing.doing.is_active and standing.file == row.file and row is self._watch.rows[0]
        return row.end is not RowEnd.RUNNING and not (is_on_it and row.end.may_go_on)

    def _row_of(self, left: LeftPrint) -> Row | None:
        if left.is_local:
            named = [row for row in self._watch.rows if native_key(self._printer, row.native_id) == left.key]
            return next(iter(named), None)
        mark = mark_of(left.key)
        return next((row for row in reversed(self._watch.rows) if mark_in(row.file) == mark), None)

    def _mark_past(self, waiting: Sequence[LeftPrint]) -> None:
        """What is older than a print that was left was known to the former process."""
        rows = self._watch.rows
        found = [rows.index(row) for one in waiting if (row := self._row_of(one)) is not None]
        if found:
            self._following.past.begin_behind(rows[min(found) + 1 :])

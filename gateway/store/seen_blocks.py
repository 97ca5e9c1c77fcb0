"""What a reading connection has seen of the blocks of long lists, for as long as it still holds.

    counts    how many rows each block of a list has    until the snapshot is another one
    ids       of one block of a list                    while it has as many rows, and the same newest id

Ids only grow (the newest row is never swept), and no row ever changes its list: a block that got a row has
another newest id, one that only lost some has fewer. So the ids of a block outlive commits that leave it
alone, and what was read is compared with the snapshot of the very transaction it is used in.

SQLite tells a connection apart what it sees: `PRAGMA data_version` gives another number as soon as somebody
else's commit is in the snapshot (https://sqlite.org/pragma.html#pragma_data_version).
"""

from __future__ import annotations

import sqlite3
from array import array
from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Final

from gateway.store.schema_work import BLOCK_IDS

#: Blocks whose ids one connection keeps, of two bytes an id, 4 KB each: 1 MB, half a million ids.
SEEN_BLOCKS: Final = 256
#: Lists whose counts one connection keeps: those of everything and of a few organizations. 16 bytes a block.
SEEN_LISTS: Final = 32
#: The newest id in a block: jobs, tasks and runs.
_NEWEST: Final = "SELECT max(id) FROM work WHERE id BETWEEN ? AND ?"


@dataclass(frozen=True, slots=True)
class Counts:
    """The blocks of a list that have rows, in its order, and how many rows there are to the end of each."""

    blocks: Sequence[int]
    ends: Sequence[int]
    partly_gone: frozenset[int]  # blocks with tasks whose time is over and that are not swept yet

    @property
    def total(self) -> int:
        """Rows of the list."""
        return self.ends[-1] if self.ends else 0


@dataclass(frozen=True, slots=True)
class _Ids:
    """Of a block, by how far they are behind its first one."""

    rows: int
    newest: int | None
    offsets: array[int]


class Snapshot:
    """What one connection has seen, for the transaction that is open on it. Of one thread at a time."""

    def __init__(self, driver: sqlite3.Connection, most_blocks: int = SEEN_BLOCKS) -> None:
        self.driver = driver
        self._most_blocks = most_blocks
        self._version: int | None = None
        self._counts: dict[Hashable, Counts] = {}
        self._newest: dict[int, int | None] = {}
        self._ids: OrderedDict[Hashable, _Ids] = OrderedDict()

    def begin(self) -> None:
        """A transaction has begun: what was only true of another snapshot is forgotten."""
        (version,) = self.driver.execute("PRAGMA data_version").fetchone()
        if version != self._version:
            self._version = version
            self._counts.clear()
            self._newest.clear()

    def counts(self, listed: Hashable, read: Callable[[], Counts]) -> Counts:
        """Of the list that `listed` names; `read` gives them if they were not seen."""
        found = self._counts.get(listed)
        if found is None:
            if len(self._counts) >= SEEN_LISTS:
                self._counts.clear()
            found = self._counts[listed] = read()
        return found

    def ids(self, listed: Hashable, block: int, rows: int, read: Callable[[], Sequence[int]]) -> array[int]:
        """How far the ids of a block are behind its first one, in the list's order.

        `rows` says how many the block has in that list now; `read` gives the ids if they were not seen.
        """
        newest = self._newest_of(block)
        key = (listed, block)
        known = self._ids.get(key)
        if known is not None and (known.rows, known.newest) == (rows, newest):
            self._ids.move_to_end(key)
            return known.offsets
        start = block * BLOCK_IDS
        offsets = array("H", [work_id - start for work_id in read()])
        self._ids[key] = _Ids(rows, newest, offsets)
        self._ids.move_to_end(key)
        while len(self._ids) > self._most_blocks:
            self._ids.popitem(last=False)
        return offsets

    def _newest_of(self, block: int) -> int | None:
        if block not in self._newest:
            start = block * BLOCK_IDS
            (self._newest[block],) = self.driver.execute(_NEWEST, (start, start + BLOCK_IDS - 1)).fetchone()
        return self._newest[block]


class SeenBlocks:
    """Of one database: what each of its reading connections has seen."""

    def __init__(self, most_blocks: int = SEEN_BLOCKS) -> None:
        self._most_blocks = most_blocks
        self._snapshots: dict[sqlite3.Connection, Snapshot] = {}

    def of(self, driver: sqlite3.Connection) -> Snapshot:
        """For the transaction that is open on this connection."""
        snapshot = self._snapshots.get(driver)
        if snapshot is None:
            snapshot = self._snapshots[driver] = Snapshot(driver, self._most_blocks)
        snapshot.begin()
        return snapshot

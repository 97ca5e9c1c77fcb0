"""Where in the list of all jobs and tasks a page begins, however deep: by how many there are in each block.

    blocks     0: 512   1: 498   2: 0   3: 77          kept with every commit and every sweep (`work_block`)
    place 600  is the 88th row behind the start of block 1

Tasks whose time is over are counted until they are swept; they are looked up and left out here.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, func, select

from gateway.domain.task import ADMIN_KINDS
from gateway.store.prepared import Prepared, placeholder, prepare
from gateway.store.schema_work import ADMIN_TASKS, ALL_ORGANIZATIONS, BLOCK_IDS, work_block
from gateway.store.work_lists import ALL_KINDS, gone_tasks, packed


@dataclass(frozen=True, slots=True)
class Place:
    """The `rest`-th row from `from_id` on, of `total` in the list."""

    from_id: int
    rest: int
    total: int


class Places:
    """Of the list of everything, or of one organization: of these sorts, in one of the two orders."""

    def __init__(self, *, is_of_one: bool, sorts: frozenset[str], newest_first: bool = False) -> None:
        kinds = ALL_KINDS if ADMIN_TASKS in sorts else ALL_KINDS - ADMIN_KINDS
        self._is_of_one = is_of_one
        self._newest_first = newest_first
        blocks = blocks_statement(sorts).subquery("blocks")
        self._blocks = prepare(packed(blocks.c.block, blocks.c.n))
        self._gone: Prepared = prepare(gone_tasks(("organization_id",) if is_of_one else (), kinds))

    def find(self, driver: sqlite3.Connection, values: Mapping[str, Any], offset: int) -> Place:
        """The row behind `offset` others; in the transaction that is open. Of `values` it takes its own."""
        of = values["organization_id"] if self._is_of_one else ALL_ORGANIZATIONS
        gone = dict(self._gone.rows(driver, values))
        total, place = 0, None
        ((blocks, counts),) = self._blocks.rows(driver, {"of": of})
        numbered = zip(json.loads(blocks), json.loads(counts), strict=True)
        for block, there in sorted(numbered, reverse=self._newest_first):
            shown = there - gone.get(block, 0)
            if place is None and total + shown > offset:
                place = self._beginning(block), offset - total
            total += shown
        from_id, rest = place or (self._beginning(0), offset)
        return Place(from_id, rest, total)

    def _beginning(self, block: int) -> int:
        """The first id of a block in the list's order."""
        return (block + 1) * BLOCK_IDS - 1 if self._newest_first else block * BLOCK_IDS


def blocks_statement(sorts: frozenset[str]) -> Select[Any]:
    """Blocks, and how many jobs and tasks of these sorts each has. Parameter: `of`."""
    return (
        select(work_block.c.block, func.sum(work_block.c.n).label("n"))
        .where(work_block.c.organization_id == placeholder("of"), work_block.c.sort.in_(sorted(sorts)))
        .group_by(work_block.c.block)
    )

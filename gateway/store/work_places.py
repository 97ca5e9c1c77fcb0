"""A page of the list of all jobs and tasks, however deep: by how many there are in each block of ids.

    blocks     0: 512   1: 498   2: 0   3: 77          kept with every commit and every sweep (`work_block`)
    place 600  is the 88th row behind the start of block 1

Tasks whose time is over are counted until they are swept; they are looked up and left out here. What readers
have seen of blocks before is in `seen_blocks`.
"""

from __future__ import annotations

import json
import sqlite3
from array import array
from bisect import bisect_right
from collections.abc import Hashable, Mapping
from functools import partial
from itertools import accumulate
from typing import Any

from sqlalchemy import Select, func, select

from gateway.domain.task import ADMIN_KINDS
from gateway.store.prepared import placeholder, prepare
from gateway.store.schema_work import ADMIN_TASKS, ALL_ORGANIZATIONS, BLOCK_IDS, JOBS, work_block
from gateway.store.seen_blocks import Counts, Snapshot
from gateway.store.work_lists import (
    ALL_KINDS,
    JobShape,
    TaskShape,
    gone_tasks,
    job_arms,
    packed,
    page_statement,
    task_arms,
)


class Places:
    """Of the list of everything, or of one organization: of these sorts, in one of the two orders."""

    def __init__(self, *, is_of_one: bool, sorts: frozenset[str], newest_first: bool = False) -> None:
        self._is_of_one = is_of_one
        self._newest_first = newest_first
        self._sorts = sorts
        blocks = blocks_statement(sorts).subquery("blocks")
        self._blocks = prepare(packed(blocks.c.block, blocks.c.n))
        owners = ("organization_id",) if is_of_one else ()
        kinds = ALL_KINDS if ADMIN_TASKS in sorts else ALL_KINDS - ADMIN_KINDS
        self._gone = prepare(gone_tasks(owners, kinds))
        arms = [*(job_arms(JobShape(owners)) if JOBS in sorts else ())]
        arms += task_arms(TaskShape(owners, kinds), newest_first=newest_first)
        page = page_statement(arms, newest_first=newest_first).subquery("page")
        self._ids = prepare(packed(page.c.work_id))

    def total(self, seen: Snapshot, values: Mapping[str, Any]) -> int:
        """Rows of the list; in the transaction that is open. Of `values` it takes its own."""
        return self._counts(seen, values).total

    def ids(self, seen: Snapshot, values: Mapping[str, Any], offset: int, limit: int) -> list[int]:
        """The ids of the rows behind `offset` others, in order, at most `limit`; as `total`."""
        counts = self._counts(seen, values)
        at = bisect_right(counts.ends, offset)
        before = counts.ends[at - 1] if at else 0
        ids: list[int] = []
        while len(ids) < limit and at < len(counts.blocks):
            block, end = counts.blocks[at], counts.ends[at]
            # Without rows that are gone a block's ids are the same whatever the time.
            since = values["since"] if block in counts.partly_gone else None
            read = partial(self._read, seen.driver, values, block, end - before)
            offsets = seen.ids((self._name(values), since), block, end - before, read)
            skipped, start = max(0, offset - before), block * BLOCK_IDS
            ids += [start + behind for behind in offsets[skipped : skipped + limit - len(ids)]]
            at, before = at + 1, end
        return ids

    def _name(self, values: Mapping[str, Any]) -> Hashable:
        return (self._sorts, self._newest_first, self._of(values))

    def _of(self, values: Mapping[str, Any]) -> int:
        return int(values["organization_id"]) if self._is_of_one else ALL_ORGANIZATIONS

    def _counts(self, seen: Snapshot, values: Mapping[str, Any]) -> Counts:
        return seen.counts((self._name(values), values["since"]), lambda: self._count(seen.driver, values))

    def _count(self, driver: sqlite3.Connection, values: Mapping[str, Any]) -> Counts:
        gone = dict(self._gone.rows(driver, values))
        ((blocks, counts),) = self._blocks.rows(driver, {"of": self._of(values)})
        numbered = zip(json.loads(blocks), json.loads(counts), strict=True)
        shown = [(block, n - gone.get(block, 0)) for block, n in sorted(numbered, reverse=self._newest_first)]
        with_rows = [(block, n) for block, n in shown if n > 0]
        return Counts(
            array("q", [block for block, _ in with_rows]),
            array("q", accumulate(n for _, n in with_rows)),
            frozenset(gone),
        )

    def _read(
        self, driver: sqlite3.Connection, values: Mapping[str, Any], block: int, rows: int
    ) -> list[int]:
        """The ids of a block in the list's order."""
        first = (block + 1) * BLOCK_IDS - 1 if self._newest_first else block * BLOCK_IDS
        ((ids,),) = self._ids.rows(driver, {**values, "from_id": first, "limit": rows, "offset": 0})
        inside = (work_id for work_id in json.loads(ids) if work_id // BLOCK_IDS == block)
        return sorted(inside, reverse=self._newest_first)


def blocks_statement(sorts: frozenset[str]) -> Select[Any]:
    """Blocks, and how many jobs and tasks of these sorts each has. Parameter: `of`."""
    return (
        select(work_block.c.block, func.sum(work_block.c.n).label("n"))
        .where(work_block.c.organization_id == placeholder("of"), work_block.c.sort.in_(sorted(sorts)))
        .group_by(work_block.c.block)
    )

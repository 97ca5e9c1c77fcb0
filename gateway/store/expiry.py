"""What was kept long enough goes, in bites of one short transaction each: `gateway.engine.ports.Expiry`.

    tasks       TASK_KEPT behind their end, with their work rows
    actions     ACTION_KEPT behind theirs
    schedules   removed as long ago, when no action is left that speaks of them
    contents    results of tasks that went, and what came in for a row that never was, when no row names them

Rows go before contents, so no row ever names content that is not there. What a row named is noted in
`loose_content` by the transaction that takes the row, what comes in before it is there (`store.loose`): a
crash in between leaves nothing behind. The folder itself is never searched: what this database never knew is
not its to remove (it may be the files of a newer one, beside which an old backup was restored). Whether any
row names a content is asked on the writer's thread, where nothing can be committed meanwhile, and an upload
that just came in with the same content holds it (`Files.take_away`).

Nothing here waits for the disk: what a power cut brings back is swept once more.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection, Row, Select, delete, exists, select, update

from gateway.domain.schedule import ACTION_KEPT
from gateway.domain.task import TASK_KEPT
from gateway.store.database import Database
from gateway.store.files import Files
from gateway.store.load import last_work_id
from gateway.store.loose import note_contents
from gateway.store.row_sets import add_to_counts
from gateway.store.schema import file, job, printer_command, work
from gateway.store.schema_work import action, loose_content, schedule, task, task_total, work_block
from gateway.store.trouble import explained_os
from gateway.store.work_commit import TOTAL_OF, Blocks, TaskTotals, count_in_block, sort_of

#: Rows of one bite: some milliseconds in which the engine's commits wait.
BITE: Final = 50
#: Contents of one bite: each is asked for in three tables and renamed.
CONTENTS_BITE: Final = 20


class Expiry:
    """Every call raises StoreUnavailable."""

    def __init__(self, database: Database, files: Files) -> None:
        self._database = database
        self._files = files

    async def sweep(self, now: datetime) -> int:
        """One bite: how many rows went; 0: nothing is left to remove now."""

        def unit(connection: Connection) -> int:
            return (
                _sweep_tasks(connection, now)
                or _sweep_actions(connection, now)
                or _sweep_schedules(connection, now)
            )

        return await self._database.write(unit, durable=False) or await self._sweep_contents()

    async def _sweep_contents(self) -> int:
        """The next contents that nothing names; those that are held now stay for another time."""
        last = ""
        while True:
            removed, last, taken = await self._database.write(
                lambda connection, last=last: self._take_contents(connection, last),  # type: ignore[misc]
                durable=False,
            )
            await self._files.delete(taken)
            if removed or not last:
                return removed

    def _take_contents(self, connection: Connection, behind: str) -> tuple[int, str, list[Path]]:
        """How many rows went, the last hash looked at ("": none), files to delete after the commit."""
        wanted = select(loose_content.c.sha256).where(loose_content.c.sha256 > behind)
        hashes = connection.scalars(wanted.order_by(loose_content.c.sha256).limit(CONTENTS_BITE)).all()
        done, taken = [], []
        for sha256 in hashes:
            if not connection.scalar(is_named(sha256)):
                try:
                    found = self._files.take_away(sha256)
                except OSError as error:
                    raise explained_os(error, self._files.path_of(sha256)) from error
                if found is None:
                    continue
                taken += found
            done.append(sha256)
        connection.execute(delete(loose_content).where(loose_content.c.sha256.in_(done)))
        return len(done), hashes[-1] if hashes else "", taken


def is_named(sha256: str) -> Select[Any]:
    """Whether a file, a job or a task names this content. What arguments of tasks name is a file's."""
    return select(
        exists().where(file.c.sha256 == sha256)
        | exists().where(job.c.file_sha256 == sha256)
        | exists().where(task.c.file_sha256 == sha256)
    )


def expired_tasks(until: datetime, newest: int) -> Select[Any]:
    """Tasks that ended by then, the next bite. The newest work row stays: the next id is counted from it."""
    wanted = select(task.c.work_id, task.c.file_sha256, *TOTAL_OF)
    gone = wanted.where(task.c.ended_at <= until, task.c.work_id != newest)
    return gone.order_by(task.c.ended_at).limit(BITE)


def expired_actions(until: datetime, newest: int) -> Select[Any]:
    """The same of actions."""
    gone = select(action.c.work_id).where(action.c.ended_at <= until, action.c.work_id != newest)
    return gone.order_by(action.c.ended_at).limit(BITE)


def expired_schedules(until: datetime) -> Select[Any]:
    """Schedules removed by then of which no action is left, the next bite."""
    is_spoken_of = exists().where(action.c.schedule_id == schedule.c.schedule_id)
    gone = select(schedule.c.schedule_id).where(schedule.c.removed_at <= until, ~is_spoken_of)
    return gone.order_by(schedule.c.removed_at).limit(BITE)


def _sweep_tasks(connection: Connection, now: datetime) -> int:
    gone = connection.execute(expired_tasks(now - TASK_KEPT, last_work_id(connection))).all()
    if gone:
        ids = [row.work_id for row in gone]
        connection.execute(delete(task).where(task.c.work_id.in_(ids)))
        _delete_work(connection, ids)
        _count_out(connection, gone)
        note_contents(connection, {row.file_sha256 for row in gone if row.file_sha256 is not None})
    return len(gone)


def _sweep_actions(connection: Connection, now: datetime) -> int:
    ids = connection.scalars(expired_actions(now - ACTION_KEPT, last_work_id(connection))).all()
    if ids:
        connection.execute(delete(action).where(action.c.work_id.in_(ids)))
        _delete_work(connection, ids)
    return len(ids)


def _sweep_schedules(connection: Connection, now: datetime) -> int:
    ids = connection.scalars(expired_schedules(now - ACTION_KEPT)).all()
    if ids:
        connection.execute(delete(schedule).where(schedule.c.schedule_id.in_(ids)))
    return len(ids)


def _delete_work(connection: Connection, ids: Sequence[int]) -> None:
    """The work rows above. What was sent to printers for them stays in the record."""
    sent = update(printer_command).where(printer_command.c.work_id.in_(ids))
    connection.execute(sent.values(work_id=None))
    connection.execute(delete(work).where(work.c.id.in_(ids)))


def _count_out(connection: Connection, gone: Sequence[Row[Any]]) -> None:
    totals: TaskTotals = Counter()
    changes: Blocks = Counter()
    for row in gone:
        work_id, _, member_id, organization_id, app_id, kind, status = tuple(row)
        totals[member_id, organization_id, app_id, kind, status] -= 1
        count_in_block(changes, work_id, organization_id, sort_of(kind), -1)
    add_to_counts(connection, task_total, totals)
    add_to_counts(connection, work_block, changes)
    connection.execute(
        delete(work_block).where(
            work_block.c.organization_id.in_({key[0] for key in changes}),
            work_block.c.block.in_({key[1] for key in changes}),
            work_block.c.n == 0,
        )
    )

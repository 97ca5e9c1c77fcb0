"""What a draft says of work beside printing, in the order of the foreign keys, and how much there is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable

from sqlalchemy import Connection, Table, bindparam, func, insert, select, update

from gateway.domain.schedule import Action
from gateway.domain.state import Draft
from gateway.domain.task import ADMIN_KINDS, Task
from gateway.store import work_rows
from gateway.store.row_sets import add_to_counts, put_all, take_all
from gateway.store.rows import Values
from gateway.store.schema import work
from gateway.store.schema_work import (
    ADMIN_TASKS,
    ALL_ORGANIZATIONS,
    BLOCK_IDS,
    JOBS,
    TASKS,
    action,
    schedule,
    stack,
    task,
    task_total,
    work_block,
)
from gateway.store.trouble import RowRefused

#: organization or ALL_ORGANIZATIONS, block, sort -> change of the number of jobs or tasks
Blocks = Counter[tuple[int, int, str]]
#: member, organization, app or "", kind, status -> change of the number of tasks
TaskTotals = Counter[tuple[str, int, str, str, str]]
#: Where in `task_total` a task is counted.
TOTAL_OF = (
    task.c.member_id,
    task.c.organization_id,
    func.coalesce(task.c.app_id, ""),
    task.c.kind,
    task.c.status,
)

RAISE_VERSION = update(work).where(work.c.id == bindparam("at_id")).values(version=bindparam("to_version"))


def write_works(connection: Connection, draft: Draft, hex_id: Callable[[int], str]) -> None:
    """Tasks, stacks, schedules, actions. Raises RowRefused for a row that was decided on an old version."""
    if draft.task_rows:
        add_to_counts(connection, task_total, _task_changes(connection, draft))
        _write(connection, draft, task, list(draft.task_rows.values()), hex_id)
    gone = [{"number": number} for number, row in draft.stack_rows.items() if row is None]
    take_all(connection, stack, gone)
    put_all(connection, stack, [work_rows.stack_values(row) for row in draft.stack_rows.values() if row])
    put_all(connection, schedule, map(work_rows.schedule_values, draft.schedule_rows.values()))
    _write(connection, draft, action, list(draft.action_rows.values()), hex_id)


def count_new(connection: Connection, draft: Draft) -> None:
    """New jobs and tasks in `work_block`; actions are in no list with them."""
    changes: Blocks = Counter()
    for work_id in draft.new_jobs:
        count_in_block(changes, work_id, draft.job_rows[work_id].organization_id, JOBS, 1)
    for given in draft.task_rows.values():
        if given.work_id in draft.new_works:
            count_in_block(changes, given.work_id, given.organization_id, sort_of(given.kind), 1)
    add_to_counts(connection, work_block, changes)


def sort_of(kind: str) -> str:
    """How tasks of that kind are counted in `work_block`."""
    return ADMIN_TASKS if kind in ADMIN_KINDS else TASKS


def count_in_block(changes: Blocks, work_id: int, organization_id: int, sort: str, change: int) -> None:
    """Note one row that came or went."""
    for of in (ALL_ORGANIZATIONS, organization_id):
        changes[of, work_id // BLOCK_IDS, sort] += change


def _task_changes(connection: Connection, draft: Draft) -> TaskTotals:
    """How the numbers of tasks change, by the statuses that are stored now."""
    changes: TaskTotals = Counter()
    changed = [work_id for work_id in draft.task_rows if work_id not in draft.new_works]
    if changed:
        wanted = select(task.c.work_id, *TOTAL_OF).where(task.c.work_id.in_(changed))
        for work_id, member_id, organization_id, app_id, kind, status in connection.execute(wanted):
            changes[member_id, organization_id, app_id, kind, status] -= 1
            changes[member_id, organization_id, app_id, kind, draft.task_rows[work_id].status.value] += 1
    for work_id in draft.task_rows.keys() & draft.new_works:
        new = draft.task_rows[work_id]
        at = new.member_id, new.organization_id, new.app_id or "", new.kind.value, new.status.value
        changes[at] += 1
    return changes


def _write(
    connection: Connection,
    draft: Draft,
    table: Table,
    given: Iterable[Task | Action],
    hex_id: Callable[[int], str],
) -> None:
    """Rows of `task` or of `action`, with the work rows above them."""
    new = [one for one in given if one.work_id in draft.new_works]
    changed = [one for one in given if one.work_id not in draft.new_works]
    if new:
        above = [work_rows.work_values(one, _hex24(one, hex_id), hex_id(32)) for one in new]
        connection.execute(insert(work), above)
        connection.execute(insert(table), [_values(one) for one in new])
    if changed:
        _check_versions(connection, changed)
        raised = [{"at_id": one.work_id, "to_version": one.version} for one in changed]
        connection.execute(RAISE_VERSION, raised)
        connection.execute(
            update(table).where(table.c.work_id == bindparam("at_id")),
            [_changes(one) | {"at_id": one.work_id} for one in changed],
        )


def _hex24(given: Task | Action, hex_id: Callable[[int], str]) -> str:
    """A task is answered with its own before it is committed; actions are shown by other ids."""
    return given.hex24 if isinstance(given, Task) else hex_id(24)


def _values(given: Task | Action) -> Values:
    return work_rows.task_values(given) if isinstance(given, Task) else work_rows.action_values(given)


#: Of the work row too, or what foreign keys refer to: never changed.
_FIXED = ("work_id", "member_id", "organization_id", "app_id")


def _changes(given: Task | Action) -> Values:
    return {name: value for name, value in _values(given).items() if name not in _FIXED}


def _check_versions(connection: Connection, changed: Iterable[Task | Action]) -> None:
    """Each was decided on the row that is there."""
    wanted = select(work.c.id, work.c.version).where(work.c.id.in_([one.work_id for one in changed]))
    stored = {row.id: row.version for row in connection.execute(wanted)}
    for one in changed:
        found = stored.get(one.work_id)
        if found != one.version - 1:
            what = f"task {one.task_id}" if isinstance(one, Task) else f"action {one.action_id}"
            there = "is not there" if found is None else f"has version {found}"
            raise RowRefused(f"{what} {there} and cannot become version {one.version}")

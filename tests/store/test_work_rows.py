"""Tasks, stacks, schedules and actions: every field comes back; what must never be decided is refused."""

from __future__ import annotations

from dataclasses import fields, replace
from datetime import timedelta
from typing import Any

import pytest

from gateway.domain.printer_command import PrinterCommand
from gateway.domain.schedule import Action, RunState, Schedule, ScheduleStatus, Stack
from gateway.domain.state import State
from gateway.domain.task import Task, TaskKind, TaskStatus
from gateway.engine.ports import StoreUnavailable
from gateway.store.database import Database
from gateway.store.journal import Journal
from gateway.store.migrate import check
from gateway.store.queries import Queries
from gateway.store.schema import HOST_RANGE
from gateway.store.trouble import RowRefused
from tests.store.stand import BEN, CLEO, MK3, START, Ids, draft, new_job
from tests.store.works import (
    DONE_TASK,
    FULL_ACTION,
    FULL_SCHEDULE,
    ODD,
    RUNNING_TASK,
    SHOWN,
    new_action,
    new_schedule,
    new_stack,
    new_task,
    over,
)


def bare(changes: dict[str, Any], of: type) -> set[str]:
    """Fields with a default that the changes leave alone."""
    known = {given.name for given in fields(of) if given.default is not given.default_factory}
    return {name for name in known if name not in changes}


def test_the_examples_leave_out_no_field() -> None:
    assert bare(RUNNING_TASK | DONE_TASK, Task) == {"is_paused", "version"}
    assert bare(FULL_SCHEDULE, Schedule) == {"removed_at", "version"}
    assert bare(FULL_ACTION, Action) == {"ended_at", "version"}


@pytest.mark.parametrize(
    "changes",
    [{}, RUNNING_TASK, DONE_TASK, DONE_TASK | {"file": None, "result": {"rows": [1]}}, {"is_paused": True}]
    + [over(end) | {"error": "why"} for end in (TaskStatus.FAILED, TaskStatus.CANCELED)],
)
async def test_tasks_come_back_as_they_were(
    journal: Journal, queries: Queries, state: State, ids: Ids, changes: dict[str, Any]
) -> None:
    made = draft(state, ids)
    task = new_task(made, CLEO, **changes)
    await journal.commit(made)
    assert await queries.task(task_id=task.task_id) == task
    assert await queries.task(hex24=task.hex24) == task
    loaded = await journal.load()
    assert loaded.tasks == ({} if task.is_over else {task.work_id: task})
    assert loaded.last_work_id == task.work_id


async def test_every_kind_and_a_change_of_everything(
    journal: Journal, queries: Queries, state: State, ids: Ids
) -> None:
    made = draft(state, ids)
    tasks = [new_task(made, kind=kind) for kind in TaskKind]
    await journal.commit(made)
    made.apply()
    made = draft(state, ids)
    changed = [made.put_task(replace(task, **(RUNNING_TASK | {"kind": task.kind}))) for task in tasks]
    await journal.commit(made)
    made.apply()
    assert [task.version for task in changed] == [2] * len(tasks)
    assert [await queries.task(task_id=task.task_id) for task in tasks] == [
        replace(task, app_id=None)  # whose it is never changes
        for task in changed
    ]
    made = draft(state, ids)
    ended = made.put_task(replace(changed[0], app_id=None, **DONE_TASK))
    await journal.commit(made)
    assert await queries.task(task_id=ended.task_id) == ended
    assert ended.work_id not in (await journal.load()).tasks


async def test_odd_text_never_makes_a_commit_fail(
    journal: Journal, queries: Queries, state: State, ids: Ids
) -> None:
    made = draft(state, ids)
    file = replace(DONE_TASK["file"], name=ODD, media_type=ODD)
    task = new_task(made, **DONE_TASK | {"name": ODD, "message": ODD, "file": file, "result": {"a": ODD}})
    failed = new_task(made, **over(TaskStatus.FAILED) | {"error": ODD})
    new_stack(made, name=ODD)
    schedule = new_schedule(made, name=ODD, timezone=ODD, cron=ODD, params={ODD: ODD})
    action = new_action(made, schedule, arguments=ODD, message=ODD)
    await journal.commit(made)
    found = await queries.task(task_id=task.task_id)
    assert found is not None
    assert found.file is not None
    assert (found.name, found.message, found.file.name, found.file.media_type) == (SHOWN,) * 4
    assert found.result == {"a": ODD}  # JSON keeps it, escaped
    again = await queries.task(task_id=failed.task_id)
    assert again is not None
    assert again.error == SHOWN
    loaded = await journal.load()
    assert loaded.stacks[1].name == loaded.schedules[schedule.schedule_id].cron == SHOWN
    kept = loaded.actions[action.work_id]
    assert (kept.name, kept.arguments, kept.message) == (SHOWN,) * 3


@pytest.mark.parametrize("printer_ids", [None, (), (2, 1)])
async def test_stacks_come_back_and_go(
    journal: Journal, state: State, ids: Ids, printer_ids: tuple[int, ...] | None
) -> None:
    made = draft(state, ids)
    stack = new_stack(made, 7, printer_ids=printer_ids, version=3)
    other = new_stack(made, 3)
    await journal.commit(made)
    made.apply()
    assert (await journal.load()).stacks == {3: other, 7: stack}
    made = draft(state, ids)
    made.drop_stack(7)
    changed = made.put_stack(Stack(3, other.stack_id, 1, "two", START, (1,), 2))
    await journal.commit(made)
    assert (await journal.load()).stacks == {3: changed}


@pytest.mark.parametrize("changes", [{}, FULL_SCHEDULE])
async def test_schedules_come_back_until_they_are_removed(
    journal: Journal, state: State, ids: Ids, changes: dict[str, Any]
) -> None:
    made = draft(state, ids)
    new_stack(made)
    schedule = new_schedule(made, **changes)
    await journal.commit(made)
    made.apply()
    assert (await journal.load()).schedules == {schedule.schedule_id: schedule}
    made = draft(state, ids)
    changed = made.put_schedule(replace(schedule, status=ScheduleStatus.STARTED, next_at=None))
    await journal.commit(made)
    made.apply()
    assert (await journal.load()).schedules == {schedule.schedule_id: changed}
    assert changed.version == 2
    made = draft(state, ids)
    made.put_schedule(replace(changed, removed_at=START))
    made.drop_stack(1)  # it outlives its stack
    await journal.commit(made)
    loaded = await journal.load()
    assert (loaded.schedules, loaded.stacks) == ({}, {})
    assert loaded.last_stack_number == 1  # for as long as runs may name it


@pytest.mark.parametrize("changes", [{}, FULL_ACTION])
async def test_actions_come_back(
    journal: Journal, queries: Queries, state: State, ids: Ids, changes: dict[str, Any]
) -> None:
    made = draft(state, ids)
    new_stack(made)
    action = new_action(made, new_schedule(made), **changes)
    await journal.commit(made)
    made.apply()
    assert await queries.action(action_id=action.action_id) == action
    assert await queries.action(work_id=action.work_id) == action
    assert (await journal.load()).actions == {action.work_id: action}
    made = draft(state, ids)
    ended = made.put_action(replace(action, state=RunState.FAILED, ended_at=START, message="no", steps=()))
    await journal.commit(made)
    assert await queries.action(action_id=action.action_id) == ended
    assert ended.version == 2
    assert (await journal.load()).actions == {}
    assert await queries.action(action_id=ids.uuid()) is None
    assert await queries.action(work_id=77) is None


async def test_what_a_run_sends_to_a_printer_names_it(journal: Journal, state: State, ids: Ids) -> None:
    """All of it in one transaction, in the order of the foreign keys."""
    made = draft(state, ids)
    new_stack(made)
    action = new_action(made, new_schedule(made))
    command = PrinterCommand(ids.uuid(), MK3.printer_id, action.work_id, "run-macro", BEN.member_id, START)
    made.put_command(command)
    await journal.commit(made)
    assert (await journal.load()).commands == {command.task_id: command}


async def test_a_task_decided_on_an_old_row_is_refused(journal: Journal, state: State, ids: Ids) -> None:
    made = draft(state, ids)
    task = new_task(made)
    new_stack(made)
    action = new_action(made, new_schedule(made))
    await journal.commit(made)
    made.apply()
    late = draft(state, ids)
    late.put_task(replace(task, version=2, message="late"))
    with pytest.raises(RowRefused, match=f"task {task.task_id} has version 1 and cannot become version 3"):
        await journal.commit(late)
    late = draft(state, ids)
    late.put_action(replace(action, work_id=99))
    with pytest.raises(RowRefused, match=r"action .* is not there"):
        await journal.commit(late)
    assert (await journal.load()).tasks == {task.work_id: task}


@pytest.mark.parametrize(
    "changes",
    [
        {"status": TaskStatus.DONE},  # over, without its time
        {"ended_at": START},  # not over
        {"is_paused": True, "status": TaskStatus.RUNNING},
        {"result": {}},  # of what is not done
        {"file": DONE_TASK["file"]},
        over(TaskStatus.FAILED) | {"result": {}},
        {"member_id": "NOBODY"},
    ],
)
async def test_what_the_gateway_must_never_decide_is_refused(
    journal: Journal, state: State, ids: Ids, changes: dict[str, Any]
) -> None:
    made = draft(state, ids)
    new_task(made, **changes)
    with pytest.raises(RowRefused):
        await journal.commit(made)
    assert (await journal.load()).tasks == {}


@pytest.mark.parametrize(
    "changes", [{"state": RunState.FAILED}, {"ended_at": START}, {"schedule_id": "f" * 32}]
)
async def test_an_action_that_cannot_be_is_refused(
    journal: Journal, state: State, ids: Ids, changes: dict[str, Any]
) -> None:
    made = draft(state, ids)
    new_action(made, new_schedule(made), **changes)
    with pytest.raises(RowRefused):
        await journal.commit(made)


async def test_ids_of_tasks_lie_in_the_hosts_range(journal: Journal, state: State, ids: Ids) -> None:
    made = draft(state, ids)
    made.last_work_id = HOST_RANGE - 1
    new_task(made)
    with pytest.raises(StoreUnavailable, match="used up its"):
        await journal.commit(made)


async def test_blocks_count_jobs_and_tasks_and_no_actions(
    journal: Journal, database: Database, url: str, state: State, ids: Ids
) -> None:
    made = draft(state, ids)
    new_job(made)
    new_job(made, CLEO)
    new_task(made)
    new_task(made, kind=TaskKind.BACKUP)
    new_action(made, new_schedule(made))
    made.last_work_id = 5000
    new_task(made, CLEO)
    await journal.commit(made)
    found = await database.read_plain(
        lambda driver: driver.execute("SELECT * FROM work_block ORDER BY 1, 2, 3").fetchall()
    )
    assert found == [
        (0, 0, "admin task", 1), (0, 0, "job", 2), (0, 0, "task", 1), (0, 2, "task", 1),
        (1, 0, "admin task", 1), (1, 0, "job", 1), (1, 0, "task", 1),
        (2, 0, "job", 1), (2, 2, "task", 1),
    ]  # fmt: skip
    assert check(url) == ()
    await database.write(
        lambda connection: connection.exec_driver_sql("UPDATE work_block SET n = 9 WHERE n = 2")
    )
    assert check(url) == ("block (0, 0, 'job'): 9 kept, 2 there",)


async def test_totals_follow_every_move(
    journal: Journal, database: Database, url: str, state: State, ids: Ids
) -> None:
    made = draft(state, ids)
    first, _ = new_task(made), new_task(made, app_id="app")
    await journal.commit(made)
    made.apply()
    made = draft(state, ids)
    made.put_task(replace(first, **over(TaskStatus.FAILED)))
    new_task(made, app_id="app")
    await journal.commit(made)
    found = await database.read_plain(
        lambda driver: driver.execute("SELECT app_id, status, n FROM task_total ORDER BY 1, 2").fetchall()
    )
    assert found == [("", "failed", 1), ("", "pending", 0), ("app", "pending", 2)]
    assert check(url) == ()
    await database.write(
        lambda connection: connection.exec_driver_sql("UPDATE task_total SET n = 9 WHERE n = 2")
    )
    assert check(url) == (
        "total of tasks ('FPEJMQHAG3NXE', 1, 'app', 'history-export', 'pending'): 9 kept, 2 there",
    )


async def test_times_come_back_in_whole_milliseconds(
    journal: Journal, queries: Queries, state: State, ids: Ids
) -> None:
    made = draft(state, ids)
    task = new_task(made, begins_at=START + timedelta(microseconds=1_999))
    await journal.commit(made)
    found = await queries.task(task_id=task.task_id)
    assert found is not None
    assert found.begins_at == START + timedelta(milliseconds=1)


async def test_no_task(queries: Queries, ids: Ids) -> None:
    assert await queries.task(task_id=ids.uuid()) is None
    assert await queries.task(hex24="f" * 24) is None

"""The steps of a task, each with its row and its event: one begun try, one failed, one interrupted."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from gateway.domain import subjects
from gateway.domain.commands import CommandRefused, Refusal
from gateway.domain.state import Draft
from gateway.domain.task import RETRY_FIRST, TRIES, Task, TaskStatus
from gateway.domain.work_events import TaskMoved, TaskProgressed

_S = TaskStatus


def task_named(draft: Draft, task_id: str) -> Task:
    """The task with that public id, not over, or CommandRefused."""
    task = next((task for task in draft.tasks.values() if task.task_id == task_id), None)
    if task is None:
        raise CommandRefused(Refusal.CONFLICT, "this task is over already; nothing is left to do with it")
    return task


def begin_try(draft: Draft, task: Task, **changes: Any) -> Task:
    """The next try begins, at nothing."""
    fresh: dict[str, Any] = {"progress_value": 0, "progress_total": None, "message": None, **changes}
    return move(draft, task, _S.RUNNING, tries=task.tries + 1, retry_at=None, **fresh)


def fail_try(draft: Draft, task: Task, error: str, *, is_passing: bool, order_id: str | None = None) -> Task:
    """A try failed: another one later, if the failure may pass and tries are left; else the task failed.

    `order_id`: of an upload that may be under way on the printer all the same.
    """
    if not is_passing or not task.may_try_again:
        return move(draft, task, _S.FAILED, error=error, message=None, order_id=None)
    return move(
        draft,
        task,
        _S.PENDING,
        retry_at=draft.moment.wall + task.retry_wait(),
        progress_value=0,
        progress_total=None,
        order_id=order_id,
        message=f"try {task.tries - task.given_up} of {TRIES} failed: {error}",
    )


def interrupt_try(draft: Draft, task: Task) -> Task:
    """The process that was at it is gone. The try counts: a task that kills it does so a few times only.

    An upload may go on without it: its order is remembered.
    """
    if not task.may_try_again:
        error = f"interrupted by a restart in each of its last tries ({TRIES} at most); create it anew"
        return move(draft, task, _S.FAILED, error=error, message=None, order_id=None)
    return move(
        draft,
        task,
        _S.PENDING,
        retry_at=draft.moment.wall + RETRY_FIRST,
        progress_value=0,
        progress_total=None,
        message="interrupted by a restart",
    )


def move(draft: Draft, task: Task, to: TaskStatus, **changes: Any) -> Task:
    """One step of the task table, or a change within a status, with its row and its event."""
    now = draft.moment.wall
    if to is task.status:
        moved = replace(task, updated_at=now, **changes)
    else:
        moved = task.moved(to, now, **changes)
    moved = draft.put_task(moved)
    draft.events.append(
        TaskMoved(
            **subjects.of_task(draft, moved),
            task_id=moved.task_id,
            task_kind=moved.kind.value,
            before=task.standing(now).value,
            status=moved.standing(now).value,
            message=moved.error or moved.message,
        )
    )
    return moved


def note_progress(draft: Draft, task: Task, value: int, total: int | None, message: str | None) -> None:
    """How far a try is: memory only, until a commit saves it."""
    newer = replace(task, progress_value=value, progress_total=total, message=message)
    if newer == task:
        return
    draft.note_task(newer)
    draft.fleeting.append(
        TaskProgressed(**subjects.of_task(draft, newer), task_id=newer.task_id, value=value, total=total)
    )

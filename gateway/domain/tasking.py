"""Tasks: created, paused, resumed, canceled by people; tried by the worker pool. Commands, as in `asking`.

A try is named by its number (`Task.tries`): what a try says that was given up meanwhile counts for nothing.
The pool hears from `TaskMoved` that it has to give one up. Tries of uploads to printers are in `uploading`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gateway.domain import subjects, uploading
from gateway.domain.commands import CommandRefused, Refusal
from gateway.domain.state import Draft
from gateway.domain.task import POOL_KINDS, TASKS_KEPT, Task, TaskStatus
from gateway.domain.task_commands import (
    AddTask,
    BeginTask,
    CancelTask,
    FailTask,
    FinishTask,
    NoteProgress,
    PauseTask,
    ResumeTask,
)
from gateway.domain.task_moves import begin_try, fail_try, interrupt_try, move, note_progress, task_named
from gateway.domain.work_events import TaskAdded

_S = TaskStatus


def add(draft: Draft, asked: AddTask) -> Task:
    """A new task. Refused to who has too many."""
    open_ones = sum(task.member_id == asked.member_id for task in draft.tasks.values())
    if open_ones >= TASKS_KEPT:
        raise CommandRefused(
            Refusal.CONFLICT,
            f"{open_ones} tasks of yours are not over, which is as many as may; cancel some of them "
            "(`print-gateway tasks cancel`)",
        )
    now = draft.moment.wall
    task = Task(
        work_id=draft.next_work_id(),
        task_id=draft.moment.new_id(),
        hex24=draft.moment.new_hex(24),
        kind=asked.kind,
        name=asked.name,
        member_id=asked.member_id,
        organization_id=asked.organization_id,
        created_at=now,
        app_id=asked.app_id,
        arguments=asked.arguments,
        is_paused=asked.is_paused,
        begins_at=asked.begins_at,
        updated_at=now,
    )
    if asked.idempotency is not None:
        draft.idempotency_rows.append((asked.member_id, asked.idempotency, task.task_id))
    draft.events.append(
        TaskAdded(
            **subjects.of_task(draft, task),
            task_id=task.task_id,
            task_kind=task.kind.value,
            name=task.name,
            status=task.standing(now).value,
        )
    )
    return draft.add_task(task)


def pause(draft: Draft, asked: PauseTask) -> Task:
    """It waits until it is resumed. Pausing twice is no error."""
    task = task_named(draft, asked.task_id)
    if task.is_paused:
        return task
    uploading.give_up(draft, task, asked.member_id)
    paused: dict[str, Any] = {"is_paused": True, "message": "paused", "order_id": None}
    if task.status is _S.RUNNING:
        paused |= {"given_up": task.given_up + 1, "progress_value": 0, "progress_total": None}
    return move(draft, task, _S.PENDING, **paused)


def resume(draft: Draft, asked: ResumeTask) -> Task:
    """It goes on: a paused one when it is due, one that waits for its next try at once."""
    task = task_named(draft, asked.task_id)
    if not task.is_paused and (task.status is _S.RUNNING or task.retry_at is None):
        word = task.standing(draft.moment.wall).value
        raise CommandRefused(
            Refusal.CONFLICT,
            f"{task.name!r} is {word}; only a task that is paused, or waits for its next try, is resumed",
        )
    return move(draft, task, task.status, is_paused=False, retry_at=None, message=None)


def cancel(draft: Draft, asked: CancelTask) -> Task:
    """Over at once; whoever is at it gives it up."""
    task = task_named(draft, asked.task_id)
    uploading.give_up(draft, task, asked.member_id)
    return move(draft, task, _S.CANCELED, is_paused=False, retry_at=None, order_id=None, message="canceled")


# ---------------------------------------------------------------- the pool


def begin_task(draft: Draft, asked: BeginTask) -> Task | None:
    """The next try, if there is to be one now."""
    task = draft.tasks.get(asked.work_id)
    if task is None or task.kind not in POOL_KINDS or not task.is_due(draft.moment.wall):
        return None
    return begin_try(draft, task)


def note(draft: Draft, asked: NoteProgress) -> None:
    """Progress of the newest try."""
    task = _of_pool(draft, asked)
    if task is not None:
        note_progress(draft, task, asked.value, asked.total, asked.message)


def finish(draft: Draft, asked: FinishTask) -> bool:
    """The newest try did it."""
    task = _of_pool(draft, asked)
    if task is None:
        return False
    value = task.progress_value if task.progress_total is None else task.progress_total
    move(
        draft, task, _S.DONE, result=asked.result, file=asked.file, progress_value=value, message=None
    )  # fmt: skip
    return True


def fail(draft: Draft, asked: FailTask) -> None:
    """The newest try failed."""
    task = _of_pool(draft, asked)
    if task is not None:
        fail_try(draft, task, asked.error, is_passing=asked.is_passing)


def _of_pool(draft: Draft, said: NoteProgress | FinishTask | FailTask) -> Task | None:
    """The task, if what was said is about its newest try and that one runs."""
    task = draft.tasks.get(said.work_id)
    if task is None or task.kind not in POOL_KINDS or task.status is not _S.RUNNING:
        return None
    return task if task.tries == said.tries else None


def begin(draft: Draft) -> None:
    """After a restart nothing runs: what ran is tried again, as often as any failed try is."""
    for task in list(draft.tasks.values()):
        if task.status is _S.RUNNING:
            interrupt_try(draft, task)


#: For `deciding`.
HANDLERS: dict[type, Callable[[Draft, Any], Any]] = {
    AddTask: add,
    PauseTask: pause,
    ResumeTask: resume,
    CancelTask: cancel,
    BeginTask: begin_task,
    NoteProgress: note,
    FinishTask: finish,
    FailTask: fail,
}

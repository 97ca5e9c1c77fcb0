"""Tasks, stacks, schedules and actions: to column values and back. One pair per table."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, fields, make_dataclass
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, select, type_coerce
from sqlalchemy.types import NULLTYPE

from gateway.domain.schedule import (
    Action,
    Macro,
    MissedRuns,
    RunState,
    Schedule,
    ScheduleStatus,
    ScheduleType,
    Stack,
    StartedVia,
    Step,
)
from gateway.domain.task import Task, TaskFile, TaskKind, TaskStatus
from gateway.store.columns import from_json, from_milliseconds
from gateway.store.rows import Values
from gateway.store.schema import work
from gateway.store.schema_work import action, schedule, stack, task

_KIND = {kind.value: kind for kind in TaskKind}
_STATUS = {status.value: status for status in TaskStatus}
#: How a task's fields are read that are stored as something else; here and not in the columns' types, because
#: lists of tasks are read without SQLAlchemy's rows, as those of jobs (`rows`).
_READING: Mapping[str, Callable[[Any], Any]] = {
    "created_at": from_milliseconds,
    "begins_at": from_milliseconds,
    "retry_at": from_milliseconds,
    "started_at": from_milliseconds,
    "ended_at": from_milliseconds,
    "updated_at": from_milliseconds,
    "kind": _KIND.__getitem__,
    "status": _STATUS.__getitem__,
    "is_paused": bool,
    "arguments": lambda stored: {} if stored == "{}" else from_json(stored),
    "result": from_json,
}
#: Columns of the work row that are read with the row below it.
_ABOVE: Mapping[str, str] = {"task_id": "public_id", "action_id": "public_id", "hex24": "hex24"}
_FROM_WORK = ("created_at", "version")

_TASK_FIELDS = tuple(given.name for given in fields(Task) if given.name != "file")
_FILE_COLUMNS = (task.c.file_sha256, task.c.file_name, task.c.file_size, task.c.file_media_type)
#: A task while it is made: the same slots, not frozen (as `rows` does with jobs).
_OpenTask: Any = make_dataclass("_OpenTask", (*_TASK_FIELDS, "file"), slots=True)
_CONVERTED = tuple((_TASK_FIELDS.index(name), read) for name, read in _READING.items())
#: Where a row of `SELECT_TASKS` has the work row's id.
TASK_WORK_ID_AT = _TASK_FIELDS.index("work_id")


def _stored(name: str) -> ColumnElement[Any]:
    """The column of a task's field, as the database has it."""
    if name in _ABOVE:
        return work.c[_ABOVE[name]]
    column = (work if name in _FROM_WORK else task).c[name]
    return type_coerce(column, NULLTYPE).label(name) if name in _READING else column


#: Every task with its work row: Task's fields in order, then those of its file; add where and order.
SELECT_TASKS: Select[Any] = select(*map(_stored, _TASK_FIELDS), *_FILE_COLUMNS).join_from(
    task, work, work.c.id == task.c.work_id
)


def task_values(given: Task) -> Values:
    """All columns of `task`."""
    values: Values = {name: getattr(given, name) for name in _TASK_FIELDS if name in task.c}
    file = given.file
    return values | {
        "kind": given.kind.value,
        "status": given.status.value,
        "file_sha256": file and file.sha256,
        "file_name": file and file.name,
        "file_size": None if file is None else file.size,
        "file_media_type": file and file.media_type,
    }


def task_from(row: Sequence[Any]) -> Task:
    """A row of `SELECT_TASKS`, from SQLAlchemy or from the driver below it."""
    *values, sha256, name, size, media_type = row
    for at, read in _CONVERTED:
        if values[at] is not None:
            values[at] = read(values[at])
    made = _OpenTask(*values, None if sha256 is None else TaskFile(sha256, name, size, media_type))
    made.__class__ = Task
    return made  # type: ignore[no-any-return]


def stack_values(given: Stack) -> Values:
    """All columns of `stack`."""
    values: Values = {column.name: getattr(given, column.name) for column in stack.columns}
    return values | {"printer_ids": None if given.printer_ids is None else list(given.printer_ids)}


def stack_from(row: Row[Any]) -> Stack:
    """A row of `stack`."""
    values = dict(row._mapping)
    listed = values.pop("printer_ids")
    return Stack(printer_ids=None if listed is None else tuple(listed), **values)


def schedule_values(given: Schedule) -> Values:
    """All columns of `schedule`."""
    values: Values = {column.name: getattr(given, column.name) for column in schedule.columns}
    return values | {
        "type": given.type.value,
        "missed": given.missed.value,
        "status": given.status.value,
        "macro": _macro_values(given.macro),
    }


def schedule_from(row: Row[Any]) -> Schedule:
    """A row of `schedule`."""
    values = dict(row._mapping)
    values["type"] = ScheduleType(values["type"])
    values["missed"] = MissedRuns(values["missed"])
    values["status"] = ScheduleStatus(values["status"])
    values["macro"] = _macro_from(values["macro"])
    return Schedule(**values)


#: Every action with its work row; add where and order.
SELECT_ACTIONS: Select[Any] = select(
    *action.columns, work.c.public_id.label("action_id"), work.c.created_at, work.c.app_id, work.c.version
).join_from(action, work, work.c.id == action.c.work_id)


def action_values(given: Action) -> Values:
    """All columns of `action`."""
    values: Values = {column.name: getattr(given, column.name) for column in action.columns}
    return values | {
        "type": given.type.value,
        "started_via": given.started_via.value,
        "state": given.state.value,
        "macro": _macro_values(given.macro),
        "steps": [asdict(step) for step in given.steps],
    }


def action_from(row: Row[Any]) -> Action:
    """A row of `SELECT_ACTIONS`."""
    values = dict(row._mapping)
    values["type"] = ScheduleType(values["type"])
    values["started_via"] = StartedVia(values["started_via"])
    values["state"] = RunState(values["state"])
    values["macro"] = _macro_from(values["macro"])
    values["steps"] = tuple(_step_from(step) for step in values["steps"])
    return Action(**values)


def work_values(given: Task | Action, hex24: str, hex32: str) -> Values:
    """The work row above a task or an action, with the public ids that it gets once and for all."""
    kind, public_id = ("task", given.task_id) if isinstance(given, Task) else ("action", given.action_id)
    return {
        "id": given.work_id,
        "kind": kind,
        "public_id": public_id,
        "hex24": hex24,
        "hex32": hex32,
        "organization_id": given.organization_id,
        "member_id": given.member_id,
        "app_id": given.app_id,
        "created_at": given.created_at,
        "version": given.version,
    }


def _macro_values(given: Macro | None) -> Values | None:
    return None if given is None else asdict(given)


def _macro_from(values: Values | None) -> Macro | None:
    return None if values is None else Macro(**values | {"lines": tuple(values["lines"])})


def _step_from(values: Values) -> Step:
    return Step(**values | {"state": RunState(values["state"])})

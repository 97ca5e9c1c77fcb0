"""Tasks, schedules and actions to write into a store."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

from gateway.domain.member import Member
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
from gateway.domain.state import Draft
from gateway.domain.task import TASK_ENDS, Task, TaskFile, TaskKind, TaskStatus
from tests.store.stand import ANA, MK3, START

#: What no database keeps as text: NUL, a byte of an SD card that is no UTF-8. And what it must keep.
ODD = "part\0 \udcff \U0001f6e0 ü"
SHOWN = "part\ufffd \ufffd \U0001f6e0 ü"
SHA = "ab" * 32
FILE = TaskFile(SHA, "jobs.csv", 2**40, "text/csv")
MACRO = Macro(("G28", "M109 S210"), moves=True, prints=True, hotend=210.0, bed=60.5)


def new_task(made: Draft, member: Member = ANA, **changes: Any) -> Task:
    """A pending export, added to the draft."""
    work_id = made.next_work_id()
    task = Task(
        work_id=work_id,
        task_id=made.moment.new_id(),
        hex24=made.moment.new_hex(24),
        kind=TaskKind.HISTORY_EXPORT,
        name=f"export {work_id}",
        member_id=member.member_id,
        organization_id=member.organization_id,
        created_at=made.moment.wall,
    )
    return made.add_task(replace(task, **changes))


def over(status: TaskStatus, at: datetime = START) -> dict[str, Any]:
    """The fields of a task that is over."""
    assert status in TASK_ENDS
    return {"status": status, "ended_at": at, "started_at": at, "updated_at": at}


def new_stack(made: Draft, number: int = 1, **changes: Any) -> Stack:
    """A stack of ana's organization, added to the draft."""
    stack = Stack(number, made.moment.new_hex(32), 1, "all printers", START)
    return made.put_stack(replace(stack, **changes))


def new_schedule(made: Draft, **changes: Any) -> Schedule:
    """A macro that only people run, added to the draft."""
    schedule = Schedule(
        made.moment.new_hex(32), 1, 1, ANA.member_id, "warm up", ScheduleType.GCODE_MACRO, START, START
    )
    return made.put_schedule(replace(schedule, **changes))


def new_action(made: Draft, schedule: Schedule, **changes: Any) -> Action:
    """A run of it that waits, added to the draft."""
    action = Action(
        work_id=made.next_work_id(),
        action_id=made.moment.new_id(),
        schedule_id=schedule.schedule_id,
        stack_number=schedule.stack_number,
        organization_id=schedule.organization_id,
        member_id=schedule.member_id,
        name=schedule.name,
        type=schedule.type,
        started_via=StartedVia.API,
        created_at=made.moment.wall,
    )
    return made.add_action(replace(action, **changes))


#: Every field that has a default, with another value: of what runs, and of what is over.
RUNNING_TASK: dict[str, Any] = {
    "kind": TaskKind.PRINTER_UPLOAD,
    "app_id": "app",
    "arguments": {"printer_id": 1, "name": ODD, "nested": [None, {"a": 1.5}]},
    "status": TaskStatus.RUNNING,
    "begins_at": START,
    "retry_at": START,
    "tries": 3,
    "given_up": 1,
    "started_at": START,
    "updated_at": START,
    "progress_value": 2**40,
    "progress_total": 2**41,
    "message": "sending",
    "order_id": "12345678-1234-1234-1234-123456789abc",
    "error": "the printer did not answer",
}
DONE_TASK: dict[str, Any] = over(TaskStatus.DONE) | {"result": {}, "file": FILE}
FULL_SCHEDULE: dict[str, Any] = {
    "app_id": "app",
    "cron": "0 6 * * 1-5",
    "timezone": "Europe/Berlin",
    "missed": MissedRuns.RUN_ONCE,
    "is_paused": True,
    "params": {"gcode": ["G28 ; {1}"]},
    "macro": MACRO,
    "next_at": START,
    "status": ScheduleStatus.FAILED,
}
FULL_ACTION: dict[str, Any] = {
    "app_id": "app",
    "started_via": StartedVia.SCHEDULE,
    "due_at": START,
    "arguments": "210 60",
    "macro": MACRO,
    "state": RunState.RUNNING,
    "steps": (
        Step(MK3.printer_id, RunState.FAILED, "look at the machine", "command", 2),
        Step(2),
    ),
    "task_id": "12345678-1234-1234-1234-123456789abc",
    "started_at": START,
    "message": "on 1 of 2 printers",
}

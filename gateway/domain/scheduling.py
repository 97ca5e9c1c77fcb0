"""Schedules: made, changed, run by hand and by the clock. Commands, as in `asking`.

Runs that are asked for by hand wait for each other, so many of them. By the clock a run is left out while
one is not over, and so is one that was missed, unless the schedule wants one for all that were. What a run
then does is in `acting`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from gateway.domain import tasking
from gateway.domain.commands import CommandRefused, Refusal
from gateway.domain.member import Scope
from gateway.domain.runs import add_action, end_with_task, open_runs, put_steps
from gateway.domain.schedule import (
    MISSED_AFTER,
    RUNS_KEPT,
    SCHEDULES_KEPT,
    Action,
    Macro,
    MissedRuns,
    RunState,
    Schedule,
    ScheduleStatus,
    ScheduleType,
    StartedVia,
    Step,
)
from gateway.domain.schedule_commands import (
    AddSchedule,
    CancelAction,
    ChangeSchedule,
    RemoveSchedule,
    RunSchedule,
    ScheduleDue,
)
from gateway.domain.stacking import printers_of, stack_numbered
from gateway.domain.state import Draft
from gateway.domain.task import TaskKind, TaskStatus
from gateway.domain.task_commands import AddTask, CancelTask
from gateway.domain.work_events import ScheduleChanged

_R = RunState
_SENDS = frozenset({ScheduleType.GCODE_MACRO, ScheduleType.CALIBRATION})


def add(draft: Draft, asked: AddSchedule) -> Schedule:
    """A new schedule. Refused to an organization that has too many."""
    stack = stack_numbered(draft, asked.stack_number)
    if stack.organization_id != asked.organization_id:
        raise CommandRefused(Refusal.INVALID, f"the stack {stack.name!r} is of another organization")
    count = sum(known.organization_id == asked.organization_id for known in draft.schedules.values())
    if count >= SCHEDULES_KEPT:
        raise CommandRefused(
            Refusal.CONFLICT, f"there are {count} schedules, which is as many as may be; remove one first"
        )
    _must_be_named_alone(draft, asked.name, stack.number)
    now = draft.moment.wall
    schedule = Schedule(
        schedule_id=draft.moment.new_hex(32),
        stack_number=stack.number,
        organization_id=stack.organization_id,
        member_id=asked.member_id,
        name=asked.name,
        type=asked.type,
        created_at=now,
        updated_at=now,
        app_id=asked.app_id,
        cron=asked.cron,
        timezone=asked.timezone,
        missed=asked.missed,
        is_paused=asked.is_paused,
        params=asked.params,
        macro=asked.macro,
        next_at=asked.next_at,
    )
    _must_run_by_itself(schedule)
    schedule = draft.put_schedule(schedule)
    _tell(draft, schedule, asked.member_id, "added")
    return schedule


def change(draft: Draft, asked: ChangeSchedule) -> Schedule:
    """From the next run on."""
    known = _schedule(draft, asked.schedule_id)
    if asked.version is not None and asked.version != known.version:
        raise CommandRefused(Refusal.CONFLICT, f"{known.name!r} was changed meanwhile; look, and try again")
    if asked.name != known.name:
        _must_be_named_alone(draft, asked.name, known.stack_number)
    schedule = replace(
        known,
        name=asked.name,
        cron=asked.cron,
        timezone=asked.timezone,
        missed=asked.missed,
        is_paused=asked.is_paused,
        params=asked.params,
        macro=asked.macro,
        next_at=asked.next_at,
        status=ScheduleStatus.UPDATED,
        updated_at=draft.moment.wall,
    )
    _must_run_by_itself(schedule)
    schedule = draft.put_schedule(schedule)
    _tell(draft, schedule, asked.member_id, "changed")
    return schedule


def remove(draft: Draft, asked: RemoveSchedule) -> None:
    """What waits of its runs is canceled; what is under way ends by itself."""
    schedule = _schedule(draft, asked.schedule_id)
    for action in open_runs(draft, schedule):
        _withdraw(draft, action, asked.member_id, "its schedule was removed")
    schedule = draft.put_schedule(
        replace(draft.schedules[schedule.schedule_id], removed_at=draft.moment.wall)
    )
    _tell(draft, schedule, asked.member_id, "removed")


def _must_be_named_alone(draft: Draft, name: str, stack_number: int) -> None:
    """People run schedules by their names."""
    if any(name == known.name and stack_number == known.stack_number for known in draft.schedules.values()):
        raise CommandRefused(
            Refusal.CONFLICT, f"this stack has a schedule {name!r} already; take another name"
        )


def _must_run_by_itself(schedule: Schedule) -> None:
    if schedule.cron is not None and _wants_arguments(schedule.type, schedule.params, schedule.macro):
        raise CommandRefused(
            Refusal.INVALID,
            "its lines have places for arguments, which the clock cannot fill: say in each what to send "
            "without one, as in {1=60}, or leave out the cron expression",
        )


def _wants_arguments(type: ScheduleType, params: Mapping[str, Any], macro: Macro | None) -> bool:
    """Whether it sends lines, and they are not ready to send."""
    return macro is None and (
        type in _SENDS or (type is ScheduleType.MAINTENANCE and bool(params.get("gcode")))
    )


# ---------------------------------------------------------------- runs


def run(draft: Draft, asked: RunSchedule) -> Action:
    """One run more, by hand; a pause is for the clock only."""
    schedule = _schedule(draft, asked.schedule_id)
    if len(open_runs(draft, schedule)) >= RUNS_KEPT:
        raise CommandRefused(
            Refusal.CONFLICT,
            f"{RUNS_KEPT} runs of {schedule.name!r} are not over yet; wait for the end of one, or cancel it",
        )
    macro = asked.macro if asked.macro is not None else schedule.macro
    if _wants_arguments(schedule.type, schedule.params, macro):
        raise CommandRefused(
            Refusal.INVALID, f"the lines of {schedule.name!r} have places for arguments; give them"
        )
    action = _action(draft, schedule, asked.member_id, macro, StartedVia.API)
    action = _begun(draft, schedule, replace(action, app_id=asked.app_id, arguments=asked.arguments))
    if asked.idempotency is not None:
        draft.idempotency_rows.append((asked.member_id, asked.idempotency, action.action_id))
    return action


def due(draft: Draft, asked: ScheduleDue) -> Action | None:
    """One run by the clock, unless there is a reason to leave it out; asked again for that time, none."""
    schedule = draft.schedules.get(asked.schedule_id)
    if schedule is None:
        return None
    is_due = schedule.next_at is not None and schedule.next_at <= asked.due_at
    if schedule.next_at != asked.next_at:
        schedule = draft.put_schedule(replace(schedule, next_at=asked.next_at))
    if not is_due or schedule.is_paused or schedule.cron is None:
        return None
    why = _left_out(draft, schedule, asked.due_at)
    if why is not None:
        _tell(draft, schedule, schedule.member_id, "skipped", why)
        return None
    action = _action(draft, schedule, schedule.member_id, schedule.macro, StartedVia.SCHEDULE)
    return _begun(draft, schedule, replace(action, app_id=schedule.app_id, due_at=asked.due_at))


def _left_out(draft: Draft, schedule: Schedule, due_at: datetime) -> str | None:
    if open_runs(draft, schedule):
        return "its last run is not over yet"
    if draft.moment.wall - due_at > MISSED_AFTER and schedule.missed is MissedRuns.SKIP:
        return f"it was due at {due_at:%Y-%m-%d %H:%M} UTC, when the gateway did not run"
    return None


def _action(draft: Draft, schedule: Schedule, member_id: str, macro: Macro | None, via: StartedVia) -> Action:
    return Action(
        work_id=draft.next_work_id(),
        action_id=draft.moment.new_id(),
        schedule_id=schedule.schedule_id,
        stack_number=schedule.stack_number,
        organization_id=schedule.organization_id,
        member_id=member_id,
        name=schedule.name,
        type=schedule.type,
        started_via=via,
        created_at=draft.moment.wall,
        macro=macro,
    )


def _begun(draft: Draft, schedule: Schedule, action: Action) -> Action:
    """The run with what it is to do; it has failed already when that is nothing."""
    if action.type is ScheduleType.HISTORY_EXPORT:
        return _export(draft, schedule, action)
    if _wants_arguments(action.type, schedule.params, action.macro):
        return _born_failed(
            draft, action, "its lines have places for arguments: run it by hand and give them"
        )
    stack = stack_numbered(draft, schedule.stack_number)
    printers = printers_of(draft, stack, with_gcode=action.macro is not None)
    if not printers:
        return _born_failed(draft, action, f"no printer of the stack {stack.name!r} is there to run it")
    steps = tuple(Step(printer.printer_id) for printer in printers)
    return add_action(draft, replace(action, steps=steps))


def _born_failed(draft: Draft, action: Action, why: str) -> Action:
    return add_action(draft, replace(action, state=_R.FAILED, ended_at=draft.moment.wall, message=why))


def _export(draft: Draft, schedule: Schedule, action: Action) -> Action:
    """A task of the schedule's member does the work."""
    try:
        task = tasking.add(
            draft,
            AddTask(
                member_id=schedule.member_id,
                organization_id=schedule.organization_id,
                kind=TaskKind.HISTORY_EXPORT,
                name=schedule.name,
                app_id=schedule.app_id,
                arguments=_export_arguments(draft, schedule),
            ),
        )
    except CommandRefused as refused:
        return _born_failed(draft, action, refused.message)
    return add_action(draft, replace(action, task_id=task.task_id))


def _export_arguments(draft: Draft, schedule: Schedule) -> dict[str, Any]:
    """The schedule's filters, within what its member may see now: its organization's jobs, or its own."""
    filters = {
        "printer_id": None, "statuses": [], "created_after": None, "created_before": None, **schedule.params
    }  # fmt: skip
    filters["organization_id"] = schedule.organization_id
    is_narrow = not _sees_organization(draft, schedule.member_id, schedule.organization_id)
    filters["member_id"] = schedule.member_id if is_narrow else schedule.params.get("member_id")
    return filters


def _sees_organization(draft: Draft, member_id: str, organization_id: int) -> bool:
    """Whether the member is its admin, or holds a key to the whole gateway."""
    member = draft.members.get(member_id)
    if member is not None and member.is_admin and member.organization_id == organization_id:
        return True
    mine = (key for key in draft.keys.values() if key.member_id == member_id and key.revoked_at is None)
    return any(Scope.ADMIN in key.scopes for key in mine)


def cancel(draft: Draft, asked: CancelAction) -> Action:
    """Give up what waits. What is on a machine ends by itself."""
    action = draft.actions.get(asked.work_id)
    if action is None:
        raise CommandRefused(Refusal.CONFLICT, "this run is over already; nothing is left to do with it")
    if action.task_id is None and all(step.state is not _R.WAITING for step in action.steps):
        raise CommandRefused(
            Refusal.CONFLICT,
            f"{action.name!r} is under way on its printers and ends by itself; stop a printer that must not "
            "go on (`print-gateway printers stop`)",
        )
    return _withdraw(draft, action, asked.member_id, "canceled")


def _withdraw(draft: Draft, action: Action, member_id: str, why: str) -> Action:
    if action.task_id is not None:
        task = next((task for task in draft.tasks.values() if task.task_id == action.task_id), None)
        if task is not None and task.status is not TaskStatus.CANCELED:
            tasking.cancel(draft, CancelTask(task.task_id, member_id))
        return end_with_task(draft, action)
    steps = tuple(
        replace(step, state=_R.CANCELED, message=why) if step.state is _R.WAITING else step
        for step in action.steps
    )
    return put_steps(draft, action, steps)


def _schedule(draft: Draft, schedule_id: str) -> Schedule:
    schedule = draft.schedules.get(schedule_id)
    if schedule is None:
        raise CommandRefused(
            Refusal.UNKNOWN, "there is no such schedule; `print-gateway schedules list` shows them"
        )
    return schedule


def _tell(draft: Draft, schedule: Schedule, member_id: str, what: str, message: str | None = None) -> None:
    draft.events.append(
        ScheduleChanged(
            at=draft.moment.wall,
            organization_id=schedule.organization_id,
            member_id=member_id,
            printer_id=None,
            work_id=None,
            schedule_id=schedule.schedule_id,
            name=schedule.name,
            what=what,
            message=message,
        )
    )


#: For `deciding`.
HANDLERS: dict[type, Callable[[Draft, Any], Any]] = {
    AddSchedule: add,
    ChangeSchedule: change,
    RemoveSchedule: remove,
    RunSchedule: run,
    ScheduleDue: due,
    CancelAction: cancel,
}

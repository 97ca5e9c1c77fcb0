"""What follows for a run from its steps, or from its task: its own state, its end, its schedule's status."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from gateway.domain import subjects
from gateway.domain.schedule import RUN_ENDS, Action, RunState, Schedule, ScheduleStatus, Step
from gateway.domain.state import Draft
from gateway.domain.task import Task, TaskStatus
from gateway.domain.work_events import ActionMoved

_R = RunState
#: Printers that a run's message names when not all of them did it; the steps tell of all.
PRINTERS_NAMED = 5

_OF_TASK = {
    TaskStatus.DONE: _R.SUCCEEDED,
    TaskStatus.FAILED: _R.FAILED,
    TaskStatus.CANCELED: _R.CANCELED,
}


def add_action(draft: Draft, action: Action) -> Action:
    """A new run, already numbered; its schedule shows it. One without anything to do is born at its end."""
    action = draft.add_action(action)
    _tell(draft, action)
    _show(draft, action)
    return action


def open_runs(draft: Draft, schedule: Schedule) -> list[Action]:
    """Those that are not over, the oldest first."""
    mine = [action for action in draft.actions.values() if action.schedule_id == schedule.schedule_id]
    return sorted(mine, key=lambda action: action.work_id)


def put_steps(draft: Draft, action: Action, steps: tuple[Step, ...]) -> Action:
    """The run with these steps; it is over when all of them are."""
    if steps == action.steps:
        return action
    now = draft.moment.wall
    state = _state_of(steps)
    has_begun = any(step.command_id is not None or step.state is _R.SUCCEEDED for step in steps)
    changed = replace(
        action,
        steps=steps,
        state=state,
        started_at=(action.started_at or now) if has_begun else None,
        ended_at=now if state in RUN_ENDS else None,
        message=_summary(draft, steps) if state in RUN_ENDS else action.message,
    )
    return _put(draft, action, changed)


def _state_of(steps: Sequence[Step]) -> RunState:
    states = {step.state for step in steps}
    if states <= RUN_ENDS:
        return next((end for end in (_R.FAILED, _R.CANCELED) if end in states), _R.SUCCEEDED)
    return _R.RUNNING if states & {_R.RUNNING, _R.SUCCEEDED} else _R.WAITING


def _summary(draft: Draft, steps: Sequence[Step]) -> str:
    done = sum(step.state is _R.SUCCEEDED for step in steps)
    text = f"done on {done} of {len(steps)} {'printer' if len(steps) == 1 else 'printers'}"
    others = [step for step in steps if step.state is not _R.SUCCEEDED or step.message]
    named = [f"{_name(draft, step)}: {step.message or step.state.value}" for step in others[:PRINTERS_NAMED]]
    if len(others) > PRINTERS_NAMED:
        named.append(f"and {len(others) - PRINTERS_NAMED} more")
    return "; ".join((text, *named))


def _name(draft: Draft, step: Step) -> str:
    printer = draft.printers.get(step.printer_id)
    return printer.shown_name if printer is not None else f"printer {step.printer_id}"


def end_with_task(draft: Draft, action: Action) -> Action:
    """Bring the run of a history export to where its task is."""
    task = _task_of(draft, action)
    now = draft.moment.wall
    if task is None:
        message = "its task is not known any more; run it again"
        return _put(draft, action, replace(action, state=_R.FAILED, ended_at=now, message=message))
    if task.is_over:
        changed = replace(
            action,
            state=_OF_TASK[task.status],
            started_at=task.started_at,
            ended_at=now,
            message=_outcome(task),
        )
    elif task.status is TaskStatus.RUNNING and action.state is _R.WAITING:
        changed = replace(action, state=_R.RUNNING, started_at=task.started_at)
    else:
        return action
    return _put(draft, action, changed)


def _task_of(draft: Draft, action: Action) -> Task | None:
    changed = (task for task in draft.task_rows.values() if task.task_id == action.task_id)
    running = (task for task in draft.tasks.values() if task.task_id == action.task_id)
    return next(changed, None) or next(running, None)


def _outcome(task: Task) -> str:
    if task.status is TaskStatus.DONE:
        return f"exported as {task.file.name}" if task.file is not None else "exported"
    return task.error or task.message or task.status.value


def _put(draft: Draft, before: Action, after: Action) -> Action:
    after = draft.put_action(after)
    if after.state is not before.state:
        _tell(draft, after)
    if after.is_over:
        _show(draft, after)
    return after


def _show(draft: Draft, action: Action) -> None:
    """The status of the schedule: how its last run went, once none is under way."""
    schedule = draft.schedules.get(action.schedule_id)
    if schedule is None:
        return
    status = ScheduleStatus.STARTED
    if not open_runs(draft, schedule):
        status = ScheduleStatus.SUCCESS if action.state is _R.SUCCEEDED else ScheduleStatus.FAILED
    draft.put_schedule(replace(schedule, status=status, updated_at=draft.moment.wall))


def _tell(draft: Draft, action: Action) -> None:
    draft.events.append(
        ActionMoved(
            **subjects.of_run(draft, action),
            action_id=action.action_id,
            schedule_id=action.schedule_id,
            name=action.name,
            state=action.state.value,
            message=action.message,
        )
    )

"""What happened to tasks, stacks, schedules and actions: facts in the past tense, as in `events`."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.domain.events import Event


@dataclass(frozen=True, slots=True)
class TaskAdded(Event):
    """Somebody created a task."""

    kind = "task-added"
    task_id: str
    task_kind: str
    name: str
    status: str


@dataclass(frozen=True, slots=True)
class TaskMoved(Event):
    """A task's status, or what it waits for, changed."""

    kind = "task-moved"
    task_id: str
    task_kind: str
    before: str  # standing
    status: str  # standing
    message: str | None


@dataclass(frozen=True, slots=True)
class TaskProgressed(Event):
    """How far a running task is. Not kept."""

    kind = "task-progressed"
    task_id: str
    value: int
    total: int | None


@dataclass(frozen=True, slots=True)
class StackChanged(Event):
    """A stack was made, changed or removed."""

    kind = "stack-changed"
    stack_id: str
    name: str
    what: str  # added, changed, removed


@dataclass(frozen=True, slots=True)
class ScheduleChanged(Event):
    """A schedule was made, changed, removed, or a run of it was left out."""

    kind = "schedule-changed"
    schedule_id: str
    name: str
    what: str  # added, changed, removed, skipped
    message: str | None


@dataclass(frozen=True, slots=True)
class ActionMoved(Event):
    """A run of a schedule was asked for, began, or ended."""

    kind = "action-moved"
    action_id: str
    schedule_id: str
    name: str
    state: str
    message: str | None

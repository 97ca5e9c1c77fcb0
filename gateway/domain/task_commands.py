"""What people, apps and the worker pool ask of the engine about tasks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from gateway.domain.idempotency import Idempotency
from gateway.domain.task import TaskFile, TaskKind


@dataclass(frozen=True, slots=True)
class AddTask:
    """Create a task. `arguments` were checked by its kind. Result: Task."""

    member_id: str
    organization_id: int
    kind: TaskKind
    name: str
    app_id: str | None = None
    arguments: Mapping[str, Any] = field(default_factory=dict)
    begins_at: datetime | None = None
    is_paused: bool = False
    idempotency: Idempotency | None = None


@dataclass(frozen=True, slots=True)
class PauseTask:
    """Let a task wait; a running try is given up and begins anew after `ResumeTask`. Result: Task."""

    task_id: str
    member_id: str


@dataclass(frozen=True, slots=True)
class ResumeTask:
    """Let a paused task go on, and one that waits for its next try begin it now. Result: Task."""

    task_id: str
    member_id: str


@dataclass(frozen=True, slots=True)
class CancelTask:
    """End a task. What a running try does is given up. Result: Task."""

    task_id: str
    member_id: str


@dataclass(frozen=True, slots=True)
class BeginTask:
    """The pool begins the next try. Result: Task, or None when it may not begin any more."""

    work_id: int


@dataclass(frozen=True, slots=True)
class NoteProgress:
    """How far a try is; kept in memory only. Ignored for a former try. Result: None."""

    work_id: int
    tries: int
    value: int
    total: int | None
    message: str | None = None


@dataclass(frozen=True, slots=True)
class FinishTask:
    """A try did it. Ignored for a former try. Result: whether it counted."""

    work_id: int
    tries: int
    result: Mapping[str, Any] | None = None
    file: TaskFile | None = None


@dataclass(frozen=True, slots=True)
class FailTask:
    """A try failed: the task is tried again later if the failure may pass, else it failed. Result: None."""

    work_id: int
    tries: int
    error: str  # for people: why, and what to do
    is_passing: bool


TaskCommand = AddTask | PauseTask | ResumeTask | CancelTask | BeginTask | NoteProgress | FinishTask | FailTask

"""What people, apps and the clock ask of the engine about stacks and schedules."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from gateway.domain.idempotency import Idempotency
from gateway.domain.schedule import Macro, MissedRuns, ScheduleType


@dataclass(frozen=True, slots=True)
class AddStack:
    """Make a group of printers. Result: Stack."""

    member_id: str
    organization_id: int
    name: str
    printer_ids: tuple[int, ...] | None = None


@dataclass(frozen=True, slots=True)
class ChangeStack:
    """Another name, other printers. Result: Stack."""

    number: int
    member_id: str
    name: str
    printer_ids: tuple[int, ...] | None


@dataclass(frozen=True, slots=True)
class RemoveStack:
    """Refused while it has schedules. Result: None."""

    number: int
    member_id: str


@dataclass(frozen=True, slots=True)
class AddSchedule:
    """Make a schedule. Cron, params and macro were checked. Result: Schedule."""

    member_id: str
    organization_id: int
    stack_number: int
    name: str
    type: ScheduleType
    app_id: str | None = None
    cron: str | None = None
    timezone: str = "UTC"
    missed: MissedRuns = MissedRuns.SKIP
    is_paused: bool = False
    params: Mapping[str, Any] = field(default_factory=dict)
    macro: Macro | None = None
    next_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class ChangeSchedule:
    """Replace what a schedule says of itself. Its status is `updated` then. Result: Schedule."""

    schedule_id: str
    member_id: str
    name: str
    cron: str | None
    timezone: str
    missed: MissedRuns
    is_paused: bool
    params: Mapping[str, Any]
    macro: Macro | None
    next_at: datetime | None
    version: int | None = None  # refused if it is another one by now; None: whatever it is


@dataclass(frozen=True, slots=True)
class RemoveSchedule:
    """It runs no more; a run that waits is canceled, one that is under way ends. Result: None."""

    schedule_id: str
    member_id: str


@dataclass(frozen=True, slots=True)
class RunSchedule:
    """Run it now. Refused while RUNS_KEPT of it are not over. Result: Action."""

    schedule_id: str
    member_id: str
    app_id: str | None = None
    arguments: str | None = None
    macro: Macro | None = None  # with the arguments in it; None: the schedule's own
    idempotency: Idempotency | None = None  # answers with the action's public id


@dataclass(frozen=True, slots=True)
class ScheduleDue:
    """The clock says that its time has come; `next_at`: the next time. Result: Action, or None if skipped."""

    schedule_id: str
    due_at: datetime  # the latest time that is not in the future
    next_at: datetime | None


@dataclass(frozen=True, slots=True)
class CancelAction:
    """Give up the steps that wait; those under way end by themselves. Result: Action."""

    work_id: int
    member_id: str


ScheduleCommand = (
    AddStack
    | ChangeStack
    | RemoveStack
    | AddSchedule
    | ChangeSchedule
    | RemoveSchedule
    | RunSchedule
    | ScheduleDue
    | CancelAction
)

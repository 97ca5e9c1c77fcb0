"""Stacks, schedules and their runs.

A *stack* is a group of printers of one organization. A *schedule* is a named recurring job of a stack; each
run of it is an *action*, with one step for each printer that was in the stack when it was due:

    waiting <---> running ----> succeeded | failed | canceled          (an action, and each of its steps)
       |             ^
       |             the first step began; a printer's driver refused it, nothing was sent: it waits again
       +--------> failed | canceled      its printers were not idle in time; somebody canceled it

A step begins only on a printer that is idle: ready, nothing on it and nothing that may have it; if its macro
moves the machine, also with a plate confirmed clear. What was sent and not answered is not known to have
happened: its step failed, with a message that says to look.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import IntEnum, StrEnum
from typing import Any, Final

#: How long a run waits for idle printers: a long print, and the night behind it.
RUN_WAITS: Final = timedelta(hours=24)
#: Refusals of one step before it fails instead of waiting again.
STEP_REFUSALS: Final = 3
#: The command that sends a run's lines; nothing else starts on the printer before it is answered.
RUN_MACRO: Final = "run-macro"
#: Schedules of one organization, stacks of one: what people keep apart by name.
SCHEDULES_KEPT: Final = 500
STACKS_KEPT: Final = 100
#: Runs of one schedule that are not over: what is asked for by hand, one behind the other, and no more.
RUNS_KEPT: Final = 8
#: A run that is this late was missed: the gateway did not run, or its clock was wrong.
MISSED_AFTER: Final = timedelta(seconds=60)
#: How long actions that are over are kept.
ACTION_KEPT: Final = timedelta(days=90)


class ScheduleType(StrEnum):
    """What a schedule does, by Cloud 66's way of naming (`RakeJob`)."""

    GCODE_MACRO = "GcodeMacroJob"  # lines of G-code on every printer
    MAINTENANCE = "MaintenanceJob"  # the same; then the plate is occupied until somebody has looked
    CALIBRATION = "CalibrationJob"  # a procedure by name
    HISTORY_EXPORT = "HistoryExportJob"  # a history-export task


class MissedRuns(StrEnum):
    """What becomes of runs that were due while the gateway was not there."""

    SKIP = "skip"
    RUN_ONCE = "run-once"  # one run for all of them, as soon as it is there


class ScheduleStatus(IntEnum):
    """How its last run went, in Cloud 66's numbers."""

    UPDATED = 0  # made or changed since
    STARTED = 1
    SUCCESS = 2
    FAILED = 3


class RunState(StrEnum):
    """Where an action, or a step of it, stands."""

    WAITING = "waiting"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELED = "canceled"


RUN_ENDS: Final = frozenset({RunState.SUCCEEDED, RunState.FAILED, RunState.CANCELED})


class StartedVia(StrEnum):
    """Who asked for a run."""

    API = "api"
    SCHEDULE = "schedule"


@dataclass(frozen=True, slots=True)
class Macro:
    """Lines for an idle printer, ready to send, and what was found in them when they were looked at."""

    lines: tuple[str, ...]
    moves: bool = False  # an axis moves: the plate must be clear
    prints: bool = False  # it extrudes while it moves: the plate is occupied behind it
    hotend: float = 0.0  # highest target, degrees Celsius
    bed: float = 0.0


@dataclass(frozen=True, slots=True)
class Stack:
    """A group of printers."""

    number: int  # small, of this gateway
    stack_id: str  # public id, 32 hex digits
    organization_id: int
    name: str
    created_at: datetime
    printer_ids: tuple[int, ...] | None = None  # None: every printer of the organization, as they come and go
    version: int = 1


@dataclass(frozen=True, slots=True)
class Schedule:
    """A named recurring job of a stack."""

    schedule_id: str  # public id, 32 hex digits
    stack_number: int
    organization_id: int
    member_id: str  # whose it is; runs by the clock are its
    name: str
    type: ScheduleType
    created_at: datetime
    updated_at: datetime
    app_id: str | None = None
    cron: str | None = None  # five fields; None: only by hand
    timezone: str = "UTC"  # IANA name, in which cron is read
    missed: MissedRuns = MissedRuns.SKIP
    is_paused: bool = False  # the clock does not run it; a person may
    params: Mapping[str, Any] = field(default_factory=dict)  # of its type, as given: gcode, note, ...
    macro: Macro | None = None  # of a run without arguments; None: it needs some, or sends nothing
    next_at: datetime | None = None  # when the clock runs it next
    status: ScheduleStatus = ScheduleStatus.UPDATED
    removed_at: datetime | None = None  # its actions outlive it
    version: int = 1


@dataclass(frozen=True, slots=True)
class Step:
    """One printer's part of an action."""

    printer_id: int
    state: RunState = RunState.WAITING
    message: str | None = None
    command_id: str | None = None  # task id of the command that carries it out
    refusals: int = 0  # by the printer's driver, provably before anything was sent


@dataclass(frozen=True, slots=True)
class Action:
    """One run of a schedule. Instants are aware UTC datetimes."""

    work_id: int  # the row in `work`; Cloud 66's action id
    action_id: str  # public id, UUID
    schedule_id: str
    stack_number: int
    organization_id: int
    member_id: str  # who asked, or whose schedule it is
    name: str  # of the schedule then
    type: ScheduleType
    started_via: StartedVia
    created_at: datetime
    app_id: str | None = None
    due_at: datetime | None = None  # by the clock
    arguments: str | None = None
    macro: Macro | None = None
    state: RunState = RunState.WAITING
    steps: tuple[Step, ...] = ()
    task_id: str | None = None  # UUID of the task that does the work of a history export
    started_at: datetime | None = None  # of the first step
    ended_at: datetime | None = None
    message: str | None = None
    version: int = 1

    @property
    def is_over(self) -> bool:
        """Whether nothing of it can happen any more."""
        return self.state in RUN_ENDS

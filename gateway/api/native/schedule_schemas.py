"""Stacks, schedules and their runs in the native API: bodies and described answers."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, Field, RootModel

from gateway.api.http import limits
from gateway.api.http.reading import KEPT, Name
from gateway.api.native.fields import Body, Limit, Number, Offset
from gateway.api.native.history_filters import HistoryFilters
from gateway.domain.schedule import MissedRuns, RunState, ScheduleStatus, ScheduleType, StartedVia

#: Printers of one stack: more than any host has ports for.
STACK_PRINTERS = 500

HexId = Annotated[str, Field(pattern="^[0-9a-f]{32}$", description="32 hexadecimal digits.")]
GcodeLine = Annotated[str, Field(min_length=1, max_length=limits.NAME_CHARS)]
StatusWord = Annotated[str, Field(json_schema_extra={"enum": [one.name.lower() for one in ScheduleStatus]})]


# ---------------------------------------------------------------- stacks


class StackPrinter(BaseModel):
    """A printer of a stack."""

    id: int
    name: str = Field(description="What people call it.")


class Stack(BaseModel):
    """A group of printers of one organization."""

    id: HexId
    number: int
    name: str
    organization_id: int
    is_all: bool = Field(description="Every printer of the organization, as they come and go.")
    printers: list[StackPrinter] = Field(description="Those that a run would go to now.")
    created_at: datetime
    version: int


class Stacks(BaseModel):
    """All stacks one may see, oldest first."""

    stacks: list[Stack]


class StackChange(Body):
    """What a stack is called, and what is in it."""

    name: Name
    printers: Annotated[list[Name | Number], Field(max_length=STACK_PRINTERS)] | None = Field(
        None, description="Names or ids; null: every printer of the organization, as they come and go."
    )


class NewStack(StackChange):
    """A stack to be."""

    organization: Name | None = Field(None, description="Name of an organization; yours, if it is left out.")


# ---------------------------------------------------------------- what a schedule does


class GcodeMacro(Body):
    """Lines of G-code for every printer of the stack."""

    gcode: list[GcodeLine] = Field(
        description="`{1}` to `{9}` stand for the arguments of a run; `{1=text}`: text when it has none."
    )


class Maintenance(Body):
    """Work at the machine; the plate counts as occupied until somebody has looked."""

    note: Annotated[str, Field(max_length=limits.TEXT_CHARS)] = Field(description="What is to be done.")
    gcode: list[GcodeLine] = Field(default_factory=list, description="Sent first, as in a macro.")


class Calibration(Body):
    """A procedure that the firmware has."""

    procedure: Literal["home", "bed-level", "pid-hotend", "pid-bed"]
    target: float | None = Field(None, description="Degrees Celsius of a PID tuning.")


class _Timing(Body):
    """When it runs."""

    name: Name
    cron: Annotated[str, Field(max_length=limits.NAME_CHARS)] | None = Field(
        None, description="Minute, hour, day of month, month, day of week: `30 6 * * 1-5`. null: by hand."
    )
    timezone: Annotated[str, Field(min_length=1, max_length=limits.NAME_CHARS)] = Field(
        "UTC", description="IANA name, such as Europe/Berlin, in which cron is read."
    )
    missed: MissedRuns = Field(
        MissedRuns.SKIP, description="What becomes of runs that were due while the gateway was not there."
    )
    is_paused: bool = Field(False, description="The clock does not run it; people may.")


class _Where(Body):
    """Which stack it belongs to."""

    stack: Name | Number | None = Field(
        None, description="Id, number or name; may be left out where there is only one."
    )


class GcodeMacroChange(_Timing):
    """A schedule that sends a macro."""

    type: Literal[ScheduleType.GCODE_MACRO]
    params: Annotated[GcodeMacro, KEPT]


class MaintenanceChange(_Timing):
    """A schedule of work at the machine."""

    type: Literal[ScheduleType.MAINTENANCE]
    params: Annotated[Maintenance, KEPT]


class CalibrationChange(_Timing):
    """A schedule of a procedure."""

    type: Literal[ScheduleType.CALIBRATION]
    params: Calibration


class HistoryExportChange(_Timing):
    """A schedule of exports: each run is a task, with a CSV file as its result."""

    type: Literal[ScheduleType.HISTORY_EXPORT]
    params: HistoryFilters = Field(default_factory=HistoryFilters)


class NewGcodeMacro(GcodeMacroChange, _Where):
    """A schedule to be that sends a macro."""


class NewMaintenance(MaintenanceChange, _Where):
    """A schedule to be of work at the machine."""


class NewCalibration(CalibrationChange, _Where):
    """A schedule to be of a procedure."""


class NewHistoryExports(HistoryExportChange, _Where):
    """A schedule to be of exports."""


class ScheduleChange(
    RootModel[
        Annotated[
            GcodeMacroChange | MaintenanceChange | CalibrationChange | HistoryExportChange,
            Field(discriminator="type"),
        ]
    ]
):
    """What a schedule says of itself, whole. Its type stays what it is."""


class NewSchedule(
    RootModel[
        Annotated[
            NewGcodeMacro | NewMaintenance | NewCalibration | NewHistoryExports,
            Field(discriminator="type"),
        ]
    ]
):
    """A schedule to be."""


class Schedule(BaseModel):
    """A named recurring job of a stack."""

    id: HexId
    name: str
    type: ScheduleType
    stack_id: HexId
    stack: str = Field(description="Name of the stack.")
    organization_id: int
    member_id: str = Field(description="Whose it is; runs by the clock are its.")
    member: str | None
    app_id: str | None
    cron: str | None
    timezone: str
    missed: MissedRuns
    is_paused: bool
    params: Mapping[str, Any]
    next_at: datetime | None = Field(description="When the clock runs it next.")
    status: StatusWord = Field(description="How its last run went; `updated`: none since it was changed.")
    running: UUID | None = Field(description="The oldest run that is not over.")
    created_at: datetime
    updated_at: datetime
    version: int


class Schedules(BaseModel):
    """Schedules, oldest first."""

    schedules: list[Schedule]


class SchedulesQuery(Body):
    """Which schedules."""

    stack: Annotated[str, Field(max_length=limits.NAME_CHARS)] | None = Field(
        None, description="Id, number or name of a stack; left out: of all stacks you may see."
    )


class RunRequest(Body):
    """What a run is given."""

    arguments: Annotated[str, Field(max_length=limits.TEXT_CHARS)] | None = Field(
        None, description="For `{1}` to `{9}`, split at blanks: up to 255 printable ASCII characters."
    )


# ---------------------------------------------------------------- runs


class Step(BaseModel):
    """One printer's part of a run."""

    printer_id: int
    printer: str | None = Field(description="What people call it.")
    state: RunState
    message: str | None
    command_id: UUID | None = Field(description="The command that carries it out.")


class Action(BaseModel):
    """A run of a schedule."""

    id: UUID
    number: int
    schedule_id: HexId
    name: str = Field(description="Of the schedule, then.")
    type: ScheduleType
    stack_id: HexId | None = Field(description="null: the stack is gone.")
    member_id: str
    member: str | None
    app_id: str | None
    started_via: StartedVia
    arguments: str | None
    state: RunState
    steps: list[Step]
    task_id: UUID | None = Field(description="The task that does the work of a history export.")
    due_at: datetime | None
    created_at: datetime
    started_at: datetime | None = Field(description="When the first step began.")
    ended_at: datetime | None
    message: str | None
    version: int


class Actions(BaseModel):
    """A page of runs, newest first."""

    actions: list[Action]
    total: int
    limit: int
    offset: int


class ActionsQuery(Body):
    """Which runs."""

    schedule_id: HexId | None = None
    limit: Limit = limits.PAGE_DEFAULT
    offset: Offset = 0

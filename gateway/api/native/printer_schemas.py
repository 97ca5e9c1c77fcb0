"""Printers, who may use them, and commands to them. Output is built in `shapes`."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, Field

from gateway.api.http import limits
from gateway.api.http.reading import KEPT, CommandName, Name
from gateway.api.native.fields import Body, Email, Number
from gateway.domain.adjustment import CELSIUS_MAX, FLOW_PERCENT, SPEED_PERCENT, Z_STEP_MM
from gateway.domain.observations import LinkState
from gateway.domain.printer import Plate, PlateClear, PrinterStatus
from gateway.domain.printer_command import CommandStatus


class Printer(BaseModel):
    """A printer as it is now."""

    id: int
    name: str
    display_name: str = Field(description="What people call it; `name` unless its owner gave another.")
    type_id: UUID | None = Field(description="The kind of printer, where it has said so.")
    driver: Literal["marlin", "bambu", "moonraker", "forge"]
    owner: str | None
    owner_id: str
    link: LinkState
    link_reason: str | None
    port: str = Field(description="Where it is reached: a serial port, a host, a broker; empty: it calls in.")
    status: PrinterStatus
    plate: Plate
    plate_clear: PlateClear
    enabled: bool
    firmware: str | None
    message: str | None
    temperatures: Mapping[str, float] = Field(description="Degrees Celsius; `T`, `B`, `T_target`, ...")
    position: Position | None = Field(description="null where its firmware does not report it by itself.")
    alarms: list[Alarm] = Field(description="Of the safety monitor, while they last.")
    obstacle: str | None = Field(description="Why it can take no job now though it is there; what to do.")
    prompt: Prompt | None = Field(description="What the printer asks now; answer it by `prompt`.")
    current_job: UUID | None = Field(description="The job on the machine, if you may see it.")
    hold: str | None = Field(description="Why a person must look at the machine first, and what to do then.")
    queued: int


class Alarm(BaseModel):
    """Something about a printer's heat that a person should know now."""

    rule: str = Field(description="Which one: idle-heat, held-heat, stuck-on-t, ...")
    message: str = Field(description="What is wrong, what is being done about it, what to do.")


class Position(BaseModel):
    """Where the head is, in mm in the coordinates of the G-code; some seconds old."""

    x: float
    y: float
    z: float
    e: float = Field(description="Of the filament, since it was last set.")


class Printers(BaseModel):
    """All printers one may use."""

    printers: list[Printer]


class PrinterMember(BaseModel):
    """Somebody who may use a printer."""

    member_id: str
    name: str | None
    is_owner: bool
    is_printer_scoped: bool = Field(description="Commands to the printer itself: reset, calibrate, ...")
    is_job_scoped: bool = Field(description="Pause, resume and cancel of own jobs.")


class PrinterMembers(BaseModel):
    """The owner first."""

    members: list[PrinterMember]


class PrinterRights(Body):
    """What a member of a printer may do; what is left out stays. A new member may command its own jobs."""

    is_printer_scoped: bool | None = Field(
        None, description="Commands to the printer itself: reset, calibrate, ..."
    )
    is_job_scoped: bool | None = Field(None, description="Pause, resume and cancel of own jobs.")


class NewPrinter(Body):
    """A printer that calls in and shows a code."""

    code: Annotated[str, Field(min_length=1, max_length=limits.NAME_CHARS)]
    name: Name | None = Field(None, description="What people call it.")
    owner: Name | None = Field(None, description="A member's name or id; left out: the caller.")


class NewPrinterCode(Body):
    """For whom the code is, if that shall be remembered."""

    email: Email | None = None


class PrinterCode(BaseModel):
    """Good once."""

    code: str
    email: str | None
    expires_at: datetime


class Prompt(BaseModel):
    """A question that the printer asks, and the buttons it offers."""

    text: str
    choices: list[str] = Field(description="In the printer's order; the answer names one by its place.")


class PlateChange(Body):
    """What is on the plate."""

    plate: Plate


class Adjustment(Body):
    """What is to change on a printer at work; what is left out stays. At least one.

    The printer's configuration says how hot its hotend and bed may be set (300 and 120 if it does not).
    """

    speed: Annotated[int, Field(ge=SPEED_PERCENT[0], le=SPEED_PERCENT[1])] | None = Field(
        None, description="Percent of the speed that the file asks for."
    )
    flow: Annotated[int, Field(ge=FLOW_PERCENT[0], le=FLOW_PERCENT[1])] | None = Field(
        None, description="Percent of the filament that the file asks for."
    )
    fan: Annotated[int, Field(ge=0, le=100)] | None = Field(None, description="Percent; 0 is off.")
    hotend: Annotated[int, Field(ge=0, le=CELSIUS_MAX)] | None = Field(
        None, description="Degrees Celsius; 0 is off."
    )
    bed: Annotated[int, Field(ge=0, le=CELSIUS_MAX)] | None = Field(
        None, description="Degrees Celsius; 0 is off."
    )
    z_step: Annotated[float, Field(ge=-Z_STEP_MM, le=Z_STEP_MM)] | None = Field(
        None, description="Millimetres to shift the nozzle, up is positive; steps add up (babystepping)."
    )
    light: bool | None = Field(None, description="The light of the printer's case or chamber.")


class PromptAnswer(Body):
    """Which button to press."""

    choice: Number = Field(description="Its place in `prompt.choices`, from 0.")


class NewCommand(Body):
    """What a printer should do, in its own words."""

    command: CommandName = Field(
        description="Of a printer that calls in: reset, calibrate, firmware_upgrade, log, logs, home, park, "
        "request_settings, settings, or what else its firmware knows. Of a Klipper printer: restart, "
        "firmware_restart. Others take none."
    )
    parameters: Annotated[dict[str, Any], KEPT] = Field(
        default_factory=dict,
        description="What goes with it: `package_url` with firmware_upgrade, `upload_url` with logs, "
        "`settings` with settings; whatever you like with a command that only the firmware knows.",
    )


class Task(BaseModel):
    """A command given to a printer, and where it stands."""

    task_id: UUID
    command: str
    state: CommandStatus
    printer_id: int | None
    job_id: UUID | None
    given_at: datetime
    answered_at: datetime | None
    message: str | None
    progress: Annotated[float, Field(ge=0, le=1)] | None = Field(
        description="As a printer that calls in tells it: of the command, or of its print."
    )
    data: Mapping[str, Any] | None = Field(
        description="What a printer that calls in said with its last word about it: its settings, say."
    )

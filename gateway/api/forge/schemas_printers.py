"""The documented shapes of printers, their members and commands. Output is built in `mapping_printers`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from gateway.api.forge.schemas import (
    JobName,
    OptionalText,
    OptionalWebUrl,
    Page,
    PrinterWord,
    Progress,
    Settings,
    ShownTime,
    empty_as_none,
)
from gateway.api.http import limits
from gateway.api.http.problems import EMAIL_PATTERN
from gateway.api.http.reading import CommandName


def _member_id(value: Any) -> Any:
    """Ids of members were numbers once (Forge API 0, ids)."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _code(value: Any) -> Any:
    return value.strip().upper() if isinstance(value, str) else value


MemberId = Annotated[
    str,
    Field(min_length=1, max_length=limits.NAME_CHARS),
    BeforeValidator(_member_id, json_schema_input_type=str | int),
]
OptionalMemberId = Annotated[
    MemberId | None, BeforeValidator(empty_as_none, json_schema_input_type=str | int | None)
]
RegistrationCode = Annotated[
    str,
    Field(min_length=1, max_length=limits.NAME_CHARS),
    BeforeValidator(_code, json_schema_input_type=str),
]
CommandWord = Annotated[
    CommandName,
    Field(
        description="pause, resume, cancel of a job; reset, calibrate, firmware_upgrade, log, logs, home, "
        "park, request_settings, settings, or what else the printer's firmware knows.",
    ),
]


class PrinterObject(BaseModel):
    """One printer."""

    printer_id: int
    printer_name: str
    firmware: str | None
    type_id: UUID
    is_primary: bool = Field(description="Whether it is the caller's own.")
    printer_last_health: Literal["online", "Offline"]


class PrinterPage(Page):
    """A page of printers."""

    printers: list[PrinterObject]


class PrinterState(BaseModel):
    """How a printer is."""

    printer_id: int
    last_check_in: int | None = Field(description="Milliseconds since the printer's last word.")
    printer_availability: Literal["online", "offline"]
    last_reported_state: Mapping[str, Any]


class NewCommand(BaseModel):
    """What a printer should do. Other fields go with a command that the documentation does not know."""

    model_config = ConfigDict(extra="allow")

    command: CommandWord
    job_id: OptionalText = Field(None, description="Needed for pause, resume and cancel.")
    package_url: OptionalWebUrl = Field(None, description="Needed for firmware_upgrade.")
    upload_url: OptionalWebUrl = Field(None, description="Where `logs` are put.")
    settings: Settings = Field(default_factory=dict, description="Needed for settings.")


class TaskReceipt(BaseModel):
    """The command's number."""

    task_id: UUID


class CommandState(BaseModel):
    """What became of a command: the printer's own words, where it has said something."""

    command: str
    progress: float = Field(description="Of pause and resume it may be the print's: what a printer said.")
    printer_status: PrinterWord | None
    status_update_time: ShownTime
    data: Mapping[str, Any]
    job_id: str | None = None
    job_status: str | None = None
    job_progress: float | None = None
    error_code: int | None = None
    error_message: str | None = None


class NewRegistration(BaseModel):
    """A code that a printer shows. Other fields are ignored."""

    registration_code: RegistrationCode
    printer_name: JobName = Field(None, description="What its members read.")
    secondary_member_id: OptionalMemberId = Field(None, description="A member who may use it too.")


class Registration(BaseModel):
    """The printer that showed the code."""

    registered: bool
    printer_id: int


class Removal(BaseModel):
    """Who is removed; left out: the caller, and with the owner the printer.

    Nothing else is taken: what was misspelt here would cost the owner the printer.
    """

    model_config = ConfigDict(extra="forbid")

    secondary_member_id: MemberId | None = None


class NewRole(BaseModel):
    """What a member of a printer may do."""

    secondary_member_id: MemberId
    is_printer_scoped: bool = Field(description="Commands to the printer: reset, calibrate and so on.")
    is_job_scoped: bool = Field(description="Pause, resume and cancel of own jobs.")


class NewInvitation(BaseModel):
    """Whom the owner lets use a printer."""

    secondary_member_email: Annotated[str, Field(pattern=EMAIL_PATTERN, max_length=limits.NAME_CHARS)]


class Invitation(BaseModel):
    """The code that person types in: `POST printers/register`."""

    printer_id: int
    registration_code: str
    secondary_member_email: str


class PrinterMember(BaseModel):
    """A member of a printer."""

    member_id: str
    is_registered: bool
    is_primary: bool = Field(description="Whether it is the owner.")
    is_printer_scoped: bool
    is_job_scoped: bool


class MemberPage(Page):
    """A page of a printer's members."""

    printer_id: int
    members: list[PrinterMember]


class TaskObject(BaseModel):
    """A task."""

    id: UUID
    status: Literal["running", "done", "error"]
    progress: Progress
    result: Mapping[str, Any] | None = None
    error: Mapping[str, Any] | None = None

"""The native API's models: read bodies, described answers. Output is built in `shapes`."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from gateway.api.http import limits
from gateway.api.http.problems import EMAIL_PATTERN
from gateway.api.http.reading import KEPT, Name, QueryInt
from gateway.domain.adjustment import CELSIUS_MAX, FLOW_PERCENT, SPEED_PERCENT, Z_STEP_MM
from gateway.domain.commands import TaskState
from gateway.domain.job import AttemptResult, JobStatus, Reason, Verdict
from gateway.domain.member import Scope
from gateway.domain.observations import LinkState, Origin
from gateway.domain.printer import Plate, PlateClear, PrinterStatus
from gateway.engine.ports import CallbackState

Fraction = Annotated[float, Field(ge=0, le=1)]
Limit = Annotated[QueryInt, Field(ge=1, le=limits.PAGE_MAX)]
Offset = Annotated[QueryInt, Field(ge=0, le=limits.INTEGER_MAX)]
JobWord = Annotated[str, Field(json_schema_extra={"enum": sorted({*JobStatus, Verdict.SUCCESSFUL.value})})]
Number = Annotated[int, Field(ge=0, le=limits.INTEGER_MAX)]


Email = Annotated[str, Field(max_length=limits.NAME_CHARS, pattern=EMAIL_PATTERN)]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


# ---------------------------------------------------------------- printers


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


class PrinterRights(_Body):
    """What a member of a printer may do; what is left out stays. A new member may command its own jobs."""

    is_printer_scoped: bool | None = Field(
        None, description="Commands to the printer itself: reset, calibrate, ..."
    )
    is_job_scoped: bool | None = Field(None, description="Pause, resume and cancel of own jobs.")


class NewPrinter(_Body):
    """A printer that calls in and shows a code."""

    code: Annotated[str, Field(min_length=1, max_length=limits.NAME_CHARS)]
    name: Name | None = Field(None, description="What people call it.")
    owner: Name | None = Field(None, description="A member's name or id; left out: the caller.")


class NewPrinterCode(_Body):
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


class PlateChange(_Body):
    """What is on the plate."""

    plate: Plate


class Adjustment(_Body):
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


class PromptAnswer(_Body):
    """Which button to press."""

    choice: Number = Field(description="Its place in `prompt.choices`, from 0.")


# ---------------------------------------------------------------- jobs


class JobFile(BaseModel):
    """The content a job pins."""

    sha256: str
    name: str | None
    size: int | None


class Job(BaseModel):
    """A print job."""

    id: UUID
    number: int
    name: str
    status: str
    reasons: list[Reason]
    verdict: Verdict | None
    is_local: bool = Field(description="Nobody asked the gateway for it: the printer had it from elsewhere.")
    origin: Origin = Field(description="Who started it, as far as its printer tells.")
    is_held: bool = Field(description="A person must look at the machine; see `resolve`.")
    member_id: str
    member: str | None
    printer_id: int | None
    printer: str | None
    file: JobFile | None
    progress: Fraction | None
    position: int | None = Field(description="Bytes of the file the machine has taken.")
    line: int | None
    message: str | None
    waiting: str | None = Field(description="Why it has not started, and what to do.")
    attempts: int
    created_at: datetime
    status_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    version: int


class Attempt(BaseModel):
    """One try to print a job."""

    number: int
    printer_id: int
    mark: str
    intended_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    result: AttemptResult | None
    line: int | None
    position: int | None
    message: str | None


class Callback(BaseModel):
    """How the updates to an app's own server go."""

    host: str | None = Field(description="Of the address; the rest of it may be a secret.")
    interval: int | None = Field(description="Seconds between updates while it runs; null: 10.")
    state: CallbackState
    failures: int = Field(description="In a row.")
    last_status: int | None = Field(description="Of HTTP.")
    last_error: str | None
    tried_at: datetime | None
    next_at: datetime | None = Field(description="When it is tried again after a failure.")
    delivered_at: datetime | None
    is_up_to_date: bool = Field(description="Whether the newest state was delivered.")


class JobWithAttempts(Job):
    """A print job, every try to print it, and who is told of it."""

    attempt_list: list[Attempt]
    callback: Callback | None


class JobPage(BaseModel):
    """A page of jobs, oldest first."""

    jobs: list[Job]
    total: int
    limit: int
    offset: int


class JobsQuery(_Body):
    """Which jobs."""

    status: list[JobWord] = Field(
        default_factory=list, description="One or more statuses; commas or repeated."
    )
    printer: str | None = Field(None, max_length=limits.NAME_CHARS, description="Name or id of a printer.")
    scope: Literal["mine", "all"] | None = Field(
        None, description="Whose jobs; left out: mine, on the host's own socket all."
    )
    limit: Limit = limits.PAGE_DEFAULT
    offset: Offset = 0


class NewJob(_Body):
    """A job to be printed."""

    printer: Name | Number | None = Field(None, description="Name or id; without one it waits for a printer.")
    file_id: UUID | None = None
    name: Name | None = None
    settings: Annotated[dict[str, Any], KEPT] = Field(default_factory=dict)
    member: Name | None = Field(None, description="Whose job it is; administrators only.")


class JobStart(_Body):
    """Where a job shall start."""

    printer: Name | Number | None = Field(None, description="Name or id; the job's own, if it is left out.")


class Resolution(_Body):
    """What a person saw at the machine."""

    outcome: Literal["completed", "failed", "canceled"]


class RecoveryQuery(_Body):
    """Which layer to go on with."""

    layer: int | None = Field(None, ge=1, description="An earlier layer; left out: the last one possible.")


class RecoveryPlan(BaseModel):
    """How a held print would go on from a layer, for a person to confirm."""

    plan: str = Field(description="Names this plan; sent back to confirm it.")
    layer: int = Field(description="The first layer that is printed again.")
    layers_done: int
    z: float = Field(description="Millimetres at which that layer is printed.")
    z_now: float = Field(description="Millimetres at which the nozzle is taken to stand now.")
    line: int = Field(description="Printable lines of the file that are not sent again.")
    hotend: float
    bed: float
    gcode: list[str] = Field(description="What is sent before the file goes on.")
    warnings: list[str]


class Recovery(_Body):
    """A plan that a person has looked at."""

    plan: str = Field(max_length=64)
    layer: int | None = Field(None, ge=1, description="As it was asked for when the plan was made.")


class Task(BaseModel):
    """A command given to a printer, and where it stands."""

    task_id: UUID
    command: str
    state: TaskState
    printer_id: int | None
    job_id: UUID | None
    given_at: datetime
    answered_at: datetime | None
    message: str | None


# ---------------------------------------------------------------- files


class File(BaseModel):
    """An upload."""

    id: UUID
    printable_id: str
    sha256: str
    name: str
    size: int
    member_id: str
    created_at: datetime
    metadata: Mapping[str, Any]


class Files(BaseModel):
    """A page of uploads, newest first."""

    files: list[File]
    limit: int
    offset: int


class PageQuery(_Body):
    """Which page."""

    limit: Limit = limits.PAGE_DEFAULT
    offset: Offset = 0


class UploadQuery(_Body):
    """What a raw body does not say."""

    name: str | None = Field(
        None, max_length=limits.NAME_CHARS, description="The file's name, for a raw body."
    )
    member: Name | None = Field(None, description="Whose file it is; administrators only.")
    archive: bool = Field(
        False, description="Take a sliced 3MF, a tar.gz or a zip too: for printers that read it themselves."
    )


# ---------------------------------------------------------------- members, keys


class Member(BaseModel):
    """Who owns jobs and printers."""

    id: str
    name: str
    email: str | None
    organization_id: int
    is_admin: bool


class Members(BaseModel):
    """All members one may know."""

    members: list[Member]


class NewMember(_Body):
    """A member to be."""

    name: Name
    email: Email | None = None
    organization: Name | None = Field(None, description="Name of an organization; yours, if it is left out.")
    is_admin: bool = Field(False, description="Of the organization: sees and commands all that is in it.")


class Organization(BaseModel):
    """A group of members that share printers."""

    id: int
    name: str
    public_id: str


class Organizations(BaseModel):
    """All of them."""

    organizations: list[Organization]


class NewOrganization(_Body):
    """An organization to be."""

    name: Name


class Key(BaseModel):
    """A credential, without its secret."""

    id: str
    member: str | None
    name: str
    scopes: list[Scope]
    created_at: datetime
    revoked_at: datetime | None


class KeyWithToken(Key):
    """A new credential. The token is shown this once."""

    token: str


class Keys(BaseModel):
    """All keys one may know."""

    keys: list[Key]


class NewKey(_Body):
    """A key to be made."""

    member: Name
    name: Name
    scopes: Annotated[list[Scope], Field(min_length=1, max_length=len(Scope))]


# ---------------------------------------------------------------- events


class EventsQuery(_Body):
    """From where on."""

    after: Annotated[QueryInt, Field(ge=0, le=2**63 - 1)] | None = Field(
        None, description="Events behind this number; as `Last-Event-ID`, which counts before it."
    )

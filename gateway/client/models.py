"""What the native API says, as far as the CLI uses it; a newer gateway's extra fields are ignored."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class Prompt(_Model):
    """A question that a printer asks."""

    text: str
    choices: tuple[str, ...] = ()


class Alarm(_Model):
    """Something about a printer's heat that a person should know now."""

    rule: str
    message: str


class Printer(_Model):
    """A printer as it is now."""

    id: int
    name: str
    display_name: str | None = None
    type_id: str | None = None
    driver: str
    owner: str | None = None
    owner_id: str | None = None
    link: str
    link_reason: str | None = None
    port: str | None = None
    status: str
    plate: str
    plate_clear: str = "confirm"
    enabled: bool = True
    firmware: str | None = None
    message: str | None = None
    temperatures: Mapping[str, float] = Field(default_factory=dict)
    position: Mapping[str, float] | None = None  # mm by axis
    alarms: tuple[Alarm, ...] = ()
    obstacle: str | None = None  # why it can take no job now though it is there, and what to do
    prompt: Prompt | None = None
    current_job: str | None = None
    hold: str | None = None  # why a person must look at the machine first, and what to do then
    queued: int = 0

    @property
    def shown_name(self) -> str:
        """What people call it."""
        return self.display_name or self.name

    @property
    def reads_archives(self) -> bool:
        """Whether a print for it may be an archive: a sliced 3MF, or what a printer that calls in reads."""
        return self.driver in ("bambu", "forge")


class StorageHealth(_Model):
    """Whether print files would get onto a printer."""

    is_open: bool | None = None  # None: it was not looked at
    reason: str | None = None


class PrinterHealth(_Model):
    """How the connection to a printer is, and what a person should do."""

    id: int
    name: str
    driver: str
    link: str
    storage: StorageHealth | None = None  # None: it takes no files over the network, or was not asked for
    troubles: tuple[str, ...] = ()


class BrokerRight(_Model):
    """Whether the gateway may read and write below a prefix of the user's broker."""

    prefix: str
    proof: str
    advice: str | None = None


class BrokerHealth(_Model):
    """How it goes with the user's own broker."""

    is_connected: bool
    since: datetime
    reason: str | None = None
    rights: tuple[BrokerRight, ...] = ()


class Health(_Model):
    """All of the gateway's connections."""

    version: str
    printers: tuple[PrinterHealth, ...]
    broker: BrokerHealth | None = None  # None: no broker is configured


class JobFile(_Model):
    """The print file a job pins."""

    sha256: str | None = None
    name: str | None = None
    size: int | None = None


class Callback(_Model):
    """How the updates to an app's own server go."""

    host: str | None = None
    state: str
    failures: int = 0
    last_status: int | None = None
    last_error: str | None = None
    next_at: datetime | None = None
    delivered_at: datetime | None = None
    is_up_to_date: bool = False


class Job(_Model):
    """A print job."""

    id: str
    number: int
    name: str
    status: str
    reasons: tuple[str, ...] = ()
    verdict: str | None = None
    is_local: bool = False
    origin: str | None = None  # gateway, panel, lan-app, cloud, unknown
    is_held: bool = False
    member_id: str
    member: str | None = None
    printer_id: int | None = None
    printer: str | None = None
    file: JobFile | None = None
    callback: Callback | None = None  # of a job that was asked for by itself
    progress: float | None = None
    position: int | None = None
    line: int | None = None
    layer: int | None = None  # by the printer's own word
    layers: int | None = None
    seconds_left: int | None = None  # an estimate
    message: str | None = None
    waiting: str | None = None
    attempts: int = 0
    created_at: datetime | None = None
    status_at: datetime | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    version: int = 1

    @property
    def is_over(self) -> bool:
        """Whether nothing can happen to it any more."""
        return self.status in ENDS


ENDS = frozenset({"completed", "failed", "canceled", "successful"})


class JobPage(_Model):
    """A page of jobs, oldest first."""

    jobs: tuple[Job, ...]
    total: int
    limit: int | None = None
    offset: int = 0


class StoredFile(_Model):
    """An upload."""

    id: str
    name: str
    size: int
    sha256: str | None = None
    printable_id: str | None = None  # by which Forge apps name it
    created_at: datetime | None = None


class RecoveryPlan(_Model):
    """How a held print would go on from a layer."""

    plan: str
    layer: int
    layers_done: int
    z: float
    z_now: float
    line: int
    hotend: float
    bed: float
    gcode: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


class Answer(_Model):
    """What became of an order to a printer so far."""

    task_id: str | None = None
    command: str | None = None
    state: str = ""
    printer_id: int | None = None
    job_id: str | None = None
    given_at: datetime | None = None
    answered_at: datetime | None = None
    message: str | None = None
    progress: float | None = None  # 0..1
    data: Mapping[str, Any] | None = None  # what the printer said with its last word about it


class Member(_Model):
    """Somebody who owns jobs and printers."""

    id: str
    name: str
    email: str | None = None
    organization_id: int | None = None
    is_admin: bool = False


class Organization(_Model):
    """A group of members that share printers."""

    id: int
    name: str
    public_id: str


class PrinterMember(_Model):
    """Somebody who may use a printer."""

    member_id: str
    name: str | None = None
    is_owner: bool
    is_printer_scoped: bool
    is_job_scoped: bool


class PrinterCode(_Model):
    """Makes whoever types it in a member of a printer, once."""

    code: str
    email: str | None = None
    expires_at: datetime


class Key(_Model):
    """A bearer credential; the token is there only in the answer to its creation."""

    id: str
    member: str | None = None
    name: str
    scopes: tuple[str, ...] = ()
    created_at: datetime | None = None
    revoked_at: datetime | None = None
    token: str | None = None


class App(_Model):
    """A client of the authorization server; the secret is there only in the answer to its creation."""

    id: str
    name: str
    owner: str | None = None
    redirect_uris: tuple[str, ...] = ()
    scopes: tuple[str, ...] = ()
    is_public: bool = False
    allow_implicit: bool = False
    created_at: datetime | None = None
    revoked_at: datetime | None = None
    secret: str | None = None


class Grant(_Model):
    """An app that may act for a member."""

    app: str
    name: str
    member: str | None = None
    scopes: tuple[str, ...] = ()
    since: datetime | None = None


class StackPrinter(_Model):
    """A printer of a stack."""

    id: int
    name: str


class Stack(_Model):
    """A group of printers."""

    id: str
    number: int
    name: str
    organization_id: int | None = None
    is_all: bool = False  # every printer of the organization, as they come and go
    printers: tuple[StackPrinter, ...] = ()
    created_at: datetime | None = None
    version: int = 1


class Schedule(_Model):
    """A named recurring job of a stack."""

    id: str
    name: str
    type: str
    stack_id: str
    stack: str
    organization_id: int | None = None
    member_id: str
    member: str | None = None
    app_id: str | None = None
    cron: str | None = None
    timezone: str = "UTC"
    missed: str = "skip"
    is_paused: bool = False
    params: Mapping[str, Any] = Field(default_factory=dict)
    next_at: datetime | None = None
    status: str
    running: str | None = None  # id of the oldest run that is not over
    created_at: datetime | None = None
    updated_at: datetime | None = None
    version: int = 1


class Step(_Model):
    """One printer's part of a run."""

    printer_id: int
    printer: str | None = None
    state: str
    message: str | None = None


class Action(_Model):
    """A run of a schedule."""

    id: str
    number: int
    schedule_id: str
    name: str
    type: str
    stack_id: str | None = None
    member_id: str | None = None
    member: str | None = None
    app_id: str | None = None
    started_via: str = "api"
    arguments: str | None = None
    state: str
    steps: tuple[Step, ...] = ()
    task_id: str | None = None
    due_at: datetime | None = None
    created_at: datetime | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    message: str | None = None
    version: int = 0

    @property
    def is_over(self) -> bool:
        """Whether nothing of it can happen any more."""
        return self.state in RUN_ENDS


RUN_ENDS = frozenset({"succeeded", "failed", "canceled"})


class ActionPage(_Model):
    """A page of runs, newest first."""

    actions: tuple[Action, ...]
    total: int


class TaskProgress(_Model):
    """How far a task is, in its kind's own unit."""

    value: int = 0
    total: int | None = None


class ResultFile(_Model):
    """The file that a task made."""

    name: str
    size: int | None = None
    media_type: str | None = None


class Task(_Model):
    """Long work inside the gateway."""

    id: str
    number: int
    async_job_id: str | None = None
    kind: str
    name: str
    status: str
    standing: str
    is_paused: bool = False
    arguments: Mapping[str, Any] = Field(default_factory=dict)
    member_id: str | None = None
    organization_id: int | None = None
    app_id: str | None = None
    tries: int = 0
    begins_at: datetime | None = None
    retry_at: datetime | None = None
    created_at: datetime | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    updated_at: datetime | None = None
    expires_at: datetime | None = None
    progress: TaskProgress = TaskProgress()
    message: str | None = None
    result: Mapping[str, Any] | None = None
    result_url: str | None = None
    file: ResultFile | None = None
    error: str | None = None
    version: int = 1

    @property
    def is_over(self) -> bool:
        """Whether nothing of it can happen any more."""
        return self.status in TASK_ENDS


TASK_ENDS = frozenset({"done", "failed", "canceled"})


class TaskPage(_Model):
    """A page of tasks, oldest first."""

    tasks: tuple[Task, ...]
    total: int


class GatewayEvent(_Model):
    """Something that happened, as the event stream tells it. Fleeting progress has no `seq`."""

    seq: int | None = None
    kind: str
    at: datetime | None = None
    member_id: str | None = None
    printer_id: int | None = None
    work_id: int | None = None
    details: Mapping[str, Any] = Field(default_factory=dict)

"""Jobs: bodies, queries and described answers. Output is built in `shapes`."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, Field

from gateway.api.http import limits
from gateway.api.http.reading import KEPT, Name
from gateway.api.native.fields import Body, JobWord, Limit, Number, Offset
from gateway.domain.job import AttemptResult, Reason, Verdict
from gateway.domain.observations import Origin
from gateway.engine.ports import CallbackState

Fraction = Annotated[float, Field(ge=0, le=1)]


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
    layer: int | None = Field(description="The one that the printer says it is at.")
    layers: int | None = Field(description="How many there are, by the printer or its slicer.")
    seconds_left: int | None = Field(description="The printer's estimate; null: it has none, or it is over.")
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


class JobsQuery(Body):
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


class NewJob(Body):
    """A job to be printed."""

    printer: Name | Number | None = Field(None, description="Name or id; without one it waits for a printer.")
    file_id: UUID | None = None
    name: Name | None = None
    settings: Annotated[dict[str, Any], KEPT] = Field(default_factory=dict)
    member: Name | None = Field(None, description="Whose job it is; administrators only.")


class JobStart(Body):
    """Where a job shall start."""

    printer: Name | Number | None = Field(None, description="Name or id; the job's own, if it is left out.")


class Resolution(Body):
    """What a person saw at the machine."""

    outcome: Literal["completed", "failed", "canceled"]


class RecoveryQuery(Body):
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


class Recovery(Body):
    """A plan that a person has looked at."""

    plan: str = Field(max_length=64)
    layer: int | None = Field(None, ge=1, description="As it was asked for when the plan was made.")

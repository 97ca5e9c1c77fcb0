"""Cloud 66's models: the body of `run_now`, and its answers. Output is built in `mapping` and `paging`."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

from gateway.domain.schedule import ScheduleType

JobTime = Annotated[str, Field(pattern=r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC$")]
ActionTime = Annotated[str, Field(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$")]


class Job(BaseModel):
    """A schedule of a stack."""

    uid: Annotated[str, Field(pattern="^[0-9a-f]{32}$")]
    name: str
    type: ScheduleType
    cron: str | None = Field(description="Five fields; null: it only runs when somebody asks.")
    status: Literal[0, 1, 2, 3] = Field(
        description="Of its last run: 0 updated (none since it was changed), 1 started, 2 success, 3 failed."
    )
    params: dict[str, Any] = Field(description="Of its type.")
    created_at: JobTime
    updated_at: JobTime


class Action(BaseModel):
    """A run of a schedule."""

    id: int
    user: str = Field(description="E-mail address of who started it, else the name.")
    resource_type: Literal["stack"]
    action: Literal["job_run_now", "job_run_scheduled"] = Field(description="The second one: by the clock.")
    resource_id: str = Field(description="The number of the stack.")
    started_via: Literal["api", "schedule"]
    started_at: ActionTime = Field(description="When it was asked for, or due.")
    finished_at: ActionTime | None
    finished_success: bool | None
    finished_message: str | None


class Pagination(BaseModel):
    """Where a page stands."""

    previous: int | None
    next: int | None
    current: int
    per_page: int
    count: int = Field(description="Rows of all pages.")
    pages: int


class Jobs(BaseModel):
    """A page of jobs, oldest first."""

    response: list[Job]
    count: int = Field(description="Rows of this page.")
    pagination: Pagination


class OneJob(BaseModel):
    """One job."""

    response: Job


class OneAction(BaseModel):
    """One action."""

    response: Action


class JobsQuery(BaseModel):
    """Which page."""

    page: Annotated[int, Field(ge=1)] = Field(1, description="From 1; 30 rows each.")


class RunQuery(BaseModel):
    """What a run is given."""

    job_args: str | None = Field(
        None,
        description="Arguments of the macro, split at blanks: up to 255 printable ASCII characters in all.",
    )


class RunArguments(RunQuery):
    """The same as a form or as JSON."""


class Error(BaseModel):
    """Why a request was not carried out."""

    error: str = Field(description="A word for programs: bad_request, unauthenticated, forbidden, ...")
    error_description: str = Field(description="What is wrong and what to do next.")

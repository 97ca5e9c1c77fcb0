"""The documented shapes, for the description. Output is built in `mapping` and `jobs`."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from gateway.api.greenarrow.answers import ERROR_CODES
from gateway.api.greenarrow.listing import PER_PAGE
from gateway.api.greenarrow.mapping import JOB_TYPES, STATES
from gateway.api.http import limits

_Words = Annotated[str | None, Field(examples=["active", "pending,scheduled"])]
_Bound = Annotated[
    str | None,
    Field(description="UNIX seconds or ISO 8601.", examples=["1404394620", "2014-07-03T13:37:00Z"]),
]


class JobsQuery(BaseModel):
    """Which page of which jobs. Other parameters are ignored."""

    begins_at__after: _Bound = None
    begins_at__before: _Bound = None
    finished_at__after: _Bound = None
    finished_at__before: _Bound = None
    state: _Words = Field(None, description=f"One or more, by commas, of {', '.join(STATES)}.")
    job_type: str | None = Field(
        None, description=f"One or more, by commas, of {', '.join(JOB_TYPES)}.", examples=["PrintJob"]
    )
    page: int | None = Field(None, ge=0, le=limits.INTEGER_MAX, description="From 0. Not with `page_token`.")
    per_page: int = Field(PER_PAGE, ge=1, le=PER_PAGE, description="Rows of a page.")
    page_token: str | None = Field(None, description="The `next_page_token` of a former page.")


class JobObject(BaseModel):
    """A print or a task."""

    begins_at: datetime | None
    created_at: datetime
    finished_at: datetime | None
    id: int
    job_type: Annotated[str, Field(json_schema_extra={"enum": list(JOB_TYPES)})]
    mailing_list_id: None = Field(description="Nothing here has one.")
    name: str
    organization_id: int
    paused: bool
    progress_total: int | None = Field(description="Bytes of a print's file; a task's own unit.")
    progress_value: int
    retry_at: datetime | None
    started_at: datetime | None
    state: Annotated[str, Field(json_schema_extra={"enum": list(STATES)})]
    state2: str | None = Field(description="Of a print: why it stands where it stands, as an IPP keyword.")
    suppression_list_id: None = Field(description="Nothing here has one.")
    updated_at: datetime


class JobList(BaseModel):
    """A page of jobs. The keys behind `error_message` are there when a parameter of paging was sent."""

    model_config = ConfigDict(extra="forbid")

    success: Literal[True]
    data: list[JobObject]
    error_code: None
    error_message: None
    page: int | None = Field(None, description="Null where `page_token` was sent.")
    per_page: int | None = None
    num_records: int | None = None
    num_pages: int | None = None
    page_token: str | None = None
    next_page_token: str | None = Field(None, description="Null on the last page.")


class Refused(BaseModel):
    """Every error of this API."""

    success: Literal[False]
    data: None
    error_code: Annotated[str, Field(json_schema_extra={"enum": list(ERROR_CODES)})]
    error_message: str

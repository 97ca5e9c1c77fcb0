"""The documented shapes, for the description and for reading bodies. Output is built in `mapping`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from gateway.api.forge.mapping import STATUS_WORDS
from gateway.api.http import limits
from gateway.api.http.reading import LooseObject
from gateway.domain.printer import PrinterStatus

StatusWord = Annotated[str, Field(json_schema_extra={"enum": list(STATUS_WORDS)})]
PrinterWord = Annotated[str, Field(json_schema_extra={"enum": [status.value for status in PrinterStatus]})]
ShownTime = Annotated[str, Field(description="`May 18, 2016 05:42:02`, UTC.")]
Progress = Annotated[float, Field(ge=0, le=1)]


class Error(BaseModel):
    """Every error of this API."""

    error_id: UUID
    code: int
    message: str


class PageQuery(BaseModel):
    """Which page. Other parameters are ignored."""

    limit: int = Field(
        limits.PAGE_DEFAULT,
        ge=-1,
        le=limits.INTEGER_MAX,
        description="At most so many; -1 for all. 0 makes no sense (422).",
        json_schema_extra={"not": {"const": 0}},
    )
    offset: int = Field(0, ge=0, le=limits.INTEGER_MAX, description="Where the page starts.")


class JobsQuery(PageQuery):
    """Which page of which jobs."""

    status: str | None = Field(
        None,
        description='A JSON array of statuses, like `["queued","failed"]`; also a comma list, one bare word, '
        "or the key repeated. Left out, or an empty array: all jobs.",
        examples=['["queued","failed"]', "queued,failed", "completed"],
    )


class JobStatusObject(BaseModel):
    """The last report of the printer, with whose job it is."""

    printer_status: PrinterWord | None
    job_id: UUID
    job_name: str
    member_id: str
    printer_id: int | None
    printer_name: str | None
    job_status: StatusWord
    job_progress: Progress | None = None
    data: Mapping[str, Any] | None = None
    error_code: int | None = None
    error_message: str | None = None


class JobData(BaseModel):
    """The file of a job."""

    model_config = ConfigDict(extra="allow")

    printable_id: str | None = Field(description="URN of the file; null for a job started at the printer.")
    printable_url: str | None = Field(
        None, description="Where the file is (with the same token), until the printer has it."
    )


class JobObject(BaseModel):
    """One job."""

    job_id: UUID
    job_name: str
    printer_id: int | None
    job_status: JobStatusObject
    job_data: JobData
    job_date_time: ShownTime
    job_status_time: ShownTime
    member_id: str
    local_job: bool
    status: StatusWord


class JobDetail(JobObject):
    """One job, on its own."""

    job_comment: str | None
    job_custom_data: Any


class Page(BaseModel):
    """The envelope of every list."""

    count: int = Field(description="How many are in this page; the total is in `X-Total-Count`.")
    limit: int
    offset: int
    link_prev: str = Field(alias="_link_prev", serialization_alias="_link_prev")
    link_next: str = Field(alias="_link_next", serialization_alias="_link_next")
    link: str = Field(alias="_link", serialization_alias="_link")
    member_id: str


class JobPage(Page):
    """A page of jobs."""

    jobs: list[JobObject]


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


def _empty_as_none(value: Any) -> Any:
    return None if value == "" else value


def _none_as_empty(value: Any) -> Any:
    return {} if value is None else value


_Text = Annotated[str, Field(max_length=limits.TEXT_CHARS)]
OptionalText = Annotated[_Text | None, BeforeValidator(_empty_as_none, json_schema_input_type=_Text | None)]
Settings = Annotated[
    LooseObject, BeforeValidator(_none_as_empty, json_schema_input_type=Mapping[str, Any] | None)
]


def _one_line(value: Any) -> Any:
    """A name on one line, without control characters; None for one that says nothing."""
    if not isinstance(value, str):
        return value
    words = ("".join(char for char in word if char.isprintable()) for word in value.split())
    return " ".join(word for word in words if word) or None


_JobName = Annotated[str, Field(max_length=limits.NAME_CHARS)]
JobName = Annotated[_JobName | None, BeforeValidator(_one_line, json_schema_input_type=_JobName | None)]


class NewJob(BaseModel):
    """A job to be printed. Other fields are ignored: clients repeat `printer_id` here."""

    printable_id: OptionalText = Field(None, description="URN of an uploaded file.")
    printable_url: OptionalText = Field(None, description="Not fetched by this version: 422.")
    job_name: JobName = None
    settings: Settings = Field(default_factory=dict)
    callback_url: OptionalText = Field(None, description="Callbacks are not sent by this version: 422.")


class Receipt(BaseModel):
    """A new job."""

    printer_id: int | None
    job_id: UUID
    status: StatusWord


class NewCommand(BaseModel):
    """What a printer should do. Other fields are ignored."""

    command: Annotated[str, Field(min_length=1, max_length=100, description="pause, resume or cancel.")]
    job_id: OptionalText = Field(None, description="Needed for pause, resume and cancel.")


class TaskReceipt(BaseModel):
    """The command's number."""

    task_id: UUID


class CommandState(BaseModel):
    """What became of a command."""

    command: str
    progress: Progress
    printer_status: PrinterWord | None
    status_update_time: ShownTime
    data: Mapping[str, Any]
    job_id: UUID | None = None
    job_status: StatusWord | None = None
    job_progress: Progress | None = None
    error_code: int | None = None
    error_message: str | None = None


class UploadedFile(BaseModel):
    """One uploaded file."""

    file_id: UUID
    name: str
    file_size: int
    sha256: str
    date_created: ShownTime
    printable_id: str


class Uploaded(BaseModel):
    """What was uploaded."""

    files: list[UploadedFile]

"""The documented shapes of jobs and files, for the description and for reading bodies.

Output is built in `mapping`. Printers are in `schemas_printers`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal
from urllib.parse import urlsplit
from uuid import UUID

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, RootModel

from gateway.api.forge.mapping import STATUS_WORDS
from gateway.api.http import limits
from gateway.api.http.reading import KEPT, LooseObject
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
    printable_url: str | None = Field(None, description="Where the file is, until the printer has it.")


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


class PrinterJobPage(JobPage):
    """A page of a printer's jobs."""

    printer_id: int


def empty_as_none(value: Any) -> Any:
    """What clients leave empty is as good as left out."""
    return None if value == "" else value


def not_a_boolean(value: Any) -> Any:
    """For numbers: true is none, though Python thinks so."""
    if isinstance(value, bool):
        raise ValueError("a number is needed")
    return value


def _none_as_empty(value: Any) -> Any:
    return {} if value is None else value


_Text = Annotated[str, Field(max_length=limits.TEXT_CHARS)]
OptionalText = Annotated[_Text | None, BeforeValidator(empty_as_none, json_schema_input_type=_Text | None)]
Settings = Annotated[
    LooseObject, BeforeValidator(_none_as_empty, json_schema_input_type=Mapping[str, Any] | None), KEPT
]


def _one_line(value: Any) -> Any:
    """A name on one line, without control characters; None for one that says nothing."""
    if not isinstance(value, str):
        return value
    words = ("".join(char for char in word if char.isprintable()) for word in value.split())
    return " ".join(word for word in words if word) or None


_JobName = Annotated[str, Field(max_length=limits.NAME_CHARS)]
JobName = Annotated[_JobName | None, BeforeValidator(_one_line, json_schema_input_type=_JobName | None)]


def _web_url(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme.lower() not in ("http", "https") or not parts.hostname or not value.isprintable():
        raise ValueError("an address is needed that begins with http:// or https://")
    return value


WebUrl = Annotated[str, Field(max_length=limits.TEXT_CHARS), AfterValidator(_web_url)]
OptionalWebUrl = Annotated[
    WebUrl | None, BeforeValidator(empty_as_none, json_schema_input_type=WebUrl | Literal[""] | None)
]
#: Seconds between the updates of a running job; more often than each second no printer reports.
_Seconds = Annotated[int, Field(ge=1, le=86_400)]
Interval = Annotated[_Seconds, BeforeValidator(not_a_boolean, json_schema_input_type=_Seconds)]
OptionalInterval = Annotated[
    Interval | None, BeforeValidator(empty_as_none, json_schema_input_type=Interval | Literal[""] | None)
]
JobId = Annotated[str, Field(min_length=1, max_length=limits.NAME_CHARS)]
_Number = Annotated[int, Field(ge=0, le=limits.INTEGER_MAX)]
PrinterId = Annotated[_Number, BeforeValidator(not_a_boolean, json_schema_input_type=_Number)]


class Printable(BaseModel):
    """Which file. With both, `printable_id` counts."""

    printable_id: OptionalText = Field(None, description="URN of an uploaded file.")
    printable_url: OptionalWebUrl = Field(None, description="Where the gateway fetches the file.")


class NewJob(Printable):
    """A job to be printed. Other fields are ignored: clients repeat `printer_id` here."""

    job_name: JobName = None
    settings: Settings = Field(default_factory=dict)
    callback_url: OptionalWebUrl = Field(None, description="Told of the job's progress.")
    callback_interval: OptionalInterval = Field(None, description="Seconds between updates while it runs.")


class StartQueued(BaseModel):
    """A waiting job that shall start now."""

    job_id: JobId
    callback_url: OptionalWebUrl = None
    callback_interval: OptionalInterval = None


class Started(BaseModel):
    """A job that was started. The task is the job itself."""

    printer_id: int | None
    job_id: UUID
    status: StatusWord
    task_id: UUID


class ChosenPrinter(BaseModel):
    """The printer for a waiting job."""

    printer_id: PrinterId


class Callback(BaseModel):
    """Where to tell a job's progress."""

    callback_url: WebUrl
    callback_interval: OptionalInterval = None


#: Characters of a comment: it stands in the address, and has up to twelve bytes for each there.
COMMENT_CHARS: Final = 500


class JudgeQuery(BaseModel):
    """A verdict. Other parameters are ignored."""

    status: Literal["success", "successful", "failed", ""] = Field("", description="Empty: as it was.")
    comment: str = Field("", max_length=COMMENT_CHARS, description="Empty: as it was.")


class CustomData(RootModel[Annotated[Any, KEPT]]):
    """Data of the app's own, kept with the job as it is."""


class Receipt(BaseModel):
    """A job that was handed in or changed."""

    printer_id: int | None
    job_id: UUID
    status: StatusWord


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

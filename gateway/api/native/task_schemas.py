"""Bodies and answers about tasks. Output is built in `task_shapes`."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, Field, RootModel

from gateway.api.http import limits
from gateway.api.http.reading import Name
from gateway.api.native.fields import Body, Limit, Offset
from gateway.api.native.history_filters import HistoryFilters
from gateway.domain.task import Standing, TaskKind, TaskStatus

#: How `over` is written in an address.
YesNo = Literal["true", "false"]
#: Kinds that one list may be narrowed to, with room for repetitions.
_MOST_KINDS = 2 * len(TaskKind)


# ---------------------------------------------------------------- what kinds want


class UploadedFile(Body):
    """An upload that is there: it is looked at again, and its G-code checked."""

    file_id: UUID


class FileAtUrl(Body):
    """A file elsewhere: it is fetched first."""

    url: Annotated[str, Field(min_length=1, max_length=limits.TEXT_CHARS)]
    name: Name | None = Field(None, description="What the file is called here; else as the URL has it.")


class BackupScope(Body):
    """What goes into a backup."""

    with_files: bool = Field(False, description="The print files too, not only the database.")


class Nothing(Body):
    """No arguments."""


class PrinterUpload(Body):
    """Which file goes to which printer's own storage."""

    printer: Name = Field(description="A printer's name or id.")
    file_id: UUID
    name: Name | None = Field(None, description="What the printer shall call it; else the upload's name.")


class _NewTask(Body):
    name: Name | None = Field(None, description="For people; one is made of the kind, if it is left out.")
    begins_at: AwareDatetime | None = Field(None, description="Not before; within a year.")
    is_paused: bool = Field(False, description="It waits until it is resumed.")


class NewFileImport(_NewTask):
    """Verify and analyse a print file."""

    kind: Literal[TaskKind.FILE_IMPORT]
    arguments: UploadedFile | FileAtUrl


class NewHistoryExport(_NewTask):
    """Jobs as CSV."""

    kind: Literal[TaskKind.HISTORY_EXPORT]
    arguments: HistoryFilters = Field(default_factory=HistoryFilters)


class NewBackup(_NewTask):
    """The whole store as one archive; for administrators."""

    kind: Literal[TaskKind.BACKUP]
    arguments: BackupScope = Field(default_factory=BackupScope)


class NewDiagnostics(_NewTask):
    """What a developer needs to help, without secrets; for administrators."""

    kind: Literal[TaskKind.DIAGNOSTICS]
    arguments: Nothing = Field(default_factory=Nothing)


class NewPrinterUpload(_NewTask):
    """Put a print file on a printer's own storage."""

    kind: Literal[TaskKind.PRINTER_UPLOAD]
    arguments: PrinterUpload


AnyNewTask = NewFileImport | NewHistoryExport | NewBackup | NewDiagnostics | NewPrinterUpload


class NewTask(RootModel[Annotated[AnyNewTask, Field(discriminator="kind")]]):
    """A task to be, of one of the kinds."""


# ---------------------------------------------------------------- answers


class Progress(BaseModel):
    """How far it is, in the kind's own unit: bytes, rows or steps."""

    value: int
    total: int | None = Field(description="null: not known.")


class ResultFile(BaseModel):
    """The file that a task made."""

    name: str
    size: int = Field(description="Bytes.")
    media_type: str


class BackgroundTask(BaseModel):
    """Long work inside the gateway."""

    id: UUID
    number: int = Field(description="Shared with jobs and runs: none of them has another's.")
    async_job_id: str = Field(description="Its 24 hex digits in `/api/v1/async-jobs`.")
    kind: TaskKind
    name: str
    status: TaskStatus
    standing: Standing = Field(description="Status, pause and times in one word.")
    is_paused: bool
    arguments: Mapping[str, Any] = Field(description="Of its kind; a password in a URL is left out.")
    member_id: str
    organization_id: int
    app_id: str | None = Field(description="The app or key that created it.")
    tries: int
    begins_at: datetime | None
    retry_at: datetime | None = Field(description="When it is tried again, after a failure that may pass.")
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    updated_at: datetime | None
    expires_at: datetime | None = Field(description="When it is gone with its result: a week after its end.")
    progress: Progress
    message: str | None = Field(description="What it waits for, or is at.")
    result: Mapping[str, Any] | None
    result_url: str | None = Field(
        description="Where its file is read without a key, until it is gone; not of backups and diagnostics."
    )
    file: ResultFile | None
    error: str | None
    version: int


class TaskPage(BaseModel):
    """Some of the tasks, oldest first."""

    tasks: list[BackgroundTask]
    total: int
    limit: int
    offset: int


class TasksQuery(Body):
    """Which tasks, and which page of them."""

    kind: Annotated[list[TaskKind], Field(max_length=_MOST_KINDS)] = Field(
        default_factory=list, description="Repeat it for several; none: all."
    )
    over: YesNo | None = Field(None, description="Only those that are over, or only those that are not.")
    limit: Limit = limits.PAGE_DEFAULT
    offset: Offset = 0

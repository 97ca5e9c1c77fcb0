"""What this API answers, for its description; built in `mapping`."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from gateway.api.http import limits
from gateway.api.http.reading import QueryInt
from gateway.domain.task import TaskKind

#: Jobs of one page; the seed's list has none, and few shops start as many tasks in a week.
PAGE = 1000
Hex24 = Annotated[str, Field(pattern="^[0-9a-f]{24}$")]
Millis = Annotated[str, Field(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")]


def _without_default(schema: dict[str, Any]) -> None:
    del schema["default"]


def _optional(description: str) -> Any:
    """A key that is left out when it has no value; never null, never empty."""
    return Field(default="", description=description, json_schema_extra=_without_default)


class AsyncJob(BaseModel):
    """One task. A key without a value is left out."""

    model_config = ConfigDict(title="ConversioAsyncJob")

    id: Hex24
    kind: TaskKind
    status: Literal["pending", "done", "failed"]
    startedAt: Millis = _optional("When it began.")
    completedAt: Millis = _optional("When it was over.")
    error: str = _optional("Of one that failed or was canceled.")
    result: str = _optional("Of one that is done: a file's address, or JSON text.")
    partnerApp: str = _optional("The app that created it; only with X-ApiKey.")


class AsyncJobs(BaseModel):
    """Newest first."""

    data: list[AsyncJob]


class OneAsyncJob(BaseModel):
    """The one that was asked for."""

    data: AsyncJob


class JobsQuery(BaseModel):
    """Which page; what the seed does not have, and nobody needs to send."""

    limit: Annotated[QueryInt, Field(ge=1, le=PAGE)] = PAGE
    offset: Annotated[QueryInt, Field(ge=0, le=limits.INTEGER_MAX)] = 0
    after: Annotated[QueryInt, Field(ge=1, le=limits.INTEGER_MAX)] | None = Field(
        None, description="Only those behind this row; as the address of the next page has it."
    )


class Permit(BaseModel):
    """What makes a result's address readable."""

    permit: str = Field(description="As it stands in the task's `result`.")


class Error(BaseModel):
    """What went wrong."""

    model_config = ConfigDict(title="ConversioError")

    error: str = Field(description="A word for programs.")
    message: str = Field(description="A sentence for people.")

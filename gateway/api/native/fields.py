"""What several of the native API's models have: fields, and the body that takes nothing it does not know."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from gateway.api.http import limits
from gateway.api.http.problems import EMAIL_PATTERN
from gateway.api.http.reading import QueryInt
from gateway.domain.job import JobStatus, Verdict

Limit = Annotated[QueryInt, Field(ge=1, le=limits.PAGE_MAX)]
Offset = Annotated[QueryInt, Field(ge=0, le=limits.INTEGER_MAX)]
JobWord = Annotated[str, Field(json_schema_extra={"enum": sorted({*JobStatus, Verdict.SUCCESSFUL.value})})]
Number = Annotated[int, Field(ge=0, le=limits.INTEGER_MAX)]
Email = Annotated[str, Field(max_length=limits.NAME_CHARS, pattern=EMAIL_PATTERN)]


class Body(BaseModel):
    """Of a request: keys that it does not know are refused."""

    model_config = ConfigDict(extra="forbid")

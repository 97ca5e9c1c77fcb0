"""Uploads: queries and described answers. Output is built in `shapes`."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel, Field

from gateway.api.http import limits
from gateway.api.http.reading import Name
from gateway.api.native.fields import Body, Limit, Offset


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


class PageQuery(Body):
    """Which page."""

    limit: Limit = limits.PAGE_DEFAULT
    offset: Offset = 0


class UploadQuery(Body):
    """What a raw body does not say."""

    name: str | None = Field(
        None, max_length=limits.NAME_CHARS, description="The file's name, for a raw body."
    )
    member: Name | None = Field(None, description="Whose file it is; administrators only.")
    archive: bool = Field(
        False, description="Take a sliced 3MF, a tar.gz or a zip too: for printers that read it themselves."
    )

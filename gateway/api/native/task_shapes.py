"""From a task to the native JSON. Pure and total; `task_schemas` describes what is built here."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from gateway.api.native.shapes import instant
from gateway.domain.task import Task, TaskFile

#: RFC 3986 3.2: where the authority of a URL ends.
_END_OF_AUTHORITY: Final = re.compile(r"[/?#\\]")


def task(row: Task, now: datetime, result_url: str | None) -> dict[str, Any]:
    """A task; `result_url` is where its file is read without a key."""
    return {
        "id": row.task_id,
        "number": row.work_id,
        "async_job_id": row.hex24,
        "kind": row.kind.value,
        "name": row.name,
        "status": row.status.value,
        "standing": row.standing(now).value,
        "is_paused": row.is_paused,
        "arguments": shown_arguments(row.arguments),
        "member_id": row.member_id,
        "organization_id": row.organization_id,
        "app_id": row.app_id,
        "tries": row.tries,
        "begins_at": instant(row.begins_at),
        "retry_at": instant(row.retry_at),
        "created_at": instant(row.created_at),
        "started_at": instant(row.started_at),
        "ended_at": instant(row.ended_at),
        "updated_at": instant(row.updated_at),
        "expires_at": instant(row.expires_at),
        "progress": {"value": row.progress_value, "total": row.progress_total},
        "message": row.message,
        "result": None if row.result is None else dict(row.result),
        "result_url": result_url,
        "file": _file(row.file),
        "error": row.error,
        "version": row.version,
    }


def _file(row: TaskFile | None) -> dict[str, Any] | None:
    return None if row is None else {"name": row.name, "size": row.size, "media_type": row.media_type}


def shown_arguments(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """What a task was created with, without `user:password@` in a URL: the organization's admin reads it."""
    shown = dict(arguments)
    if isinstance(shown.get("url"), str):
        shown["url"] = without_credentials(shown["url"])
    return shown


def without_credentials(url: str) -> str:
    """A URL without `user:password@` (RFC 3986 3.2.1)."""
    scheme, separator, rest = url.partition("://")
    authority = _END_OF_AUTHORITY.split(rest, maxsplit=1)[0]
    return f"{scheme}{separator}{rest[authority.rfind('@') + 1 :]}"

"""What every surface says of a task's result: where the task is polled, and its file as an answer."""

from __future__ import annotations

import asyncio
import os
from typing import Final
from urllib.parse import quote

from aiohttp import web

from gateway.api.http.services import Services
from gateway.domain.task import Task, TaskFile

#: The media type of a result's file is the task's to say.
ANY_MEDIA: Final = "*/*"
#: Where tasks are polled by clients of Conversio's API, and named by whoever created one.
ASYNC_JOBS: Final = "/api/v1/async-jobs"


def async_job_url(services: Services, task: Task) -> str:
    """The absolute address under which a task is polled."""
    return f"{services.public_url}{ASYNC_JOBS}/{task.hex24}"


async def send_result(services: Services, file: TaskFile) -> web.FileResponse | None:
    """The file, to be saved under its name; None when its content is not kept any more."""
    path = services.files.path_of(file.sha256)
    if not await asyncio.get_running_loop().run_in_executor(None, os.path.isfile, path):
        return None
    name = quote(file.name, safe="", errors="replace")
    headers = {"Content-Type": file.media_type, "Content-Disposition": f"attachment; filename*=UTF-8''{name}"}
    return web.FileResponse(path, headers=headers)

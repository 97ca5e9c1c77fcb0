"""Result files of tasks: read by an address that is its own permission, as long as there is the task.

    /async-jobs/57b5aa3b046abfb053d80b52.csv?permit=...

Where the seed's example has its files, but for the permit: theirs could be read by whoever guessed an id. A
permit is good until the task expires, so an address is one and the same all its time. A bad or expired
permit, a task that is gone and one that has no file are one answer.

What holds everybody's (`ADMIN_KINDS`) has no such address: whoever came upon a backup's would have the hashes
of all keys. Its file is read with an administrator's key, `GET /gateway/v1/tasks/{id}/result`.
"""

from __future__ import annotations

import math
import re
from typing import Final

from aiohttp import web

from gateway.api.conversio.answers import not_found
from gateway.api.conversio.schemas import Permit
from gateway.api.http.operations import Call, Door, PathParameter, operation
from gateway.api.http.services import Services
from gateway.api.http.task_results import ANY_MEDIA, send_result
from gateway.auth.signing import UrlSigner
from gateway.domain.task import ADMIN_KINDS, Task, TaskFile

RESULTS: Final = "/async-jobs"
#: What stands behind the id: the ending of the file's name, two for a compressed archive.
_ENDING: Final = re.compile(r"\.((?:tar\.)?[a-z0-9]{1,8})$", re.ASCII)
_NO_ENDING: Final = "bin"
_FILE: Final = PathParameter(
    r"[0-9a-f]{24}\.(?:tar\.)?[a-z0-9]{1,8}",
    {"type": "string", "pattern": r"^[0-9a-f]{24}\.(tar\.)?[a-z0-9]{1,8}$"},
    "The task's `async_job_id` and the ending of its file.",
)
_ID_DIGITS: Final = 24


class ResultLinks:
    """Makes the addresses. `public_url` is the gateway's own, without a slash behind."""

    def __init__(self, public_url: str, signer: UrlSigner) -> None:
        self._public_url = public_url
        self._signer = signer

    def __call__(self, task: Task) -> str | None:
        """Where the task's result file is read; None when it has none, or none that is read without a key."""
        if task.file is None or task.expires_at is None or task.kind in ADMIN_KINDS:
            return None
        path = path_of(task.hex24, task.file)
        permit = self._signer.sign(path, math.ceil(task.expires_at.timestamp()))
        return f"{self._public_url}{path}?permit={permit}"


def path_of(hex24: str, file: TaskFile) -> str:
    """The path of a task's file."""
    found = _ENDING.search(file.name.lower())
    return f"{RESULTS}/{hex24}.{found[1] if found else _NO_ENDING}"


def _admit_by_permit(request: web.Request, services: Services) -> None:
    permits = request.query.getall("permit", [])
    now = services.clock.wall().timestamp()
    path = f"{RESULTS}/{request.match_info['file']}"
    if len(permits) != 1 or not services.signer.verify(path, permits[0], now):
        raise not_found()


@operation(
    "GET",
    "/{file}",
    scopes=None,
    door=Door(None, {}, _admit_by_permit, frozenset({404})),
    responses={200: ANY_MEDIA},
    path_parameters={"file": _FILE},
    reads_query=False,
    response_headers={"Content-Disposition": "The file's name."},
)
async def get_result_file(call: Call[Permit, None]) -> web.StreamResponse:
    """The result file of a task, by the address that the task's `result` is.

    No key is needed: the permit in the address is the permission, until the task is gone.
    """
    name = call.path("file")
    task = await call.services.queries.task(hex24=name[:_ID_DIGITS])
    if task is None or task.file is None or task.is_gone(call.services.clock.wall()):
        raise not_found()
    if task.kind in ADMIN_KINDS or path_of(task.hex24, task.file) != f"{RESULTS}/{name}":
        raise not_found()
    answer = await send_result(call.services, task.file)
    if answer is None:
        raise not_found()
    return answer

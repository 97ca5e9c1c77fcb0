"""Printable files: uploads, and the signed links by which printers fetch what they are to print.

A link is good for a day and some of the next hour: it changes once an hour, so that what holds it keeps its
ETag. It stays good while it lasts, whatever becomes of the job: Ember says `received` before it has fetched
anything (Forge API 2.2), and a download that broke off is tried again. `job_data` shows it until the job was
received, which is the mapping's part.
"""

from __future__ import annotations

import asyncio
import os
import re
from typing import Final
from urllib.parse import quote

from aiohttp import web

from gateway.api.forge import answers, mapping
from gateway.api.forge.schemas import Uploaded
from gateway.api.http.answers import reply
from gateway.api.http.operations import (
    BYTES,
    MULTIPART,
    READ_WRITE,
    AnyCall,
    Call,
    Door,
    NoQuery,
    PathParameter,
    operation,
)
from gateway.api.http.problems import Failure
from gateway.api.http.services import Services
from gateway.api.http.uploads import keep, receive
from gateway.auth.signing import UrlSigner
from gateway.domain.file import GCODE
from gateway.domain.job import Job
from gateway.engine.ports import Clock

_PATH: Final = "/print/printables"
#: Seconds that a link is good for at least. A printer fetches within seconds; a person may look at the list
#: of jobs in the evening and fetch in the morning.
LINK_SECONDS: Final = 24 * 3600
#: Seconds that a link stays the same: what shows it keeps its ETag meanwhile.
SAME_SECONDS: Final = 3600
#: Characters of the name in a link: firmware copies it into a buffer, and into a file name.
NAME_CHARS: Final = 100
#: Hex digits of the content's hash in that name: two files of one name on one printer are told apart.
HASH_DIGITS: Final = 8
#: What any firmware can have in a file name, and needs no percent sign in a URL.
_UNSAFE: Final = re.compile(r"[^A-Za-z0-9._-]+")
_FILE_NAME: Final = PathParameter(
    rf"[A-Za-z0-9._-]{{1,{NAME_CHARS}}}",
    {"type": "string", "pattern": rf"^[A-Za-z0-9._-]{{1,{NAME_CHARS}}}$"},
    "The file's name, as the link has it.",
)


@operation(
    "POST",
    "/files/upload",
    scopes=READ_WRITE,
    responses={200: Uploaded},
    accepts=(MULTIPART,),
    is_idempotent_by_key=True,
    more_errors=frozenset({507}),
)
async def upload_file(call: Call[NoQuery, None]) -> web.StreamResponse:
    """Upload a print file; its `printable_id` is what a new job needs.

    G-code, or an archive (`tar.gz`, `zip`) for printers that read it themselves. The fields `unzip` and
    `public` are taken and ignored: nothing is unpacked, nothing is public.
    """
    received = await receive(call, inspect=call.services.inspect_printable)
    member = call.services.engine.state.members[call.principal.member_id]
    return reply({"files": [mapping.uploaded(await keep(call, received, member))]})


class PrintableLinks:
    """Makes the links. `root` is the absolute URL of this API."""

    def __init__(self, root: str, signer: UrlSigner, clock: Clock) -> None:
        self._root = root
        self._signer = signer
        self._clock = clock

    def __call__(self, job: Job) -> str:
        """Where a printer fetches the file of a job that has one. Its last component is the file's name."""
        name = name_in_link(job)
        now = int(self._clock.wall().timestamp())
        expires_at = (now // SAME_SECONDS + 1) * SAME_SECONDS + LINK_SECONDS
        permit = self._signer.sign(f"{_PATH}/{job.job_id}/{name}", expires_at)
        return f"{self._root}{_PATH}/{job.job_id}/{permit}/{name}"


def name_in_link(job: Job) -> str:
    """The file's name without anything a firmware may stumble over; an archive's ends as archives do.

    Ember names the file by what stands behind the last slash of its URL, a query included, chooses by the
    ending how to unpack it, and fetches nothing that it has under that name already: so the permit stands
    before the name, and the name begins with digits of the content's hash.
    """
    content = (job.file_sha256 or "")[:HASH_DIGITS]
    name = f"{content}-{_UNSAFE.sub('_', job.file_name or job.name)}"
    ending = "." + ((job.printable_id or "").rpartition("/")[2].partition(".")[2] or GCODE)
    if ending == f".{GCODE}" or name.lower().endswith(ending):
        return name if len(name) <= NAME_CHARS else f"{content}-{name[HASH_DIGITS + 1 - NAME_CHARS :]}"
    return name[: NAME_CHARS - len(ending)] + ending


def _admit_by_signature(request: web.Request, services: Services) -> None:
    job_id, name = request.match_info["job_id"], request.match_info["file_name"]
    now = services.clock.wall().timestamp()
    if not services.signer.verify(f"{_PATH}/{job_id}/{name}", request.match_info["permit"], now):
        raise answers.no_access()


_SIGNED: Final = Door(None, {}, _admit_by_signature, frozenset({401}))


@operation(
    "GET",
    f"{_PATH}/{{job_id}}/{{permit}}/{{file_name}}",
    scopes=None,
    door=_SIGNED,
    responses={200: BYTES},
    path_parameters={"file_name": _FILE_NAME},
    response_headers={"Content-Disposition": "The file's name."},
)
async def get_signed_printable(call: Call[NoQuery, None]) -> web.StreamResponse:
    """The file of a job, by a signed link that expires.

    No token is needed: the link is the permission. A wrong or expired signature is 401. Ranges are answered.
    """
    job = await call.services.queries.job(call.path("job_id"))
    if job is None:
        raise answers.no_access()
    return await send_printable(call, job)


async def send_printable(call: AnyCall, job: Job) -> web.FileResponse:
    """The content a job was handed in with, byte by byte; 422 when it has none. Ranges are answered."""
    if job.file_sha256 is None:
        raise Failure(422, "This job has no file: it was started at the printer, or waits for one.")
    path = call.services.files.path_of(job.file_sha256)
    if not await asyncio.get_running_loop().run_in_executor(None, os.path.isfile, path):
        raise Failure(422, "The file of this job is not kept any more.")
    name = quote(job.file_name or job.name, safe="", errors="replace")
    headers = {"Content-Type": BYTES, "Content-Disposition": f"attachment; filename*=UTF-8''{name}"}
    return web.FileResponse(path, headers=headers)

"""`GET jobs`, `GET jobs/:job_id`, `POST printers/:printer_id/jobs`."""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import AsyncIterator
from typing import Any, Final
from urllib.parse import quote

from aiohttp import web

from gateway.api.forge import answers, mapping
from gateway.api.forge.listing import Listing, read_listing
from gateway.api.forge.schemas import JobDetail, JobPage, JobsQuery, NewJob, Receipt
from gateway.api.http import limits
from gateway.api.http.answers import encode, reply, reply_if_changed, stream
from gateway.api.http.finding import usable_printer, visible_job
from gateway.api.http.idempotency import idempotency_of
from gateway.api.http.operations import (
    BYTES,
    FORM,
    INTEGER_ID,
    JSON,
    READ_WRITE,
    AnyCall,
    Call,
    NoQuery,
    operation,
)
from gateway.api.http.problems import Failure
from gateway.api.http.reading import parse_json
from gateway.api.http.services import Services
from gateway.domain.commands import SubmitJob
from gateway.domain.file import StoredFile
from gateway.domain.job import Job
from gateway.engine.ports import JobPage as StoredPage

_PATH: Final = "/print/jobs"
_TOTAL: Final = "X-Total-Count"
_TOTAL_TEXT: Final = {_TOTAL: "How many jobs there are in all pages."}
#: `urn:adsk.objects:os.object:<bucket>/<file id>.<ending>`, or the bare file id.
_PRINTABLE: Final = re.compile(r"(?:urn:adsk\.objects:os\.object:[^/]+/)?([0-9a-fA-F-]{36})(?:\.[a-z0-9.]+)?")
#: A local job's id as printers write it (Forge API 2.3, 9).
_LOCAL_PREFIX: Final = "local_"


@operation(
    "GET",
    _PATH,
    scopes=READ_WRITE,
    responses={200: JobPage},
    reads_query=False,
    is_conditional=True,
    response_headers=_TOTAL_TEXT,
)
async def list_jobs(call: Call[JobsQuery, None]) -> web.StreamResponse:
    """Lists all the member's jobs.

    In the order of their creation. Jobs that somebody started at a printer are among those of its owner.
    """
    listing = read_listing(call.request.query, await _query_body(call.request))
    member_id = call.principal.member_id
    if listing.rows is None or listing.rows > limits.FETCH_ROWS:
        return await _stream_jobs(call, listing)
    page = await _page(call, listing, listing.rows, listing.offset)
    body = answers.envelope(_PATH, listing, len(page.jobs), page.total, member_id)
    body["jobs"] = _job_objects(call.services, page.jobs)
    return reply_if_changed(call.request, body, headers={_TOTAL: str(page.total)})


async def _query_body(request: web.Request) -> dict[str, Any] | None:
    """The parameters of a script of that time: as a JSON body, on a GET."""
    if not request.can_read_body or request.content_type != JSON:
        return None
    value = parse_json(await request.read())
    if not isinstance(value, dict):
        raise Failure(400, 'The body must be a JSON object, like {"status": ["queued"]}, or be left out.')
    return value


async def _page(call: AnyCall, listing: Listing, rows: int | None, offset: int) -> StoredPage:
    return await call.services.queries.jobs(
        member_id=call.principal.member_id,
        statuses=frozenset(listing.statuses),
        limit=rows,
        offset=offset,
    )


def _root(services: Services) -> str:
    return services.public_url.rstrip("/") + answers.ROOTS[0]


def _job_objects(services: Services, jobs: tuple[Job, ...]) -> list[dict[str, Any]]:
    engine, now = services.engine, services.clock.monotonic()
    printers, presences = engine.state.printers, engine.state.presence
    root = _root(services)
    words = {printer_id: presence.status(now) for printer_id, presence in presences.items()}
    found = []
    for stored in jobs:
        job = engine.live(stored)
        # A job without a printer has no number to look up; nothing is numbered 0.
        number = job.printer_id or 0
        found.append(mapping.job_object(job, printers.get(number), words.get(number), root))
    return found


async def _stream_jobs(call: AnyCall, listing: Listing) -> web.StreamResponse:
    first = await _page(call, listing, _fetch_rows(listing), listing.offset)
    wanted = max(0, first.total - listing.offset)
    count = wanted if listing.rows is None else min(wanted, listing.rows)
    body = answers.envelope(_PATH, listing, count, first.total, call.principal.member_id)
    head = encode(body)[:-1] + b',"jobs":['
    pieces = _pieces(call, listing, first, count)
    return await stream(call.request, head, pieces, {_TOTAL: str(first.total)})


def _fetch_rows(listing: Listing) -> int | None:
    """A filtered list is read at once: jobs leave and enter a filter while it is being written.

    The whole list only grows at its end, so it is read in pieces and is exact all the same.
    """
    return listing.rows if listing.statuses else limits.FETCH_ROWS


async def _pieces(call: AnyCall, listing: Listing, page: StoredPage, count: int) -> AsyncIterator[bytes]:
    written = 0
    while page.jobs and written < count:
        jobs = page.jobs[: count - written]
        for start in range(0, len(jobs), limits.STREAM_ROWS):
            rows = _job_objects(call.services, jobs[start : start + limits.STREAM_ROWS])
            yield (b"," if written else b"") + encode(rows)[1:-1]
            written += len(rows)
        if written < count:
            page = await _page(call, listing, limits.FETCH_ROWS, listing.offset + written)
    yield b"]}"


@operation("GET", "/print/jobs/{job_id}", scopes=READ_WRITE, responses={200: JobDetail}, is_conditional=True)
async def get_job(call: Call[NoQuery, None]) -> web.StreamResponse:
    """One job.

    A job that does not exist and one that is somebody else's are the same answer: 401.
    """
    job = await visible_job(call, job_number(call.path("job_id")))
    if job is None:
        raise answers.no_access()
    state = call.services.engine.state
    number = job.printer_id or 0
    presence = state.presence.get(number)
    word = None if presence is None else presence.status(call.services.clock.monotonic())
    body = mapping.job_detail(job, state.printers.get(number), word, _root(call.services))
    return reply_if_changed(call.request, body, version=job.version)


@operation(
    "GET",
    f"{_PATH}/{{job_id}}/printable",
    scopes=READ_WRITE,
    responses={200: BYTES},
    response_headers={"Content-Disposition": "The file's name."},
)
async def get_printable(call: Call[NoQuery, None]) -> web.StreamResponse:
    """The file of a job, where `printable_url` leads.

    It is the content the job was handed in with, byte by byte. Ranges are answered.
    """
    job = await visible_job(call, job_number(call.path("job_id")))
    if job is None:
        raise answers.no_access()
    if job.file_sha256 is None:
        raise Failure(422, "This job has no file: it was started at the printer, or waits for one.")
    path = call.services.files.path_of(job.file_sha256)
    if not await asyncio.get_running_loop().run_in_executor(None, os.path.isfile, path):
        raise Failure(422, "The file of this job is not kept any more.")
    name = quote(job.file_name or job.name, safe="", errors="replace")
    headers = {"Content-Type": BYTES, "Content-Disposition": f"attachment; filename*=UTF-8''{name}"}
    return web.FileResponse(path, headers=headers)


def job_number(text: str) -> str:
    """The job's id in a client's spelling of it: upper case, or with the printers' `local_`."""
    return text.removeprefix(_LOCAL_PREFIX).lower()


@operation(
    "POST",
    "/print/printers/{printer_id}/jobs",
    scopes=READ_WRITE,
    responses={200: Receipt},
    accepts=(JSON, FORM),
    path_parameters={"printer_id": INTEGER_ID},
    is_idempotent_by_key=True,
    body_required=False,
)
async def create_job(call: Call[NoQuery, NewJob]) -> web.StreamResponse:
    """A new job for a printer; printer 0 is none yet.

    With a printer and a file it is queued, and sent as soon as the printer is idle and its plate clear.
    Without one of them it is created, and waits for it.
    """
    asked = call.body
    printer_id = call.path_int("printer_id") or None
    if printer_id is not None and usable_printer(call, printer_id) is None:
        raise answers.no_access()
    if asked.callback_url is not None:
        raise Failure(
            422, "Callbacks are not sent by this version: leave callback_url out, ask GET jobs/:job_id."
        )
    if asked.printable_url is not None and asked.printable_id is None:
        text = "This version fetches no files: upload it (POST files/upload) and send its printable_id."
        raise Failure(422, text)
    file = None if asked.printable_id is None else await _file(call, asked.printable_id)
    command = SubmitJob(
        member_id=call.principal.member_id,
        organization_id=call.principal.organization_id,
        name=asked.job_name or (file.name if file is not None else "untitled"),
        app_id=call.principal.app_id,
        printer_id=printer_id,
        file=file,
        settings=asked.settings,
        idempotency=idempotency_of(call.request, asked),
    )
    return reply(mapping.receipt(await call.services.engine.execute(command)))


async def _file(call: AnyCall, printable_id: str) -> StoredFile:
    match = _PRINTABLE.fullmatch(printable_id.strip())
    file = None if match is None else await call.services.queries.file(match[1].lower())
    if file is None or not (file.member_id == call.principal.member_id or call.principal.is_admin):
        raise Failure(422, "There is no file with this printable_id: upload it first (POST files/upload).")
    return file

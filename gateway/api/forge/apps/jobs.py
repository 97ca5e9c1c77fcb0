"""Looking at jobs: `GET jobs`, `GET printers/:printer_id/jobs`, `GET jobs/:job_id`."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

from aiohttp import web

from gateway.api.forge import answers
from gateway.api.forge.apps.jobs_shown import job_detail, job_number, job_pieces
from gateway.api.forge.listing import Listing, read_listing
from gateway.api.forge.schemas import JobDetail, JobPage, JobsQuery, PrinterJobPage
from gateway.api.http import limits
from gateway.api.http.answers import encode, reply_body_if_changed, reply_if_changed, stream
from gateway.api.http.finding import usable_printer, visible_job
from gateway.api.http.fragments import list_body
from gateway.api.http.operations import (
    BYTES,
    INTEGER_ID,
    JSON,
    READ_WRITE,
    AnyCall,
    Call,
    NoQuery,
    operation,
)
from gateway.api.http.problems import Failure
from gateway.api.http.reading import parse_json, whole_body
from gateway.auth.access import JobScope, own_jobs, printer_jobs
from gateway.engine.ports import JobPage as StoredPage

_PATH: Final = "/print/jobs"
_TOTAL: Final = "X-Total-Count"
_TOTAL_TEXT: Final = {_TOTAL: "How many jobs there are in all pages."}


@dataclass(frozen=True, slots=True)
class _List:
    """A list of jobs: where it is, whose jobs they are, which page of them, what else stands around it."""

    path: str
    scope: JobScope
    page: Listing
    extra: dict[str, Any]

    async def fetch(self, call: AnyCall, rows: int | None, offset: int) -> StoredPage:
        """Some of the jobs."""
        return await call.services.queries.jobs(
            member_id=self.scope.member_id,
            printer_id=self.scope.printer_id,
            from_work_id=self.scope.from_work_id,
            statuses=frozenset(self.page.statuses),
            limit=rows,
            offset=offset,
        )

    def envelope(self, call: AnyCall, count: int, total: int) -> dict[str, Any]:
        """What stands around the jobs."""
        head = answers.envelope(self.path, self.page, count, total, call.principal.member_id)
        return {**head, **self.extra}


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
    return await _answer(call, _List(_PATH, own_jobs(call.principal), await _listing(call), {}))


@operation(
    "GET",
    "/print/printers/{printer_id}/jobs",
    scopes=READ_WRITE,
    responses={200: PrinterJobPage},
    path_parameters={"printer_id": INTEGER_ID},
    reads_query=False,
    is_conditional=True,
    response_headers=_TOTAL_TEXT,
)
async def list_printer_jobs(call: Call[JobsQuery, None]) -> web.StreamResponse:
    """Lists the jobs of a printer: for its owner all since it has the printer, for other users their own."""
    printer = usable_printer(call, call.path_int("printer_id"))
    if printer is None:
        raise answers.no_access()
    path = f"/print/printers/{printer.printer_id}/jobs"
    scope = printer_jobs(call.principal, printer)
    return await _answer(call, _List(path, scope, await _listing(call), {"printer_id": printer.printer_id}))


async def _listing(call: AnyCall) -> Listing:
    return read_listing(call.request.query, await _query_body(call.request))


async def _query_body(request: web.Request) -> dict[str, Any] | None:
    """The parameters of a script of that time: as a JSON body, on a GET."""
    if not request.can_read_body or request.content_type != JSON:
        return None
    value = parse_json(await whole_body(request))
    if not isinstance(value, dict):
        raise Failure(400, 'The body must be a JSON object, like {"status": ["queued"]}, or be left out.')
    return value


async def _answer(call: AnyCall, asked: _List) -> web.StreamResponse:
    page = asked.page
    if page.rows is None or page.rows > limits.FETCH_ROWS:
        return await _stream_jobs(call, asked)
    found = await asked.fetch(call, page.rows, page.offset)
    around = asked.envelope(call, len(found.jobs), found.total)
    body = list_body(around, "jobs", job_pieces(call, found.jobs))
    return reply_body_if_changed(call.request, body, headers={_TOTAL: str(found.total)})


async def _stream_jobs(call: AnyCall, asked: _List) -> web.StreamResponse:
    page = asked.page
    # A filtered list is read at once: jobs leave and enter a filter while it is being written. The whole
    # list only grows at its end, so it is read in pieces and is exact all the same.
    rows = page.rows if page.statuses else limits.FETCH_ROWS
    first = await asked.fetch(call, rows, page.offset)
    wanted = max(0, first.total - page.offset)
    count = wanted if page.rows is None else min(wanted, page.rows)
    head = encode(asked.envelope(call, count, first.total))[:-1] + b',"jobs":['
    return await stream(call.request, head, _pieces(call, asked, first, count), {_TOTAL: str(first.total)})


async def _pieces(call: AnyCall, asked: _List, found: StoredPage, count: int) -> AsyncIterator[bytes]:
    written = 0
    while found.jobs and written < count:
        there = min(len(found.jobs), count - written)
        for start in range(0, there, limits.STREAM_ROWS):
            end = min(start + limits.STREAM_ROWS, there)
            rows = job_pieces(call, found.jobs[start:end], keeps=False)
            yield (b"," if written else b"") + b",".join(rows)
            written += len(rows)
        if written < count:
            found = await asked.fetch(call, limits.FETCH_ROWS, asked.page.offset + written)
    yield b"]}"


@operation("GET", f"{_PATH}/{{job_id}}", scopes=READ_WRITE, responses={200: JobDetail}, is_conditional=True)
async def get_job(call: Call[NoQuery, None]) -> web.StreamResponse:
    """One job.

    A job that does not exist and one that is somebody else's are the same answer: 401.
    """
    job = await visible_job(call, job_number(call.path("job_id")))
    if job is None:
        raise answers.no_access()
    return reply_if_changed(call.request, job_detail(call, job), version=job.version)


@operation(
    "GET",
    f"{_PATH}/{{job_id}}/printable",
    scopes=READ_WRITE,
    responses={200: BYTES},
    more_errors=frozenset({422}),
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


JOB_OPERATIONS: Final = (list_jobs, list_printer_jobs, get_job, get_printable)

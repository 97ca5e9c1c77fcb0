"""A printer and its own jobs: `GET`, `POST` and `DELETE printers/jobs`.

The documents name these endpoints and no more (reference, 1.1); what they do is inferred: the list is that of
`GET jobs`, an announced job is a local job, a removed one is canceled.
"""

from __future__ import annotations

import re
from typing import Final

from aiohttp import web

from gateway.api.forge import answers, mapping
from gateway.api.forge.answers import FirmwareFailure
from gateway.api.forge.apps.jobs_shown import job_number, job_pieces
from gateway.api.forge.firmware.door import PRINTER_DOOR, caller_of
from gateway.api.forge.firmware.schemas import LocalJob, LocalJobBody, OwnJobPage
from gateway.api.forge.listing import Listing, read_listing
from gateway.api.forge.schemas import JobsQuery
from gateway.api.http import limits
from gateway.api.http.answers import reply, reply_body
from gateway.api.http.fragments import list_body
from gateway.api.http.operations import FORM, JSON, AnyCall, Call, NoQuery, operation
from gateway.domain.call_in import LOCAL_PREFIX
from gateway.domain.commands import CommandRefused, WithdrawJob
from gateway.domain.job import Job
from gateway.domain.printer import Printer
from gateway.engine.ports import JobPage as StoredPage

_PATH: Final = "/print/printers/jobs"
_UUID: Final = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", re.ASCII)


@operation("GET", _PATH, scopes=None, door=PRINTER_DOOR, responses={200: OwnJobPage}, reads_query=False)
async def list_own_jobs(call: Call[JobsQuery, None]) -> web.StreamResponse:
    """A printer lists its own jobs, whoever submitted them, in the order of their creation.

    Those of a former owner's time are not among them: who has the machine has its token, too. A printer that
    is nobody's has none.
    """
    listing = read_listing(call.request.query)
    page = await _own_page(call, listing)
    around = answers.page_of(_PATH, listing, len(page.jobs), page.total)
    around["printer_id"] = caller_of(call).printer_id
    body = list_body(around, "jobs", job_pieces(call, page.jobs))
    return reply_body(body, headers={"X-Total-Count": str(page.total)})


async def _own_page(call: Call[JobsQuery, None], listing: Listing) -> StoredPage:
    printer = _owned_printer(call)
    if printer is None:
        return StoredPage([], 0)
    return await call.services.queries.jobs(
        printer_id=printer.printer_id,
        from_work_id=printer.jobs_from or None,
        statuses=frozenset(listing.statuses),
        limit=limits.PAGE_MAX if listing.rows is None else min(listing.rows, limits.PAGE_MAX),
        offset=listing.offset,
    )


def _owned_printer(call: AnyCall) -> Printer | None:
    """The printer that asks, if a member has it now. One that was given up keeps its token."""
    printer = call.services.engine.state.printers.get(caller_of(call).printer_id)
    return printer if printer is not None and printer.enabled else None


@operation(
    "POST",
    _PATH,
    scopes=None,
    door=PRINTER_DOOR,
    responses={200: LocalJob},
    accepts=(JSON, FORM),
    body_required=False,
)
async def announce_job(call: Call[NoQuery, LocalJobBody]) -> web.StreamResponse:
    """A printer announces a print that somebody started at the machine.

    It becomes a job of the printer's owner. Said again, the answer is the same job.
    """
    caller, asked = caller_of(call), call.body
    if _owned_printer(call) is None:
        raise FirmwareFailure(422, "Nobody has registered this printer yet: a job needs an owner.")
    wire_id = asked.job_id
    if wire_id is not None and not _UUID.fullmatch(wire_id.removeprefix(LOCAL_PREFIX)):
        raise FirmwareFailure(422, "job_id: a UUID is needed, or `local_` and a UUID.")
    key = call.services.call_ins.local_print_announced(
        caller.printer_id, wire_id, asked.job_name, asked.job_data
    )
    await call.services.engine.settled()
    job = _with_key(call, key)
    if job is None:
        raise FirmwareFailure(422, "This print is over, or was never this printer's own.")
    return reply(mapping.receipt(job))


def _with_key(call: Call[NoQuery, LocalJobBody], key: str) -> Job | None:
    return next((job for job in call.services.engine.state.jobs.values() if job.print_key == key), None)


@operation("DELETE", f"{_PATH}/{{job_id}}", scopes=None, door=PRINTER_DOOR, responses={204: None})
async def withdraw_job(call: Call[NoQuery, None]) -> web.StreamResponse:
    """A printer takes a job out of its queue, or drops the one that it has: canceled at the machine."""
    printer_id, services = caller_of(call).printer_id, call.services
    job_id = job_number(call.path("job_id"))
    if services.call_ins.print_withdrawn(printer_id, job_id):
        await services.engine.settled()
        return web.Response(status=204)
    job = await services.queries.job(job_id)
    printer = _owned_printer(call)
    is_its = job is not None and printer is not None and job.printer_id == printer_id
    if job is None or printer is None or not is_its or not printer.is_of_owners_time(job.work_id):
        raise FirmwareFailure(422, "This printer has no such job.")
    try:
        await services.engine.execute(WithdrawJob(job_id, printer_id))
    except CommandRefused as refused:
        raise FirmwareFailure(422, refused.message) from None
    return web.Response(status=204)

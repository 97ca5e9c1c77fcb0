"""Looking at printers: `GET printers`, `GET printers/:printer_id`, `GET printers/status/:printer_id`."""

from __future__ import annotations

from typing import Final

from aiohttp import web

from gateway.api.forge import answers, mapping_printers
from gateway.api.forge.apps.finding_printers import printer_asked_for
from gateway.api.forge.listing import read_page
from gateway.api.forge.schemas import PageQuery
from gateway.api.forge.schemas_printers import PrinterObject, PrinterPage, PrinterState
from gateway.api.http.answers import reply
from gateway.api.http.finding import usable_printers, visible_job
from gateway.api.http.operations import INTEGER_ID, READ, READ_WRITE, AnyCall, Call, NoQuery, operation
from gateway.domain.job import Job
from gateway.domain.printer import Presence, Printer

_PATH: Final = "/print/printers"
_PRINTER: Final = {"printer_id": INTEGER_ID}


@operation("GET", _PATH, scopes=READ, responses={200: PrinterPage}, reads_query=False)
async def list_printers(call: Call[PageQuery, None]) -> web.StreamResponse:
    """Lists the printers the member may use, oldest first."""
    listing = read_page(call.request.query)
    printers = usable_printers(call)
    page = printers[listing.offset :][: listing.rows]
    member_id = call.principal.member_id
    body = answers.envelope(_PATH, listing, len(page), len(printers), member_id)
    body["printers"] = [_printer_object(call, printer) for printer in page]
    return reply(body, headers={"X-Total-Count": str(len(printers))})


@operation(
    "GET",
    "/print/printers/{printer_id}",
    scopes=READ,
    responses={200: PrinterObject},
    path_parameters=_PRINTER,
)
async def get_printer(call: Call[NoQuery, None]) -> web.StreamResponse:
    """One printer."""
    return reply(_printer_object(call, printer_asked_for(call)))


def _printer_object(call: AnyCall, printer: Printer) -> dict[str, object]:
    services = call.services
    presence = mapping_printers.presence_of(services.engine.state.presence, printer.printer_id)
    return mapping_printers.printer_object(
        printer, presence, services.clock.monotonic(), call.principal.member_id
    )


@operation(
    "GET",
    "/print/printers/status/{printer_id}",
    scopes=READ_WRITE,
    responses={200: PrinterState},
    path_parameters=_PRINTER,
)
async def get_printer_status(call: Call[NoQuery, None]) -> web.StreamResponse:
    """How a printer is, and what it prints."""
    printer, services = printer_asked_for(call), call.services
    presence = mapping_printers.presence_of(services.engine.state.presence, printer.printer_id)
    job = await _job_on(call, printer, presence)
    return reply(mapping_printers.printer_state(printer, presence, services.clock.monotonic(), job))


async def _job_on(call: AnyCall, printer: Printer, presence: Presence) -> Job | None:
    """The job that the printer's report is about, if the caller may see it."""
    if presence.reported is not None:
        job_id = mapping_printers.reported_job_id(presence)
        return None if job_id is None else await visible_job(call, job_id)
    for job in call.services.engine.state.jobs.values():
        if job.printer_id == printer.printer_id and job.is_on_printer:
            return await visible_job(call, job.job_id)
    return None


PRINTER_OPERATIONS: Final = (list_printers, get_printer, get_printer_status)

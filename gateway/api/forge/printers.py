"""`GET printers`, `GET printers/status/:printer_id`, `POST printers/:printer_id/command`, and its answer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from aiohttp import web

from gateway.api.forge import answers, mapping_printers, mapping_tasks
from gateway.api.forge.jobs import job_number
from gateway.api.forge.listing import read_page
from gateway.api.forge.schemas import (
    CommandState,
    NewCommand,
    PageQuery,
    PrinterObject,
    PrinterPage,
    PrinterState,
    TaskReceipt,
)
from gateway.api.http.answers import reply
from gateway.api.http.finding import commandable_job, usable_printer, usable_printers, visible_command
from gateway.api.http.operations import (
    FORM,
    INTEGER_ID,
    JSON,
    READ,
    READ_WRITE,
    AnyCall,
    Call,
    NoQuery,
    operation,
)
from gateway.api.http.problems import Failure
from gateway.auth.access import may_see_job
from gateway.domain.commands import CancelJob, PauseJob, PrinterCommand, ResumeJob
from gateway.domain.job import Job
from gateway.domain.printer import Printer

_PATH: Final = "/print/printers"
_PRINTER: Final = {"printer_id": INTEGER_ID}
_COMMANDS: Final[dict[str, Callable[[str, str, int | None], PauseJob | ResumeJob | CancelJob]]] = {
    "pause": PauseJob,
    "resume": ResumeJob,
    "cancel": CancelJob,
}


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
    return reply(_printer_object(call, _printer(call)))


def _printer(call: AnyCall) -> Printer:
    printer = usable_printer(call, call.path_int("printer_id"))
    if printer is None:
        raise answers.no_access()
    return printer


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
    printer, services = _printer(call), call.services
    presence = mapping_printers.presence_of(services.engine.state.presence, printer.printer_id)
    job = _job_on(call, printer)
    return reply(mapping_printers.printer_state(printer, presence, services.clock.monotonic(), job))


def _job_on(call: AnyCall, printer: Printer) -> Job | None:
    """The job on the printer, if the caller may see it."""
    for job in call.services.engine.state.jobs.values():
        if job.printer_id == printer.printer_id and job.is_on_printer:
            return job if may_see_job(call.principal, job, printer) else None
    return None


@operation(
    "POST",
    "/print/printers/{printer_id}/command",
    scopes=READ_WRITE,
    responses={200: TaskReceipt},
    accepts=(JSON, FORM),
    path_parameters=_PRINTER,
)
async def command_printer(call: Call[NoQuery, NewCommand]) -> web.StreamResponse:
    """Pause, resume or cancel a job on a printer.

    The answer is a task: what became of it is at `printers/command/:task_id`.
    """
    printer = _printer(call)
    make = _COMMANDS.get(call.body.command)
    if make is None:
        known = ", ".join(_COMMANDS)
        raise Failure(422, f"The command {call.body.command[:40]!r} is not known here. Known: {known}.")
    if call.body.job_id is None:
        raise Failure(422, f"{call.body.command} needs a job_id: that of the job it is meant for.")
    job = await commandable_job(call, job_number(call.body.job_id))
    if job is None or job.printer_id != printer.printer_id:
        raise answers.no_access()
    command = make(job.job_id, call.principal.member_id, printer.printer_id)
    task: PrinterCommand = await call.services.engine.execute(command)
    return reply({"task_id": task.task_id})


@operation("GET", "/print/printers/command/{task_id}", scopes=READ_WRITE, responses={200: CommandState})
async def get_command(call: Call[NoQuery, None]) -> web.StreamResponse:
    """What became of a command: the printer's last word about it."""
    found = await visible_command(call, call.path("task_id").lower())
    if found is None:
        raise answers.no_access()
    command, job = found
    presence = mapping_printers.presence_of(call.services.engine.state.presence, command.printer_id)
    word = presence.status(call.services.clock.monotonic())
    return reply(mapping_tasks.command_object(command, job, word))

"""Commands to printers and what becomes of them (Forge 1.3, 2.4).

`POST printers/:printer_id/command`, `GET printers/command/:task_id`, `GET tasks/:task_id`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from aiohttp import web

from gateway.api.forge import answers, mapping_tasks
from gateway.api.forge.apps.finding_printers import printer_asked_for
from gateway.api.forge.apps.jobs_shown import job_number
from gateway.api.forge.mapping_printers import presence_of
from gateway.api.forge.schemas_printers import CommandState, NewCommand, TaskObject, TaskReceipt
from gateway.api.http import limits
from gateway.api.http.answers import encode, reply
from gateway.api.http.finding import commandable_job, visible_command, visible_job
from gateway.api.http.operations import FORM, INTEGER_ID, JSON, READ_WRITE, AnyCall, Call, NoQuery, operation
from gateway.api.http.problems import Failure
from gateway.auth.access import may_tell
from gateway.domain.commands import CancelJob, PauseJob, ResumeJob, TellPrinter
from gateway.domain.job import Job
from gateway.domain.own_commands import WRITTEN, parameters_taken
from gateway.domain.printer import PrinterStatus
from gateway.domain.printer_command import PrinterCommand

_JOB_COMMANDS: Final[Mapping[str, Callable[[str, str, int | None], PauseJob | ResumeJob | CancelJob]]] = {
    "pause": PauseJob,
    "resume": ResumeJob,
    "cancel": CancelJob,
}


@operation(
    "POST",
    "/print/printers/{printer_id}/command",
    scopes=READ_WRITE,
    responses={200: TaskReceipt},
    accepts=(JSON, FORM),
    path_parameters={"printer_id": INTEGER_ID},
)
async def command_printer(call: Call[NoQuery, NewCommand]) -> web.StreamResponse:
    """Tell a printer what to do with a job, or with itself.

    The answer is a task: what became of it is at `printers/command/:task_id`. A job without a printer is
    canceled at printer 0, where it was handed in.
    """
    if call.body.command == mapping_tasks.PRINT:
        text = "Jobs are started by POST and PUT printers/:printer_id/jobs, not by a command."
        raise Failure(422, text)
    is_for_job = call.body.command in _JOB_COMMANDS
    task = await _command_job(call) if is_for_job else await _tell(call)
    return reply({"task_id": task.task_id})


async def _command_job(call: Call[NoQuery, NewCommand]) -> PrinterCommand:
    """A command to a job, by whoever may; its printer is the path's, 0 for none."""
    name = call.body.command
    printer_id = printer_asked_for(call).printer_id if call.path_int("printer_id") else None
    job = await _job_meant(call, printer_id)
    if job is None:
        raise Failure(422, f"{name} needs a job_id: that of the job it is meant for.")
    command = _JOB_COMMANDS[name](job.job_id, call.principal.member_id, printer_id)
    task: PrinterCommand = await call.services.engine.execute(command)
    return task


async def _job_meant(call: Call[NoQuery, NewCommand], printer_id: int | None) -> Job | None:
    """The job of the body, which must be on this printer, or wait for it; None without a `job_id`."""
    if call.body.job_id is None:
        return None
    job = await commandable_job(call, job_number(call.body.job_id))
    if job is None or job.printer_id != printer_id:
        raise answers.no_access()
    return job


async def _tell(call: Call[NoQuery, NewCommand]) -> PrinterCommand:
    """A command to the printer itself, by its owner or a member of it who may."""
    asked, printer = call.body, printer_asked_for(call)
    if not may_tell(call.principal, printer, call.services.engine.state):
        raise answers.no_access()
    taken = parameters_taken(printer, asked.command)
    parameters = _parameters(asked, taken)
    job = await _job_meant(call, printer.printer_id) if taken is None else None
    if len(encode(parameters)) > limits.OBJECT_BYTES:
        raise Failure(422, f"What goes with a command may have {limits.OBJECT_BYTES} bytes as JSON.")
    command = TellPrinter(
        printer.printer_id, call.principal.member_id, asked.command, parameters, job.job_id if job else None
    )
    told: PrinterCommand = await call.services.engine.execute(command)
    return told


def _parameters(asked: NewCommand, taken: tuple[str, ...] | None) -> dict[str, Any]:
    """What of a body goes with the command: clients of this API send more than that, and nobody minds."""
    sent = asked.model_dump(exclude_unset=True, exclude_none=True, exclude=set(WRITTEN))
    return {name: sent[name] for name in sent if taken is None or name in taken}


@operation("GET", "/print/printers/command/{task_id}", scopes=READ_WRITE, responses={200: CommandState})
async def get_command(call: Call[NoQuery, None]) -> web.StreamResponse:
    """What became of a command: the printer's last word about it.

    The task of a print is its job: that one's id is answered too.
    """
    found = await visible_command(call, call.path("task_id").lower())
    if found is None:
        job = await _print(call)
        return reply(mapping_tasks.print_object(job, _word(call, job.printer_id)))
    command, about = found
    return reply(mapping_tasks.command_object(command, about, _word(call, command.printer_id)))


@operation("GET", "/print/tasks/{task_id}", scopes=READ_WRITE, responses={200: TaskObject})
async def get_task(call: Call[NoQuery, None]) -> web.StreamResponse:
    """Whether a command, or a print, is still running, done, or failed."""
    found = await visible_command(call, call.path("task_id").lower())
    if found is None:
        return reply(mapping_tasks.print_task(await _print(call)))
    return reply(mapping_tasks.task_object(found[0]))


async def _print(call: AnyCall) -> Job:
    """The job of this id: the start of its print is a task of the same id."""
    job = await visible_job(call, job_number(call.path("task_id")))
    if job is None:
        raise answers.no_access()
    return job


def _word(call: AnyCall, printer_id: int | None) -> PrinterStatus:
    presence = presence_of(call.services.engine.state.presence, printer_id)
    return presence.status(call.services.clock.monotonic())


TASK_OPERATIONS: Final = (command_printer, get_command, get_task)

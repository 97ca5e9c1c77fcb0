"""Jobs, printers and commands by the names clients use, as far as the caller may know of them.

Unknown and forbidden are one answer, None: no surface may be asked which ids exist.
"""

from __future__ import annotations

from gateway.api.http.operations import AnyCall
from gateway.auth.access import may_command_job, may_see_job, may_use_printer
from gateway.auth.peer import OPERATOR_ID
from gateway.domain.job import Job
from gateway.domain.member import Principal
from gateway.domain.printer import Printer
from gateway.domain.printer_command import PrinterCommand


def printer_of(call: AnyCall, job: Job) -> Printer | None:
    """The printer a job is for."""
    return None if job.printer_id is None else call.services.engine.state.printers.get(job.printer_id)


async def visible_job(call: AnyCall, job_id: str) -> Job | None:
    """The job with its newest progress, if the caller may see it."""
    job = await call.services.queries.job(job_id)
    if job is None or not may_see_job(call.principal, job, printer_of(call, job)):
        return None
    return call.services.engine.live(job)


async def commandable_job(call: AnyCall, job_id: str) -> Job | None:
    """The job, if the caller may pause, resume and cancel it."""
    job = await call.services.queries.job(job_id)
    if job is None or not may_command_job(
        call.principal, job, printer_of(call, job), call.services.engine.state
    ):
        return None
    return job


def usable_printer(call: AnyCall, printer_id: int) -> Printer | None:
    """The printer, if the caller may use it."""
    state = call.services.engine.state
    printer = state.printers.get(printer_id)
    return printer if printer is not None and may_use_printer(call.principal, printer, state) else None


def usable_printers(call: AnyCall) -> list[Printer]:
    """All printers the caller may use, oldest first."""
    state = call.services.engine.state
    found = [
        printer for printer in state.printers.values() if may_use_printer(call.principal, printer, state)
    ]
    return sorted(found, key=lambda printer: printer.printer_id)


async def visible_command(call: AnyCall, task_id: str) -> tuple[PrinterCommand, Job | None] | None:
    """A printer command and its job, if the caller gave it, may see its job, or may use its printer."""
    command = await call.services.queries.command(task_id)
    if command is None:
        return None
    job = await _job_of(call, command)
    if command.member_id == call.principal.member_id or job is not None:
        return command, job
    printer = None if command.printer_id is None else usable_printer(call, command.printer_id)
    is_for_printer = command.work_id is None and printer is not None
    return (command, None) if is_for_printer else None


async def _job_of(call: AnyCall, command: PrinterCommand) -> Job | None:
    if command.work_id is None:
        return None
    job = await call.services.queries.job_by_work_id(command.work_id)
    if job is None or not may_see_job(call.principal, job, printer_of(call, job)):
        return None
    return call.services.engine.live(job)


def is_operator(principal: Principal) -> bool:
    """Whether it is the host's administrator on the Unix socket, who is no member by name."""
    return principal.member_id == OPERATOR_ID

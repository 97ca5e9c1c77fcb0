"""What people and apps ask of what printers do: each command changes the draft and answers, or is refused.

pause, cancel      go to the machine before the commit (safety first), the journal follows
resume             goes after the commit that explains it
cancel             of a job that waits: at once. Of one on a machine: the job stays where it is with
                   `processing-to-stop-point` until the machine has stopped. Of a held job whose print no
                   driver knows: at once, with the plate left occupied for a person to look.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from gateway.domain import job_moves, plates
from gateway.domain.assign import holder_of, is_at_run
from gateway.domain.call_in import CALL_IN_DRIVER
from gateway.domain.commands import (
    CancelJob,
    CommandRefused,
    PauseJob,
    Refusal,
    ResolveJob,
    ResumeJob,
    SetPlate,
    StopPrinter,
)
from gateway.domain.events import CommandAnswered, CommandGiven
from gateway.domain.job import ENDS, WAITING, AttemptResult, Job, JobStatus, Reason
from gateway.domain.observations import LinkState
from gateway.domain.orders import Acknowledge, CancelPrint, PausePrint, ResumePrint
from gateway.domain.printer import Plate, Presence, Printer
from gateway.domain.printer_command import CommandStatus, PrinterCommand
from gateway.domain.state import Draft

_RESULTS = {
    JobStatus.COMPLETED: AttemptResult.COMPLETED,
    JobStatus.FAILED: AttemptResult.FAILED,
    JobStatus.CANCELED: AttemptResult.CANCELED,
}


def pause(draft: Draft, asked: PauseJob) -> PrinterCommand:
    """Order the machine to pause; the job is `paused` when the machine says so."""
    job, printer = _on_machine(draft, asked.job_id, asked.printer_id, "pause")
    if job.status is not JobStatus.PRINTING or job.is_stopping:
        raise CommandRefused(
            Refusal.CONFLICT, f"{job.name!r} is {where(job)}; only a job that is printing can be paused"
        )
    command = give(draft, printer, job, "pause", asked.member_id)
    draft.safety_orders.append(PausePrint(printer.name, command.task_id, key_of(job)))
    return command


def resume(draft: Draft, asked: ResumeJob) -> PrinterCommand:
    """Order the machine to go on, after the commit."""
    job, printer = _on_machine(draft, asked.job_id, asked.printer_id, "resume")
    if job.is_held:
        raise CommandRefused(Refusal.CONFLICT, f"{job.name!r} is held: {job.message}")
    if job.status is not JobStatus.PAUSED or job.is_stopping:
        raise CommandRefused(
            Refusal.CONFLICT, f"{job.name!r} is {where(job)}; only a paused job can be resumed"
        )
    command = give(draft, printer, job, "resume", asked.member_id)
    draft.orders.append(ResumePrint(printer.name, command.task_id, key_of(job)))
    return command


def cancel(draft: Draft, asked: CancelJob) -> PrinterCommand:
    """End a job: at once while it waits, by the machine once it has it."""
    job = job_named(draft, asked.job_id, asked.printer_id)
    by_user = frozenset({Reason.CANCELED_BY_USER})
    if job.status in WAITING:
        job_moves.close(draft, job, JobStatus.CANCELED, by_user, None, AttemptResult.CANCELED)
        return _done(draft, give(draft, None, job, "cancel", asked.member_id))
    printer = the_printer(draft, job.printer_id or 0)
    if job.is_held and _is_unknown_to_driver(draft, printer, job):
        message = (
            f"canceled while held; the plate of {printer.shown_name} stays occupied until someone has looked"
        )
        job_moves.close(draft, job, JobStatus.CANCELED, by_user, message, AttemptResult.CANCELED)
        plates.occupy(draft, printer, f"job {job.work_id}")
        draft.orders.append(Acknowledge(printer.name, draft.moment.new_id(), key_of(job)))
        return _done(draft, give(draft, printer, job, "cancel", asked.member_id))
    command = give(draft, printer, job, "cancel", asked.member_id)
    draft.safety_orders.append(CancelPrint(printer.name, command.task_id, key_of(job)))
    if not job.is_stopping:
        job_moves.move(draft, job, job.status, job.reasons | {Reason.TO_STOP_POINT}, job.message)
    return command


def _is_unknown_to_driver(draft: Draft, printer: Printer, job: Job) -> bool:
    presence = draft.presence.get(printer.printer_id, Presence())
    return presence.link is LinkState.UP and presence.print_key != job.print_key


def resolve(draft: Draft, asked: ResolveJob) -> Job:
    """A person looked and says how a held job ended. Nothing is sent to the machine."""
    if asked.outcome not in ENDS:
        raise CommandRefused(Refusal.INVALID, "the outcome must be completed, failed or canceled")
    job = job_named(draft, asked.job_id, None)
    if not job.is_held:
        raise CommandRefused(
            Refusal.CONFLICT, f"{job.name!r} is {where(job)}; only a held job needs a person to resolve it"
        )
    printer = the_printer(draft, job.printer_id or 0)
    name = draft.members[asked.member_id].name if asked.member_id in draft.members else "an operator"
    ended = job_moves.close(
        draft, job, asked.outcome, frozenset(), f"resolved by {name}", _RESULTS[asked.outcome]
    )
    plates.occupy(draft, printer, f"job {job.work_id}")
    draft.orders.append(Acknowledge(printer.name, draft.moment.new_id(), key_of(job)))
    return ended


def set_plate(draft: Draft, asked: SetPlate) -> Printer:
    """Confirm a plate clear (refused while something is on the machine, or may move it), or say that it is
    occupied.

    A print that the former owner left held is over then: whoever confirms has looked.
    """
    printer = the_printer(draft, asked.printer_id)
    if asked.plate is Plate.CLEAR:
        presence = draft.presence.get(printer.printer_id, Presence())
        job = holder_of(draft, printer)
        is_former = job is not None and job.is_held and not printer.is_of_owners_time(job.work_id)
        if job is not None and not is_former:
            raise CommandRefused(
                Refusal.CONFLICT,
                f"{printer.shown_name} has a job ({where(job)}); its plate cannot be clear now",
            )
        if presence.print_key is not None:
            raise CommandRefused(
                Refusal.CONFLICT, f"{printer.shown_name} is printing; its plate cannot be clear now"
            )
        if is_at_run(draft, printer):
            raise CommandRefused(
                Refusal.CONFLICT,
                f"{printer.shown_name} is at a run of a schedule; its plate cannot be clear now",
            )
        if presence.is_at_something and printer.driver != CALL_IN_DRIVER:
            # A run whose end the gateway missed may still be at it.
            raise CommandRefused(
                Refusal.CONFLICT,
                f"{printer.shown_name} is busy; look at its plate when the machine stands still",
            )
        if job is not None:
            _give_up(draft, printer, job)
    return plates.set_plate(draft, printer, asked.plate, asked.by)


def _give_up(draft: Draft, printer: Printer, job: Job) -> None:
    """End a held print of a former owner's time: those who know of it have the machine no more."""
    message = "its printer has another owner now and is clear; how this print ended is not known"
    reasons = frozenset({Reason.ABORTED_BY_SYSTEM})
    job_moves.close(draft, job, JobStatus.FAILED, reasons, message, AttemptResult.FAILED)
    draft.orders.append(Acknowledge(printer.name, draft.moment.new_id(), key_of(job)))


def stop_printer(draft: Draft, asked: StopPrinter) -> PrinterCommand:
    """Journal an emergency stop; the engine sent it before it asked.

    Some firmwares reset themselves by it and are ready a moment later: what waits does not begin before
    somebody has looked.
    """
    printer = the_printer(draft, asked.printer_id)
    plates.occupy(draft, printer, "an emergency stop")
    return give(draft, printer, None, "emergency-stop", asked.member_id, task_id=asked.task_id)


def give(
    draft: Draft,
    printer: Printer | None,
    job: Job | None,
    word: str,
    member_id: str,
    task_id: str | None = None,
    parameters: Mapping[str, Any] = MappingProxyType({}),
    work_id: int | None = None,
) -> PrinterCommand:
    """Journal a command; the caller adds the order that carries it out. `work_id`: of work without a job."""
    command = PrinterCommand(
        task_id=task_id or draft.moment.new_id(),
        printer_id=printer.printer_id if printer else None,
        work_id=job.work_id if job else work_id,
        command=word,
        member_id=member_id,
        given_at=draft.moment.wall,
        parameters=parameters,
    )
    draft.events.append(
        CommandGiven(
            at=draft.moment.wall,
            organization_id=job.organization_id if job else printer.organization_id if printer else None,
            member_id=member_id,
            printer_id=command.printer_id,
            work_id=command.work_id,
            task_id=command.task_id,
            command=word,
        )
    )
    return draft.put_command(command)


def _done(draft: Draft, command: PrinterCommand) -> PrinterCommand:
    """A command that needed no machine."""
    done = replace(command, state=CommandStatus.DONE, answered_at=draft.moment.wall)
    draft.events.append(
        CommandAnswered(
            at=draft.moment.wall,
            organization_id=None,
            member_id=command.member_id,
            printer_id=command.printer_id,
            work_id=command.work_id,
            task_id=command.task_id,
            command=command.command,
            state=done.state.value,
            message=None,
        )
    )
    return draft.put_command(done)


def the_printer(draft: Draft, printer_id: int) -> Printer:
    """The printer with that id, or CommandRefused."""
    printer = draft.printers.get(printer_id)
    if printer is None:
        raise CommandRefused(
            Refusal.UNKNOWN, "there is no such printer; `print-gateway printers list` shows them"
        )
    return printer


def job_named(draft: Draft, job_id: str, printer_id: int | None) -> Job:
    """The job, not over, on that printer if one is named."""
    job = next((job for job in draft.jobs.values() if job.job_id == job_id), None)
    if job is None:
        raise CommandRefused(Refusal.CONFLICT, "this job is over already; nothing is left to do with it")
    if printer_id is not None and job.printer_id != printer_id:
        raise CommandRefused(Refusal.INVALID, "this job is not on that printer")
    return job


def _on_machine(draft: Draft, job_id: str, printer_id: int | None, word: str) -> tuple[Job, Printer]:
    job = job_named(draft, job_id, printer_id)
    if not job.is_on_printer or job.printer_id is None:
        raise CommandRefused(Refusal.CONFLICT, f"{job.name!r} is {where(job)}; there is nothing to {word}")
    return job, the_printer(draft, job.printer_id)


def key_of(job: Job) -> str:
    """The key of the print of a job that is on a printer."""
    assert job.print_key is not None, "a job on a printer has the key of its print"
    return job.print_key


def where(job: Job) -> str:
    """Where a job stands, in words for people."""
    if job.is_held:
        return f"{job.status}, held"
    if job.is_stopping:
        return f"{job.status}, being canceled"
    return job.status.value

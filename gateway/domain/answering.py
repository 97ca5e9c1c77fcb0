"""Answers to orders: what a driver's word does to the start, or the command, that it answers.

An answer belongs to the start of a job, or to a command, by its order id:

    the start of a job    accepted    the job is received, unless a report was faster
                          unclear     held: a person must look
                          refused     provably nothing moved: queued again, REFUSALS_ALLOWED times in all
    a command             any         the command is over; a cancel that failed stops nothing any more, and
                                      a recovery that was accepted begins the next attempt
"""

from __future__ import annotations

from dataclasses import replace

from gateway.domain import job_moves, plates
from gateway.domain.events import CommandAnswered
from gateway.domain.job import Attempt, AttemptResult, Job, JobStatus, Reason
from gateway.domain.observations import OrderAnswered, OrderProgressed, OrderResult
from gateway.domain.printer import Plate, Printer
from gateway.domain.printer_command import CommandStatus, PrinterCommand
from gateway.domain.state import Draft

#: Refusals of one job's start before it fails instead of being tried again.
REFUSALS_ALLOWED = 3
#: After a refused start a printer gets no other for this long: what refused it will show in a snapshot.
REFUSED_PAUSE = 5.0  # seconds

_RECOVERED = "interrupted; recovered from a finished layer"


def begin(draft: Draft) -> None:
    """After a restart nobody answers what the former process asked for: its commands end, unanswered."""
    message = "the gateway was restarted before the printer answered: look at the job, then ask again"
    for command in list(draft.commands.values()):
        close_command(draft, command, CommandStatus.FAILED, message)


def answered(draft: Draft, printer: Printer, answer: OrderAnswered) -> None:
    """What a driver's answer does: to the start it belongs to, or to somebody's command."""
    command = draft.commands.get(answer.order_id)
    if command is not None and command.printer_id == printer.printer_id:
        state = CommandStatus.DONE if answer.result is OrderResult.ACCEPTED else CommandStatus.FAILED
        if command.command == "recover" and state is CommandStatus.DONE:
            _recovered(draft, command)
        close_command(draft, command, state, answer.message)
        return
    job = job_moves.find_by_key(draft, answer.order_id)
    is_late = answer.result is OrderResult.ACCEPTED  # its proof came first
    if job is not None and (
        job.status is JobStatus.SENT or (job.status is JobStatus.RECEIVED and not is_late)
    ):
        _start_answered(draft, printer, job, answer)


def progressed(draft: Draft, printer: Printer, said: OrderProgressed) -> None:
    """A printer's word about a command of its own that still waits for its end."""
    command = draft.commands.get(said.order_id)
    if command is not None and command.printer_id == printer.printer_id:
        draft.put_command(
            replace(command, progress=said.progress, answer=said.answer, heard_at=draft.moment.wall)
        )


def close_command(draft: Draft, command: PrinterCommand, state: CommandStatus, message: str | None) -> None:
    """The end of a command, whatever its answer; a cancel that failed stops nothing any more."""
    draft.put_command(replace(command, state=state, answered_at=draft.moment.wall, message=message))
    job = draft.jobs.get(command.work_id or 0)
    if command.command == "cancel" and state is CommandStatus.FAILED and job is not None and job.is_stopping:
        job_moves.move(draft, job, job.status, job.reasons - {Reason.TO_STOP_POINT}, message)
    about = job or draft.printers.get(command.printer_id or 0)
    draft.events.append(
        CommandAnswered(
            at=draft.moment.wall,
            organization_id=about.organization_id if about else None,
            member_id=command.member_id,
            printer_id=command.printer_id,
            work_id=command.work_id,
            task_id=command.task_id,
            command=command.command,
            state=state.value,
            message=message,
        )
    )


def _recovered(draft: Draft, command: PrinterCommand) -> None:
    """The driver goes on with a held print: the interrupted attempt is over, the next one has begun."""
    job = draft.jobs.get(command.work_id or 0)
    if job is None or command.printer_id is None:
        return
    now = draft.moment.wall
    before = draft.attempts.get(job.work_id)
    if before is not None:
        interrupted = replace(job, status_at=now)
        draft.put_attempt(job_moves.finished(before, interrupted, AttemptResult.FAILED, _RECOVERED))
    job = draft.put_job(replace(job, attempts=job.attempts + 1))
    mark = draft.moment.new_id()
    draft.put_attempt(Attempt(job.work_id, job.attempts, command.printer_id, mark, now, started_at=now))


def _start_answered(draft: Draft, printer: Printer, job: Job, answer: OrderAnswered) -> None:
    if answer.result is OrderResult.ACCEPTED:
        job_moves.move(draft, job, JobStatus.RECEIVED, job.reasons - {Reason.HOLD}, None)
    elif answer.result is OrderResult.UNCLEAR:
        job_moves.hold(draft, job, printer)
    else:
        why = answer.message or "the driver refused the start"
        _start_refused(draft, printer, job, why, is_final=answer.is_final)


def _start_refused(draft: Draft, printer: Printer, job: Job, why: str, *, is_final: bool = False) -> None:
    """Provably nothing of it moved: the job may be tried again, unless that would be refused as well.

    The plate is as clear as it was, unless something else has moved since, or somebody said something of it.
    """
    attempt = draft.attempts.get(job.work_id)
    if attempt is not None:
        draft.put_attempt(
            job_moves.finished(attempt, replace(job, status_at=draft.moment.wall), AttemptResult.REFUSED, why)
        )
    draft.refused_until[printer.printer_id] = draft.moment.monotonic + REFUSED_PAUSE
    if plates.is_taken_for(draft, printer, job.work_id):
        plates.set_plate(draft, printer, Plate.CLEAR, "the start was refused, nothing moved")
    job = replace(job, print_key=None)
    if job.is_stopping:
        job_moves.move(draft, job, JobStatus.CANCELED, frozenset({Reason.CANCELED_BY_USER}), why)
    elif is_final:
        job_moves.move(draft, job, JobStatus.FAILED, frozenset({Reason.ABORTED_BY_SYSTEM}), why)
    elif job.attempts >= REFUSALS_ALLOWED:
        message = f"{printer.shown_name} refused the start {job.attempts} times: {why}"
        job_moves.move(draft, job, JobStatus.FAILED, frozenset({Reason.ABORTED_BY_SYSTEM}), message)
    else:
        job_moves.move(draft, job, JobStatus.QUEUED, frozenset(), why)

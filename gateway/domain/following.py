"""Following prints: what reports from drivers do to jobs.

A driver says what it sees on a machine; here it is decided what that means:

    report of a print         known key, job not over      the job moves to where the machine is
    (snapshot, any time)      known key, job over          acknowledged again, if it is an end; else the
                                                           plate is occupied, and that is all
                              unknown key                  adopted as a local job of the printer's owner
    a job's print is missing  in a fresh driver host       held at once: its end was missed
    from the snapshots        in a running one             held after MISSING_GRACE
                              printer not reached yet      a local one after OFFLINE_AFTER: only it knows
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import TypedDict

from gateway.domain import adopting
from gateway.domain.commands import PrinterCommand, TaskState
from gateway.domain.events import CommandAnswered, JobAdopted, JobMoved, JobProgressed, PlateChanged
from gateway.domain.job import Attempt, AttemptResult, Job, JobStatus, Reason
from gateway.domain.kinds import prints_by_itself
from gateway.domain.observations import (
    LinkState,
    OrderAnswered,
    OrderProgressed,
    OrderResult,
    PrinterObserved,
    PrintPhase,
    PrintReport,
)
from gateway.domain.orders import Acknowledge
from gateway.domain.printer import OFFLINE_AFTER, Plate, Printer
from gateway.domain.state import Draft

#: A snapshot can be older than the answer that overtook it; this long a print may be absent from the reports
#: of a driver host that has been there all the time before its job is held.
MISSING_GRACE = 3.0  # seconds
#: Refusals of one job's start before it fails instead of being tried again.
REFUSALS_ALLOWED = 3
#: After a refused start a printer gets no other for this long: what refused it will show in a snapshot.
REFUSED_PAUSE = 5.0  # seconds

_END_STATUS = {
    PrintPhase.COMPLETED: (JobStatus.COMPLETED, AttemptResult.COMPLETED),
    PrintPhase.CANCELED: (JobStatus.CANCELED, AttemptResult.CANCELED),
    PrintPhase.FAILED: (JobStatus.FAILED, AttemptResult.FAILED),
}
_RECOVERED = "interrupted; recovered from a finished layer"
_KNOWN_REASONS = {reason.value: reason for reason in Reason}


def follow(draft: Draft, printer: Printer, report: PrintReport) -> None:
    """Bring the job of a reported print to where the machine is."""
    job = find_by_key(draft, report.key)
    if job is None and report.key in draft.ended_keys:
        if report.phase.is_end:
            _acknowledge(draft, printer, report.key)
        elif report.phase in (PrintPhase.PRINTING, PrintPhase.PAUSED):
            occupy(draft, printer, "a print that goes on though its job is over")
        return
    if job is None:
        job = _continued(draft, printer, report) or _adopt(draft, printer, report)
    if job is None:
        occupy(draft, printer, "a print beyond all that a machine can make")
        return
    draft.missing_since.pop(job.work_id, None)
    report = _still_paused(job, report)
    job = _progressed(draft, job, report)
    if report.phase.is_end:
        _end(draft, printer, job, report)
    else:
        _advance(draft, printer, job, report)


def find_by_key(draft: Draft, key: str) -> Job | None:
    """The job, not over, whose print has this key."""
    return next((job for job in draft.jobs.values() if job.print_key == key), None)


def _continued(draft: Draft, printer: Printer, report: PrintReport) -> Job | None:
    """The local job that this report goes on with, though its driver was started anew and gave a new key.

    The same file size, a position not behind the last one, and a driver that came in the middle: one that saw
    a print begin knows its name. One that heard only the end does not even know the size. Anything else is
    another print.
    """
    if report.job_id is not None:
        return None  # the printer itself names its prints
    for job in draft.jobs.values():
        if (
            job.is_local
            and job.is_on_printer
            and job.printer_id == printer.printer_id
            and report.is_local
            and report.name is None
            and _fits(job, report)
        ):
            return draft.put_job(replace(job, print_key=report.key))
    return None


def _fits(job: Job, report: PrintReport) -> bool:
    if report.size is None:
        return report.phase.is_end
    return job.file_size == report.size and (report.position or 0) >= (job.position or 0)


def _adopt(draft: Draft, printer: Printer, report: PrintReport) -> Job | None:
    """A print nobody ordered becomes a local job, owned by the printer's owner; None: there are too many."""
    if not adopting.has_room(draft, printer):
        return None
    now = draft.moment.wall
    job = Job(
        work_id=draft.next_work_id(),
        job_id=_adopted_id(draft, report),
        name=report.name or f"print at {printer.shown_name}",
        member_id=printer.owner_id,
        organization_id=printer.organization_id,
        created_at=now,
        status=JobStatus.PRINTING,
        status_at=now,
        reasons=frozenset({Reason.PRINTING}),
        printer_id=printer.printer_id,
        is_local=True,
        origin=report.origin,
        print_key=report.key,
        file_name=report.name,
        file_size=report.size,
        settings=report.job_data or {},
        started_at=now,
        member_ordinal=draft.member_jobs.get(printer.owner_id, 0),
    )
    draft.events.append(
        JobAdopted(**subject(draft, job), job_id=job.job_id, name=job.name, status=job.status.value)
    )
    return draft.add_job(job)


def _adopted_id(draft: Draft, report: PrintReport) -> str:
    """What the printer calls the print, unless another job has that id: it could be anybody's."""
    if report.job_id is not None and draft.is_free(report.job_id):
        return report.job_id
    return draft.moment.new_id()


def _still_paused(job: Job, report: PrintReport) -> PrintReport:
    """A driver started anew sees a card print and cannot tell that it was paused; while it stands, it is."""
    stands = report.position is not None and report.position == job.position
    if job.is_local and job.status is JobStatus.PAUSED and report.phase is PrintPhase.PRINTING and stands:
        return replace(report, phase=PrintPhase.PAUSED)
    return report


def _progressed(draft: Draft, job: Job, report: PrintReport) -> Job:
    """Progress is memory only, published but not stored as an event; a later commit or the timer saves it."""
    newer = replace(
        job,
        progress=report.progress if report.progress is not None else job.progress,
        position=report.position if report.position is not None else job.position,
        line=report.line if report.line is not None else job.line,
        file_size=job.file_size if job.file_size is not None else report.size,
        reported=report.details if report.details is not None else job.reported,
        settings=report.job_data if report.job_data is not None and job.is_local else job.settings,
        origin=report.origin if report.origin is not None and job.is_local else job.origin,
    )
    if newer == job:
        return job
    draft.note_progress(newer)
    draft.fleeting.append(
        JobProgressed(
            **subject(draft, newer),
            job_id=newer.job_id,
            progress=newer.progress,
            position=newer.position,
            line=newer.line,
        )
    )
    return newer


def _advance(draft: Draft, printer: Printer, job: Job, report: PrintReport) -> None:
    """A print that is not over. One that only starts has taken the plate when its start was intended."""
    is_intent = report.phase is PrintPhase.STARTING and _took_plate(draft, printer, job)
    if not is_intent:
        occupy(draft, printer, f"job {job.work_id}")
    status, reasons = _running_place(job, report)
    said = (status, reasons, report.message, report.error_code)
    if said == (job.status, job.reasons, job.message, job.error_code):
        return
    if status is JobStatus.RECEIVED and job.status is not JobStatus.SENT:
        return  # a late word about the start
    job = replace(job, error_code=report.error_code)
    moved = move(draft, job, status, reasons, report.message)
    attempt = draft.attempts.get(job.work_id)
    if (
        attempt is not None
        and attempt.started_at is None
        and status in (JobStatus.PRINTING, JobStatus.PAUSED)
    ):
        draft.put_attempt(replace(attempt, started_at=moved.started_at))


def _running_place(job: Job, report: PrintReport) -> tuple[JobStatus, frozenset[Reason]]:
    stopping = frozenset({Reason.TO_STOP_POINT}) if job.is_stopping else frozenset()
    if report.phase is PrintPhase.STARTING:
        return JobStatus.RECEIVED, stopping
    if report.phase is PrintPhase.PRINTING:
        return JobStatus.PRINTING, stopping | {Reason.PRINTING}
    if report.phase is PrintPhase.PAUSED:
        named = _KNOWN_REASONS.get(report.reason or "")
        return JobStatus.PAUSED, stopping | ({named} if named else frozenset())
    if job.status is JobStatus.SENT:  # held before any proof of a start
        return JobStatus.SENT, frozenset({Reason.HOLD})
    return JobStatus.PAUSED, frozenset({Reason.PRINTER_STOPPED})


def _end(draft: Draft, printer: Printer, job: Job, report: PrintReport) -> None:
    status, result = _END_STATUS[report.phase]
    job = replace(job, error_code=report.error_code)
    if report.phase is PrintPhase.COMPLETED:
        job = replace(job, progress=1.0, position=job.file_size if job.file_size else job.position)
    close(draft, printer, job, status, _end_reasons(job, report), report.message, result)
    occupy(draft, printer, f"job {job.work_id}")
    _acknowledge(draft, printer, report.key)


def _end_reasons(job: Job, report: PrintReport) -> frozenset[Reason]:
    named = _KNOWN_REASONS.get(report.reason or "")
    if named is not None:
        return frozenset({named})
    if report.phase is PrintPhase.COMPLETED:
        return frozenset({Reason.COMPLETED_SUCCESSFULLY})
    if report.phase is PrintPhase.FAILED:
        return frozenset({Reason.ABORTED_BY_SYSTEM})
    return frozenset({Reason.CANCELED_BY_USER if job.is_stopping else Reason.CANCELED_AT_DEVICE})


def close(
    draft: Draft,
    printer: Printer | None,
    job: Job,
    status: JobStatus,
    reasons: frozenset[Reason],
    message: str | None,
    result: AttemptResult,
) -> Job:
    """End a job, its open attempt and the commands that still wait for an answer about it."""
    ended = move(draft, job, status, reasons, message)
    if job.print_key is not None:
        draft.ended_keys[job.print_key] = job.work_id
    attempt = draft.attempts.get(job.work_id)
    if attempt is not None:
        draft.put_attempt(_finished(attempt, ended, result, message))
    return ended


def _finished(attempt: Attempt, job: Job, result: AttemptResult, message: str | None) -> Attempt:
    return replace(
        attempt,
        started_at=attempt.started_at or job.started_at,
        ended_at=job.status_at,
        result=result,
        line=job.line,
        position=job.position,
        message=message,
    )


def _acknowledge(draft: Draft, printer: Printer, key: str) -> None:
    draft.orders.append(Acknowledge(printer=printer.name, order_id=draft.moment.new_id(), key=key))


def find_missing(draft: Draft, printer: Printer, seen: PrinterObserved, *, is_fresh: bool) -> None:
    """Hold jobs whose print the driver does not know (any more): their end, or their start, was missed."""
    keys = {report.key for report in (seen.current, *seen.ended) if report is not None}
    now = draft.moment.monotonic
    for job in list(draft.jobs.values()):
        if (
            job.printer_id != printer.printer_id
            or not job.is_on_printer
            or job.is_held
            or job.print_key in keys
        ):
            continue
        if is_fresh and not _is_unasked(job, seen):
            hold(draft, job, printer)
        elif job.status is not JobStatus.SENT:  # the answer to a start on its way decides about a sent one
            since = draft.missing_since.setdefault(job.work_id, now)
            if now - since > (OFFLINE_AFTER if _is_unasked(job, seen) else MISSING_GRACE):
                hold(draft, job, printer)


def _is_unasked(job: Job, seen: PrinterObserved) -> bool:
    """Whether the driver has yet to reach the machine, which alone knows of a print started there."""
    return job.is_local and seen.link is not LinkState.UP


def hold(draft: Draft, job: Job, printer: Printer, why: str | None = None) -> Job:
    """A person must look: the gateway cannot tell whether, or how far, the machine has printed this."""
    resolve = (
        f"look at {printer.shown_name}, then say how it ended: `print-gateway jobs resolve {job.job_id}`"
    )
    if job.status is JobStatus.SENT:
        message = f"{why or 'the start was sent and nothing proves that it arrived'}; {resolve}"
        return move(draft, job, JobStatus.SENT, frozenset({Reason.HOLD}), message)
    if why is None and job.is_local:
        why = "the end of this print was missed while the gateway was away"
    elif why is None and prints_by_itself(printer):
        why = f"{printer.shown_name} does not speak of this print any more"
    elif why is None:
        why = "the streamer that printed this is gone and has no record of it"
    message = f"{why}; {resolve}"
    return move(draft, job, JobStatus.PAUSED, frozenset({Reason.PRINTER_STOPPED}), message)


def answered(draft: Draft, printer: Printer, answer: OrderAnswered) -> None:
    """What a driver's answer does: to the start it belongs to, or to somebody's command."""
    command = draft.commands.get(answer.order_id)
    if command is not None and command.printer_id == printer.printer_id:
        state = TaskState.DONE if answer.result is OrderResult.ACCEPTED else TaskState.FAILED
        if command.command == "recover" and state is TaskState.DONE:
            _recovered(draft, command)
        close_command(draft, command, state, answer.message)
        return
    job = find_by_key(draft, answer.order_id)
    is_late = answer.result is OrderResult.ACCEPTED  # its proof came first
    if job is not None and (
        job.status is JobStatus.SENT or (job.status is JobStatus.RECEIVED and not is_late)
    ):
        _start_answered(draft, printer, job, answer)


def begin(draft: Draft) -> None:
    """After a restart nobody answers what the former process asked for: its commands end, unanswered."""
    message = "the gateway was restarted before the printer answered: look at the job, then ask again"
    for command in list(draft.commands.values()):
        close_command(draft, command, TaskState.FAILED, message)


def progressed(draft: Draft, printer: Printer, said: OrderProgressed) -> None:
    """A printer's word about a command of its own that still waits for its end."""
    command = draft.commands.get(said.order_id)
    if command is not None and command.printer_id == printer.printer_id:
        draft.put_command(
            replace(command, progress=said.progress, answer=said.answer, heard_at=draft.moment.wall)
        )


def close_command(draft: Draft, command: PrinterCommand, state: TaskState, message: str | None) -> None:
    """The end of a command, whatever its answer; a cancel that failed stops nothing any more."""
    draft.put_command(replace(command, state=state, answered_at=draft.moment.wall, message=message))
    job = draft.jobs.get(command.work_id or 0)
    if command.command == "cancel" and state is TaskState.FAILED and job is not None and job.is_stopping:
        move(draft, job, job.status, job.reasons - {Reason.TO_STOP_POINT}, message)
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
        draft.put_attempt(_finished(before, interrupted, AttemptResult.FAILED, _RECOVERED))
    job = draft.put_job(replace(job, attempts=job.attempts + 1))
    mark = draft.moment.new_id()
    draft.put_attempt(Attempt(job.work_id, job.attempts, command.printer_id, mark, now, started_at=now))


def _start_answered(draft: Draft, printer: Printer, job: Job, answer: OrderAnswered) -> None:
    if answer.result is OrderResult.ACCEPTED:
        move(draft, job, JobStatus.RECEIVED, job.reasons - {Reason.HOLD}, None)
    elif answer.result is OrderResult.UNCLEAR:
        hold(draft, job, printer)
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
            _finished(attempt, replace(job, status_at=draft.moment.wall), AttemptResult.REFUSED, why)
        )
    draft.refused_until[printer.printer_id] = draft.moment.monotonic + REFUSED_PAUSE
    if _took_plate(draft, printer, job):
        set_plate(draft, printer, Plate.CLEAR, "the start was refused, nothing moved")
    job = replace(job, print_key=None)
    if job.is_stopping:
        move(draft, job, JobStatus.CANCELED, frozenset({Reason.CANCELED_BY_USER}), why)
    elif is_final:
        move(draft, job, JobStatus.FAILED, frozenset({Reason.ABORTED_BY_SYSTEM}), why)
    elif job.attempts >= REFUSALS_ALLOWED:
        message = f"{printer.shown_name} refused the start {job.attempts} times: {why}"
        move(draft, job, JobStatus.FAILED, frozenset({Reason.ABORTED_BY_SYSTEM}), message)
    else:
        move(draft, job, JobStatus.QUEUED, frozenset(), why)


def _took_plate(draft: Draft, printer: Printer, job: Job) -> bool:
    """Whether the plate is occupied for this start alone, and was clear before it."""
    return draft.plate_taken_by.get(printer.printer_id) == job.work_id


def move(draft: Draft, job: Job, to: JobStatus, reasons: frozenset[Reason], message: str | None) -> Job:
    """One step of the job table, with its row and its event."""
    moved = draft.put_job(job.moved(to, draft.moment.wall, reasons=reasons, message=message))
    draft.events.append(
        JobMoved(
            **subject(draft, moved),
            job_id=moved.job_id,
            before=job.status.value,
            status=moved.status.value,
            reasons=tuple(sorted(reason.value for reason in reasons)),
            message=message,
        )
    )
    return moved


def occupy(draft: Draft, printer: Printer, by: str) -> None:
    """Something moved, or is about to."""
    set_plate(draft, printer, Plate.OCCUPIED, by)


def set_plate(draft: Draft, printer: Printer, plate: Plate, by: str) -> Printer:
    """Change the plate, if it changes, with its row and its event."""
    printer = draft.printers[printer.printer_id]
    draft.plate_taken_by.pop(printer.printer_id, None)
    if printer.plate is plate:
        return printer
    draft.events.append(
        PlateChanged(
            at=draft.moment.wall,
            organization_id=printer.organization_id,
            member_id=printer.owner_id,
            printer_id=printer.printer_id,
            work_id=None,
            printer=printer.shown_name,
            plate=plate.value,
            by=by,
        )
    )
    return draft.put_printer(replace(printer, plate=plate))


class Subject(TypedDict):
    """The fields that every event has (events.Event)."""

    at: datetime
    organization_id: int | None
    member_id: str | None
    printer_id: int | None
    work_id: int | None


def subject(draft: Draft, job: Job) -> Subject:
    """The common fields of an event about a job."""
    return {
        "at": draft.moment.wall,
        "organization_id": job.organization_id,
        "member_id": job.member_id,
        "printer_id": job.printer_id,
        "work_id": job.work_id,
    }

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

from gateway.domain import adopting, job_moves, plates, subjects
from gateway.domain.events import JobAdopted, JobProgressed
from gateway.domain.job import AttemptResult, Job, JobStatus, Reason
from gateway.domain.observations import LinkState, PrinterObserved, PrintPhase, PrintReport
from gateway.domain.orders import Acknowledge
from gateway.domain.outlook import outlook
from gateway.domain.printer import OFFLINE_AFTER, Printer
from gateway.domain.state import Draft

#: A snapshot can be older than the answer that overtook it; this long a print may be absent from the reports
#: of a driver host that has been there all the time before its job is held.
MISSING_GRACE = 3.0  # seconds

_END_STATUS = {
    PrintPhase.COMPLETED: (JobStatus.COMPLETED, AttemptResult.COMPLETED),
    PrintPhase.CANCELED: (JobStatus.CANCELED, AttemptResult.CANCELED),
    PrintPhase.FAILED: (JobStatus.FAILED, AttemptResult.FAILED),
}
_KNOWN_REASONS = {reason.value: reason for reason in Reason}


def follow(draft: Draft, printer: Printer, report: PrintReport) -> None:
    """Bring the job of a reported print to where the machine is."""
    job = job_moves.find_by_key(draft, report.key)
    if job is None and report.key in draft.ended_keys:
        if report.phase.is_end:
            _acknowledge(draft, printer, report.key)
        elif report.phase in (PrintPhase.PRINTING, PrintPhase.PAUSED):
            plates.occupy(draft, printer, "a print that goes on though its job is over")
        return
    if job is None:
        job = _continued(draft, printer, report) or _adopt(draft, printer, report)
    if job is None:
        plates.occupy(draft, printer, "a print beyond all that a machine can make")
        return
    draft.missing_since.pop(job.work_id, None)
    report = _still_paused(job, report)
    job = _progressed(draft, job, report)
    if report.phase.is_end:
        _end(draft, printer, job, report)
    else:
        _advance(draft, printer, job, report)


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
        JobAdopted(**subjects.of_job(draft, job), job_id=job.job_id, name=job.name, status=job.status.value)
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
    told = outlook(newer)
    draft.fleeting.append(
        JobProgressed(
            **subjects.of_job(draft, newer),
            job_id=newer.job_id,
            progress=newer.progress,
            position=newer.position,
            line=newer.line,
            layer=told.layer,
            layers=told.layers,
            seconds_left=told.seconds_left,
        )
    )
    return newer


def _advance(draft: Draft, printer: Printer, job: Job, report: PrintReport) -> None:
    """A print that is not over. One that only starts has taken the plate when its start was intended."""
    is_intent = report.phase is PrintPhase.STARTING and plates.is_taken_for(draft, printer, job.work_id)
    if not is_intent:
        plates.occupy(draft, printer, f"job {job.work_id}")
    status, reasons = _running_place(job, report)
    said = (status, reasons, report.message, report.error_code)
    if said == (job.status, job.reasons, job.message, job.error_code):
        return
    if status is JobStatus.RECEIVED and job.status is not JobStatus.SENT:
        return  # a late word about the start
    job = replace(job, error_code=report.error_code)
    moved = job_moves.move(draft, job, status, reasons, report.message)
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
    job_moves.close(draft, job, status, _end_reasons(job, report), report.message, result)
    plates.occupy(draft, printer, f"job {job.work_id}")
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
            job_moves.hold(draft, job, printer)
        elif job.status is not JobStatus.SENT:  # the answer to a start on its way decides about a sent one
            since = draft.missing_since.setdefault(job.work_id, now)
            if now - since > (OFFLINE_AFTER if _is_unasked(job, seen) else MISSING_GRACE):
                job_moves.hold(draft, job, printer)


def _is_unasked(job: Job, seen: PrinterObserved) -> bool:
    """Whether the driver has yet to reach the machine, which alone knows of a print started there."""
    return job.is_local and seen.link is not LinkState.UP

"""Jobs before they print: handed in, given printer and file, started now. Commands, as in `asking`.

A job waits as `created` until it has a printer and a file that this printer can print, then as `queued`:

    no printer                        a printer is chosen
    no file, no printable_url         a file is chosen
    printable_url, no file            the file is fetched (FileFetched), or another one is chosen
    a file that is no G-code          only printers that call in can print it: they read it themselves
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from typing import Any

from gateway.domain import job_moves, starting, subjects
from gateway.domain.asking import job_named, the_printer, where
from gateway.domain.assign import gone, hindrance
from gateway.domain.commands import (
    ChooseFile,
    ChoosePrinter,
    CommandRefused,
    FileFetched,
    FileNotFetched,
    Refusal,
    SetCallback,
    StartJob,
    SubmitJob,
    WithdrawJob,
)
from gateway.domain.events import JobChanged, JobSubmitted
from gateway.domain.file import StoredFile, format_in
from gateway.domain.job import WAITING, WAITING_KEPT, AttemptResult, Job, JobStatus, Reason
from gateway.domain.kinds import misfit
from gateway.domain.member import Member
from gateway.domain.printer import Printer
from gateway.domain.state import Draft

_FETCHING = "its file is being fetched"


def submit(draft: Draft, asked: SubmitJob) -> Job:
    """A new job: `queued` once it has a printer and a file, else `created`. Refused to who has too many."""
    _must_have_room(draft, asked.member_id)
    printer = None if asked.printer_id is None else _offered_printer(draft, asked.printer_id)
    now = draft.moment.wall
    job = Job(
        work_id=draft.next_work_id(),
        job_id=draft.moment.new_id(),
        name=asked.name,
        member_id=asked.member_id,
        organization_id=asked.organization_id,
        app_id=asked.app_id,
        created_at=now,
        status=JobStatus.CREATED,
        status_at=now,
        printer_id=asked.printer_id,
        printable_url=None if asked.file else asked.printable_url,
        settings=asked.settings,
        callback_url=asked.callback_url,
        callback_interval=asked.callback_interval,
        member_ordinal=draft.member_jobs.get(asked.member_id, 0),
        **_of_file(asked.file),
    )
    _must_fit(printer, job)
    missing = _missing(printer, job)
    job = replace(job, status=JobStatus.CREATED if missing else JobStatus.QUEUED, message=missing)
    draft.events.append(
        JobSubmitted(**subjects.of_job(draft, job), job_id=job.job_id, name=job.name, status=job.status.value)
    )
    if asked.idempotency is not None:
        draft.idempotency_rows.append((asked.member_id, asked.idempotency, job.job_id))
    return draft.add_job(job)


def _must_have_room(draft: Draft, member_id: str) -> None:
    waiting = sum(job.member_id == member_id and job.status in WAITING for job in draft.jobs.values())
    if waiting >= WAITING_KEPT:
        raise CommandRefused(
            Refusal.CONFLICT,
            f"{waiting} jobs of yours wait already, which is as many as may; cancel some of them",
        )


def start(draft: Draft, asked: StartJob) -> Job:
    """Start a waiting job before older ones; refused with what is in its way."""
    job = _waiting_job(draft, asked.job_id, "only a job that waits can be started")
    printer = _offered_printer(draft, asked.printer_id)
    if job.printer_id not in (None, printer.printer_id):
        other = the_printer(draft, job.printer_id or 0).shown_name
        raise CommandRefused(
            Refusal.CONFLICT, f"{job.name!r} is for {other}; choose {printer.shown_name} for it first"
        )
    chosen = replace(job, printer_id=printer.printer_id)
    _must_fit(printer, chosen)
    missing = _missing(printer, chosen)
    if missing is not None:
        raise CommandRefused(Refusal.CONFLICT, f"{job.name!r} cannot start yet: {missing}")
    why = hindrance(draft, printer, job.member_id, draft.moment.monotonic)
    if why is not None:
        raise CommandRefused(Refusal.CONFLICT, f"{job.name!r} cannot start now: {why}")
    if job.printer_id is None:
        chosen = _settle(draft, chosen, "printer")
    return starting.intend(draft, printer, chosen)


def choose_printer(draft: Draft, asked: ChoosePrinter) -> Job:
    """Where a waiting job shall be printed."""
    job = _waiting_job(draft, asked.job_id, "its printer can be chosen only while it waits")
    printer = _offered_printer(draft, asked.printer_id)
    job = replace(job, printer_id=printer.printer_id)
    _must_fit(printer, job)
    return _settle(draft, job, "printer")


def choose_file(draft: Draft, asked: ChooseFile) -> Job:
    """What a waiting job shall print."""
    job = _waiting_job(draft, asked.job_id, "its file can be chosen only while it waits")
    if asked.file is None and asked.printable_url is None:
        raise CommandRefused(Refusal.INVALID, "name a file, or the address where it can be fetched")
    job = replace(job, printable_url=None if asked.file else asked.printable_url, **_of_file(asked.file))
    _must_fit(draft.printers.get(job.printer_id or 0), job)
    return _settle(draft, job, "file")


def file_fetched(draft: Draft, said: FileFetched) -> None:
    """The file is there, where it came from forgotten; if its printer cannot print it, the job waits."""
    job = draft.jobs.get(said.work_id)
    if job is not None and _waits_for(job, said.printable_url):
        _settle(draft, replace(job, printable_url=None, **_of_file(said.file)), "file")


def file_not_fetched(draft: Draft, said: FileNotFetched) -> None:
    """The job stays `created`, says why, and is not fetched again: another file has to be chosen."""
    job = draft.jobs.get(said.work_id)
    if job is not None and _waits_for(job, said.printable_url):
        _tell_changed(draft, draft.put_job(replace(job, printable_url=None, message=said.message)), "file")


def set_callback(draft: Draft, asked: SetCallback) -> Job:
    """Whom to tell of a job that is not over."""
    job = job_named(draft, asked.job_id, None)
    job = draft.put_job(replace(job, callback_url=asked.url, callback_interval=asked.interval))
    _tell_changed(draft, job, "callback")
    return job


def withdraw(draft: Draft, asked: WithdrawJob) -> Job:
    """A printer takes a waiting job out of its own queue; what it prints already is not ended this way."""
    job = draft.job_with_id(asked.job_id)
    if job is None or job.printer_id != asked.printer_id:
        raise CommandRefused(Refusal.UNKNOWN, "this printer has no such job")
    if job.status not in WAITING:
        raise CommandRefused(Refusal.CONFLICT, f"{job.name!r} is {where(job)}; it waits no longer")
    reasons = frozenset({Reason.CANCELED_AT_DEVICE})
    message = "its printer took it out of the queue"
    return job_moves.close(draft, job, JobStatus.CANCELED, reasons, message, AttemptResult.CANCELED)


def leave(draft: Draft, printer: Printer, owner: Member) -> None:
    """Waiting jobs of others lose a printer that `owner` has now: whom they handed it to was another."""
    others = {job.member_id for job in draft.jobs.values()} - {owner.member_id}
    lose_printer(draft, printer, others, f"{printer.shown_name} has another owner now")


def lose_printer(draft: Draft, printer: Printer, members: Collection[str], why: str) -> None:
    """Waiting jobs of these members wait for another printer; what is on the machine goes on."""
    message = f"{why}; choose another printer"
    for job in list(draft.jobs.values()):
        if job.printer_id != printer.printer_id or job.status not in WAITING:
            continue
        if job.member_id not in members:
            continue
        job = replace(job, printer_id=None)
        if job.status is JobStatus.QUEUED:
            job = job_moves.move(draft, job, JobStatus.CREATED, frozenset(), message)
        else:
            job = draft.put_job(replace(job, message=message))
        _tell_changed(draft, job, "printer")


# ---------------------------------------------------------------- what a job still needs


def _offered_printer(draft: Draft, printer_id: int) -> Printer:
    printer = the_printer(draft, printer_id)
    if not printer.enabled:
        raise CommandRefused(Refusal.CONFLICT, f"{gone(printer)}; choose another printer")
    return printer


def _waiting_job(draft: Draft, job_id: str, rule: str) -> Job:
    job = job_named(draft, job_id, None)
    if job.status not in WAITING:
        raise CommandRefused(Refusal.CONFLICT, f"{job.name!r} is {where(job)}; {rule}")
    return job


def _waits_for(job: Job, printable_url: str) -> bool:
    return job.status in WAITING and job.file_sha256 is None and job.printable_url == printable_url


def _of_file(file: StoredFile | None) -> dict[str, Any]:
    """The columns of a job that pin its file."""
    return {
        "file_sha256": file.sha256 if file else None,
        "file_name": file.name if file else None,
        "file_size": file.size if file else None,
        "printable_id": file.printable_id if file else None,
    }


def _missing(printer: Printer | None, job: Job) -> str | None:
    """Why a waiting job cannot be queued yet, for people; None: it can."""
    has_file = job.file_sha256 is not None
    if not has_file and job.printable_url is not None:
        return _FETCHING if printer else f"{_FETCHING}; it waits for a printer too"
    missing = [word for word, there in (("a printer", printer), ("a file", has_file)) if not there]
    if missing:
        return f"waits for {' and '.join(missing)}"
    return _misfit(printer, job)


def _misfit(printer: Printer | None, job: Job) -> str | None:
    """Why this printer cannot print the job's file; None while either is missing."""
    if printer is None or job.printable_id is None:
        return None
    return misfit(printer, job.file_name, format_in(job.printable_id))


def _must_fit(printer: Printer | None, job: Job) -> None:
    misfit = _misfit(printer, job)
    if misfit is not None:
        raise CommandRefused(Refusal.INVALID, misfit)


def _settle(draft: Draft, job: Job, what: str) -> Job:
    """Keep a waiting job's change; it is queued, or waits with the reason."""
    missing = _missing(draft.printers.get(job.printer_id or 0), job)
    if missing is None and job.status is not JobStatus.QUEUED:
        job = job_moves.move(draft, job, JobStatus.QUEUED, frozenset(), None)
    elif missing is not None and job.status is JobStatus.QUEUED:
        job = job_moves.move(draft, job, JobStatus.CREATED, frozenset(), missing)
    else:
        job = draft.put_job(replace(job, message=missing))
    _tell_changed(draft, job, what)
    return job


def _tell_changed(draft: Draft, job: Job, what: str) -> None:
    draft.events.append(
        JobChanged(**subjects.of_job(draft, job), job_id=job.job_id, status=job.shown_status, what=what)
    )

"""The steps of a job, each with its row and its event: moved, held, ended with its attempt."""

from __future__ import annotations

from dataclasses import replace

from gateway.domain import subjects
from gateway.domain.events import JobMoved
from gateway.domain.job import Attempt, AttemptResult, Job, JobStatus, Reason
from gateway.domain.kinds import prints_by_itself
from gateway.domain.printer import Printer
from gateway.domain.state import Draft


def find_by_key(draft: Draft, key: str) -> Job | None:
    """The job, not over, whose print has this key."""
    return next((job for job in draft.jobs.values() if job.print_key == key), None)


def move(draft: Draft, job: Job, to: JobStatus, reasons: frozenset[Reason], message: str | None) -> Job:
    """One step of the job table, with its row and its event."""
    moved = draft.put_job(job.moved(to, draft.moment.wall, reasons=reasons, message=message))
    draft.events.append(
        JobMoved(
            **subjects.of_job(draft, moved),
            job_id=moved.job_id,
            before=job.status.value,
            status=moved.status.value,
            reasons=tuple(sorted(reason.value for reason in reasons)),
            message=message,
        )
    )
    return moved


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


def close(
    draft: Draft,
    job: Job,
    status: JobStatus,
    reasons: frozenset[Reason],
    message: str | None,
    result: AttemptResult,
) -> Job:
    """End a job and its open attempt. What is still said of its print is about one that is over."""
    ended = move(draft, job, status, reasons, message)
    if job.print_key is not None:
        draft.ended_keys[job.print_key] = job.work_id
    attempt = draft.attempts.get(job.work_id)
    if attempt is not None:
        draft.put_attempt(finished(attempt, ended, result, message))
    return ended


def finished(attempt: Attempt, job: Job, result: AttemptResult, message: str | None) -> Attempt:
    """The attempt as it ended, where and when its job stands."""
    return replace(
        attempt,
        started_at=attempt.started_at or job.started_at,
        ended_at=job.status_at,
        result=result,
        line=job.line,
        position=job.position,
        message=message,
    )

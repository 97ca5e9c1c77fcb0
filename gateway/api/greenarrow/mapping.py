"""Prints and tasks in GreenArrow's words. Pure and total: every state of the domain has one.

    unfinished    pending, scheduled, active, paused      (seed, "Only unfinished background jobs")
    finished      finished, failed, cancelled             (GreenArrow's subscriber imports and campaigns)

The seed names no word for a job that is over. The three are those that GreenArrow's own documentation has for
the states of subscriber imports and campaigns, in its spelling.

Dicts are built directly, their keys in the order of the seed's example: a list of these rows is all there is.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Any, Final

from gateway.api.http.instants import to_second
from gateway.api.http.state_words import one_word_each
from gateway.domain.job import Job, JobStatus, Reason
from gateway.domain.schedule import RunState, ScheduleStatus
from gateway.domain.task import Standing, Task, TaskKind, TaskStatus

PENDING, SCHEDULED, ACTIVE, PAUSED = "pending", "scheduled", "active", "paused"
FINISHED, FAILED, CANCELLED = "finished", "failed", "cancelled"
#: Every word that `state` can be.
UNFINISHED: Final = frozenset({PENDING, SCHEDULED, ACTIVE, PAUSED})
STATES: Final = (PENDING, SCHEDULED, ACTIVE, PAUSED, FINISHED, FAILED, CANCELLED)

_OF_JOBS: Final[Mapping[JobStatus, str]] = MappingProxyType(
    {
        JobStatus.CREATED: PENDING,
        JobStatus.UNSCHEDULED: PENDING,
        JobStatus.QUEUED: PENDING,
        JobStatus.SENT: ACTIVE,
        JobStatus.RECEIVED: ACTIVE,
        JobStatus.PRINTING: ACTIVE,
        JobStatus.PAUSED: PAUSED,
        JobStatus.COMPLETED: FINISHED,
        JobStatus.FAILED: FAILED,
        JobStatus.CANCELED: CANCELLED,
    }
)
_OF_TASKS: Final[Mapping[Standing, str]] = MappingProxyType(
    {
        Standing.SCHEDULED: SCHEDULED,
        Standing.PAUSED: PAUSED,
        Standing.RETRYING: PENDING,  # with `retry_at`
        Standing.PENDING: PENDING,
        Standing.RUNNING: ACTIVE,
        Standing.DONE: FINISHED,
        Standing.FAILED: FAILED,
        Standing.CANCELED: CANCELLED,
    }
)
_OF_RUNS: Final[Mapping[RunState, str]] = MappingProxyType(
    {
        RunState.WAITING: PENDING,
        RunState.RUNNING: ACTIVE,
        RunState.SUCCEEDED: FINISHED,
        RunState.FAILED: FAILED,
        RunState.CANCELED: CANCELLED,
    }
)
_OF_SCHEDULES: Final[Mapping[ScheduleStatus, str]] = MappingProxyType(
    {
        ScheduleStatus.UPDATED: SCHEDULED,
        ScheduleStatus.STARTED: ACTIVE,
        ScheduleStatus.SUCCESS: FINISHED,
        ScheduleStatus.FAILED: FAILED,
    }
)
#: The word of any state of the domain.
state_word: Final = one_word_each(_OF_JOBS, _OF_TASKS, _OF_RUNS, _OF_SCHEDULES)

#: `job_type` in GreenArrow's manner (`SubscriberImport`).
PRINT_JOB: Final = "PrintJob"
TASK_TYPES: Final[Mapping[TaskKind, str]] = MappingProxyType(
    {
        TaskKind.FILE_IMPORT: "FileImport",
        TaskKind.HISTORY_EXPORT: "HistoryExport",
        TaskKind.BACKUP: "Backup",
        TaskKind.DIAGNOSTICS: "Diagnostics",
        TaskKind.PRINTER_UPLOAD: "PrinterUpload",
    }
)
JOB_TYPES: Final = (PRINT_JOB, *TASK_TYPES.values())

#: Which of a print's reasons is told: what a person must do something about first, what goes without saying
#: last.
REASONS_BY_WEIGHT: Final = (
    Reason.PRINTER_STOPPED,
    Reason.HOLD,
    Reason.TO_STOP_POINT,
    Reason.MEDIA_EMPTY,
    Reason.SUSPENDED_BY_SYSTEM,
    Reason.SUSPENDED_BY_OPERATOR,
    Reason.CANCELED_AT_DEVICE,
    Reason.CANCELED_BY_USER,
    Reason.ABORTED_BY_SYSTEM,
    Reason.COMPLETED_WITH_ERRORS,
    Reason.RESOURCES_NOT_READY,
    Reason.QUEUED_IN_DEVICE,
    Reason.INCOMING,
    Reason.COMPLETED_SUCCESSFULLY,
    Reason.PRINTING,
)


def job_statuses(words: Iterable[str]) -> frozenset[JobStatus]:
    """The statuses of prints that have one of these words."""
    wanted = frozenset(words)
    return frozenset(status for status, word in _OF_JOBS.items() if word in wanted)


def standings(words: Iterable[str]) -> frozenset[Standing]:
    """The standings of tasks that have one of these words."""
    wanted = frozenset(words)
    return frozenset(standing for standing, word in _OF_TASKS.items() if word in wanted)


def work_object(work: Job | Task, now: datetime) -> dict[str, Any]:
    """One row of a list. `now` tells whether a task's time has come."""
    return job_object(work) if isinstance(work, Job) else task_object(work, now)


def job_object(job: Job) -> dict[str, Any]:
    """A print. It has no time before which it does not begin, and is not tried again by a clock.

    `updated_at` is the time of its last status: progress moves without one.
    """
    state, (value, total) = state_word(job.status), bytes_done(job)
    return {
        "begins_at": None,
        "created_at": shown_time(job.created_at),
        "finished_at": shown_time(job.ended_at),
        "id": job.work_id,
        "job_type": PRINT_JOB,
        "mailing_list_id": None,
        "name": job.name,
        "organization_id": job.organization_id,
        "paused": state is PAUSED,
        "progress_total": total,
        "progress_value": value,
        "retry_at": None,
        "started_at": shown_time(job.started_at),
        "state": state,
        "state2": main_reason(job),
        "suppression_list_id": None,
        "updated_at": shown_time(job.status_at),
    }


def task_object(task: Task, now: datetime) -> dict[str, Any]:
    """A task. Its progress counts in its kind's own unit: bytes, rows, steps."""
    state = state_word(task.standing(now))
    return {
        "begins_at": shown_time(task.begins_at),
        "created_at": shown_time(task.created_at),
        "finished_at": shown_time(task.ended_at),
        "id": task.work_id,
        "job_type": TASK_TYPES[task.kind],
        "mailing_list_id": None,
        "name": task.name,
        "organization_id": task.organization_id,
        "paused": state is PAUSED,
        "progress_total": task.progress_total,
        "progress_value": task.progress_value,
        "retry_at": shown_time(task.retry_at) if task.status is TaskStatus.PENDING else None,
        "started_at": shown_time(task.started_at),
        "state": state,
        "state2": None,
        "suppression_list_id": None,
        "updated_at": shown_time(task.updated_at or task.created_at),
    }


def shown_time(at: datetime | None) -> str | None:
    """`2014-07-03T13:37:00Z`: UTC in whole seconds, what is behind them left out."""
    return None if at is None else to_second(at)


def bytes_done(job: Job) -> tuple[int, int | None]:
    """Bytes of its file that the machine has taken, and all of them; None: its size is not known.

    A printer that counts in percent says so in bytes here; a completed print has taken all.
    """
    total = job.file_size
    if total is None:
        return job.position or 0, None
    if job.status is JobStatus.COMPLETED:
        return total, total
    if job.position is not None:
        return min(job.position, total), total
    return int((job.progress or 0.0) * total), total


def main_reason(job: Job) -> str | None:
    """The keyword of the reason that matters most (IPP, RFC 8011 5.3.8); None when there is none."""
    reasons = job.reasons
    if not reasons:
        return None
    return next(reason.value for reason in REASONS_BY_WEIGHT if reason in reasons)

"""Tasks in Conversio's words. Pure and total: every state of the domain has one of its three.

    pending     not over, whatever it waits for; `startedAt` tells that it began
    done        with `result`
    failed      with `error`; canceled, too: there is no word for it, and nothing came of it

Prints, runs and schedules are not shown by this API; their states have words all the same, so that every
dialect can be asked what is finished. Keys are in the order of the seed's example, and left out without a
value, as there.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Any, Final

from gateway.api.http.answers import encode
from gateway.api.http.instants import to_millisecond
from gateway.api.http.state_words import one_word_each
from gateway.domain.job import JobStatus
from gateway.domain.schedule import RunState, ScheduleStatus
from gateway.domain.task import Standing, Task, TaskStatus

PENDING, DONE, FAILED = "pending", "done", "failed"
UNFINISHED: Final = frozenset({PENDING})
STATUSES: Final = (PENDING, DONE, FAILED)

_OF_TASKS: Final[Mapping[TaskStatus, str]] = MappingProxyType(
    {
        TaskStatus.PENDING: PENDING,
        TaskStatus.RUNNING: PENDING,
        TaskStatus.DONE: DONE,
        TaskStatus.FAILED: FAILED,
        TaskStatus.CANCELED: FAILED,
    }
)
_OF_STANDINGS: Final[Mapping[Standing, str]] = MappingProxyType(
    {
        Standing.SCHEDULED: PENDING,
        Standing.PAUSED: PENDING,
        Standing.RETRYING: PENDING,
        Standing.PENDING: PENDING,
        Standing.RUNNING: PENDING,
        Standing.DONE: DONE,
        Standing.FAILED: FAILED,
        Standing.CANCELED: FAILED,
    }
)
_OF_JOBS: Final[Mapping[JobStatus, str]] = MappingProxyType(
    {
        JobStatus.CREATED: PENDING,
        JobStatus.UNSCHEDULED: PENDING,
        JobStatus.QUEUED: PENDING,
        JobStatus.SENT: PENDING,
        JobStatus.RECEIVED: PENDING,
        JobStatus.PRINTING: PENDING,
        JobStatus.PAUSED: PENDING,
        JobStatus.COMPLETED: DONE,
        JobStatus.FAILED: FAILED,
        JobStatus.CANCELED: FAILED,
    }
)
_OF_RUNS: Final[Mapping[RunState, str]] = MappingProxyType(
    {
        RunState.WAITING: PENDING,
        RunState.RUNNING: PENDING,
        RunState.SUCCEEDED: DONE,
        RunState.FAILED: FAILED,
        RunState.CANCELED: FAILED,
    }
)
_OF_SCHEDULES: Final[Mapping[ScheduleStatus, str]] = MappingProxyType(
    {
        ScheduleStatus.UPDATED: PENDING,
        ScheduleStatus.STARTED: PENDING,
        ScheduleStatus.SUCCESS: DONE,
        ScheduleStatus.FAILED: FAILED,
    }
)
#: The word of any state of the domain.
state_word: Final = one_word_each(_OF_TASKS, _OF_STANDINGS, _OF_JOBS, _OF_RUNS, _OF_SCHEDULES)

#: `error` of what was canceled, and of what failed and did not say why.
CANCELED: Final = "Canceled before it was done."
NO_REASON: Final = "It failed without a reason; the gateway's log may have one."


def async_job(task: Task, link: str | None, partner_app: str | None) -> dict[str, Any]:
    """One async job. `link` is where its result file is read, `partner_app` the app that created it."""
    status = state_word(task.status)
    shown: dict[str, Any] = {"id": task.hex24, "kind": task.kind.value, "status": status}
    if task.started_at is not None:
        shown["startedAt"] = shown_time(task.started_at)
    if task.ended_at is not None:
        shown["completedAt"] = shown_time(task.ended_at)
    if status == FAILED:
        shown["error"] = error_text(task)
    elif status == DONE:
        shown["result"] = link if link is not None else result_text(task)
    if partner_app is not None:
        shown["partnerApp"] = partner_app
    return shown


def error_text(task: Task) -> str:
    """Why there is no result; never empty."""
    if task.error:
        return task.error
    return CANCELED if task.status is TaskStatus.CANCELED else NO_REASON


def result_text(task: Task) -> str:
    """A result that is no file: JSON text, for `result` is a string."""
    return encode(dict(task.result or {})).decode()


def shown_time(at: datetime) -> str:
    """`2017-01-03T16:32:27.741Z`: UTC, in milliseconds, what is behind them left out."""
    return to_millisecond(at)

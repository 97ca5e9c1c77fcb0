"""Any state of the domain as Cloud 66's numbers of a job's status. Pure and total.

Its lists show schedules only. Prints, tasks and runs have numbers all the same, so that every dialect can be
asked what is finished: updated while nothing began, started from then on.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from gateway.api.http.state_words import one_word_each
from gateway.domain.job import JobStatus
from gateway.domain.schedule import RunState, ScheduleStatus
from gateway.domain.task import Standing

#: Cloud 66's numbers of a job's status.
UPDATED, STARTED, SUCCESS, FAILED = 0, 1, 2, 3
UNFINISHED: Final = frozenset({UPDATED, STARTED})

_OF_SCHEDULES: Final[Mapping[ScheduleStatus, int]] = MappingProxyType(
    {
        ScheduleStatus.UPDATED: UPDATED,
        ScheduleStatus.STARTED: STARTED,
        ScheduleStatus.SUCCESS: SUCCESS,
        ScheduleStatus.FAILED: FAILED,
    }
)
_OF_JOBS: Final[Mapping[JobStatus, int]] = MappingProxyType(
    {
        JobStatus.CREATED: UPDATED,
        JobStatus.UNSCHEDULED: UPDATED,
        JobStatus.QUEUED: UPDATED,
        JobStatus.SENT: STARTED,
        JobStatus.RECEIVED: STARTED,
        JobStatus.PRINTING: STARTED,
        JobStatus.PAUSED: STARTED,
        JobStatus.COMPLETED: SUCCESS,
        JobStatus.FAILED: FAILED,
        JobStatus.CANCELED: FAILED,
    }
)
_OF_TASKS: Final[Mapping[Standing, int]] = MappingProxyType(
    {
        Standing.SCHEDULED: UPDATED,
        Standing.PAUSED: UPDATED,
        Standing.RETRYING: UPDATED,
        Standing.PENDING: UPDATED,
        Standing.RUNNING: STARTED,
        Standing.DONE: SUCCESS,
        Standing.FAILED: FAILED,
        Standing.CANCELED: FAILED,
    }
)
_OF_RUNS: Final[Mapping[RunState, int]] = MappingProxyType(
    {
        RunState.WAITING: STARTED,  # a schedule is started with its run
        RunState.RUNNING: STARTED,
        RunState.SUCCEEDED: SUCCESS,
        RunState.FAILED: FAILED,
        RunState.CANCELED: FAILED,
    }
)
#: The number of any state of the domain.
state_word: Final = one_word_each(_OF_JOBS, _OF_TASKS, _OF_RUNS, _OF_SCHEDULES)

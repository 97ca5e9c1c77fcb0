"""What is no print in Forge's words: those of `GET tasks/:task_id`, running, done, error. Pure and total.

Forge's lists show prints only. Tasks, runs and schedules have words all the same, so that every dialect can
be asked what is finished.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from gateway.api.http.state_words import one_word_each
from gateway.domain.job import ENDS, JobStatus
from gateway.domain.schedule import RunState, ScheduleStatus
from gateway.domain.task import Standing

RUNNING, DONE, ERROR = "running", "done", "error"
UNFINISHED: Final = frozenset({RUNNING, *(status.value for status in frozenset(JobStatus) - ENDS)})

_OF_JOBS: Final = MappingProxyType({status: status.value for status in JobStatus})
_OF_TASKS: Final[Mapping[Standing, str]] = MappingProxyType(
    {
        Standing.SCHEDULED: RUNNING,
        Standing.PAUSED: RUNNING,
        Standing.RETRYING: RUNNING,
        Standing.PENDING: RUNNING,
        Standing.RUNNING: RUNNING,
        Standing.DONE: DONE,
        Standing.FAILED: ERROR,
        Standing.CANCELED: ERROR,
    }
)
_OF_RUNS: Final[Mapping[RunState, str]] = MappingProxyType(
    {
        RunState.WAITING: RUNNING,
        RunState.RUNNING: RUNNING,
        RunState.SUCCEEDED: DONE,
        RunState.FAILED: ERROR,
        RunState.CANCELED: ERROR,
    }
)
_OF_SCHEDULES: Final[Mapping[ScheduleStatus, str]] = MappingProxyType(
    {
        ScheduleStatus.UPDATED: RUNNING,
        ScheduleStatus.STARTED: RUNNING,
        ScheduleStatus.SUCCESS: DONE,
        ScheduleStatus.FAILED: ERROR,
    }
)
#: The word of any state of the domain.
state_word: Final = one_word_each(_OF_JOBS, _OF_TASKS, _OF_RUNS, _OF_SCHEDULES)

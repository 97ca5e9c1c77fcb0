"""What is no print in Forge's words: those of `GET tasks/:task_id`, running, done, error. Pure and total.

Forge's lists show prints only. Tasks, runs and schedules have words all the same, so that every dialect can
be asked what is finished.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

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
#: A state of the domain, whatever it is of.
WorkState = JobStatus | Standing | RunState | ScheduleStatus
#: By class first: equal words of different enumerations are equal as keys.
_WORDS: Final[Mapping[type, Mapping[Any, str]]] = MappingProxyType(
    {JobStatus: _OF_JOBS, Standing: _OF_TASKS, RunState: _OF_RUNS, ScheduleStatus: _OF_SCHEDULES}
)


def state_word(state: WorkState) -> str:
    """The word of any state of the domain."""
    return _WORDS[type(state)][state]

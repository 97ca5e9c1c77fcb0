"""Every state of the domain has a word in every dialect, and all of them agree on what is finished."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway import api
from gateway.api.cloud66 import mapping as cloud66
from gateway.api.cloud66 import state_words as cloud66_words
from gateway.api.conversio import mapping as conversio_words
from gateway.api.forge import mapping as forge_jobs
from gateway.api.forge import mapping_work as forge_words
from gateway.api.greenarrow import mapping as greenarrow_words
from gateway.api.http.state_words import one_word_each
from gateway.domain.job import ENDS, Job, JobStatus
from gateway.domain.schedule import RUN_ENDS, Action, RunState, ScheduleStatus, ScheduleType, StartedVia
from gateway.domain.task import TASK_ENDS, Standing, Task, TaskStatus
from tests.api.test_greenarrow_mapping import jobs, tasks
from tests.support.stand import BEN, START

State = JobStatus | Standing | RunState | ScheduleStatus
#: Every enumeration of states; a new member of one is a failure here until every dialect has a word for it.
STATES: Final[tuple[State, ...]] = (*JobStatus, *Standing, *RunState, *ScheduleStatus)
#: Those of which nothing can happen any more, as the domain has it.
OVER: Final = frozenset(
    (type(state), state)
    for state in (
        *ENDS, Standing.DONE, Standing.FAILED, Standing.CANCELED, *RUN_ENDS, ScheduleStatus.SUCCESS,
        ScheduleStatus.FAILED,
    )
)  # fmt: skip
#: Those in which it did what it was for.
DONE: Final = frozenset(
    (type(state), state)
    for state in (JobStatus.COMPLETED, Standing.DONE, RunState.SUCCEEDED, ScheduleStatus.SUCCESS)
)


@dataclass(frozen=True)
class Words:
    """A dialect's function, and which of its words say that something is not over, or was done."""

    of: Callable[[Any], str | int]
    unfinished: frozenset[Any]
    done: frozenset[Any]


DIALECTS: Final = {
    "forge": Words(forge_words.state_word, forge_words.UNFINISHED, frozenset({"completed", "done"})),
    "greenarrow": Words(
        greenarrow_words.state_word, greenarrow_words.UNFINISHED, frozenset({greenarrow_words.FINISHED})
    ),
    "conversio": Words(
        conversio_words.state_word, conversio_words.UNFINISHED, frozenset({conversio_words.DONE})
    ),
    "cloud66": Words(cloud66_words.state_word, cloud66_words.UNFINISHED, frozenset({cloud66_words.SUCCESS})),
}
each_dialect = pytest.mark.parametrize("name", DIALECTS)


@each_dialect
@pytest.mark.parametrize("state", STATES, ids=lambda state: f"{type(state).__name__}.{state.name}")
def test_every_state_has_a_word_that_tells_whether_it_is_over(name: str, state: State) -> None:
    words, key = DIALECTS[name], (type(state), state)
    word = words.of(state)
    assert (word in words.unfinished) == (key not in OVER)
    assert (word in words.done) == (key in DONE)


@each_dialect
def test_what_is_no_state_has_no_word(name: str) -> None:
    """Equal texts of other enumerations are other things."""
    with pytest.raises(KeyError):
        DIALECTS[name].of("failed")


def test_a_dialect_that_forgets_a_state_does_not_load() -> None:
    with pytest.raises(ValueError, match=r"RunState: no word for canceled"):
        one_word_each({state: "x" for state in RunState if state is not RunState.CANCELED})


def test_the_domain_says_the_same_of_tasks() -> None:
    assert {Standing(status.value) for status in TASK_ENDS} == {
        state for kind, state in OVER if kind is Standing
    }
    assert {status.value for status in TaskStatus} <= {standing.value for standing in Standing}


def test_every_dialect_of_jobs_is_here() -> None:
    """Whatever has a mapping of states."""
    (folder,) = map(Path, api.__path__)
    assert {path.parent.name for path in folder.glob("*/mapping.py")} == set(DIALECTS)


@given(task=tasks(), now=st.datetimes(datetime(1971, 1, 1), datetime(2100, 1, 1)))  # noqa: DTZ001
def test_a_task_is_shown_alike(task: Task, now: datetime) -> None:
    """In the rows themselves, at any moment."""
    at = now.replace(tzinfo=START.tzinfo)
    state = greenarrow_words.task_object(task, at)["state"]
    status = conversio_words.async_job(task, None, None)["status"]
    assert (
        (state in greenarrow_words.UNFINISHED) == (status in conversio_words.UNFINISHED) == (not task.is_over)
    )
    assert status == conversio_words.state_word(task.standing(at))
    assert (state == greenarrow_words.FINISHED) == (status == conversio_words.DONE)


@given(job=jobs())
def test_a_print_is_shown_alike(job: Job) -> None:
    state = greenarrow_words.job_object(job)["state"]
    status = forge_jobs.job_object(job, None, None)["status"]
    assert (state in greenarrow_words.UNFINISHED) == (status in forge_words.UNFINISHED) == (not job.is_over)
    assert status == (job.verdict or forge_words.state_word(job.status))


@pytest.mark.parametrize("state", RunState)
def test_a_run_is_shown_as_over_when_it_is(state: RunState) -> None:
    run = Action(
        work_id=1, action_id="00000000-0000-4000-8000-000000000001", schedule_id="0" * 32, stack_number=1,
        organization_id=1, member_id=BEN.member_id, name="nightly", type=ScheduleType.GCODE_MACRO,
        started_via=StartedVia.API, created_at=START, state=state,
        ended_at=START + timedelta(minutes=1) if state in RUN_ENDS else None, message="said",
    )  # fmt: skip
    shown = cloud66.action_object(run, BEN)
    assert (shown["finished_at"] is None) == (shown["finished_success"] is None) == (state not in RUN_ENDS)
    assert shown["finished_success"] in (None, cloud66_words.state_word(state) == cloud66_words.SUCCESS)

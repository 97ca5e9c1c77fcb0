"""Prints and tasks in GreenArrow's words: total, keys in the order of the example, JSON can carry them."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.api.greenarrow import mapping
from gateway.api.greenarrow.schemas import JobObject
from gateway.api.http.answers import encode
from gateway.domain.job import ENDS, Job, JobStatus, Reason, Verdict
from gateway.domain.task import TASK_ENDS, Standing, Task, TaskKind, TaskStatus
from tests.api.host import a_job
from tests.support.stand import BEN, START

NOW = START + timedelta(hours=1)
instants = st.datetimes(min_value=datetime(1970, 1, 2), max_value=datetime(2100, 1, 1)).map(  # noqa: DTZ001
    lambda moment: moment.replace(tzinfo=UTC)
)
sizes = st.integers(0, 2**40)


@st.composite
def jobs(draw: st.DrawFn) -> Job:
    """Any job the domain can hold."""
    status = draw(st.sampled_from(JobStatus))
    return replace(
        a_job(draw(st.text(max_size=20))),
        work_id=draw(st.integers(1, 2**31 - 1)),
        status=status,
        verdict=draw(st.none() | st.sampled_from(Verdict)) if status in ENDS else None,
        reasons=draw(st.frozensets(st.sampled_from(Reason), max_size=3)),
        file_size=draw(st.none() | sizes),
        position=draw(st.none() | sizes),
        progress=draw(st.none() | st.floats(0, 1)),
        created_at=draw(instants),
        started_at=draw(st.none() | instants),
        ended_at=draw(st.none() | instants),
        status_at=draw(instants),
    )


@st.composite
def tasks(draw: st.DrawFn) -> Task:
    """Any task the domain can hold."""
    status = draw(st.sampled_from(TaskStatus))
    return Task(
        work_id=draw(st.integers(1, 2**31 - 1)),
        task_id="00000000-0000-4000-8000-000000000001",
        hex24="5f0c1e2d3a4b5c6d7e8f9a0b",
        kind=draw(st.sampled_from(TaskKind)),
        name=draw(st.text(max_size=20)),
        member_id=BEN.member_id,
        organization_id=1,
        created_at=draw(instants),
        status=status,
        is_paused=status is TaskStatus.PENDING and draw(st.booleans()),
        begins_at=draw(st.none() | instants),
        retry_at=draw(st.none() | instants),
        started_at=draw(st.none() | instants),
        ended_at=draw(instants) if status in TASK_ENDS else None,
        updated_at=draw(st.none() | instants),
        progress_value=draw(sizes),
        progress_total=draw(st.none() | sizes),
    )


@given(work=jobs() | tasks(), now=instants)
def test_every_work_is_a_row_as_documented(work: Job | Task, now: datetime) -> None:
    shown = mapping.work_object(work, now)
    assert list(shown) == sorted(shown), "the example's keys are in the order of the alphabet"
    JobObject.model_validate_json(encode(shown), strict=True)
    assert shown["state"] in mapping.STATES
    assert shown["paused"] == (shown["state"] == "paused")
    assert (shown["state"] not in mapping.UNFINISHED) == work.is_over
    total = shown["progress_total"]
    assert shown["progress_value"] >= 0
    assert isinstance(work, Task) or total is None or shown["progress_value"] <= total
    assert json.loads(encode(shown)) == shown


@given(work=jobs() | tasks(), now=instants)
def test_a_filter_finds_what_is_shown_with_its_word(work: Job | Task, now: datetime) -> None:
    word = mapping.work_object(work, now)["state"]
    for other in mapping.STATES:
        if isinstance(work, Job):
            is_found = work.status in mapping.job_statuses([other])
        else:
            is_found = work.standing(now) in mapping.standings([other])
        assert is_found == (other == word)


def test_every_reason_has_its_weight() -> None:
    assert sorted(mapping.REASONS_BY_WEIGHT) == sorted(Reason)


def test_every_kind_of_task_has_a_type() -> None:
    assert set(mapping.TASK_TYPES) == set(TaskKind)
    assert len(set(mapping.JOB_TYPES)) == len(TaskKind) + 1
    assert all(name.isalpha() and name[0].isupper() for name in mapping.JOB_TYPES)


@pytest.mark.parametrize(
    ("reasons", "told"),
    [
        (set(), None),
        ({Reason.PRINTING}, "job-printing"),
        ({Reason.PRINTING, Reason.TO_STOP_POINT}, "processing-to-stop-point"),
        ({Reason.HOLD}, "job-hold-until-specified"),
        ({Reason.PRINTER_STOPPED, Reason.MEDIA_EMPTY}, "printer-stopped"),
        ({Reason.ABORTED_BY_SYSTEM, Reason.CANCELED_AT_DEVICE}, "job-canceled-at-device"),
    ],
)
def test_the_reason_that_matters_most(reasons: set[Reason], told: str | None) -> None:
    assert mapping.main_reason(a_job(reasons=frozenset(reasons))) == told


@pytest.mark.parametrize(
    ("changes", "value", "total"),
    [
        ({}, 0, 30),
        ({"file_size": None}, 0, None),
        ({"position": 12}, 12, 30),
        ({"position": 12, "file_size": None}, 12, None),
        ({"position": 31}, 30, 30),
        ({"progress": 0.5}, 15, 30),
        ({"progress": 0.5, "file_size": None}, 0, None),
        ({"progress": 0.9, "position": 12}, 12, 30),
        ({"status": JobStatus.COMPLETED}, 30, 30),
        ({"status": JobStatus.FAILED, "position": 12}, 12, 30),
    ],
)
def test_a_print_counts_bytes_of_its_file(changes: dict[str, Any], value: int, total: int | None) -> None:
    assert mapping.bytes_done(a_job(**changes)) == (value, total)


def test_times_are_whole_seconds_of_utc() -> None:
    at = datetime(2014, 7, 3, 13, 37, 59, 999_999, tzinfo=UTC)
    assert mapping.shown_time(at) == "2014-07-03T13:37:59Z"
    assert mapping.shown_time(None) is None


def test_a_task_that_will_be_tried_again_says_when() -> None:
    again = a_task(retry_at=NOW + timedelta(seconds=10))
    shown = mapping.task_object(again, NOW)
    assert (shown["state"], shown["retry_at"]) == ("pending", "2016-05-18T06:42:12Z")
    over = replace(again, status=TaskStatus.FAILED, ended_at=NOW)
    assert mapping.task_object(over, NOW)["retry_at"] is None


def test_the_words_of_ends_are_of_prints_and_tasks_alike() -> None:
    assert {mapping.state_word(status) for status in ENDS} == {"finished", "failed", "cancelled"}
    ends = (Standing.DONE, Standing.FAILED, Standing.CANCELED)
    assert {mapping.state_word(standing) for standing in ends} == {"finished", "failed", "cancelled"}


def a_task(**changes: Any) -> Task:
    """A history export of Ben's that waits."""
    task = Task(
        work_id=1, task_id="00000000-0000-4000-8000-000000000001", hex24="5f0c1e2d3a4b5c6d7e8f9a0b",
        kind=TaskKind.HISTORY_EXPORT, name="history", member_id=BEN.member_id, organization_id=1,
        created_at=START,
    )  # fmt: skip
    return replace(task, **changes)

"""The job table: which step follows which, and what the words beside the status mean."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from gateway.domain.job import ENDS, MOVES, ON_PRINTER, WAITING, IllegalMove, Job, JobStatus, Reason, Verdict
from tests.support.stand import BEN, START

S = JobStatus
LATER = START + timedelta(hours=1)


def job(status: JobStatus = S.QUEUED, **changes: object) -> Job:
    made = Job(7, "d075f5ee-98b7-491a-b4b1-188260b01c59", "my_job", BEN.member_id, 1, START, status, START)
    return replace(made, **changes)  # type: ignore[arg-type]


def test_every_status_has_a_row_in_the_table() -> None:
    assert set(MOVES) == set(JobStatus)


def test_nothing_follows_an_end() -> None:
    assert all(MOVES[end] == frozenset() for end in ENDS)


def test_the_three_groups_are_all_of_it() -> None:
    assert WAITING | ON_PRINTER | ENDS == set(JobStatus)
    assert not WAITING & ON_PRINTER
    assert not WAITING & ENDS
    assert not ON_PRINTER & ENDS


def test_every_status_can_be_left_towards_canceled() -> None:
    assert all(S.CANCELED in MOVES[status] for status in WAITING | ON_PRINTER)


def test_only_a_refused_start_goes_back_to_the_queue() -> None:
    assert {status for status in ON_PRINTER if S.QUEUED in MOVES[status]} == {S.SENT, S.RECEIVED}


def test_a_waiting_job_never_prints_without_being_sent() -> None:
    assert not any(MOVES[status] & (ON_PRINTER - {S.SENT}) for status in WAITING)


@pytest.mark.parametrize(
    ("start", "to"),
    [(S.COMPLETED, S.PRINTING), (S.CREATED, S.SENT), (S.PRINTING, S.QUEUED), (S.PRINTING, S.SENT)],
)
def test_a_step_the_table_does_not_know_is_refused_by_name(start: JobStatus, to: JobStatus) -> None:
    with pytest.raises(IllegalMove, match=f"{start} -> {to}"):
        job(start).moved(to, LATER)


def test_a_move_takes_its_time_reasons_and_message() -> None:
    moved = job(S.SENT).moved(S.PRINTING, LATER, reasons=frozenset({Reason.PRINTING}), message="on it")
    assert (moved.status, moved.status_at, moved.message) == (S.PRINTING, LATER, "on it")
    assert moved.reasons == {Reason.PRINTING}


def test_started_is_the_first_proof_of_printing_and_stays() -> None:
    printing = job(S.RECEIVED).moved(S.PRINTING, START)
    assert printing.started_at == START
    assert printing.moved(S.PAUSED, LATER).started_at == START


def test_ended_is_set_by_an_end_only() -> None:
    assert job(S.PRINTING).moved(S.PAUSED, LATER).ended_at is None
    assert job(S.PRINTING).moved(S.COMPLETED, LATER).ended_at == LATER


def test_held_is_a_reason_not_a_status() -> None:
    assert job(S.SENT, reasons=frozenset({Reason.HOLD})).is_held
    assert job(S.PAUSED, reasons=frozenset({Reason.PRINTER_STOPPED})).is_held
    assert not job(S.PAUSED).is_held
    assert not job(S.QUEUED, reasons=frozenset({Reason.HOLD})).is_held


def test_the_verdict_is_what_is_shown_once_it_is_set() -> None:
    assert job(S.COMPLETED).shown_status == "completed"
    assert job(S.COMPLETED, verdict=Verdict.SUCCESSFUL).shown_status == "successful"
    assert job(S.COMPLETED, verdict=Verdict.FAILED).shown_status == "failed"


def test_a_cancel_that_is_not_finished_is_a_reason() -> None:
    stopping = job(S.PRINTING, reasons=frozenset({Reason.TO_STOP_POINT}))
    assert stopping.is_stopping
    assert not stopping.is_over

"""Turns on one printer: the oldest work goes first; nobody starves anybody; nothing runs beside anything."""

from __future__ import annotations

from datetime import timedelta

import pytest

from gateway.domain.assign import assign, waiting_for
from gateway.domain.commands import CommandRefused, SetPlate, StartJob
from gateway.domain.job import Job, JobStatus
from gateway.domain.observations import Activity, OrderResult, PrintPhase
from gateway.domain.printer import Plate
from gateway.domain.schedule import RunState
from gateway.domain.state import State
from tests.support.stand import BEN, START, a_submission, house, printer, ready, report, seen
from tests.support.works import FAN, HOMING, WorkTable, a_schedule, an_upload

R = RunState
BUSY = ready(activity=Activity.BUSY)


def busy_table() -> WorkTable:
    return WorkTable(house(presence=BUSY))


def print_one(table: WorkTable) -> str:
    """The last start goes through to its end, and the plate is cleared."""
    start = table.starts[-1]
    table.give(seen(report(start.key)))
    table.give(seen(ended=(report(start.key, PrintPhase.COMPLETED),)))
    table.give(SetPlate(1, Plate.CLEAR, "ana"))
    return start.name


def test_the_oldest_work_goes_first() -> None:
    table = busy_table()
    table.give(a_submission("first"))
    action = table.run(table.schedule(a_schedule(HOMING)))
    table.give(a_submission("second"))
    table.give(seen())
    assert ([start.name for start in table.starts], table.macros) == (["first"], [])
    print_one(table)
    assert (len(table.starts), table.step(action).state) == (1, R.RUNNING)
    table.answer(OrderResult.ACCEPTED)
    assert [start.name for start in table.starts] == ["first", "second"]


def test_a_run_that_moves_nothing_goes_past_a_job_that_waits_for_the_plate() -> None:
    table = WorkTable(house(printer(plate=Plate.OCCUPIED)))
    table.give(a_submission())
    table.run(table.schedule(a_schedule(FAN)))
    assert len(table.macros) == 1
    with pytest.raises(CommandRefused, match="at a run"):
        table.give(SetPlate(1, Plate.CLEAR, "ana"))
    table.answer(OrderResult.ACCEPTED)
    table.give(SetPlate(1, Plate.CLEAR, "ana"))
    assert len(table.starts) == 1


def test_a_schedule_of_every_minute_holds_up_no_job() -> None:
    """It is due again and again while a job waits; the job starts as soon as the first run is over."""
    table = WorkTable()
    schedule = table.schedule(a_schedule(HOMING, next_at=START + timedelta(minutes=1)))
    jobs = ["first", "second", "third"]
    printed: list[str] = []
    for minute in range(1, 12):
        table.clock.advance(60)
        at = START + timedelta(minutes=minute)
        table.due(schedule, at, at + timedelta(minutes=1))
        if minute <= len(jobs):
            table.give(a_submission(jobs[minute - 1]))
        if any(step.state is R.RUNNING for a in table.state.actions.values() for step in a.steps):
            table.answer(OrderResult.ACCEPTED)
        if len(table.starts) > len(printed):
            printed.append(print_one(table))
    assert printed == jobs
    assert len(table.macros) >= len(jobs), "and the runs had their turns between them"


def test_a_queue_of_jobs_holds_up_no_run() -> None:
    table = WorkTable()
    table.give(a_submission("job 0"))
    action = table.run(table.schedule(a_schedule(HOMING)))
    for number in range(1, 6):
        table.give(a_submission(f"job {number}"))
    assert table.step(action).state is R.WAITING
    print_one(table)
    assert table.step(action).state is R.RUNNING, "jobs handed in behind it wait for it"


def test_an_upload_goes_when_nothing_older_waits() -> None:
    table = WorkTable(house(printer(plate=Plate.OCCUPIED)))
    table.give(a_submission())
    upload = table.task(an_upload())
    assert table.uploads == []
    assert upload.message == "older work goes first on mk3"
    table.give(SetPlate(1, Plate.CLEAR, "ana"))
    table.give(a_submission("second"))
    print_one(table)
    assert (len(table.starts), len(table.uploads)) == (1, 1), "older than the second job"
    table.answer(OrderResult.ACCEPTED)
    assert len(table.starts) == 2


def test_no_job_starts_beside_a_run_or_an_upload() -> None:
    for asked in (a_schedule(HOMING), an_upload()):
        table = WorkTable()
        table.give(asked) if asked.__class__.__name__ == "AddTask" else table.run(table.schedule(asked))  # type: ignore[arg-type]
        job = table.give(a_submission(printer_id=None))
        assert isinstance(job, Job)
        with pytest.raises(CommandRefused, match=r"at a run|taking in a file"):
            table.give(StartJob(job.job_id, BEN.member_id, 1))
        table.give(a_submission("queued"))
        assert table.starts == []
        queued = max(table.state.jobs.values(), key=lambda job: job.work_id)
        assert queued.status is JobStatus.QUEUED
        assert str(waiting_for(queued, table.state)).startswith("mk3 is ")
        table.answer(OrderResult.ACCEPTED)
        assert [start.name for start in table.starts] == ["queued"]


def test_no_two_runs_at_once_on_one_printer() -> None:
    table = WorkTable()
    first = table.run(table.schedule(a_schedule(FAN)))
    second = table.run(table.schedule(a_schedule(FAN, name="again")))
    assert (table.step(first).state, table.step(second).state) == (R.RUNNING, R.WAITING)
    assert table.step(second).message == "mk3 is at a run of a schedule"
    table.answer(OrderResult.ACCEPTED)
    assert table.step(second).state is R.RUNNING


def test_each_printer_has_its_own_turns() -> None:
    table = WorkTable(house(printer(), printer(2, "second")))
    table.give(a_submission())
    action = table.run(table.schedule(a_schedule(HOMING)))
    assert [step.state for step in action.steps] == [R.WAITING, R.RUNNING]
    assert table.step(action, 1).message == "mk3 has a print"


def test_a_person_who_starts_a_job_now_goes_before_what_waits() -> None:
    table = WorkTable(house(printer(plate=Plate.OCCUPIED), presence=BUSY))
    table.run(table.schedule(a_schedule(HOMING)))
    job = table.give(a_submission(printer_id=None))
    assert isinstance(job, Job)
    table.state.presence[1] = ready()
    table.state.printers[1] = printer()
    table.give(StartJob(job.job_id, BEN.member_id, 1))
    assert (len(table.starts), table.macros) == (1, [])


def test_assign_is_a_function_of_what_it_is_given() -> None:
    table = busy_table()
    table.give(a_submission())
    table.run(table.schedule(a_schedule(HOMING)))
    table.give(an_upload())
    table.state.presence[1] = ready()
    first = assign(table.state, 1000.0, START)
    assert first == assign(table.state, 1000.0, START)
    assert [(p.name, type(work)) for p, work in first] == [("mk3", Job)]
    assert assign(State(), 1000.0, START) == []

"""A plate counts as clear only while nothing can have happened to it since somebody looked."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gateway.domain.commands import CommandRefused, ResolveJob, SetPlate, StopPrinter
from gateway.domain.job import JobStatus
from gateway.domain.observations import Activity, DriverAttached, OrderResult, PrintPhase, PrintReport
from gateway.domain.printer import Plate
from gateway.domain.schedule import RunState
from gateway.domain.task import TaskStatus
from tests.support.stand import ANA, a_submission, house, printer, ready, seen
from tests.support.works import PURGE, WorkTable, a_schedule, an_upload

CLEAR = SetPlate(1, Plate.CLEAR, "ana")
BUSY, RECEIVING = Activity.BUSY, {"activity": Activity.BUSY, "is_receiving": True}


def test_no_plate_is_clear_while_a_run_of_the_former_process_may_be_at_it() -> None:
    table = WorkTable(house())
    action = table.run(table.schedule(a_schedule(PURGE)))
    table.restart()
    table.give(DriverAttached("streamer", "same", (replace(seen(), activity=BUSY),)))
    assert table.step(action).state is RunState.FAILED
    with pytest.raises(CommandRefused, match="is busy; look at its plate when the machine stands still"):
        table.give(CLEAR)
    table.give(seen())
    table.give(CLEAR)
    assert table.state.printers[1].plate is Plate.CLEAR


def test_a_file_for_the_card_moves_nothing_so_the_plate_can_be_confirmed_meanwhile() -> None:
    table = WorkTable(house(printer(plate=Plate.OCCUPIED), presence=ready(**RECEIVING)))
    table.give(CLEAR)
    assert table.state.printers[1].plate is Plate.CLEAR


@pytest.mark.parametrize(
    ("found", "plate"),
    [({"activity": BUSY}, Plate.OCCUPIED), (RECEIVING, Plate.CLEAR), ({}, Plate.CLEAR)],
    ids=["at something", "receiving", "idle"],
)
def test_what_is_found_at_something_may_have_left_something(found: dict[str, object], plate: Plate) -> None:
    """Somebody may have confirmed it while the gateway did not see the machine."""
    table = WorkTable(house())
    table.give(DriverAttached("streamer", "same", (replace(seen(), **found),)))
    assert table.state.printers[1].plate is plate


def test_behind_an_emergency_stop_nothing_starts_before_somebody_has_looked() -> None:
    """Prusa and Repetier reset themselves by M112 and are ready seconds later."""
    table = WorkTable(house())
    upload = table.task(an_upload())
    job = table.give(a_submission())
    assert not table.starts, "the upload goes first"
    table.give(StopPrinter(1, ANA.member_id, "stop-1"))
    table.answer(OrderResult.REFUSED, "The emergency stop came first.")
    assert table.task_now(upload.work_id).status is TaskStatus.PENDING
    table.pass_time(3600)
    assert not table.starts
    assert table.state.jobs[job.work_id].status is JobStatus.QUEUED  # type: ignore[attr-defined]
    table.answer(OrderResult.ACCEPTED)
    table.give(CLEAR)
    assert len(table.starts) == 1


def test_a_driver_that_doubts_it_once_is_enough_until_somebody_looks() -> None:
    table = WorkTable(house())
    table.give(replace(seen(), doubts_plate=True))
    assert table.state.printers[1].plate is Plate.OCCUPIED
    table.give(seen())
    assert table.state.printers[1].plate is Plate.OCCUPIED
    table.give(CLEAR)
    table.give(seen())
    assert table.state.printers[1].plate is Plate.CLEAR


def test_a_print_that_goes_on_though_somebody_said_how_it_ended_occupies_the_plate() -> None:
    table = WorkTable(house())
    going_on = PrintReport("local-1", PrintPhase.PRINTING, is_local=True, name="vase")
    table.give(replace(seen(), current=going_on))
    [job] = table.state.jobs.values()
    table.give(replace(seen(), current=replace(going_on, phase=PrintPhase.HELD)))
    table.give(ResolveJob(job.job_id, ANA.member_id, JobStatus.FAILED))
    table.give(seen())
    table.give(CLEAR)
    assert table.state.printers[1].plate is Plate.CLEAR
    table.give(replace(seen(), current=going_on))
    assert table.state.printers[1].plate is Plate.OCCUPIED

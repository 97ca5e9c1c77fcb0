"""A start that provably never left: its plate is as clear as it was, unless something else is on it now."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gateway.domain.answering import REFUSED_PAUSE
from gateway.domain.commands import CancelJob, SetPlate
from gateway.domain.job import JobStatus
from gateway.domain.observations import Activity, Observation, OrderAnswered, OrderResult, PrintPhase
from gateway.domain.orders import StartPrint
from gateway.domain.printer import Plate
from tests.support.stand import Table, a_submission, report, seen

LOCAL = report("local-1", is_local=True)
LOCAL_END = report("local-1", PrintPhase.COMPLETED, is_local=True)


@pytest.fixture
def sent() -> Table:
    table = Table()
    table.give(a_submission())
    assert table.job().status is JobStatus.SENT
    return table


def refuse(table: Table) -> None:
    [start] = [order for order in table.orders if isinstance(order, StartPrint)]
    table.give(OrderAnswered("mk3", start.order_id, OrderResult.REFUSED, "it did not come for it"))
    assert table.job().status is JobStatus.QUEUED


def test_nothing_else_came_and_the_plate_is_clear(sent: Table) -> None:
    sent.give(seen())
    refuse(sent)
    assert sent.state.printers[1].plate is Plate.CLEAR


def test_a_file_that_was_on_its_way_takes_no_plate(sent: Table) -> None:
    """The driver showed the start while it put the file on the printer, which then would not take it."""
    sent.give(replace(seen(report(sent.job().print_key or "", PrintPhase.STARTING)), activity=Activity.READY))
    assert sent.job().status is JobStatus.RECEIVED
    refuse(sent)
    assert sent.state.printers[1].plate is Plate.CLEAR


def test_a_start_that_was_received_and_is_in_doubt_is_held(sent: Table) -> None:
    [start] = [order for order in sent.orders if isinstance(order, StartPrint)]
    sent.give(seen(report(start.key, PrintPhase.STARTING)))
    sent.give(OrderAnswered("mk3", start.order_id, OrderResult.UNCLEAR, "nothing proves that it arrived"))
    assert sent.job().is_held
    assert sent.state.printers[1].plate is Plate.OCCUPIED


@pytest.mark.parametrize(
    "meanwhile",
    [
        [seen(LOCAL)],
        [seen(LOCAL), seen(ended=(LOCAL_END,)), seen()],
        [seen(ended=(LOCAL_END,)), seen()],
        [replace(seen(), activity=Activity.PRINTING), seen()],
        [replace(seen(), activity=Activity.PAUSED), seen()],
    ],
    ids=["another print runs", "it ran and is over", "only its end was seen", "it printed", "it was paused"],
)
def test_what_was_printed_meanwhile_is_on_the_plate(sent: Table, meanwhile: list[Observation]) -> None:
    for observation in meanwhile:
        sent.give(observation)
    refuse(sent)
    assert sent.state.printers[1].plate is Plate.OCCUPIED
    sent.give(seen(ended=(LOCAL_END,)))
    sent.give(seen())
    sent.clock.advance(REFUSED_PAUSE + 1)
    sent.give(seen())
    assert sent.job().status is JobStatus.QUEUED, "nothing starts on what somebody has to take off"


def test_a_person_who_says_occupied_meanwhile_is_believed(sent: Table) -> None:
    sent.give(SetPlate(1, Plate.OCCUPIED, "ana"))
    refuse(sent)
    assert sent.state.printers[1].plate is Plate.OCCUPIED


def test_a_process_that_did_not_see_the_time_between_asks_a_person(sent: Table) -> None:
    sent.state.plate_taken_by.clear()  # memory only
    refuse(sent)
    assert sent.state.printers[1].plate is Plate.OCCUPIED


def refuse_for_good(table: Table, why: str) -> None:
    [start] = [order for order in table.orders if isinstance(order, StartPrint)]
    table.give(OrderAnswered("mk3", start.order_id, OrderResult.REFUSED, why, is_final=True))


def test_what_would_be_refused_again_fails_at_once_with_the_instruction(sent: Table) -> None:
    sent.give(seen())
    refuse_for_good(sent, "it takes signed commands only: switch Developer Mode on")
    job = sent.job()
    assert (job.status, job.message) == (
        JobStatus.FAILED,
        "it takes signed commands only: switch Developer Mode on",
    )
    assert job.attempts == 1
    assert sent.state.printers[1].plate is Plate.CLEAR, "nothing moved"


def test_a_final_refusal_of_a_job_that_was_canceled_meanwhile_cancels_it(sent: Table) -> None:
    job = sent.job()
    sent.give(CancelJob(job.job_id, job.member_id))
    refuse_for_good(sent, "signed commands only")
    assert sent.job().status is JobStatus.CANCELED

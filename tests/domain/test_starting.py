"""The start rule: a physical start is intended once, for a free printer with a clear plate."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gateway.domain.answering import REFUSALS_ALLOWED, REFUSED_PAUSE
from gateway.domain.assign import assign, obstacle, waiting_for
from gateway.domain.commands import CommandRefused, Refusal, SetPlate
from gateway.domain.job import AttemptResult, Job, JobStatus, Reason
from gateway.domain.observations import Activity, LinkState, OrderAnswered, OrderResult, PrintPhase
from gateway.domain.orders import StartPrint
from gateway.domain.printer import Plate
from tests.support.stand import START, Table, a_submission, house, printer, ready, report, seen

S = JobStatus


def starts(table: Table) -> list[StartPrint]:
    return [order for order in table.orders if isinstance(order, StartPrint)]


def test_a_job_for_a_free_printer_is_intended_in_the_same_breath() -> None:
    table = Table()
    job = table.give(a_submission())
    assert isinstance(job, Job)
    [start] = starts(table)
    assert table.job().status is S.SENT
    assert table.job().print_key == start.key
    assert start.path == "/files/" + "ab" * 32
    assert table.state.attempts[1].mark == start.key
    assert table.state.printers[1].plate is Plate.OCCUPIED


def test_a_start_is_given_once_whatever_comes_after() -> None:
    table = Table()
    table.give(a_submission())
    for _ in range(5):
        table.clock.advance(60)
        table.give(seen())
    assert len(starts(table)) == 1


def test_the_oldest_job_goes_first_and_the_next_waits_for_the_plate() -> None:
    table = Table()
    table.give(a_submission("first"))
    table.give(a_submission("second"))
    key = starts(table)[0].key
    table.give(seen(report(key)))
    table.give(seen(ended=(report(key, PrintPhase.COMPLETED),)))
    assert len(starts(table)) == 1
    assert "printers ready mk3" in str(waiting_for(table.job(2), table.state))
    table.give(SetPlate(1, Plate.CLEAR, "ana"))
    assert [start.name for start in starts(table)] == ["first", "second"]


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"presence": ready(link=LinkState.DOWN, link_reason="unplugged")}, "not connected: unplugged"),
        ({"presence": ready(activity=Activity.BUSY)}, "busy"),
        ({"presence": ready(activity=Activity.ERROR, message="MINTEMP")}, "MINTEMP"),
        ({"presence": ready(activity=None)}, "silent"),
        ({"presence": ready(print_key="local-1")}, "printing something else"),
    ],
)
def test_no_start_while_the_printer_is_not_free(changed: dict[str, object], words: str) -> None:
    state = house(**changed)  # type: ignore[arg-type]
    table = Table(state)
    table.give(a_submission())
    assert table.job().status is S.QUEUED
    assert words in str(waiting_for(table.job(), state))


def test_no_start_on_an_occupied_plate_nor_on_a_disabled_printer() -> None:
    table = Table(house(printer(plate=Plate.OCCUPIED)))
    table.give(a_submission())
    assert not starts(table)
    assert obstacle(printer(enabled=False), ready()) == "mk3 is not in the configuration any more"
    with pytest.raises(CommandRefused, match="not in the configuration") as refused:
        Table(house(printer(enabled=False))).give(a_submission())
    assert refused.value.refusal is Refusal.CONFLICT


def test_a_job_without_printer_or_file_is_created_and_says_what_it_waits_for() -> None:
    table = Table()
    table.give(a_submission(printer_id=None))
    table.give(a_submission(file=None))
    assert [table.state.jobs[n].status for n in (1, 2)] == [S.CREATED, S.CREATED]
    assert table.state.jobs[1].message == "waits for a printer"
    assert table.state.jobs[2].message == "waits for a file"


def test_two_printers_take_two_jobs_and_no_more() -> None:
    table = Table(house(printer(1, "left"), printer(2, "right")))
    for name in ("a", "b", "c"):
        table.give(a_submission(name, printer_id=1))
    table.give(a_submission("d", printer_id=2))
    assert [(start.printer, start.name) for start in starts(table)] == [("left", "a"), ("right", "d")]


def test_assign_is_a_function_of_its_arguments() -> None:
    state = house(printer(plate=Plate.CLEAR))
    assert assign(state, 1000.0, START) == assign(state, 1000.0, START) == []


def answer(table: Table, result: OrderResult, message: str | None = None) -> None:
    table.give(OrderAnswered("mk3", starts(table)[-1].order_id, result, message))


def test_accepted_means_received_not_printing() -> None:
    table = Table()
    table.give(a_submission())
    answer(table, OrderResult.ACCEPTED)
    assert table.job().status is S.RECEIVED
    assert table.job().started_at is None


def test_refused_means_nothing_moved_and_it_may_be_tried_again_later() -> None:
    table = Table()
    table.give(a_submission())
    answer(table, OrderResult.REFUSED, "the card prints")
    assert table.job().status is S.QUEUED
    assert table.state.printers[1].plate is Plate.CLEAR
    assert table.draft.attempt_rows[(1, 1)].result is AttemptResult.REFUSED
    assert len(starts(table)) == 1
    table.clock.advance(REFUSED_PAUSE + 1)
    table.give(seen())
    first, second = starts(table)
    assert first.key != second.key, "another attempt has another mark"
    assert table.job().print_key == second.key


def test_a_job_refused_again_and_again_fails_with_the_reason() -> None:
    table = Table()
    table.give(a_submission())
    for _ in range(REFUSALS_ALLOWED):
        answer(table, OrderResult.REFUSED, "the file is not there")
        table.clock.advance(REFUSED_PAUSE + 1)
        if 1 in table.state.jobs:
            table.give(seen())
    assert 1 not in table.state.jobs
    assert len(starts(table)) == REFUSALS_ALLOWED


def test_unclear_is_held_before_proof_and_never_sent_again() -> None:
    table = Table()
    table.give(a_submission())
    answer(table, OrderResult.UNCLEAR)
    assert table.job().status is S.SENT
    assert table.job().reasons == {Reason.HOLD}
    assert "jobs resolve" in str(table.job().message)
    table.clock.advance(600)
    table.give(seen())
    assert len(starts(table)) == 1


def test_a_held_start_that_shows_up_on_the_machine_is_held_no_more() -> None:
    table = Table()
    table.give(a_submission())
    answer(table, OrderResult.UNCLEAR)
    table.give(seen(report(starts(table)[0].key)))
    assert table.job().status is S.PRINTING
    assert not table.job().is_held


def test_a_queued_job_without_a_file_fails_and_stops_no_other() -> None:
    table = Table(house(printer(plate=Plate.OCCUPIED)))
    table.give(a_submission("broken"))
    table.give(a_submission("whole"))
    table.state.jobs[1] = replace(table.state.jobs[1], file_size=None)
    table.give(SetPlate(1, Plate.CLEAR, "ana"))
    assert table.job(1).status is S.FAILED
    table.give(seen())
    assert [start.name for start in starts(table)] == ["whole"]

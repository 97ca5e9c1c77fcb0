"""Uploads to printers: tasks that a driver carries out, on a printer that does nothing else."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from gateway.domain.answering import REFUSED_PAUSE
from gateway.domain.call_in_commands import RemovePrinterMember
from gateway.domain.observations import Activity, OrderAnswered, OrderProgressed, OrderResult, PrintPhase
from gateway.domain.orders import AbortUpload
from gateway.domain.printer import Plate
from gateway.domain.task import ABORT_UPLOAD, RETRY_FIRST, TRIES, TaskStatus
from gateway.domain.task_commands import CancelTask, PauseTask, ResumeTask
from gateway.domain.work_events import TaskMoved
from tests.support.stand import (
    ANA,
    BEN,
    START,
    a_forge_printer,
    a_submission,
    house,
    printer,
    ready,
    report,
    seen,
    with_member,
)
from tests.support.works import WorkTable, an_upload

S = TaskStatus


def said(table: WorkTable, **answer: object) -> None:
    order_id = table.uploads[-1].order_id
    table.give(OrderProgressed("mk3", order_id, 0.5, {"sent": 500, "size": 1000, **answer}))


def aborts(table: WorkTable) -> list[AbortUpload]:
    return [order for order in table.orders if isinstance(order, AbortUpload)]


def test_an_upload_is_ordered_whatever_lies_on_the_plate() -> None:
    table = WorkTable(house(printer(plate=Plate.OCCUPIED)))
    task = table.task(an_upload())
    [order] = table.uploads
    assert (task.status, task.tries, task.order_id, task.progress_total) == (
        S.RUNNING,
        1,
        order.order_id,
        1000,
    )
    assert (order.printer, order.path, order.sha256) == ("mk3", "/files/" + "ab" * 32, "ab" * 32)
    assert (order.size, order.name) == (1000, "part.gcode")
    table.pass_time(3600)
    assert len(table.uploads) == 1


def test_its_progress_is_bytes_and_its_result_what_the_printer_calls_it() -> None:
    table = WorkTable()
    task = table.task(an_upload())
    said(table, name_on_printer="PART~1.GCO")
    assert not table.draft.is_durable
    assert (table.task_now(1).progress_value, table.task_now(1).result) == (500, None)
    table.answer(OrderResult.ACCEPTED)
    done = table.task_now(task.work_id)
    assert (done.status, done.progress_value) == (S.DONE, 1000)
    assert done.result == {
        "printer_id": 1, "printer": "mk3", "name_on_printer": "PART~1.GCO", "size": 1000
    }  # fmt: skip
    assert table.state.names_on_printer == {}


@pytest.mark.parametrize("result", [OrderResult.REFUSED, OrderResult.UNCLEAR])
def test_a_try_that_failed_is_made_again_and_the_printer_left_alone_a_while(result: OrderResult) -> None:
    table = WorkTable()
    table.task(an_upload())
    table.answer(result, "the card is full")
    task = table.task_now(1)
    assert (task.status, task.retry_at) == (S.PENDING, START + RETRY_FIRST)
    assert "the card is full" in str(task.message)
    table.give(a_submission())
    assert table.starts == []
    table.pass_time(REFUSED_PAUSE)
    assert len(table.starts) == 1, "a job goes on"


def test_a_printer_that_never_takes_it_ends_the_task_with_its_words() -> None:
    table = WorkTable()
    table.task(an_upload())
    for number in range(1, TRIES + 1):
        assert len(table.uploads) == number
        table.answer(OrderResult.REFUSED, "the card is full")
        table.pass_time(3600)
    assert (table.task_now(1).status, table.task_now(1).error) == (S.FAILED, "the card is full")


def test_an_upload_waits_for_an_idle_printer_and_says_for_what() -> None:
    table = WorkTable()
    table.give(seen(report("local-1", is_local=True)))
    task = table.task(an_upload())
    assert (task.status, task.message) == (S.PENDING, "mk3 has a print")
    table.look()
    assert not table.draft.is_durable, "it is written when it changes"
    table.give(seen(ended=(report("local-1", PrintPhase.COMPLETED, is_local=True),)))
    assert (len(table.uploads), table.task_now(task.work_id).message) == (1, None)


def test_what_it_waits_for_is_told() -> None:
    table = WorkTable(house(presence=ready(activity=Activity.BUSY)))
    table.task(an_upload())
    [told] = [event for event in table.draft.events if isinstance(event, TaskMoved)]
    assert (told.before, told.status, told.message) == ("pending", "pending", "mk3 is busy")


def test_a_paused_or_scheduled_upload_waits_in_silence() -> None:
    table = WorkTable()
    table.task(an_upload(is_paused=True))
    table.task(an_upload(begins_at=START + timedelta(hours=1)))
    assert (table.uploads, table.task_now(1).message, table.task_now(2).message) == ([], None, None)
    table.give(ResumeTask(table.task_now(1).task_id, BEN.member_id))
    assert len(table.uploads) == 1


def test_a_printer_that_calls_in_keeps_no_files_and_an_unknown_one_neither() -> None:
    table = WorkTable(house(a_forge_printer()))
    assert "calls in" in str(table.task(an_upload(58)).error)
    assert "no such printer" in str(table.task(an_upload(7)).error)


def test_who_is_no_member_of_a_printer_any_more_uploads_nothing_to_it() -> None:
    stranger = replace(BEN, organization_id=2)
    state = with_member(house(presence=ready(activity=Activity.BUSY)), 1, stranger)
    state.members[BEN.member_id] = stranger
    table = WorkTable(state)
    table.task(an_upload())
    table.task(an_upload(member_id=ANA.member_id))
    table.give(RemovePrinterMember(1, BEN.member_id))
    assert (table.task_now(1).status, table.task_now(2).status) == (S.FAILED, S.PENDING)
    assert "no member of mk3 any more" in str(table.task_now(1).error)


# ---------------------------------------------------------------- given up


@pytest.mark.parametrize("kind", [CancelTask, PauseTask])
def test_giving_up_aborts_it_and_nothing_starts_before_the_printer_has_answered(kind: type) -> None:
    table = WorkTable()
    task = table.task(an_upload())
    table.give(kind(task.task_id, BEN.member_id))
    assert table.task_now(1).status is (S.CANCELED if kind is CancelTask else S.PENDING)
    [abort] = aborts(table)
    assert abort.upload_id == table.uploads[0].order_id
    assert table.state.commands[abort.order_id].command == ABORT_UPLOAD
    table.give(a_submission())
    table.give(OrderAnswered("mk3", abort.upload_id, OrderResult.REFUSED, "aborted"))
    assert table.starts == [], "the unfinished file is not gone yet"
    table.give(OrderAnswered("mk3", abort.order_id, OrderResult.ACCEPTED))
    assert len(table.starts) == 1
    assert table.state.commands == {}


def test_an_answer_to_an_upload_that_was_given_up_counts_for_nothing() -> None:
    table = WorkTable()
    task = table.task(an_upload())
    table.give(PauseTask(task.task_id, BEN.member_id))
    table.give(ResumeTask(task.task_id, BEN.member_id))
    table.give(OrderAnswered("mk3", table.uploads[0].order_id, OrderResult.ACCEPTED))
    assert table.task_now(1).status is S.PENDING
    table.give(OrderAnswered("mk3", aborts(table)[0].order_id, OrderResult.ACCEPTED))
    assert (len(table.uploads), table.task_now(1).tries) == (2, 2)


# ---------------------------------------------------------------- what outlives the gateway


def test_an_upload_that_outlived_the_gateway_is_joined() -> None:
    table = WorkTable()
    table.task(an_upload())
    table.restart()
    table.state.presence[1] = ready(activity=Activity.BUSY)
    table.look()
    assert len(table.uploads) == 1, "not before its next try"
    table.pass_time(RETRY_FIRST.total_seconds())
    first, second = table.uploads
    assert replace(first, order_id="") == replace(second, order_id="")
    table.answer(OrderResult.ACCEPTED)
    assert (table.task_now(1).status, table.task_now(1).tries) == (S.DONE, 2)


def test_one_that_outlived_the_gateway_is_not_ordered_beside_anything() -> None:
    table = WorkTable()
    table.task(an_upload())
    table.restart()
    table.give(seen(report("local-1", is_local=True)))
    table.pass_time(3600)
    assert len(table.uploads) == 1
    table.answer(OrderResult.REFUSED)  # to an order of the former process
    assert table.task_now(1).status is S.PENDING


def test_a_driver_that_is_busy_with_something_else_is_not_asked_again_before_it_is_idle() -> None:
    table = WorkTable()
    table.task(an_upload())
    table.answer(OrderResult.UNCLEAR, "the connection ended")
    table.state.presence[1] = ready(activity=Activity.BUSY)
    table.pass_time(RETRY_FIRST.total_seconds())
    assert len(table.uploads) == 2
    table.answer(OrderResult.REFUSED, "busy with G-code")
    table.pass_time(3600)
    assert len(table.uploads) == 2
    table.state.presence[1] = ready()
    table.look()
    assert len(table.uploads) == 3


def test_one_that_may_go_on_after_a_restart_is_aborted_when_it_is_canceled() -> None:
    table = WorkTable()
    task = table.task(an_upload())
    table.restart()
    table.give(CancelTask(task.task_id, BEN.member_id))
    assert [abort.upload_id for abort in aborts(table)] == [table.uploads[0].order_id]

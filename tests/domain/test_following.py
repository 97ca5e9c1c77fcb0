"""Following prints: what a driver sees decides where a job is, and what nobody ordered is adopted."""

from __future__ import annotations

import pytest

from gateway.domain.adopting import ADOPT_SECONDS, ADOPTED_AT_ONCE
from gateway.domain.following import MISSING_GRACE
from gateway.domain.job import AttemptResult, JobStatus, Reason
from gateway.domain.observations import (
    DriverAttached,
    DriverDetached,
    LinkState,
    PrinterObserved,
    PrintPhase,
)
from gateway.domain.orders import Acknowledge, StartPrint
from gateway.domain.printer import OFFLINE_AFTER, Plate, PrinterStatus
from tests.support.stand import ANA, Table, a_submission, house, printer, report, seen

S = JobStatus
LOCAL = "local-11111111-1111-4111-8111-111111111111"


def local(phase: PrintPhase = PrintPhase.PRINTING, **fields: object):  # type: ignore[no-untyped-def]
    return report(LOCAL, phase, is_local=True, **fields)


def started(table: Table) -> str:
    table.give(a_submission())
    [start] = [order for order in table.orders if isinstance(order, StartPrint)]
    table.give(seen(report(start.key, PrintPhase.STARTING)))
    return start.key


def acknowledged(table: Table) -> list[str]:
    return [order.key for order in table.orders if isinstance(order, Acknowledge)]


# ---------------------------------------------------------------- prints the gateway ordered


def test_the_whole_way_of_a_print() -> None:
    table = Table()
    key = started(table)
    assert table.job().status is S.RECEIVED
    table.give(seen(report(key, progress=0.5, position=500, line=10)))
    assert (table.job().status, table.job().progress, table.job().line) == (S.PRINTING, 0.5, 10)
    assert table.state.attempts[1].started_at is not None
    table.give(seen(report(key, PrintPhase.PAUSED)))
    assert table.job().status is S.PAUSED
    table.give(seen(report(key)))
    assert table.job().status is S.PRINTING
    table.give(seen(ended=(report(key, PrintPhase.COMPLETED, line=20),)))
    assert (table.job().status, table.job().progress) == (S.COMPLETED, 1.0)
    assert table.job().reasons == {Reason.COMPLETED_SUCCESSFULLY}
    assert table.draft.attempt_rows[(1, 1)].result is AttemptResult.COMPLETED
    assert acknowledged(table) == [key]


def test_progress_alone_is_not_committed() -> None:
    table = Table()
    key = started(table)
    table.give(seen(report(key, progress=0.1)))
    table.give(seen(report(key, progress=0.2)))
    assert not table.draft.is_durable
    assert [event.kind for event in table.draft.fleeting] == ["job-progressed"]
    assert table.draft.progressed == {1}


def test_layer_and_time_left_are_progress_too() -> None:
    table = Table()
    key = started(table)
    table.give(seen(report(key, progress=0.1)))
    table.give(seen(report(key, progress=0.1, details={"layer": 3, "layers": 200, "seconds_left": 60})))
    (event,) = table.draft.fleeting
    told = event.details()
    assert (told["progress"], told["layer"], told["layers"], told["seconds_left"]) == (0.1, 3, 200, 60)


def test_the_same_snapshot_twice_changes_nothing() -> None:
    table = Table()
    key = started(table)
    table.give(seen(report(key, progress=0.1)))
    table.give(seen(report(key, progress=0.1)))
    assert not table.draft.is_durable
    assert not table.draft.fleeting


def test_an_end_said_again_is_acknowledged_again_and_adopted_never() -> None:
    table = Table()
    key = started(table)
    end = seen(ended=(report(key, PrintPhase.COMPLETED),))
    table.give(end)
    table.give(end)
    assert acknowledged(table) == [key, key]
    assert not table.state.jobs


@pytest.mark.parametrize(
    ("phase", "reason", "status", "expected"),
    [
        (PrintPhase.FAILED, None, S.FAILED, Reason.ABORTED_BY_SYSTEM),
        (PrintPhase.CANCELED, None, S.CANCELED, Reason.CANCELED_AT_DEVICE),
        (PrintPhase.CANCELED, "job-canceled-at-device", S.CANCELED, Reason.CANCELED_AT_DEVICE),
        (PrintPhase.COMPLETED, "job-completed-with-errors", S.COMPLETED, Reason.COMPLETED_WITH_ERRORS),
    ],
)
def test_how_a_print_ended(
    phase: PrintPhase, reason: str | None, status: JobStatus, expected: Reason
) -> None:
    table = Table()
    key = started(table)
    table.give(seen(ended=(report(key, phase, reason=reason, message="why"),)))
    assert (table.job().status, table.job().message) == (status, "why")
    assert table.job().reasons == {expected}


def test_a_driver_that_cannot_tell_holds_the_job_in_mid_print() -> None:
    table = Table()
    key = started(table)
    table.give(seen(report(key)))
    table.give(seen(report(key, PrintPhase.HELD, message="the board was reset")))
    assert (table.job().status, table.job().message) == (S.PAUSED, "the board was reset")
    assert table.job().reasons == {Reason.PRINTER_STOPPED}
    assert table.job().is_held


def test_a_late_word_about_the_start_does_not_move_a_print_back() -> None:
    table = Table()
    key = started(table)
    table.give(seen(report(key)))
    table.give(seen(report(key, PrintPhase.STARTING)))
    assert table.job().status is S.PRINTING


# ---------------------------------------------------------------- prints nobody ordered


def test_a_print_nobody_ordered_becomes_a_local_job_of_the_owner() -> None:
    table = Table()
    table.give(seen(local(name="SNAP.GCO", size=900, position=30, progress=0.03)))
    job = table.job()
    assert (job.is_local, job.member_id, job.status, job.name) == (
        True,
        ANA.member_id,
        S.PRINTING,
        "SNAP.GCO",
    )
    assert (job.progress, job.file_size) == (0.03, 900)
    assert table.kinds()[:2] == ["printer-changed", "job-adopted"]
    assert table.state.printers[1].plate is Plate.OCCUPIED


def test_a_local_print_is_adopted_once() -> None:
    table = Table()
    for position in (10, 20, 30):
        table.give(seen(local(position=position, size=900)))
    assert list(table.state.jobs) == [1]


def test_a_printer_that_shows_a_new_print_each_moment_does_not_fill_the_database() -> None:
    table = Table()
    for number in range(10 * ADOPTED_AT_ONCE):
        table.clock.advance(0.001)
        before = report(f"local-{number - 1}", PrintPhase.CANCELED, is_local=True)
        table.give(seen(report(f"local-{number}", is_local=True), ended=(before,)))
    assert table.state.last_work_id <= ADOPTED_AT_ONCE + 1
    assert table.state.printers[1].plate is Plate.OCCUPIED
    known = table.state.last_work_id
    table.clock.advance(3 * ADOPT_SECONDS)
    for number in range(10):
        table.give(seen(ended=(report(f"late-{number}", PrintPhase.COMPLETED, is_local=True),)))
    assert 2 <= table.state.last_work_id - known <= 4


def test_ends_beyond_all_that_a_machine_can_make_are_adopted_when_there_is_room() -> None:
    table = Table()
    ends = tuple(
        report(f"local-{number}", PrintPhase.COMPLETED, is_local=True)
        for number in range(ADOPTED_AT_ONCE + 1)
    )
    table.give(seen(ended=ends))
    assert set(acknowledged(table)) == {end.key for end in ends[:-1]}
    table.clock.advance(ADOPT_SECONDS)
    table.give(seen(ended=ends[-1:]))
    assert ends[-1].key in acknowledged(table)


def test_the_queue_waits_while_a_local_print_runs_and_for_the_plate_after_it() -> None:
    table = Table()
    table.give(seen(local()))
    table.give(a_submission())
    assert table.job(2).status is S.QUEUED
    table.give(seen(ended=(local(PrintPhase.COMPLETED),)))
    assert table.job(2).status is S.QUEUED
    assert not [order for order in table.orders if isinstance(order, StartPrint)]


def test_a_local_print_that_ran_unseen_is_a_job_all_the_same() -> None:
    table = Table()
    table.give(seen(ended=(local(PrintPhase.COMPLETED, name="A.GCO"),)))
    assert (table.job().status, table.job().is_local) == (S.COMPLETED, True)
    assert table.job().started_at is not None
    assert acknowledged(table) == [LOCAL]


def test_canceled_at_the_panel() -> None:
    table = Table()
    table.give(seen(local()))
    table.give(seen(ended=(local(PrintPhase.CANCELED, reason="job-canceled-at-device"),)))
    assert (table.job().status, table.job().reasons) == (S.CANCELED, {Reason.CANCELED_AT_DEVICE})


def test_a_local_print_goes_on_under_a_new_key_when_everybody_was_away() -> None:
    table = Table()
    table.give(seen(local(size=900, position=300)))
    again = report("local-2", is_local=True, size=900, position=400)
    table.give(DriverAttached("streamer", "new", (seen(again),)))
    assert list(table.state.jobs) == [1]
    assert table.job().print_key == "local-2"


@pytest.mark.parametrize(("size", "position"), [(900, 900), (None, None)])
def test_the_end_of_a_local_print_seen_by_a_driver_that_came_in_the_middle_is_its_end(
    size: int | None, position: int | None
) -> None:
    table = Table()
    table.give(seen(local(name="A.GCO", size=900, position=300)))
    end = report("local-2", PrintPhase.COMPLETED, is_local=True, size=size, position=position)
    table.give(DriverAttached("streamer", "new", (seen(ended=(end,)),)))
    assert (table.job().status, table.job().name) == (S.COMPLETED, "A.GCO")
    assert not table.state.jobs


@pytest.mark.parametrize(
    ("size", "position", "name"),
    [(901, 400, None), (900, 200, None), (None, 400, None), (900, 400, "A.GCO")],
)
def test_another_local_print_is_another_job_and_the_old_one_is_held(
    size: int | None, position: int, name: str | None
) -> None:
    table = Table()
    table.give(seen(local(size=900, position=300)))
    other = report("local-2", is_local=True, size=size, position=position, name=name)
    table.give(DriverAttached("streamer", "new", (seen(other),)))
    assert table.job(1).is_held
    assert (table.job(2).status, table.job(2).print_key) == (S.PRINTING, "local-2")


# ---------------------------------------------------------------- ends that were missed


def test_a_missing_print_is_held_at_once_when_the_driver_host_is_fresh() -> None:
    table = Table()
    key = started(table)
    table.give(seen(report(key)))
    table.give(DriverAttached("streamer", "new", (seen(),)))
    assert table.job().is_held
    assert table.job().status is S.PAUSED
    assert "no record" in str(table.job().message)


def test_a_missing_local_print_is_held_and_says_so() -> None:
    table = Table()
    table.give(seen(local()))
    table.give(DriverAttached("streamer", "new", (seen(),)))
    assert table.job().is_held
    assert "missed while the gateway was away" in str(table.job().message)


def connecting() -> PrinterObserved:
    return PrinterObserved("mk3", LinkState.CONNECTING)


def test_a_local_print_is_not_held_before_the_machine_could_be_asked() -> None:
    table = Table()
    table.give(seen(local(size=900, position=300)))
    table.give(DriverAttached("streamer", "new", (connecting(),)))
    assert not table.job().is_held
    table.clock.advance(OFFLINE_AFTER + 1)
    table.give(connecting())
    assert table.job().is_held, "nobody can ask it: a person must look"


def test_a_paused_card_print_stays_paused_while_it_stands() -> None:
    table = Table()
    table.give(seen(local(size=900, position=300)))
    table.give(seen(local(PrintPhase.PAUSED, size=900, position=300)))
    table.give(DriverAttached("streamer", "new", (connecting(),)))
    for position, status in ((300, S.PAUSED), (300, S.PAUSED), (310, S.PRINTING)):
        table.give(seen(report("local-2", is_local=True, size=900, position=position)))
        assert (table.job().status, table.job().is_held) == (status, False)
    assert list(table.state.jobs) == [1]


def test_a_start_without_proof_is_held_after_a_restart() -> None:
    table = Table()
    table.give(a_submission())
    table.give(DriverAttached("streamer", "new", (seen(),)))
    assert (table.job().status, table.job().reasons) == (S.SENT, {Reason.HOLD})


def test_one_snapshot_without_the_print_is_not_enough() -> None:
    table = Table()
    key = started(table)
    table.give(seen(report(key)))
    table.give(seen())
    assert not table.job().is_held
    table.give(seen(report(key)))
    table.clock.advance(MISSING_GRACE + 1)
    table.give(seen())
    assert not table.job().is_held
    table.clock.advance(MISSING_GRACE + 1)
    table.give(seen())
    assert table.job().is_held


def test_losing_the_driver_host_moves_no_job() -> None:
    table = Table()
    key = started(table)
    table.give(seen(report(key)))
    table.give(DriverDetached("streamer", "the streamer is not running"))
    assert table.job().status is S.PRINTING
    assert table.state.presence[1].link is LinkState.DOWN
    assert table.state.presence[1].status(table.clock.monotonic()) is PrinterStatus.OFFLINE


def test_a_printer_the_gateway_does_not_know_is_ignored() -> None:
    table = Table()
    table.give(seen(local(), name="stranger"))
    assert not table.state.jobs


def test_silence_for_a_minute_is_offline() -> None:
    table = Table(house(printer()))
    table.give(seen())
    now = table.clock.monotonic()
    assert table.state.presence[1].status(now + 59) is PrinterStatus.READY
    assert table.state.presence[1].status(now + 61) is PrinterStatus.OFFLINE


def test_an_unplugged_printer_is_one_event_however_often_it_is_tried() -> None:
    table = Table()
    down = PrinterObserved("mk3", LinkState.DOWN, link_reason="unplugged")
    kinds: list[str] = []
    for snapshot in (down, connecting(), down, connecting(), down):
        table.give(snapshot)
        kinds += table.kinds()
    assert kinds == ["printer-changed"]
    assert table.state.presence[1].link_reason == "unplugged"
    table.give(seen())
    assert (table.kinds(), table.state.presence[1].link_reason) == (["printer-changed"], None)


def test_what_happens_on_a_plate_names_no_job_to_those_who_may_not_see_it() -> None:
    table = Table()
    started(table)
    table.give(a_submission("a secret"))
    said = [event.details() for event in table.draft.events if event.kind == "plate-changed"]
    assert "secret" not in str(said)

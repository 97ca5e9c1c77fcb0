"""Runs on printers: an idle one, once, nothing moves over a full plate; what is said when nobody knows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from gateway.domain.adjustment import HeatLimits
from gateway.domain.answering import REFUSED_PAUSE
from gateway.domain.commands import CommandRefused, Refusal, SetPlate, TellPrinter
from gateway.domain.observations import Activity, LinkState, OrderAnswered, OrderResult, PrintPhase
from gateway.domain.printer import Plate, Presence
from gateway.domain.printer_command import CommandStatus, PrinterCommand
from gateway.domain.schedule import (
    RUN_MACRO,
    RUN_WAITS,
    STEP_REFUSALS,
    Action,
    Macro,
    RunState,
    ScheduleStatus,
    ScheduleType,
)
from gateway.domain.schedule_commands import CancelAction, RemoveSchedule
from gateway.domain.state import State
from tests.support.stand import ANA, START, a_forge_printer, a_submission, house, printer, ready, report, seen
from tests.support.works import FAN, HOMING, PURGE, WARM, WorkTable, a_schedule

R = RunState
OCCUPIED = printer(plate=Plate.OCCUPIED)
NOTE = a_schedule(None, type=ScheduleType.MAINTENANCE, name="grease", params={"note": "grease the rods"})


def run(table: WorkTable, macro: Macro | None = FAN, **changes: object) -> Action:
    return table.run(table.schedule(a_schedule(macro, **changes)))


def refusal(table: WorkTable, command: object) -> CommandRefused:
    with pytest.raises(CommandRefused) as refused:
        table.give(command)  # type: ignore[arg-type]
    assert not table.draft.is_durable, "a refused command changes nothing"
    return refused.value


def plate(table: WorkTable) -> Plate:
    return table.state.printers[1].plate


# ---------------------------------------------------------------- intent, order, end


def test_a_run_on_an_idle_printer_is_journaled_and_sent_once() -> None:
    table = WorkTable()
    action = run(table)
    assert (action.state, action.started_at, table.step(action).state) == (R.RUNNING, START, R.RUNNING)
    [sent] = table.macros
    command = table.state.commands[sent.order_id]
    assert (command.command, command.work_id, command.printer_id) == (RUN_MACRO, action.work_id, 1)
    assert (sent.printer, sent.lines) == ("mk3", FAN.lines)
    assert sent in table.draft.orders, "behind the commit that explains it"
    for _ in range(5):
        table.pass_time(60)
        table.give(seen())
    assert len(table.macros) == 1


def test_a_run_ends_as_its_driver_says() -> None:
    table = WorkTable()
    action = run(table)
    schedule = table.state.schedules[action.schedule_id]
    assert schedule.status is ScheduleStatus.STARTED
    table.clock.advance(30)
    table.answer(OrderResult.ACCEPTED)
    ended = table.action(action.work_id)
    assert (ended.state, ended.message) == (R.SUCCEEDED, "done on 1 of 1 printer")
    assert ended.ended_at == table.clock.wall()
    assert table.state.commands == {}
    assert table.draft.command_rows[str(table.step(action).command_id)].state is CommandStatus.DONE
    schedule = table.state.schedules[action.schedule_id]
    assert (schedule.status, schedule.updated_at) == (ScheduleStatus.SUCCESS, table.clock.wall())
    assert table.state.actions == {}


def test_a_refused_macro_waits_again_and_fails_in_the_end() -> None:
    table = WorkTable()
    action = run(table)
    for number in range(1, STEP_REFUSALS):
        table.answer(OrderResult.REFUSED, "a print is on the machine")
        step = table.step(action)
        assert (step.state, step.refusals, step.command_id) == (R.WAITING, number, None)
        assert (table.action(action.work_id).state, table.action(action.work_id).started_at) == (
            R.WAITING,
            None,
        )
        assert len(table.macros) == number, "not at once"
        table.pass_time(REFUSED_PAUSE)
        assert len(table.macros) == number + 1
    table.answer(OrderResult.REFUSED, "a print is on the machine")
    assert table.step(action).message == "mk3 refused it 3 times: a print is on the machine"
    assert table.action(action.work_id).state is R.FAILED


@pytest.mark.parametrize(
    "interrupted",
    [
        lambda table: table.answer(OrderResult.UNCLEAR, "the connection ended"),
        lambda table: table.restart(),
    ],
)
def test_what_nobody_knows_is_said_never_sent_again_and_somebody_looks_first(
    interrupted: Callable[[WorkTable], None],
) -> None:
    table = WorkTable()
    action = run(table, FAN)
    interrupted(table)
    ended = table.action(action.work_id)
    assert (ended.state, table.step(action).state) == (R.FAILED, R.FAILED)
    assert "nobody knows how far this went on mk3" in str(ended.message)
    assert "printers ready mk3" in str(ended.message)
    assert plate(table) is Plate.OCCUPIED
    assert table.state.commands == {}
    table.give(a_submission())
    table.pass_time(RUN_WAITS.total_seconds())
    assert (len(table.macros), table.starts) == (1, [])
    table.give(SetPlate(1, Plate.CLEAR, "ana"))
    assert len(table.starts) == 1


def test_a_restart_leaves_steps_that_wait() -> None:
    table = WorkTable(house(printer(), printer(2, "second")))
    table.give(seen(report("local-1", is_local=True), name="second"))
    action = run(table)
    assert [step.state for step in action.steps] == [R.RUNNING, R.WAITING]
    table.restart()
    assert [step.state for step in table.action(action.work_id).steps] == [R.FAILED, R.WAITING]
    table.give(seen(ended=(report("local-1", PrintPhase.COMPLETED, is_local=True),), name="second"))
    assert [order.printer for order in table.macros] == ["mk3", "second"]
    table.answer(OrderResult.ACCEPTED, printer="second")
    ended = table.action(action.work_id)
    assert ended.state is R.FAILED
    assert str(ended.message).startswith("done on 1 of 2 printers; mk3: nobody knows")


def test_an_answer_of_another_printer_or_to_another_order_ends_nothing() -> None:
    table = WorkTable(house(printer(), printer(2, "second", plate=Plate.OCCUPIED)))
    action = run(table, HOMING)
    order_id = table.macros[0].order_id
    table.give(OrderAnswered("second", order_id, OrderResult.ACCEPTED))
    table.give(OrderAnswered("mk3", "unknown", OrderResult.ACCEPTED))
    assert table.step(action).state is R.RUNNING


# ---------------------------------------------------------------- an idle printer, and only then


@pytest.mark.parametrize(
    ("presence", "words"),
    [
        (ready(link=LinkState.DOWN, link_reason="unplugged"), "not connected: unplugged"),
        (ready(activity=Activity.BUSY), "busy"),
        (ready(activity=Activity.PAUSED), "paused"),
        (ready(activity=Activity.ERROR, message="MINTEMP"), "MINTEMP"),
        (ready(print_key="local-1"), "printing something else"),
        (ready(obstacle="it has not subscribed"), "it has not subscribed"),
        (Presence(), "not connected"),
    ],
)
def test_a_run_waits_for_an_idle_printer_and_says_for_what(presence: Presence, words: str) -> None:
    table = WorkTable(house(presence=presence))
    action = run(table)
    assert table.macros == []
    assert words in str(table.step(action).message)
    table.look()
    assert not table.draft.is_durable, "it is written when it changes"
    table.state.presence[1] = ready()
    table.look()
    assert (len(table.macros), table.step(action).message) == (1, None)


@pytest.mark.parametrize("phase", [PrintPhase.PRINTING, PrintPhase.PAUSED, PrintPhase.HELD])
def test_a_run_never_disturbs_a_print(phase: PrintPhase) -> None:
    table = WorkTable()
    table.give(a_submission("secret part"))
    key = table.starts[0].key
    table.give(seen(report(key, phase)))
    action = run(table)
    table.pass_time(3600)
    assert table.macros == []
    assert "secret" not in str(table.step(action).message), "a run is seen by the whole organization"
    table.give(seen(ended=(report(key, PrintPhase.COMPLETED),)))
    assert len(table.macros) == 1, "this macro moves nothing: it needs no clear plate"


@pytest.mark.parametrize(("macro", "runs"), [(FAN, 1), (WARM, 1), (HOMING, 0), (PURGE, 0)])
def test_what_moves_needs_a_clear_plate(macro: Macro, runs: int) -> None:
    table = WorkTable(house(OCCUPIED))
    action = run(table, macro)
    assert len(table.macros) == runs
    if not runs:
        assert "printers ready mk3" in str(table.step(action).message)
        table.give(SetPlate(1, Plate.CLEAR, "ana"))
        assert len(table.macros) == 1


@pytest.mark.parametrize(
    ("asked", "after"),
    [
        (a_schedule(FAN), Plate.CLEAR),
        (a_schedule(HOMING), Plate.CLEAR),
        (a_schedule(PURGE), Plate.OCCUPIED),
        (a_schedule(HOMING, type=ScheduleType.MAINTENANCE), Plate.OCCUPIED),
        (NOTE, Plate.OCCUPIED),
    ],
)
def test_what_lies_on_the_plate_afterwards(asked: object, after: Plate) -> None:
    table = WorkTable()
    table.run(table.schedule(asked))  # type: ignore[arg-type]
    assert plate(table) is after, "with the intent"
    if table.macros:
        table.answer(OrderResult.ACCEPTED)
    assert plate(table) is after


def test_a_refused_macro_gives_the_plate_back_as_it_was() -> None:
    table = WorkTable()
    run(table, PURGE)
    table.answer(OrderResult.REFUSED, "not now")
    assert plate(table) is Plate.CLEAR
    table.pass_time(REFUSED_PAUSE)
    table.give(seen(report("local-1", is_local=True)))  # somebody starts a print before the answer
    table.answer(OrderResult.REFUSED, "a print is on the machine")
    assert plate(table) is Plate.OCCUPIED


def test_a_refused_maintenance_leaves_an_occupied_plate_occupied() -> None:
    table = WorkTable(house(OCCUPIED))
    run(table, FAN, type=ScheduleType.MAINTENANCE)
    table.answer(OrderResult.REFUSED, "not now")
    assert plate(table) is Plate.OCCUPIED


def test_a_maintenance_without_lines_asks_for_a_person() -> None:
    table = WorkTable()
    action = table.run(table.schedule(NOTE))
    assert (action.state, table.macros, table.state.commands) == (R.SUCCEEDED, [], {})
    assert "grease the rods" in str(action.message)
    assert "printers ready mk3" in str(action.message)


def test_a_maintenance_waits_for_the_end_of_a_print() -> None:
    table = WorkTable()
    table.give(seen(report("local-1", is_local=True)))
    action = table.run(table.schedule(NOTE))
    assert action.state is R.WAITING
    table.give(seen(ended=(report("local-1", PrintPhase.COMPLETED, is_local=True),)))
    assert table.action(action.work_id).state is R.SUCCEEDED


def test_no_plate_is_confirmed_clear_while_a_run_is_at_it() -> None:
    table = WorkTable()
    run(table, PURGE)
    refused = refusal(table, SetPlate(1, Plate.CLEAR, "ana"))
    assert refused.refusal is Refusal.CONFLICT
    table.answer(OrderResult.ACCEPTED)
    table.give(SetPlate(1, Plate.CLEAR, "ana"))


# ---------------------------------------------------------------- what will not begin any more


def test_a_run_waits_a_day_and_then_fails_with_what_it_waited_for() -> None:
    table = WorkTable(house(presence=ready(activity=Activity.BUSY)))
    action = run(table)
    table.pass_time(RUN_WAITS.total_seconds())
    assert table.action(action.work_id).state is R.WAITING
    table.pass_time(1)
    ended = table.action(action.work_id)
    assert (ended.state, ended.started_at) == (R.FAILED, None)
    assert "could not begin within 24 hours: mk3 is busy" in str(ended.message)


def test_a_run_under_way_is_not_ended_by_a_clock() -> None:
    table = WorkTable()
    action = run(table)
    table.pass_time(RUN_WAITS.total_seconds() * 2)
    assert table.step(action).state is R.RUNNING


@pytest.mark.parametrize(
    ("limits", "macro", "words"),
    [
        (HeatLimits(hotend=190), WARM, "200 °C, and mk3 may be set to 190 °C"),
        (HeatLimits(bed=50), replace(WARM, bed=60), "the bed to 60 °C"),
        (None, replace(WARM, hotend=301), "may be set to 300 °C"),
    ],
)
def test_no_macro_heats_beyond_what_a_printer_may_be_set_to(
    limits: HeatLimits | None, macro: Macro, words: str
) -> None:
    state = house()
    if limits is not None:
        state.heat_limits[1] = limits
    table = WorkTable(state)
    action = run(table, macro)
    assert (action.state, table.macros, plate(table)) == (R.FAILED, [], Plate.CLEAR)
    assert words in str(action.message)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"enabled": False}, "not in the configuration any more"),
        ({"organization_id": 2}, "another organization"),
    ],
)
def test_a_printer_that_left_fails_its_step(changes: dict[str, object], words: str) -> None:
    table = WorkTable(house(presence=ready(activity=Activity.BUSY)))
    action = run(table)
    table.state.printers[1] = replace(table.state.printers[1], **changes)  # type: ignore[arg-type]
    table.look()
    assert words in str(table.step(action).message)
    assert table.action(action.work_id).state is R.FAILED


def with_ember(number: int) -> State:
    state = house(printer(), a_forge_printer())
    state.stacks[1] = replace(state.stacks[1], printer_ids=None if number == 1 else (1, 58))
    return state


def test_a_printer_that_takes_no_gcode_has_no_part_in_all_printers_but_fails_where_it_is_named() -> None:
    table = WorkTable(with_ember(1))
    assert [step.printer_id for step in run(table).steps] == [1]
    note = table.run(table.schedule(NOTE))
    assert [step.printer_id for step in note.steps] == [1, 58], "a note is for everybody"
    table = WorkTable(with_ember(2))
    action = run(table)
    assert table.step(action, 58).state is R.FAILED
    assert "takes no G-code" in str(table.step(action, 58).message)


# ---------------------------------------------------------------- canceled


def test_cancel_gives_up_what_waits_and_lets_end_what_is_under_way() -> None:
    table = WorkTable(house(printer(), printer(2, "second", plate=Plate.OCCUPIED)))
    action = run(table, HOMING)
    canceled = table.give(CancelAction(action.work_id, ANA.member_id))
    assert isinstance(canceled, Action)
    assert [step.state for step in canceled.steps] == [R.RUNNING, R.CANCELED]
    refused = refusal(table, CancelAction(action.work_id, ANA.member_id))
    assert "under way" in refused.message
    table.answer(OrderResult.ACCEPTED)
    assert table.action(action.work_id).state is R.CANCELED
    assert "over already" in refusal(table, CancelAction(action.work_id, ANA.member_id)).message


def test_a_macro_that_is_refused_after_a_cancel_does_not_come_back() -> None:
    for end in ("cancel", "remove"):
        table = WorkTable(house(printer(), printer(2, "second", plate=Plate.OCCUPIED)))
        action = run(table, HOMING)
        if end == "cancel":
            table.give(CancelAction(action.work_id, ANA.member_id))
        else:
            table.give(RemoveSchedule(action.schedule_id, ANA.member_id))
        table.answer(OrderResult.REFUSED, "not now")
        assert table.action(action.work_id).state is R.CANCELED
        table.pass_time(REFUSED_PAUSE)
        assert len(table.macros) == 1


def test_the_journal_says_who_ran_what() -> None:
    table = WorkTable()
    action = run(table)
    [command] = [c for c in table.state.commands.values() if isinstance(c, PrinterCommand)]
    assert command.parameters == {"schedule": "fan", "lines": 3}
    assert {event.work_id for event in table.draft.events if event.kind == "action-moved"} == {action.work_id}
    told = [event for event in table.draft.events if event.kind == "command-given"]
    assert [(event.printer_id, event.work_id) for event in told] == [(1, action.work_id)]


def test_a_printers_own_word_that_is_spelled_like_it_is_no_run() -> None:
    table = WorkTable(house(a_forge_printer()))
    command = table.give(TellPrinter(58, ANA.member_id, RUN_MACRO))
    assert isinstance(command, PrinterCommand)
    table.give(SetPlate(58, Plate.CLEAR, "ana"))
    table.give(OrderAnswered("forge:58", command.task_id, OrderResult.ACCEPTED))
    assert table.state.commands == {}

"""Stacks and schedules: made and changed by people, run by hand and by the clock."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from gateway.domain.commands import AddOrganization, CommandRefused, Refusal
from gateway.domain.idempotency import Idempotency
from gateway.domain.member import Key, Organization, Scope
from gateway.domain.observations import OrderResult
from gateway.domain.schedule import (
    MISSED_AFTER,
    RUNS_KEPT,
    SCHEDULES_KEPT,
    STACKS_KEPT,
    Action,
    MissedRuns,
    RunState,
    ScheduleStatus,
    ScheduleType,
    Stack,
    StartedVia,
)
from gateway.domain.schedule_commands import (
    AddStack,
    ChangeSchedule,
    ChangeStack,
    RemoveSchedule,
    RemoveStack,
    RunSchedule,
    ScheduleDue,
)
from gateway.domain.state import State
from gateway.domain.task import TASKS_KEPT, TaskFile, TaskKind
from gateway.domain.task_commands import AddTask, BeginTask, CancelTask, FailTask, FinishTask
from gateway.domain.work_events import ScheduleChanged
from tests.support.stand import ANA, BEN, HOME, START, house, printer
from tests.support.works import DUE, FAN, HOMING, WorkTable, a_schedule

R = RunState
MINE = AddStack(ANA.member_id, 1, "left ones", (1,))


@pytest.fixture
def table() -> WorkTable:
    return WorkTable(house(printer(), printer(2, "second"), printer(3, "theirs", organization_id=2)))


def refusal(table: WorkTable, command: object) -> CommandRefused:
    with pytest.raises(CommandRefused) as refused:
        table.give(command)  # type: ignore[arg-type]
    assert not table.draft.is_durable, "a refused command changes nothing"
    return refused.value


# ---------------------------------------------------------------- stacks


def test_every_organization_has_a_stack_of_all_its_printers() -> None:
    table = WorkTable(State(organizations={1: HOME}))
    table.restart()
    [first] = table.state.stacks.values()
    assert (first.number, first.organization_id, first.printer_ids) == (1, 1, None)
    assert len(first.stack_id) == 32
    table.restart()
    assert list(table.state.stacks.values()) == [first], "one is enough"
    table.give(AddOrganization(Organization(0, "work", "a" * 24)))
    assert [stack.organization_id for stack in table.state.stacks.values()] == [1, 2]


def test_a_stack_is_made_changed_and_removed(table: WorkTable) -> None:
    made = table.give(replace(MINE, printer_ids=(2, 1, 2)))
    assert isinstance(made, Stack)
    assert (made.number, made.printer_ids, made.version) == (2, (1, 2), 1)
    changed = table.give(ChangeStack(2, ANA.member_id, "all", None))
    assert isinstance(changed, Stack)
    assert (changed.name, changed.printer_ids, changed.version) == ("all", None, 2)
    table.give(RemoveStack(2, ANA.member_id))
    assert list(table.state.stacks) == [1]
    assert table.draft.stack_rows == {2: None}
    assert table.kinds() == ["stack-changed"]


def test_a_removed_stacks_number_is_not_given_again(table: WorkTable) -> None:
    stack = table.give(MINE)
    table.give(RemoveStack(stack.number, ANA.member_id))
    assert table.give(MINE).number == stack.number + 1  # runs of the removed one still have its number


def test_a_stack_has_printers_of_its_organization_only(table: WorkTable) -> None:
    for printer_ids in ((1, 3), (9,)):
        refused = refusal(table, replace(MINE, printer_ids=printer_ids))
        assert refused.refusal is Refusal.UNKNOWN
        assert "printers list" in refused.message
    assert refusal(table, replace(MINE, printer_ids=())).refusal is Refusal.INVALID


def test_a_stack_with_schedules_and_the_last_one_stay(table: WorkTable) -> None:
    assert "only stack" in refusal(table, RemoveStack(1, ANA.member_id)).message
    table.give(MINE)
    table.schedule(a_schedule(stack_number=2))
    assert "has schedules (1)" in refusal(table, RemoveStack(2, ANA.member_id)).message
    assert refusal(table, RemoveStack(7, ANA.member_id)).refusal is Refusal.UNKNOWN


def test_an_organization_has_so_many_stacks_and_schedules(table: WorkTable) -> None:
    for number in range(STACKS_KEPT - 1):
        table.give(replace(MINE, name=f"stack {number}"))
    assert "remove one first" in refusal(table, replace(MINE, name="more")).message
    for number in range(SCHEDULES_KEPT):
        table.schedule(a_schedule(name=f"schedule {number}"))
    assert "remove one first" in refusal(table, a_schedule(name="more")).message


def test_names_are_taken_once(table: WorkTable) -> None:
    table.give(MINE)
    table.schedule(a_schedule())
    assert refusal(table, MINE).refusal is Refusal.CONFLICT
    assert refusal(table, a_schedule()).refusal is Refusal.CONFLICT


# ---------------------------------------------------------------- schedules


def test_a_schedule_is_made_changed_and_removed(table: WorkTable) -> None:
    made = table.schedule(a_schedule())
    assert (made.status, made.version, made.organization_id) == (ScheduleStatus.UPDATED, 1, 1)
    assert len(made.schedule_id) == 32
    table.clock.advance(60)
    table.give(
        ChangeSchedule(
            made.schedule_id, ANA.member_id, "home", None, "UTC", MissedRuns.SKIP, False, {}, HOMING, None
        )
    )
    changed = table.state.schedules[made.schedule_id]
    assert (changed.name, changed.cron, changed.macro, changed.version) == ("home", None, HOMING, 2)
    assert changed.updated_at == START + timedelta(seconds=60)
    table.give(RemoveSchedule(made.schedule_id, ANA.member_id))
    assert table.state.schedules == {}
    assert table.draft.schedule_rows[made.schedule_id].removed_at is not None, "its runs outlive it"


def test_a_schedule_is_of_its_stacks_organization(table: WorkTable) -> None:
    assert refusal(table, a_schedule(organization_id=2)).refusal is Refusal.INVALID
    assert refusal(table, a_schedule(stack_number=4)).refusal is Refusal.UNKNOWN


def test_lines_that_take_arguments_are_not_for_the_clock(table: WorkTable) -> None:
    asked = a_schedule(None, params={"gcode": ["M106 S{1}"]})
    assert "arguments" in refusal(table, asked).message
    made = table.schedule(replace(asked, cron=None, next_at=None))
    refused = refusal(table, RunSchedule(made.schedule_id, BEN.member_id))
    assert refused.refusal is Refusal.INVALID
    assert "give them" in refused.message
    action = table.run(made, arguments="255", macro=FAN)
    assert (action.arguments, action.macro) == ("255", FAN)


# ---------------------------------------------------------------- by hand


def test_a_run_has_a_step_for_each_printer_that_is_there() -> None:
    gone = printer(4, "gone", enabled=False)
    table = WorkTable(house(printer(), printer(2, "second"), printer(3, "theirs", organization_id=2), gone))
    schedule = table.schedule(a_schedule())
    action = table.run(schedule, app_id="app")
    assert [step.printer_id for step in action.steps] == [1, 2]
    assert (action.started_via, action.member_id, action.app_id) == (StartedVia.API, BEN.member_id, "app")
    assert table.state.schedules[schedule.schedule_id].status is ScheduleStatus.STARTED
    assert [order.printer for order in table.macros] == ["mk3", "second"]


def test_a_role_on_another_organizations_printer_puts_it_in_no_stack(table: WorkTable) -> None:
    schedule = table.schedule(a_schedule())
    table.state.roles[3, ANA.member_id] = None  # type: ignore[assignment]
    assert [step.printer_id for step in table.run(schedule).steps] == [1, 2]


def test_a_stack_without_a_printer_fails_at_once(table: WorkTable) -> None:
    table.give(MINE)
    schedule = table.schedule(a_schedule(stack_number=2))
    table.state.printers[1] = replace(table.state.printers[1], enabled=False)
    action = table.run(schedule)
    assert (action.state, action.ended_at, action.started_at) == (R.FAILED, START, None)
    assert "'left ones'" in str(action.message)
    assert table.state.schedules[schedule.schedule_id].status is ScheduleStatus.FAILED
    assert table.state.actions == {}


def test_runs_by_hand_wait_for_each_other_so_many_of_them(table: WorkTable) -> None:
    schedule = table.schedule(a_schedule())
    runs = [table.run(schedule) for _ in range(RUNS_KEPT)]
    refused = refusal(table, RunSchedule(schedule.schedule_id, BEN.member_id))
    assert refused.refusal is Refusal.CONFLICT
    assert "not over yet" in refused.message
    for number, _ in enumerate(runs, start=1):
        under_way = [action for action in table.state.actions.values() if action.state is R.RUNNING]
        assert [action.work_id for action in under_way] == [runs[number - 1].work_id], "the oldest, alone"
        assert table.state.schedules[schedule.schedule_id].status is ScheduleStatus.STARTED
        for name in ("mk3", "second"):
            table.answer(OrderResult.ACCEPTED, printer=name)
    assert table.state.schedules[schedule.schedule_id].status is ScheduleStatus.SUCCESS
    table.run(schedule)


def test_a_paused_schedule_is_run_by_hand(table: WorkTable) -> None:
    schedule = table.schedule(a_schedule(is_paused=True))
    assert table.run(schedule).state is R.RUNNING
    assert refusal(table, RunSchedule("0" * 32, BEN.member_id)).refusal is Refusal.UNKNOWN


def test_the_name_of_a_request_is_kept_with_the_run(table: WorkTable) -> None:
    named = Idempotency("k", "f" * 64)
    action = table.run(table.schedule(a_schedule()), idempotency=named)
    assert table.draft.idempotency_rows == [(BEN.member_id, named, action.action_id)]


# ---------------------------------------------------------------- by the clock


def skipped(table: WorkTable) -> list[str | None]:
    events = [event for event in table.draft.events if isinstance(event, ScheduleChanged)]
    return [event.message for event in events if event.what == "skipped"]


def test_the_clock_runs_it_once_for_each_time(table: WorkTable) -> None:
    schedule = table.schedule(a_schedule())
    assert table.due(schedule, DUE - timedelta(hours=1)) is None, "its time has not come"
    table.clock.advance(18 * 60)
    action = table.due(schedule, DUE, DUE + timedelta(hours=1))
    assert isinstance(action, Action)
    assert (action.started_via, action.due_at, action.member_id) == (StartedVia.SCHEDULE, DUE, ANA.member_id)
    assert table.state.schedules[schedule.schedule_id].next_at == DUE + timedelta(hours=1)
    for name in ("mk3", "second"):
        table.answer(OrderResult.ACCEPTED, printer=name)
    sent = len(table.macros)
    assert table.due(schedule, DUE, DUE + timedelta(hours=1)) is None, "the same time again"
    assert len(table.macros) == sent
    assert not skipped(table)


def test_a_time_that_comes_while_a_run_is_not_over_is_left_out(table: WorkTable) -> None:
    schedule = table.schedule(a_schedule())
    table.run(schedule)
    table.clock.advance(18 * 60)
    assert table.due(schedule, DUE) is None
    assert skipped(table) == ["its last run is not over yet"]


@pytest.mark.parametrize(("missed", "runs"), [(MissedRuns.SKIP, 0), (MissedRuns.RUN_ONCE, 1)])
def test_a_missed_time_by_the_schedules_own_rule(table: WorkTable, missed: MissedRuns, runs: int) -> None:
    schedule = table.schedule(a_schedule(missed=missed))
    table.clock.advance(18 * 60 + MISSED_AFTER.total_seconds() + 1)
    table.due(schedule, DUE)
    assert len(table.state.actions) == runs
    assert len(skipped(table)) == 1 - runs
    assert table.state.schedules[schedule.schedule_id].next_at == DUE + timedelta(hours=1)


def test_a_time_that_is_a_little_late_is_not_missed(table: WorkTable) -> None:
    schedule = table.schedule(a_schedule())
    table.clock.advance(18 * 60 + MISSED_AFTER.total_seconds())
    assert isinstance(table.due(schedule, DUE), Action)


def test_a_paused_schedules_times_pass_silently(table: WorkTable) -> None:
    schedule = table.schedule(a_schedule(is_paused=True))
    table.clock.advance(18 * 60)
    assert table.due(schedule, DUE) is None
    assert not table.draft.events
    assert table.state.schedules[schedule.schedule_id].next_at == DUE + timedelta(hours=1)


def test_the_clock_may_ask_for_a_schedule_that_is_gone_or_without_a_time(table: WorkTable) -> None:
    schedule = table.schedule(a_schedule(cron=None, next_at=None))
    assert table.give(replace(_due_of(schedule.schedule_id), next_at=None)) is None
    assert table.give(_due_of("0" * 32)) is None
    assert table.state.actions == {}


def _due_of(schedule_id: str) -> ScheduleDue:
    return ScheduleDue(schedule_id, DUE, DUE + timedelta(hours=1))


# ---------------------------------------------------------------- exports


EXPORT = a_schedule(None, type=ScheduleType.HISTORY_EXPORT, name="csv", params={"statuses": ["completed"]})
CSV = TaskFile("cd" * 32, "jobs.csv", 1234, "text/csv")


def test_an_export_is_a_task_of_the_schedules_member_and_ends_with_it(table: WorkTable) -> None:
    schedule = table.schedule(EXPORT)
    action = table.run(schedule)
    assert (action.state, action.steps) == (R.WAITING, ())
    [task] = table.state.tasks.values()
    assert (task.task_id, task.member_id, task.kind) == (
        action.task_id,
        ANA.member_id,
        TaskKind.HISTORY_EXPORT,
    )
    table.give(BeginTask(task.work_id))
    assert (table.action(action.work_id).state, table.action(action.work_id).started_at) == (R.RUNNING, START)
    table.give(FinishTask(task.work_id, 1, None, CSV))
    ended = table.action(action.work_id)
    assert (ended.state, ended.message, ended.ended_at) == (R.SUCCEEDED, "exported as jobs.csv", START)
    assert table.state.schedules[schedule.schedule_id].status is ScheduleStatus.SUCCESS


def test_an_export_whose_task_fails_or_is_canceled(table: WorkTable) -> None:
    schedule = table.schedule(EXPORT)
    action = table.run(schedule)
    [task] = table.state.tasks.values()
    table.give(BeginTask(task.work_id))
    table.give(FailTask(task.work_id, 1, "the disk is full", is_passing=False))
    assert (table.action(action.work_id).state, table.action(action.work_id).message) == (
        R.FAILED, "the disk is full"
    )  # fmt: skip
    action = table.run(schedule)
    [task] = table.state.tasks.values()
    table.give(CancelTask(task.task_id, ANA.member_id))
    assert table.action(action.work_id).state is R.CANCELED
    assert table.state.schedules[schedule.schedule_id].status is ScheduleStatus.FAILED


def test_an_export_shows_no_more_than_its_member_may_see(table: WorkTable) -> None:
    wide = {"member_id": None, "organization_id": None, "printer_id": 2, "statuses": ["failed"]}
    table.run(table.schedule(replace(EXPORT, params=wide)))
    [own] = table.state.tasks.values()
    assert own.arguments == {
        "member_id": ANA.member_id, "organization_id": 1, "printer_id": 2, "statuses": ["failed"],
        "created_after": None, "created_before": None,
    }  # fmt: skip
    table.state.members[ANA.member_id] = replace(ANA, is_admin=True)
    table.run(table.schedule(replace(EXPORT, name="all", params=wide)))
    *_, everything = table.state.tasks.values()
    assert (everything.arguments["member_id"], everything.arguments["organization_id"]) == (None, 1)


def test_an_export_of_who_holds_a_key_to_the_gateway_has_the_organizations_jobs(table: WorkTable) -> None:
    key = Key("k", ANA.member_id, "root", frozenset({Scope.ADMIN}), "0" * 64, START)
    schedule = table.schedule(EXPORT)
    for held, whose in ((key, None), (replace(key, revoked_at=START), ANA.member_id)):
        table.state.keys["k"] = held
        table.run(schedule)
        [task] = table.state.tasks.values()
        assert (task.arguments["member_id"], task.arguments["organization_id"]) == (whose, 1)
        table.give(CancelTask(task.task_id, ANA.member_id))


def test_an_export_of_a_member_with_too_many_tasks_fails_with_words(table: WorkTable) -> None:
    for _ in range(TASKS_KEPT):
        table.give(AddTask(ANA.member_id, 1, TaskKind.FILE_IMPORT, "f", is_paused=True))
    action = table.run(table.schedule(EXPORT))
    assert (action.state, action.task_id) == (R.FAILED, None)
    assert "cancel some" in str(action.message)


def test_removing_a_schedule_cancels_its_export(table: WorkTable) -> None:
    schedule = table.schedule(EXPORT)
    action = table.run(schedule)
    table.give(RemoveSchedule(schedule.schedule_id, ANA.member_id))
    assert table.action(action.work_id).state is R.CANCELED
    assert table.state.tasks == {}

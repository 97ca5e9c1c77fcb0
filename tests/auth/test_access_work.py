"""Who may see and do what with tasks, stacks, schedules and runs: the table of `gateway.auth.access_work`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.auth import access_work as access
from gateway.auth.access import may_see_event
from gateway.domain.call_in import PrinterRole
from gateway.domain.events import Event
from gateway.domain.member import Principal, Scope
from gateway.domain.printer import Printer
from gateway.domain.schedule import Action, ScheduleType, Stack, StartedVia, Step
from gateway.domain.schedule_commands import AddStack, RunSchedule
from gateway.domain.selecting import TaskFilter
from gateway.domain.state import State
from gateway.domain.task import ADMIN_KINDS, Task, TaskKind
from gateway.domain.task_commands import AddTask, BeginTask, FinishTask, NoteProgress
from tests.support.stand import ANA, BEN, START, house, printer
from tests.support.works import FAN, WorkTable, a_schedule

EVERY_SCOPE_BUT_ADMIN = frozenset(Scope) - {Scope.ADMIN}
ADMIN = Principal("ADMIN", 9, frozenset({Scope.ADMIN}))
BOSS = Principal("BOSS", 1, EVERY_SCOPE_BUT_ADMIN, is_org_admin=True)
ANNA = Principal("ANA", 1, EVERY_SCOPE_BUT_ADMIN)  # owns the printers
BENN = Principal("BEN", 1, EVERY_SCOPE_BUT_ADMIN)  # whose task and run it is
COLIN = Principal("COLIN", 1, EVERY_SCOPE_BUT_ADMIN)
OTTO = Principal("OTTO", 2, EVERY_SCOPE_BUT_ADMIN, is_org_admin=True)
SID = Principal("SID", 2, EVERY_SCOPE_BUT_ADMIN)
EVERYBODY = (ADMIN, BOSS, ANNA, BENN, COLIN, OTTO, SID)
HOME_FOLK = {"ADMIN", "BOSS", "ANA", "BEN", "COLIN"}

LEFT, RIGHT = Printer(1, "left", "marlin", "ANA", 1), Printer(2, "right", "marlin", "ANA", 1)
STACK = Stack(1, "a" * 32, 1, "all printers", START)
STATE = State(printers={1: LEFT, 2: RIGHT}, stacks={1: STACK})
TASK = Task(1, "t", "b" * 24, TaskKind.FILE_IMPORT, "import", "BEN", 1, START)
STEPS = (Step(1), Step(2))
FAN_TYPE, BY_HAND = ScheduleType.GCODE_MACRO, StartedVia.API
ACTION = Action(2, "a", "c" * 32, 1, 1, "BEN", "fan", FAN_TYPE, BY_HAND, START, steps=STEPS)
kinds = st.sampled_from(TaskKind)


def who(rule: Callable[[Principal], bool]) -> set[str]:
    return {principal.member_id for principal in EVERYBODY if rule(principal)}


# ---------------------------------------------------------------- tasks


@pytest.mark.parametrize("kind", TaskKind)
@pytest.mark.parametrize("rule", [access.may_see_task, access.may_command_task])
def test_tasks(kind: TaskKind, rule: Callable[[Principal, Task], bool]) -> None:
    mine = {"ADMIN"} if kind in ADMIN_KINDS else {"ADMIN", "BOSS", "BEN"}
    assert who(lambda p: rule(p, replace(TASK, kind=kind))) == mine


@pytest.mark.parametrize("kind", TaskKind)
def test_what_holds_everybodys_data_is_made_by_administrators(kind: TaskKind) -> None:
    everybody = {principal.member_id for principal in EVERYBODY}
    mine = {"ADMIN"} if kind in ADMIN_KINDS else everybody
    assert who(lambda p: access.may_create_task(p, kind)) == mine


def test_a_credential_without_the_scope_does_not_see_what_its_member_made_with_another() -> None:
    backup = replace(TASK, kind=TaskKind.BACKUP, member_id="ADMIN", organization_id=9)
    assert access.may_see_task(ADMIN, backup)
    assert not access.may_see_task(replace(ADMIN, scopes=EVERY_SCOPE_BUT_ADMIN), backup)


def test_the_widest_lists() -> None:
    open_kinds = frozenset(TaskKind) - ADMIN_KINDS
    assert access.task_scope(ADMIN) == TaskFilter()
    assert access.task_scope(BOSS) == TaskFilter(organization_id=1, kinds=open_kinds)
    assert access.task_scope(BENN) == TaskFilter(member_id="BEN", kinds=open_kinds)


@given(st.sampled_from(EVERYBODY), kinds, st.sampled_from(["BEN", "SID"]), st.sampled_from([1, 2]))
def test_a_list_shows_exactly_what_may_be_seen(
    principal: Principal, kind: TaskKind, member_id: str, organization_id: int
) -> None:
    task = replace(TASK, kind=kind, member_id=member_id, organization_id=organization_id)
    wide = access.task_scope(principal)
    in_list = (
        wide.organization_id in (None, task.organization_id)
        and wide.member_id in (None, task.member_id)
        and (wide.kinds is None or task.kind in wide.kinds)
    )
    # A colleague's tasks in another organization than one's own are the only ones a list could miss.
    if not (principal.is_org_admin and task.member_id == principal.member_id):
        assert in_list == access.may_see_task(principal, task)


# ---------------------------------------------------------------- stacks, schedules, runs


def test_stacks_are_their_organizations_to_see() -> None:
    assert who(lambda p: access.may_see_stack(p, STACK)) == HOME_FOLK
    assert who(lambda p: access.may_see_action(p, ACTION)) == HOME_FOLK


@pytest.mark.parametrize("rule", [access.may_change_stack, access.may_change_schedule])
def test_they_are_changed_by_admins_and_by_who_owns_all_its_printers(
    rule: Callable[[Principal, Stack, State], bool],
) -> None:
    assert who(lambda p: rule(p, STACK, STATE)) == {"ADMIN", "BOSS", "ANA"}
    shared = State(printers={1: LEFT, 2: replace(RIGHT, owner_id="COLIN")})
    assert who(lambda p: rule(p, STACK, shared)) == {"ADMIN", "BOSS"}
    assert who(lambda p: rule(p, replace(STACK, printer_ids=(1,)), shared)) == {"ADMIN", "BOSS", "ANA"}
    assert who(lambda p: rule(p, STACK, State())) == {"ADMIN", "BOSS"}, "no printer is nobody's"


def test_a_printers_owner_from_elsewhere_changes_nothing() -> None:
    theirs = State(printers={1: replace(LEFT, owner_id="SID")})
    assert who(lambda p: access.may_change_stack(p, STACK, theirs)) == {"ADMIN", "BOSS"}


def test_a_schedule_is_run_by_who_may_use_all_its_printers() -> None:
    assert who(lambda p: access.may_run_schedule(p, STACK, STATE)) == HOME_FOLK
    theirs = {**STATE.printers, 3: Printer(3, "theirs", "marlin", "SID", 2)}
    assert who(lambda p: access.may_run_schedule(p, STACK, State(printers=theirs))) == HOME_FOLK, (
        "another organization's printer is in no stack of this one"
    )


def test_a_role_on_a_printer_opens_no_stack() -> None:
    state = State(printers=STATE.printers, roles={(1, "SID"): PrinterRole(1, "SID", True, True)})
    for rule in (access.may_run_schedule, access.may_change_schedule):
        assert "SID" not in who(lambda p, rule=rule: rule(p, STACK, state))  # type: ignore[misc]
    assert not access.may_see_stack(SID, STACK)


def test_a_run_is_canceled_by_admins_by_who_asked_and_by_who_owns_its_printers() -> None:
    assert who(lambda p: access.may_command_action(p, ACTION, STATE)) == {"ADMIN", "BOSS", "ANA", "BEN"}
    export = replace(ACTION, steps=(), task_id="t")
    assert who(lambda p: access.may_command_action(p, export, STATE)) == {"ADMIN", "BOSS", "BEN"}
    left = replace(ACTION, organization_id=2)
    assert who(lambda p: access.may_command_action(p, left, STATE)) == {"ADMIN", "OTTO"}, (
        "who asked is of another organization now"
    )


# ---------------------------------------------------------------- events


def events_of(table: WorkTable, *given_inputs: object) -> list[Event]:
    heard: list[Event] = []
    for given_input in given_inputs:
        table.give(given_input)  # type: ignore[arg-type]
        heard += [*table.draft.events, *table.draft.fleeting]
    return heard


def told(event: Event, state: State) -> set[str]:
    """Of the people of the stand's house and of the next one."""
    folk = {
        "ADMIN": ADMIN,
        "BOSS": BOSS,
        "ana": replace(ANNA, member_id=ANA.member_id),
        "ben": replace(BENN, member_id=BEN.member_id),
        "COLIN": COLIN,
        "OTTO": OTTO,
        "SID": SID,
    }
    return {name for name, principal in folk.items() if may_see_event(principal, event, state)}


@pytest.mark.parametrize("kind", sorted(frozenset(TaskKind) - {TaskKind.PRINTER_UPLOAD}))
def test_what_is_told_of_a_task_is_told_to_who_may_see_it(kind: TaskKind) -> None:
    table = WorkTable()
    heard = events_of(
        table,
        AddTask(BEN.member_id, 1, kind, "t"),
        BeginTask(1),
        NoteProgress(1, 1, 5, 10),
        FinishTask(1, 1),
    )
    assert [event.kind for event in heard] == ["task-added", "task-moved", "task-progressed", "task-moved"]
    for event in heard:
        assert told(event, table.state) == ({"ADMIN"} if kind in ADMIN_KINDS else {"ADMIN", "BOSS", "ben"})


def test_what_is_told_of_stacks_schedules_and_runs_is_told_to_their_organization() -> None:
    table = WorkTable(house(printer()))
    heard = events_of(table, AddStack(ANA.member_id, 1, "left", (1,)), a_schedule(FAN))
    [schedule] = table.state.schedules.values()
    heard += [
        event
        for event in events_of(table, RunSchedule(schedule.schedule_id, BEN.member_id))
        if event.kind == "action-moved"
    ]
    assert {event.kind for event in heard} == {"stack-changed", "schedule-changed", "action-moved"}
    for event in heard:
        assert told(event, table.state) == {"ADMIN", "BOSS", "ana", "ben", "COLIN"}

"""Who may see and do what with tasks, stacks, schedules and their runs. Scopes are asked for at the door.

                             admin  organization's  owner of all   whose   same          foreign
                                    admin           its printers   it is   organization  organization
    see, command a task        x         x                          x
    the same, ADMIN_KINDS      x
    see a stack, its
    schedules and runs         x         x              x           x          x
    change stack, schedule     x         x              x
    run a schedule             x         x              x                      x (1)
    cancel a run               x         x              x           x

"admin" holds the scope `admin`; whoever is something else besides holds it only with such a credential. A
backup and a bundle for developers hold what belongs to everybody, so not even whose it is sees it without.

(1) Who may use every printer that the run is for now. In one organization that is everybody.
"""

from __future__ import annotations

from gateway.auth.access import is_admin_of, may_use_printer, owns_printer
from gateway.domain.member import Principal
from gateway.domain.printer import Printer
from gateway.domain.schedule import Action, Stack
from gateway.domain.selecting import TaskFilter
from gateway.domain.stacking import printers_of
from gateway.domain.state import State
from gateway.domain.task import ADMIN_KINDS, Task, TaskKind

#: What everybody may create, and see of its own.
_OPEN_KINDS = frozenset(TaskKind) - ADMIN_KINDS


def task_scope(principal: Principal) -> TaskFilter:
    """The widest list of tasks."""
    if principal.is_admin:
        return TaskFilter()
    if principal.is_org_admin:
        return TaskFilter(organization_id=principal.organization_id, kinds=_OPEN_KINDS)
    return TaskFilter(member_id=principal.member_id, kinds=_OPEN_KINDS)


def may_create_task(principal: Principal, kind: TaskKind) -> bool:
    """Whether it may have such a task done."""
    return principal.is_admin or kind not in ADMIN_KINDS


def may_see_task(principal: Principal, task: Task) -> bool:
    """Its state, its result."""
    if principal.is_admin:
        return True
    is_its = task.member_id == principal.member_id or is_admin_of(principal, task.organization_id)
    return is_its and task.kind not in ADMIN_KINDS


def may_command_task(principal: Principal, task: Task) -> bool:
    """Pause, resume, cancel."""
    return may_see_task(principal, task)


def may_see_stack(principal: Principal, stack: Stack) -> bool:
    """The stack, its schedules."""
    return principal.is_admin or stack.organization_id == principal.organization_id


def may_change_stack(principal: Principal, stack: Stack, state: State) -> bool:
    """Rename it, say which printers are in it, remove it."""
    if is_admin_of(principal, stack.organization_id):
        return True
    return may_see_stack(principal, stack) and _owns_all(principal, printers_of(state, stack))


def may_change_schedule(principal: Principal, stack: Stack, state: State) -> bool:
    """Make, change, pause, remove a schedule of this stack: it acts on all of its printers, by the clock."""
    return may_change_stack(principal, stack, state)


def may_run_schedule(principal: Principal, stack: Stack, state: State) -> bool:
    """Run a schedule of this stack now."""
    return may_see_stack(principal, stack) and all(
        may_use_printer(principal, printer, state) for printer in printers_of(state, stack)
    )


def may_see_action(principal: Principal, action: Action) -> bool:
    """How a run goes, or went."""
    return principal.is_admin or action.organization_id == principal.organization_id


def may_command_action(principal: Principal, action: Action, state: State) -> bool:
    """Cancel a run."""
    if is_admin_of(principal, action.organization_id):
        return True
    if not may_see_action(principal, action):
        return False
    known = (state.printers.get(step.printer_id) for step in action.steps)
    printers = [printer for printer in known if printer is not None]
    return action.member_id == principal.member_id or _owns_all(principal, printers)


def _owns_all(principal: Principal, printers: list[Printer]) -> bool:
    """Whether there are any, and all of them are its own."""
    return bool(printers) and all(owns_printer(principal, printer) for printer in printers)

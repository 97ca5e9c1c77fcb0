"""Stacks, schedules and their runs, as far as the caller may know of them; and how a run is asked for.

Unknown and forbidden are one answer, None: no surface may be asked which ids exist.
"""

from __future__ import annotations

from collections.abc import Iterable
from operator import attrgetter

from gateway.api.http.idempotency import idempotency_of
from gateway.api.http.operations import AnyCall
from gateway.api.http.problems import Failure
from gateway.auth.access_work import may_run_schedule, may_see_action, may_see_stack
from gateway.domain.schedule import Action, Schedule, Stack
from gateway.domain.schedule_commands import RunSchedule


def visible_stacks(call: AnyCall) -> list[Stack]:
    """All stacks the caller may see, oldest first."""
    stacks = call.services.engine.state.stacks.values()
    return sorted((one for one in stacks if may_see_stack(call.principal, one)), key=attrgetter("number"))


def visible_stack(call: AnyCall, stack_id: str) -> Stack | None:
    """The stack with that public id, if the caller may see it."""
    stacks = call.services.engine.state.stacks.values()
    found = next((one for one in stacks if one.stack_id == stack_id), None)
    return found if found is not None and may_see_stack(call.principal, found) else None


def schedules_of(call: AnyCall, stack: Stack) -> list[Schedule]:
    """All schedules of a stack that the caller may see, oldest first."""
    schedules = call.services.engine.state.schedules.values()
    return oldest_first(one for one in schedules if one.stack_number == stack.number)


def oldest_first(schedules: Iterable[Schedule]) -> list[Schedule]:
    """In the order of lists."""
    return sorted(schedules, key=attrgetter("created_at", "schedule_id"))


def visible_schedule(call: AnyCall, schedule_id: str) -> Schedule | None:
    """The schedule with that public id, if the caller may see its stack."""
    found = call.services.engine.state.schedules.get(schedule_id)
    return None if found is None or stack_of(call, found) is None else found


def stack_of(call: AnyCall, schedule: Schedule) -> Stack | None:
    """The stack of a schedule, if the caller may see it."""
    found = call.services.engine.state.stacks.get(schedule.stack_number)
    return found if found is not None and may_see_stack(call.principal, found) else None


async def visible_action(
    call: AnyCall, *, action_id: str | None = None, work_id: int | None = None
) -> Action | None:
    """The run with that public id or work id, if the caller may see it."""
    found = await call.services.queries.action(action_id=action_id, work_id=work_id)
    return found if found is not None and may_see_action(call.principal, found) else None


async def run_now(call: AnyCall, schedule: Schedule, arguments: str | None) -> Action:
    """Ask for a run of a schedule that the caller may see.

    Raises Failure: 403 it may not use every printer of the stack, 422 the arguments do not fit; and
    CommandRefused while too many of its runs are not over.
    """
    stack = stack_of(call, schedule)
    if stack is None or not may_run_schedule(call.principal, stack, call.services.engine.state):
        raise Failure(403, f"{schedule.name} runs on printers that you may not use; ask their owner.")
    given = arguments if arguments is not None and arguments.strip() else None
    try:
        # Without any it is to say that some are missing, not that there is no macro.
        macro = call.services.run_plans.macro(schedule.type, schedule.params, given or "")
    except ValueError as error:
        raise Failure(422, f"{schedule.name}: {error}.") from None
    command = RunSchedule(
        schedule_id=schedule.schedule_id,
        member_id=call.principal.member_id,
        app_id=call.principal.app_id,
        arguments=given,
        macro=macro,
        idempotency=idempotency_of(call.request, schedule.schedule_id, given or ""),
    )
    action: Action = await call.services.engine.execute(command)
    return action

"""Schedules: named recurring jobs of a stack."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from aiohttp import web

from gateway.api.http.answers import encode, etag_of, reply, reply_if_changed
from gateway.api.http.operations import READ, READ_WRITE, AnyCall, Call, NoQuery, operation
from gateway.api.http.problems import Failure
from gateway.api.http.schedules import (
    oldest_first,
    run_now,
    schedules_of,
    stack_of,
    visible_schedule,
    visible_stacks,
)
from gateway.api.native import schedule_schemas as schemas
from gateway.api.native import schedule_shapes as shapes
from gateway.api.native.history_filters import HistoryFilters, filter_params
from gateway.api.native.jobs import ROOT
from gateway.api.native.stacks import stack_by
from gateway.auth.access_work import may_change_schedule, may_change_stack
from gateway.domain.schedule import Action, Macro, Schedule, Stack
from gateway.domain.schedule_commands import AddSchedule, ChangeSchedule, RemoveSchedule

_NO_SCHEDULE = (
    "There is no such schedule for you. "
    "`print-gateway schedules list` (GET /gateway/v1/schedules) lists yours."
)
#: What a person may copy.
_CRON_EXAMPLE = "`30 6 * * 1-5` is 6:30 from Monday to Friday"

Wanted = (
    schemas.GcodeMacroChange
    | schemas.MaintenanceChange
    | schemas.CalibrationChange
    | schemas.HistoryExportChange
)


def _shape(call: AnyCall, schedule: Schedule) -> dict[str, Any]:
    state = call.services.engine.state
    return shapes.schedule(schedule, state.stacks[schedule.stack_number], state)


def _schedule(call: AnyCall) -> Schedule:
    found = visible_schedule(call, call.path("schedule_id"))
    if found is None:
        raise Failure(404, _NO_SCHEDULE)
    return found


def _changeable(call: AnyCall) -> Schedule:
    schedule = _schedule(call)
    stack = stack_of(call, schedule)
    state = call.services.engine.state
    if stack is None or not may_change_schedule(call.principal, stack, state):
        raise Failure(403, f"{schedule.name} is for printers that are not yours; ask their owner.")
    return schedule


@operation("GET", "/schedules", scopes=READ, responses={200: schemas.Schedules}, is_conditional=True)
async def list_schedules(call: Call[schemas.SchedulesQuery, None]) -> web.StreamResponse:
    """Schedules, oldest first."""
    named = call.query.stack
    stacks = visible_stacks(call) if named is None else [stack_by(call, named, status=404)]
    found = oldest_first(schedule for stack in stacks for schedule in schedules_of(call, stack))
    return reply_if_changed(call.request, {"schedules": [_shape(call, one) for one in found]})


@operation(
    "POST",
    "/schedules",
    scopes=READ_WRITE,
    responses={201: schemas.Schedule},
    response_headers={"Location": "The schedule.", "ETag": "Of the schedule."},
)
async def create_schedule(call: Call[NoQuery, schemas.NewSchedule]) -> web.StreamResponse:
    """Make a schedule. For administrators, and for the owner of all printers of its stack.

    The clock runs it by `cron` in `timezone`; without one it runs when somebody asks.
    """
    asked = call.body.root
    stack = stack_by(call, asked.stack)
    _may(call, stack)
    plan = _plan(call, asked, stack.organization_id)
    command = AddSchedule(
        member_id=call.principal.member_id,
        organization_id=stack.organization_id,
        stack_number=stack.number,
        name=asked.name,
        type=asked.type,
        app_id=call.principal.app_id,
        cron=asked.cron,
        timezone=asked.timezone,
        missed=asked.missed,
        is_paused=asked.is_paused,
        params=plan.params,
        macro=plan.macro,
        next_at=plan.next_at,
    )
    schedule: Schedule = await call.services.engine.execute(command)
    body = _shape(call, schedule)
    etag = etag_of(encode(body), schedule.version)
    return reply(body, 201, {"Location": f"{ROOT}/schedules/{schedule.schedule_id}", "ETag": etag})


def _may(call: AnyCall, stack: Stack) -> None:
    if not may_change_stack(call.principal, stack, call.services.engine.state):
        raise Failure(
            403, f"{stack.name} has printers that are not yours; ask their owner or an administrator."
        )


@operation(
    "GET", "/schedules/{schedule_id}", scopes=READ, responses={200: schemas.Schedule}, is_conditional=True
)
async def get_schedule(call: Call[NoQuery, None]) -> web.StreamResponse:
    """One schedule."""
    schedule = _schedule(call)
    return reply_if_changed(call.request, _shape(call, schedule), version=schedule.version)


@operation("PUT", "/schedules/{schedule_id}", scopes=READ_WRITE, responses={200: schemas.Schedule})
async def replace_schedule(call: Call[NoQuery, schemas.ScheduleChange]) -> web.StreamResponse:
    """Replace what a schedule says of itself. What is left out takes its default; the type stays."""
    schedule, asked = _changeable(call), call.body.root
    if asked.type is not schedule.type:
        raise Failure(422, f"type: {schedule.name} is a {schedule.type}; make another schedule for that.")
    plan = _plan(call, asked, schedule.organization_id)
    command = ChangeSchedule(
        schedule_id=schedule.schedule_id,
        member_id=call.principal.member_id,
        name=asked.name,
        cron=asked.cron,
        timezone=asked.timezone,
        missed=asked.missed,
        is_paused=asked.is_paused,
        params=plan.params,
        macro=plan.macro,
        next_at=plan.next_at,
    )
    return reply(_shape(call, await call.services.engine.execute(command)))


@operation("DELETE", "/schedules/{schedule_id}", scopes=READ_WRITE, responses={204: None})
async def remove_schedule(call: Call[NoQuery, None]) -> web.StreamResponse:
    """It runs no more; a run that waits is canceled, one that is under way ends. Its runs stay."""
    schedule = _changeable(call)
    await call.services.engine.execute(RemoveSchedule(schedule.schedule_id, call.principal.member_id))
    return web.Response(status=204)


@operation("POST", "/schedules/{schedule_id}/pause", scopes=READ_WRITE, responses={200: schemas.Schedule})
async def pause_schedule(call: Call[NoQuery, None]) -> web.StreamResponse:
    """The clock does not run it; people may. A run that is under way goes on."""
    return await _set_paused(call, is_paused=True)


@operation("POST", "/schedules/{schedule_id}/resume", scopes=READ_WRITE, responses={200: schemas.Schedule})
async def resume_schedule(call: Call[NoQuery, None]) -> web.StreamResponse:
    """The clock runs it again, from its next time on: what was due in the pause is left out."""
    return await _set_paused(call, is_paused=False)


async def _set_paused(call: AnyCall, *, is_paused: bool) -> web.StreamResponse:
    schedule = _changeable(call)
    if schedule.is_paused is is_paused:
        return reply(_shape(call, schedule))
    command = ChangeSchedule(
        schedule_id=schedule.schedule_id,
        member_id=call.principal.member_id,
        name=schedule.name,
        cron=schedule.cron,
        timezone=schedule.timezone,
        missed=schedule.missed,
        is_paused=is_paused,
        params=schedule.params,
        macro=schedule.macro,
        next_at=_next_at(call, schedule.cron, schedule.timezone, is_paused=is_paused),
        version=schedule.version,  # so that it puts nothing back that somebody changes just now
    )
    return reply(_shape(call, await call.services.engine.execute(command)))


@operation(
    "POST",
    "/schedules/{schedule_id}/run",
    scopes=READ_WRITE,
    responses={202: schemas.Action},
    body_required=False,
    is_idempotent_by_key=True,
    response_headers={"Location": "The run."},
)
async def run_schedule(call: Call[NoQuery, schemas.RunRequest]) -> web.StreamResponse:
    """Run it now, paused or not: on each printer of its stack as soon as that one is idle.

    For whoever may use all of them. Runs of it wait for each other, eight of them.
    """
    action: Action = await run_now(call, _schedule(call), call.body.arguments)
    location = {"Location": f"{ROOT}/actions/{action.action_id}"}
    return reply(shapes.action(action, call.services.engine.state), 202, location)


@dataclass(frozen=True, slots=True)
class _Plan:
    """What is worked out of a body."""

    params: dict[str, Any]
    macro: Macro | None
    next_at: datetime | None


def _plan(call: AnyCall, asked: Wanted, organization_id: int) -> _Plan:
    """Raises Failure 422 for a macro that cannot be sent, a time that never comes, a zone that is none."""
    if isinstance(asked.params, HistoryFilters):
        params = filter_params(call, asked.params, organization_id)
    else:
        params = asked.params.model_dump(mode="json", exclude_none=True)
    next_at = _next_at(call, asked.cron, asked.timezone, is_paused=asked.is_paused)
    if asked.cron is not None:
        _must_be_seldom(call, asked.cron)
    try:
        macro = call.services.run_plans.macro(asked.type, params, None)
    except ValueError as error:
        raise Failure(422, f"params: {error}.") from None
    return _Plan(params, macro, next_at)


def _must_be_seldom(call: AnyCall, cron: str) -> None:
    try:
        call.services.cron.must_be_seldom(cron)
    except ValueError as error:
        raise Failure(422, f"{error}.") from None


def _next_at(call: AnyCall, cron: str | None, timezone: str, *, is_paused: bool) -> datetime | None:
    """When the clock runs it next; None: not by itself. A mistake in cron or zone is one when paused, too."""
    try:
        at = call.services.cron.next_after(cron or "0 0 * * *", timezone, call.services.clock.wall())
    except ValueError as error:
        example = "" if str(error).startswith("timezone") else f" For example, {_CRON_EXAMPLE}."
        raise Failure(422, f"{error}.{example}") from None
    if at is None:
        raise Failure(422, f"cron: {cron!r} never comes. For example, {_CRON_EXAMPLE}.")
    return None if cron is None or is_paused else at

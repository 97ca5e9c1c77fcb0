"""Runs of schedules: look at, cancel."""

from __future__ import annotations

from aiohttp import web

from gateway.api.http.answers import reply, reply_if_changed
from gateway.api.http.operations import READ, READ_WRITE, AnyCall, Call, NoQuery, operation
from gateway.api.http.problems import Failure
from gateway.api.http.schedules import visible_action
from gateway.api.native import schedule_schemas as schemas
from gateway.api.native import schedule_shapes as shapes
from gateway.auth.access_work import may_command_action
from gateway.domain.schedule import Action
from gateway.domain.schedule_commands import CancelAction

_NO_RUN = "There is no such run for you. `print-gateway schedules runs` (GET /gateway/v1/actions) lists them."


async def _action(call: AnyCall) -> Action:
    found = await visible_action(call, action_id=call.path("action_id").lower())
    if found is None:
        raise Failure(404, _NO_RUN)
    return found


@operation("GET", "/actions", scopes=READ, responses={200: schemas.Actions}, is_conditional=True)
async def list_actions(call: Call[schemas.ActionsQuery, None]) -> web.StreamResponse:
    """Runs of schedules of your organization, newest first; everybody's to an administrator."""
    asked, services = call.query, call.services
    organization_id = None if call.principal.is_admin else call.principal.organization_id
    page = await services.queries.actions(
        organization_id=organization_id,
        schedule_id=asked.schedule_id,
        limit=asked.limit,
        offset=asked.offset,
    )
    body = {
        "actions": [shapes.action(row, services.engine.state) for row in page.actions],
        "total": page.total,
        "limit": asked.limit,
        "offset": asked.offset,
    }
    return reply_if_changed(call.request, body)


@operation("GET", "/actions/{action_id}", scopes=READ, responses={200: schemas.Action}, is_conditional=True)
async def get_action(call: Call[NoQuery, None]) -> web.StreamResponse:
    """One run of a schedule, printer by printer."""
    action = await _action(call)
    return reply_if_changed(
        call.request, shapes.action(action, call.services.engine.state), version=action.version
    )


@operation("POST", "/actions/{action_id}/cancel", scopes=READ_WRITE, responses={202: schemas.Action})
async def cancel_action(call: Call[NoQuery, None]) -> web.StreamResponse:
    """Give up what waits for its printer. What a printer is at already ends by itself."""
    action, state = await _action(call), call.services.engine.state
    if not may_command_action(call.principal, action, state):
        raise Failure(403, f"{action.name} was not started by you; ask who did, or an administrator.")
    done: Action = await call.services.engine.execute(CancelAction(action.work_id, call.principal.member_id))
    return reply(shapes.action(done, state), 202)

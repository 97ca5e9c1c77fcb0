"""Jobs of a stack and their actions: list, look at, run now."""

from __future__ import annotations

from functools import partial
from typing import Any, Final

from aiohttp import web

from gateway.api.cloud66 import mapping, schemas
from gateway.api.cloud66.answers import not_found
from gateway.api.cloud66.paging import PER_PAGE, pagination, read_page
from gateway.api.http.answers import reply
from gateway.api.http.fragments import FRAGMENTS, list_body
from gateway.api.http.operations import (
    FORM,
    INTEGER_ID,
    JSON,
    AnyCall,
    Call,
    NoQuery,
    Operation,
    PathParameter,
    operation,
)
from gateway.api.http.problems import Failure
from gateway.api.http.schedules import (
    run_now,
    schedules_of,
    visible_action,
    visible_schedule,
    visible_stack,
)
from gateway.domain.member import Scope
from gateway.domain.schedule import Action, Schedule, Stack

PUBLIC: Final = (Scope.PUBLIC,)
#: No dot: what follows one is the format of the answer.
_UID: Final = PathParameter(
    r"[0-9A-Za-z_-]{1,64}", {"type": "string", "pattern": "^[0-9a-f]{32}$"}, "32 hexadecimal digits."
)
_PATHS: Final[dict[str, Any]] = {
    "scopes": PUBLIC,
    "reads_query": False,
    "path_parameters": {"stack_id": _UID, "job_id": _UID, "action_id": INTEGER_ID},
}


def _stack(call: AnyCall) -> Stack:
    found = visible_stack(call, call.path("stack_id"))
    if found is None:
        raise not_found()
    return found


def _schedule(call: AnyCall) -> Schedule:
    found = visible_schedule(call, call.path("job_id"))
    if found is None or found.stack_number != _stack(call).number:
        raise not_found()
    return found


def _action(call: AnyCall, action: Action) -> web.Response:
    member = call.services.engine.state.members.get(action.member_id)
    return reply({"response": mapping.action_object(action, member)})


@operation(
    "GET", "/{stack_id}/jobs", responses={200: schemas.Jobs}, aliases=("/{stack_id}/jobs.json",), **_PATHS
)
async def list_jobs(call: Call[schemas.JobsQuery, None]) -> web.StreamResponse:
    """The schedules of a stack, oldest first.

    30 on a page; a page behind the last one is empty.
    """
    stack, page = _stack(call), read_page(call.request.query)
    found = schedules_of(call, stack)
    kept = call.request.app[FRAGMENTS]
    rows = [
        kept.of(("cloud66 job", row.schedule_id, row.version), partial(mapping.job_object, row))
        for row in found[(page - 1) * PER_PAGE : page * PER_PAGE]
    ]
    around = {"count": len(rows), "pagination": pagination(page, len(found))}
    return web.Response(body=list_body({}, "response", rows, around), content_type=JSON)


@operation(
    "GET",
    "/{stack_id}/jobs/{job_id}",
    responses={200: schemas.OneJob},
    aliases=("/{stack_id}/jobs/{job_id}.json",),
    **_PATHS,
)
async def get_job(call: Call[NoQuery, None]) -> web.StreamResponse:
    """One schedule."""
    return reply({"response": mapping.job_object(_schedule(call))})


@operation(
    "POST",
    "/{stack_id}/jobs/{job_id}/run_now",
    responses={200: schemas.OneAction},
    aliases=("/{stack_id}/jobs/{job_id}/run_now.json",),
    accepts=(JSON, FORM),
    body_required=False,
    is_idempotent_by_key=True,
    **_PATHS,
)
async def run_job_now(call: Call[schemas.RunQuery, schemas.RunArguments]) -> web.StreamResponse:
    """Run it now, with arguments for its macro.

    It begins on each printer of the stack as soon as that one is idle; the action says how it went. Runs
    wait for each other, eight of them. An `Idempotency-Key` makes it safe to send again.
    """
    return _action(call, await run_now(call, _schedule(call), _arguments(call)))


def _arguments(call: Call[schemas.RunQuery, schemas.RunArguments]) -> str | None:
    """From the body or the query. Raises Failure 400 for two different ones."""
    given = {
        *call.request.query.getall("job_args", []),
        *(() if call.body.job_args is None else (call.body.job_args,)),
    }
    if len(given) > 1:
        raise Failure(400, "job_args is given more than once, and not the same; give it once.")
    return next(iter(given), None)


@operation(
    "GET",
    "/{stack_id}/actions/{action_id}",
    responses={200: schemas.OneAction},
    aliases=("/{stack_id}/actions/{action_id}.json",),
    **_PATHS,
)
async def get_action(call: Call[NoQuery, None]) -> web.StreamResponse:
    """One run of a schedule, by its number."""
    stack = _stack(call)
    action = await visible_action(call, work_id=call.path_int("action_id"))
    if action is None or action.stack_number != stack.number:
        raise not_found()
    return _action(call, action)


JOB_OPERATIONS: Final[tuple[Operation, ...]] = (list_jobs, get_job, run_job_now, get_action)

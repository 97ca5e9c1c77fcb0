"""Tasks: create, look at, pause, resume, cancel, take the result."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from aiohttp import web

from gateway.api.http.answers import encode, etag_of, reply, reply_if_changed
from gateway.api.http.idempotency import idempotency_of
from gateway.api.http.operations import READ, READ_WRITE, AnyCall, Call, NoQuery, operation
from gateway.api.http.problems import Failure
from gateway.api.http.task_results import ANY_MEDIA, async_job_url, send_result
from gateway.api.native import task_schemas as schemas
from gateway.api.native import task_shapes
from gateway.api.native.jobs import owner_of
from gateway.api.native.task_arguments import wanted_of
from gateway.auth.access_work import may_command_task, may_create_task, may_see_task, task_scope
from gateway.domain.task import Task
from gateway.domain.task_commands import AddTask, CancelTask, PauseTask, ResumeTask

#: How far ahead a task may be scheduled: what is to happen every year is a schedule.
BEGINS_WITHIN: Final = timedelta(days=366)
_NO_TASK: Final = (
    "There is no such task for you. `print-gateway tasks list` (GET /gateway/v1/tasks) lists yours."
)


def _shape(call: AnyCall, row: Task) -> dict[str, Any]:
    services = call.services
    return task_shapes.task(row, services.clock.wall(), services.result_link(row))


@operation(
    "POST",
    "/tasks",
    scopes=READ_WRITE,
    responses={202: schemas.BackgroundTask},
    is_idempotent_by_key=True,
    response_headers={
        "Location": "Where it is polled, in Conversio's words: an absolute URL.",
        "ETag": "Of the task.",
    },
)
async def create_task(call: Call[NoQuery, schemas.NewTask]) -> web.StreamResponse:
    """Create a task. It is yours, and begins when its time has come and a worker is free.

    Backups and diagnostics hold what is everybody's: they are for administrators of the gateway.
    """
    asked = call.body.root
    if not may_create_task(call.principal, asked.kind):
        raise Failure(403, f"A {asked.kind} is for administrators of the gateway (scope admin).")
    owner, wanted = owner_of(call, None), await wanted_of(call, asked)
    command = AddTask(
        member_id=owner.member_id,
        organization_id=owner.organization_id,
        kind=asked.kind,
        name=asked.name or wanted.name,
        app_id=call.principal.app_id,
        arguments=wanted.arguments,
        begins_at=_begin(call, asked.begins_at),
        is_paused=asked.is_paused,
        idempotency=idempotency_of(call.request, call.body),
    )
    task: Task = await call.services.engine.execute(command)
    body = _shape(call, task)
    etag = etag_of(encode(body), task.version)
    return reply(body, 202, {"Location": async_job_url(call.services, task), "ETag": etag})


def _begin(call: AnyCall, asked: datetime | None) -> datetime | None:
    """Not before this instant, in UTC; None: at once. Raises Failure 422 for one beyond all planning."""
    if asked is None:
        return None
    now = call.services.clock.wall()
    if asked - now > BEGINS_WITHIN:
        raise Failure(422, "begins_at: a task may be scheduled a year ahead at most; make a schedule of it.")
    return None if asked <= now else asked.astimezone(UTC)


@operation("GET", "/tasks", scopes=READ, responses={200: schemas.TaskPage}, is_conditional=True)
async def list_tasks(call: Call[schemas.TasksQuery, None]) -> web.StreamResponse:
    """Tasks, oldest first, with their progress.

    Yours; those of the organization to its admin, all to an administrator. What is over is kept for a week.
    """
    asked, services = call.query, call.services
    shown = task_scope(call.principal)
    if asked.kind:
        wanted = frozenset(asked.kind)
        shown = replace(shown, kinds=wanted if shown.kinds is None else wanted & shown.kinds)
    if asked.over is not None:
        shown = replace(shown, is_over=asked.over == "true")
    now = services.clock.wall()
    page = await services.queries.tasks(shown, now=now, limit=asked.limit, offset=asked.offset)
    tasks = [_shape(call, services.engine.live_task(task)) for task in page.tasks if not task.is_gone(now)]
    body = {"tasks": tasks, "total": page.total, "limit": asked.limit, "offset": asked.offset}
    return reply_if_changed(call.request, body)


async def _visible(call: AnyCall) -> Task:
    task = await call.services.queries.task(task_id=call.path("task").lower())
    if task is None or task.is_gone(call.services.clock.wall()) or not may_see_task(call.principal, task):
        raise Failure(404, _NO_TASK)
    return call.services.engine.live_task(task)


@operation("GET", "/tasks/{task}", scopes=READ, responses={200: schemas.BackgroundTask}, is_conditional=True)
async def get_task(call: Call[NoQuery, None]) -> web.StreamResponse:
    """One task, with its progress."""
    task = await _visible(call)
    return reply_if_changed(call.request, _shape(call, task), version=task.version)


async def _give(
    call: AnyCall, make: Callable[[str, str], PauseTask | ResumeTask | CancelTask]
) -> web.Response:
    task = await _visible(call)
    if not may_command_task(call.principal, task):
        raise Failure(404, _NO_TASK)
    moved: Task = await call.services.engine.execute(make(task.task_id, call.principal.member_id))
    return reply(_shape(call, moved))


_COMMAND: Final[dict[str, Any]] = {"scopes": READ_WRITE, "responses": {200: schemas.BackgroundTask}}


@operation("POST", "/tasks/{task}/pause", **_COMMAND)
async def pause_task(call: Call[NoQuery, None]) -> web.StreamResponse:
    """Let a task wait. A try that runs is given up, and begins anew when the task is resumed."""
    return await _give(call, PauseTask)


@operation("POST", "/tasks/{task}/resume", **_COMMAND)
async def resume_task(call: Call[NoQuery, None]) -> web.StreamResponse:
    """Let a paused task go on, or begin the next try of one that failed now."""
    return await _give(call, ResumeTask)


@operation("POST", "/tasks/{task}/cancel", **_COMMAND)
async def cancel_task(call: Call[NoQuery, None]) -> web.StreamResponse:
    """End a task at once; there will be no result."""
    return await _give(call, CancelTask)


@operation(
    "GET",
    "/tasks/{task}/result",
    scopes=READ,
    responses={200: ANY_MEDIA},
    more_errors=frozenset({409}),
    response_headers={"Content-Disposition": "The file's name."},
)
async def get_task_result(call: Call[NoQuery, None]) -> web.StreamResponse:
    """The file that a task made."""
    task = await _visible(call)
    if not task.is_over:
        raise Failure(409, "This task is not over yet; its result is there when it is done.")
    answer = None if task.file is None else await send_result(call.services, task.file)
    if answer is None:
        raise Failure(404, "This task has no file: GET /gateway/v1/tasks/{id} shows its result or its error.")
    return answer


TASK_OPERATIONS = (
    create_task,
    list_tasks,
    get_task,
    pause_task,
    resume_task,
    cancel_task,
    get_task_result,
)

"""Print jobs: hand in, look at, pause, resume, cancel, resolve, recover."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from aiohttp import web

from gateway.api.http.answers import encode, etag_of, reply, reply_if_changed
from gateway.api.http.finding import commandable_job, is_operator, visible_command, visible_job
from gateway.api.http.idempotency import idempotency_of
from gateway.api.http.operations import READ, READ_WRITE, AnyCall, Call, NoQuery, operation
from gateway.api.http.problems import Failure
from gateway.api.http.services import RecoverySteps
from gateway.api.native import job_schemas, printer_schemas, shapes
from gateway.api.native.printers import printer_by
from gateway.auth.access import all_jobs, is_admin_of, own_jobs, printer_jobs
from gateway.domain.commands import (
    CancelJob,
    PauseJob,
    RecoverJob,
    ResolveJob,
    ResumeJob,
    StartJob,
    SubmitJob,
)
from gateway.domain.file import StoredFile
from gateway.domain.job import Job, JobStatus, Verdict
from gateway.domain.member import Member
from gateway.domain.printer import Printer
from gateway.domain.printer_command import PrinterCommand
from gateway.domain.recovering import refuse_unrecoverable

ROOT = "/gateway/v1"
_WORDS = frozenset(status.value for status in JobStatus) | {Verdict.SUCCESSFUL.value}
_NO_JOB = "There is no such job for you. `print-gateway jobs list` (GET /gateway/v1/jobs) lists yours."


def _shape(call: AnyCall, job: Job) -> dict[str, Any]:
    engine = call.services.engine
    return shapes.job(job, engine.state, engine.waiting(job))


def owner_of(call: AnyCall, named: str | None, printer: Printer | None = None) -> Member:
    """Whose a new job or file is: the caller's; an administrator may name somebody else.

    What the host's operator hands in for a printer belongs to the printer's owner, who is to see it.
    """
    state, principal = call.services.engine.state, call.principal
    if named is not None:
        found = next((row for row in state.members.values() if named in (row.name, row.member_id)), None)
        if found is None or not (
            is_admin_of(principal, found.organization_id) or found.member_id == principal.member_id
        ):
            raise Failure(422, f"member: there is no {named[:40]!r} for whom you may act.")
        return found
    is_for_owner = printer is not None and is_operator(principal)
    own = state.members.get(printer.owner_id if printer and is_for_owner else principal.member_id)
    if own is None:
        raise Failure(422, "member: say whose it is; the operator of the host is no member.")
    return own


@operation(
    "POST",
    "/jobs",
    scopes=READ_WRITE,
    responses={201: job_schemas.Job},
    is_idempotent_by_key=True,
    response_headers={"Location": "The job.", "ETag": "Of the job."},
)
async def create_job(call: Call[NoQuery, job_schemas.NewJob]) -> web.StreamResponse:
    """Hand in a print job.

    It starts when its printer is idle and its plate clear; `waiting` says what it waits for.
    """
    asked = call.body
    printer = None if asked.printer is None else _printer_for(call, asked.printer)
    file = None if asked.file_id is None else await _file_for(call, str(asked.file_id))
    owner = owner_of(call, asked.member, printer)
    command = SubmitJob(
        member_id=owner.member_id,
        organization_id=owner.organization_id,
        name=asked.name or (file.name if file is not None else "untitled"),
        app_id=call.principal.app_id,
        printer_id=None if printer is None else printer.printer_id,
        file=file,
        settings=asked.settings,
        idempotency=idempotency_of(call.request, asked),
    )
    job: Job = await call.services.engine.execute(command)
    body = _shape(call, job)
    etag = etag_of(encode(body), job.version)
    return reply(body, 201, {"Location": f"{ROOT}/jobs/{job.job_id}", "ETag": etag})


def _printer_for(call: AnyCall, name_or_id: str | int) -> Printer:
    try:
        return printer_by(call, name_or_id)
    except Failure as failure:
        raise Failure(422, f"printer: {failure.detail}") from None


async def _file_for(call: AnyCall, file_id: str) -> StoredFile:
    file = await call.services.queries.file(file_id)
    if file is None or not (call.principal.is_admin or file.member_id == call.principal.member_id):
        raise Failure(422, "file_id: there is no such file for you. POST /gateway/v1/files uploads one.")
    return file


@operation("GET", "/jobs", scopes=READ, responses={200: job_schemas.JobPage}, is_conditional=True)
async def list_jobs(call: Call[job_schemas.JobsQuery, None]) -> web.StreamResponse:
    """Jobs, oldest first.

    `scope=all` shows all you may list: everything to an administrator, the organization's to its own, with
    `printer` that printer's of its owner's time to its owner; else your own.
    """
    asked = call.query
    page = await call.services.queries.jobs(
        **_whose(call, asked), statuses=_statuses(asked.status), limit=asked.limit, offset=asked.offset
    )
    jobs = [_shape(call, call.services.engine.live(job)) for job in page.jobs]
    body = {"jobs": jobs, "total": page.total, "limit": asked.limit, "offset": asked.offset}
    return reply_if_changed(call.request, body)


def _statuses(given: list[str]) -> frozenset[str]:
    words = frozenset(word.strip() for value in given for word in value.split(",") if word.strip())
    unknown = sorted(words - _WORDS)
    if unknown:
        raise Failure(400, f"status: there is no {unknown[0][:40]!r}. Known: {', '.join(sorted(_WORDS))}.")
    return words


def _whose(call: AnyCall, asked: job_schemas.JobsQuery) -> dict[str, Any]:
    """The narrowing of the store's query: never more than the caller may see."""
    principal = call.principal
    printer = None if asked.printer is None else printer_by(call, asked.printer)
    scope = asked.scope or ("all" if is_operator(principal) else "mine")
    if scope == "mine":
        shown = own_jobs(principal)
    else:
        shown = all_jobs(principal) if printer is None else printer_jobs(principal, printer)
    return {
        "member_id": shown.member_id,
        "organization_id": shown.organization_id,
        "printer_id": None if printer is None else printer.printer_id,
        "from_work_id": shown.from_work_id,
    }


@operation(
    "GET", "/jobs/{job_id}", scopes=READ, responses={200: job_schemas.JobWithAttempts}, is_conditional=True
)
async def get_job(call: Call[NoQuery, None]) -> web.StreamResponse:
    """One job, every try to print it, and how the updates to an app's own server go."""
    job = await visible_job(call, call.path("job_id").lower())
    if job is None:
        raise Failure(404, _NO_JOB)
    attempts = await call.services.queries.attempts(job.work_id)
    known = None if job.callback_url is None else await call.services.outbox.callback(job.work_id)
    body = _shape(call, job) | {
        "attempt_list": [shapes.attempt(attempt) for attempt in attempts],
        "callback": shapes.callback(job, known),
    }
    return reply_if_changed(call.request, body, version=job.version)


async def _commandable(call: AnyCall) -> Job:
    job = await commandable_job(call, call.path("job_id").lower())
    if job is None:
        raise Failure(404, _NO_JOB)
    return job


async def _give(
    call: AnyCall, make: Callable[[str, str], PauseJob | ResumeJob | CancelJob | RecoverJob]
) -> web.Response:
    job = await _commandable(call)
    task: PrinterCommand = await call.services.engine.execute(make(job.job_id, call.principal.member_id))
    location = {"Location": f"{ROOT}/commands/{task.task_id}"}
    return reply(shapes.task(task, job.job_id), 202, location)


_ACCEPTED: dict[str, Any] = {
    "scopes": READ_WRITE,
    "responses": {202: printer_schemas.Task},
    "response_headers": {"Location": "Where the command's state is."},
}


@operation("POST", "/jobs/{job_id}/start", scopes=READ_WRITE, responses={200: job_schemas.Job})
async def start_job(call: Call[NoQuery, job_schemas.JobStart]) -> web.StreamResponse:
    """Start a waiting job now, before older ones; refused with what is in its way."""
    job = await _commandable(call)
    if call.body.printer is not None:
        printer_id: int | None = _printer_for(call, call.body.printer).printer_id
    else:
        printer_id = job.printer_id
    if printer_id is None:
        raise Failure(422, "printer: this job has none yet; say which one shall print it.")
    command = StartJob(job.job_id, call.principal.member_id, printer_id)
    return reply(_shape(call, await call.services.engine.execute(command)))


@operation("POST", "/jobs/{job_id}/pause", **_ACCEPTED)
async def pause_job(call: Call[NoQuery, None]) -> web.StreamResponse:
    """Pause a running print."""
    return await _give(call, PauseJob)


@operation("POST", "/jobs/{job_id}/resume", **_ACCEPTED)
async def resume_job(call: Call[NoQuery, None]) -> web.StreamResponse:
    """Go on with a paused print."""
    return await _give(call, ResumeJob)


@operation("POST", "/jobs/{job_id}/cancel", **_ACCEPTED)
async def cancel_job(call: Call[NoQuery, None]) -> web.StreamResponse:
    """End a job: at once while it waits, by the machine once it has it."""
    return await _give(call, CancelJob)


@operation("POST", "/jobs/{job_id}/resolve", scopes=READ_WRITE, responses={200: job_schemas.Job})
async def resolve_job(call: Call[NoQuery, job_schemas.Resolution]) -> web.StreamResponse:
    """Say how a held job ended, after a look at the machine."""
    job = await _commandable(call)
    command = ResolveJob(job.job_id, call.principal.member_id, JobStatus(call.body.outcome))
    return reply(_shape(call, await call.services.engine.execute(command)))


async def _planned(call: AnyCall, job: Job, layer: int | None) -> RecoverySteps:
    services = call.services
    if not job.is_held or job.is_local or job.file_sha256 is None:
        raise Failure(409, "Only a held print that was streamed from here can be recovered.")
    printer = services.engine.state.printers.get(job.printer_id or 0)
    if printer is not None:
        refuse_unrecoverable(printer)
    path = services.files.path_of(job.file_sha256)
    loop = asyncio.get_running_loop()
    plan = services.plan_recovery
    presence = services.engine.state.presence.get(job.printer_id or 0)
    firmware = presence.firmware if presence is not None else None
    return await loop.run_in_executor(None, plan, path, job.file_sha256, job.position or 0, layer, firmware)


@operation(
    "GET",
    "/jobs/{job_id}/recovery",
    scopes=READ,
    responses={200: job_schemas.RecoveryPlan},
    more_errors=frozenset({409, 422}),
)
async def plan_job_recovery(call: Call[job_schemas.RecoveryQuery, None]) -> web.StreamResponse:
    """What recovering a held print from its last finished layer would do. Nothing is done."""
    plan = await _planned(call, await _commandable(call), call.query.layer)
    return reply(shapes.recovery(plan))


@operation("POST", "/jobs/{job_id}/recover", **_ACCEPTED)
async def recover_job(call: Call[NoQuery, job_schemas.Recovery]) -> web.StreamResponse:
    """Go on with a held print as a plan says that a person has looked at.

    The printer heats, homes X and Y and prints on from that layer. A plan that does not hold any more is
    refused.
    """
    job = await _commandable(call)
    plan = await _planned(call, job, call.body.layer)
    if plan.token != call.body.plan:
        raise Failure(409, "The plan has changed; look at it again (GET /gateway/v1/jobs/{id}/recovery).")
    where = (plan.offset, plan.line, plan.heat_lines, plan.move_lines)
    return await _give(
        call, lambda job_id, member_id: RecoverJob(job_id, member_id, job.position or 0, *where)
    )


@operation("GET", "/commands/{task_id}", scopes=READ, responses={200: printer_schemas.Task})
async def get_command(call: Call[NoQuery, None]) -> web.StreamResponse:
    """What became of a command."""
    found = await visible_command(call, call.path("task_id").lower())
    if found is None:
        raise Failure(404, "There is no such command for you.")
    command, job = found
    return reply(shapes.task(command, None if job is None else job.job_id))

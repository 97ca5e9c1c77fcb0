"""Handing in jobs and starting them: `POST` and `PUT printers/:printer_id/jobs`."""

from __future__ import annotations

from typing import Final

from aiohttp import web

from gateway.api.forge import answers, mapping
from gateway.api.forge.apps.jobs_shown import job_number
from gateway.api.forge.apps.printable_files import check_address, chosen_file
from gateway.api.forge.schemas import NewJob, Receipt, Started, StartQueued
from gateway.api.http.answers import reply
from gateway.api.http.finding import commandable_job, usable_printer
from gateway.api.http.idempotency import idempotency_of
from gateway.api.http.operations import FORM, INTEGER_ID, JSON, READ_WRITE, Call, NoQuery, operation
from gateway.domain.commands import SetCallback, StartJob, SubmitJob

_PATH: Final = "/print/printers/{printer_id}/jobs"
_PRINTER: Final = {"printer_id": INTEGER_ID}


@operation(
    "POST",
    _PATH,
    scopes=READ_WRITE,
    responses={200: Receipt},
    accepts=(JSON, FORM),
    path_parameters=_PRINTER,
    is_idempotent_by_key=True,
    body_required=False,
)
async def create_job(call: Call[NoQuery, NewJob]) -> web.StreamResponse:
    """A new job for a printer; printer 0 is none yet.

    With a printer and a file it is queued, and sent as soon as the printer is idle and its plate clear.
    Without one of them it is created, and waits for it: also while the gateway fetches `printable_url`.
    """
    asked = call.body
    printer_id = call.path_int("printer_id") or None
    if printer_id is not None and usable_printer(call, printer_id) is None:
        raise answers.no_access()
    check_address(call, "callback_url", asked.callback_url)
    chosen = await chosen_file(call, asked)
    command = SubmitJob(
        member_id=call.principal.member_id,
        organization_id=call.principal.organization_id,
        name=asked.job_name or (chosen.file.name if chosen.file is not None else "untitled"),
        app_id=call.principal.app_id,
        printer_id=printer_id,
        file=chosen.file,
        printable_url=chosen.url,
        settings=asked.settings,
        callback_url=asked.callback_url,
        callback_interval=asked.callback_interval,
        idempotency=idempotency_of(call.request, asked),
    )
    return reply(mapping.receipt(await call.services.engine.execute(command)))


@operation(
    "PUT",
    _PATH,
    scopes=READ_WRITE,
    responses={200: Started},
    accepts=(JSON, FORM),
    path_parameters=_PRINTER,
)
async def start_job(call: Call[NoQuery, StartQueued]) -> web.StreamResponse:
    """Start a waiting job now, before older ones.

    422 says why it cannot be: the printer prints, its plate is occupied, the job has no file. The task is
    the job itself.
    """
    asked, member_id = call.body, call.principal.member_id
    printer = usable_printer(call, call.path_int("printer_id"))
    job = await commandable_job(call, job_number(asked.job_id))
    if printer is None or job is None:
        raise answers.no_access()
    check_address(call, "callback_url", asked.callback_url)
    engine = call.services.engine
    started = await engine.execute(StartJob(job.job_id, member_id, printer.printer_id))
    if asked.callback_url is not None:
        started = await engine.execute(
            SetCallback(job.job_id, member_id, asked.callback_url, asked.callback_interval)
        )
    return reply({**mapping.receipt(started), "task_id": started.job_id})


NEW_JOB_OPERATIONS: Final = (create_job, start_job)

"""Changing jobs: a verdict by `PUT jobs/:job_id`; file, printer and callback of one that waits."""

from __future__ import annotations

from typing import Final

from aiohttp import web
from pydantic import ValidationError

from gateway.api.forge import answers, mapping
from gateway.api.forge.apps.jobs_shown import job_detail, job_number
from gateway.api.forge.apps.printable_files import check_address, chosen_file
from gateway.api.forge.schemas import (
    Callback,
    ChosenPrinter,
    CustomData,
    JobDetail,
    JudgeQuery,
    Printable,
    Receipt,
)
from gateway.api.http.answers import reply
from gateway.api.http.finding import commandable_job, usable_printer
from gateway.api.http.operations import FORM, JSON, READ_WRITE, AnyCall, Call, NoQuery, operation
from gateway.api.http.problems import Failure, from_validation
from gateway.domain.commands import ChooseFile, ChoosePrinter, JudgeJob, SetCallback, Unset
from gateway.domain.job import Job, Verdict

_JOB: Final = "/print/jobs/{job_id}"
#: The SDK says `success` where the documentation says `successful` (Forge 1.4, PUT jobs/:job_id).
_VERDICTS: Final = {
    "": None,
    "success": Verdict.SUCCESSFUL,
    "successful": Verdict.SUCCESSFUL,
    "failed": Verdict.FAILED,
}


@operation(
    "PUT",
    _JOB,
    scopes=READ_WRITE,
    responses={200: JobDetail},
    accepts=(JSON, FORM),
    reads_query=False,
    body_required=False,
)
async def judge_job(call: Call[JudgeQuery, CustomData]) -> web.StreamResponse:
    """Say how a job that is over turned out, comment on a job, keep data of the app's own with it.

    What is left out or empty stays as it was. A verdict is the job's `status` from then on.
    """
    asked = _judgement(call)
    job = await _job(call)
    data = call.body.root if await call.request.read() else Unset.UNSET
    verdict, comment = _VERDICTS[asked.status], asked.comment or None
    if verdict is not None or comment is not None or data is not Unset.UNSET:
        command = JudgeJob(job.job_id, call.principal.member_id, verdict, comment, data)
        job = await call.services.engine.execute(command)
    return reply(job_detail(call, call.services.engine.live(job)))


def _judgement(call: AnyCall) -> JudgeQuery:
    """The query; parameters that are not known are ignored, as everywhere in this API."""
    given = {}
    for name in JudgeQuery.model_fields:
        values = call.request.query.getall(name, [""])
        if len(values) > 1:
            raise Failure(400, f"{name} is given {len(values)} times; give it once.")
        given[name] = values[0]
    try:
        return JudgeQuery.model_validate(given)
    except ValidationError as error:
        raise from_validation(error, 422, "query") from None


async def _job(call: AnyCall) -> Job:
    job = await commandable_job(call, job_number(call.path("job_id")))
    if job is None:
        raise answers.no_access()
    return job


@operation("POST", f"{_JOB}/printable", scopes=READ_WRITE, responses={200: Receipt}, accepts=(JSON, FORM))
async def choose_file(call: Call[NoQuery, Printable]) -> web.StreamResponse:
    """Give a waiting job its file: one that was uploaded, or where the gateway fetches it."""
    job = await _job(call)
    chosen = await chosen_file(call, call.body)
    if chosen.file is None and chosen.url is None:
        raise Failure(422, "Send the printable_id of an uploaded file, or a printable_url.")
    command = ChooseFile(job.job_id, call.principal.member_id, chosen.file, chosen.url)
    return reply(mapping.receipt(await call.services.engine.execute(command)))


@operation("POST", f"{_JOB}/printer", scopes=READ_WRITE, responses={200: Receipt}, accepts=(JSON, FORM))
async def choose_printer(call: Call[NoQuery, ChosenPrinter]) -> web.StreamResponse:
    """Say on which printer a waiting job shall be printed."""
    job = await _job(call)
    printer = usable_printer(call, call.body.printer_id)
    if printer is None:
        raise answers.no_access()
    command = ChoosePrinter(job.job_id, call.principal.member_id, printer.printer_id)
    return reply(mapping.receipt(await call.services.engine.execute(command)))


@operation("POST", f"{_JOB}/register", scopes=READ_WRITE, responses={200: Receipt}, accepts=(JSON, FORM))
async def set_callback(call: Call[NoQuery, Callback]) -> web.StreamResponse:
    """Say where the progress of a job shall be told."""
    job, asked = await _job(call), call.body
    check_address(call, "callback_url", asked.callback_url)
    command = SetCallback(job.job_id, call.principal.member_id, asked.callback_url, asked.callback_interval)
    return reply(mapping.receipt(await call.services.engine.execute(command)))


JOB_CHANGING_OPERATIONS: Final = (judge_job, choose_file, choose_printer, set_callback)

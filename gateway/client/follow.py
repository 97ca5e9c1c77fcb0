"""A job until its end: one fresh picture after each event that concerns it."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing

from gateway.client.errors import Refused
from gateway.client.models import GatewayEvent, Job
from gateway.client.native import GatewayClient, Opened

#: Jobs asked for at once while looking for a number.
PAGE = 100


async def follow(client: GatewayClient, job_id: str) -> AsyncGenerator[Job, None]:
    """The job now and after every change; ends with the job. Survives restarts of the gateway.

    The stream is opened first and the job read then, so that nothing falls between the two.
    """
    job: Job | None = None
    async with aclosing(client.events()) as events:
        async for event in events:
            if isinstance(event, Opened) or _moved(event, job_id):
                job = await client.job(job_id)
            elif job is not None and _progressed(event, job_id):
                fresh = {key: event.details.get(key) for key in ("progress", "position", "line")}
                job = job.model_copy(update={key: value for key, value in fresh.items() if value is not None})
            else:
                continue
            yield job
            if job.is_over:
                return


async def find_job(client: GatewayClient, text: str) -> Job:
    """A job by its id, its number or an unmistakable beginning of its id; the newest are looked at first."""
    if len(text) >= 32:
        return await client.job(text)
    offset = (await client.jobs(scope="all", limit=1)).total
    found: list[Job] = []
    while offset > 0 and not found:
        start = max(0, offset - PAGE)
        page = await client.jobs(scope="all", limit=offset - start, offset=start)
        found = [job for job in page.jobs if _is_meant(job, text)]
        offset = start
    if len(found) == 1:
        return found[0]
    if found:
        raise Refused(404, "Ambiguous", f'"{text}" begins the ids of {len(found)} jobs; give more of it')
    raise Refused(404, "Not found", f'there is no job "{text}"; see print-gateway jobs list')


def _is_meant(job: Job, text: str) -> bool:
    return str(job.number) == text if text.isdigit() else job.id.startswith(text.lower())


def _moved(event: GatewayEvent, job_id: str) -> bool:
    if event.kind == "resync":  # too much was missed
        return True
    return event.kind != "job-progressed" and event.details.get("job_id") == job_id


def _progressed(event: GatewayEvent, job_id: str) -> bool:
    return event.kind == "job-progressed" and event.details.get("job_id") == job_id

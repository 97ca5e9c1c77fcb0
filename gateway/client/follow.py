"""A job, a task, a run of a schedule until its end: a fresh picture after each event that may concern it."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing

from gateway.client.errors import Refused
from gateway.client.models import Action, GatewayEvent, Job, Task, TaskProgress
from gateway.client.native import GatewayClient, Opened

#: Jobs asked for at once while looking for a number.
PAGE = 500
#: Characters of a whole id, and the fewest that may stand for one: a slip must not cancel a job.
ID_CHARS, SHORTEST = 36, 4
#: What an event of progress says of its job.
_OF_PROGRESS = ("progress", "position", "line", "layer", "layers", "seconds_left")


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
                fresh = {key: event.details.get(key) for key in _OF_PROGRESS}
                job = job.model_copy(update={key: value for key, value in fresh.items() if value is not None})
            else:
                continue
            yield job
            if job.is_over:
                return


async def follow_task(client: GatewayClient, task_id: str) -> AsyncGenerator[Task, None]:
    """A task now and after every change; ends with the task. Survives as `follow` does."""
    task: Task | None = None
    async with aclosing(client.events()) as events:
        async for event in events:
            if isinstance(event, Opened) or event.kind == "resync":
                task = await client.tasks.one(task_id)
            elif event.details.get("task_id") != task_id:
                continue
            elif task is not None and event.kind == "task-progressed":
                fresh = {key: event.details.get(key) for key in ("value", "total")}
                task = task.model_copy(update={"progress": TaskProgress.model_validate(fresh)})
            else:
                task = await client.tasks.one(task_id)
            yield task
            if task.is_over:
                return


async def follow_run(client: GatewayClient, action_id: str) -> AsyncGenerator[Action, None]:
    """A run of a schedule now and after every change; ends with the run. Survives as `follow` does.

    What its steps wait for changes with jobs and printers, too: every event but mere progress is a reason to
    look.
    """
    last: Action | None = None
    async with aclosing(client.events()) as events:
        async for event in events:
            if not isinstance(event, Opened) and event.kind.endswith("-progressed"):
                continue
            action = await client.schedules.action(action_id)
            if action != last:
                last = action
                yield action
            if action.is_over:
                return


async def find_job(client: GatewayClient, text: str) -> Job:
    """A job by its number, its id or an unmistakable beginning of its id; the newest are looked at first."""
    if len(text) >= ID_CHARS:
        return await client.job(text)
    begins: list[Job] = []
    async for job in _newest_first(client):
        if str(job.number) == text:
            return job
        if len(text) >= SHORTEST and job.id.startswith(text.lower()):
            begins.append(job)
    if len(begins) == 1:
        return begins[0]
    if begins:
        raise Refused(404, "Ambiguous", f'"{text}" begins the ids of {len(begins)} jobs; give more of it')
    raise Refused(404, "Not found", f'there is no job "{text}"; see print-gateway jobs list')


async def find_run(client: GatewayClient, number: int) -> Action:
    """A run of a schedule by its number; those that ended lately are looked at, too."""
    page = await client.schedules.runs(limit=PAGE)
    found = next((action for action in page.actions if action.number == number), None)
    if found is None:
        raise Refused(404, "Not found", f"there is no run {number}; see print-gateway schedules runs")
    return found


async def _newest_first(client: GatewayClient) -> AsyncGenerator[Job, None]:
    offset = (await client.jobs(scope="all", limit=1)).total
    while offset > 0:
        start = max(0, offset - PAGE)
        page = await client.jobs(scope="all", limit=offset - start, offset=start)
        for job in reversed(page.jobs):
            yield job
        offset = start


def _moved(event: GatewayEvent, job_id: str) -> bool:
    if event.kind == "resync":  # too much was missed
        return True
    return event.kind != "job-progressed" and event.details.get("job_id") == job_id


def _progressed(event: GatewayEvent, job_id: str) -> bool:
    return event.kind == "job-progressed" and event.details.get("job_id") == job_id

"""A progress bar that the event stream moves."""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING

from rich.progress import BarColumn, Progress, TaskID, TaskProgressColumn, TextColumn, TimeElapsedColumn

from gateway.cli.show import console, standing
from gateway.client.follow import follow

if TYPE_CHECKING:
    from gateway.client.models import Job
    from gateway.client.native import GatewayClient


def make_progress(*, shown: bool = True) -> Progress:
    """One line a job: name, bar, percent, time, and what it waits for."""
    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=30),
        TaskProgressColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[note]}", markup=False),
        console=console(stderr=True),
        disable=not shown,
    )


def move(progress: Progress, line: TaskID, job: Job) -> None:
    """Show where the job is now."""
    done = 1.0 if job.status == "completed" else job.progress
    note = " - ".join(part for part in (standing(job), job.message or job.waiting) if part)
    progress.update(line, completed=done or 0.0, note=note)


async def watch_job(client: GatewayClient, job_id: str, *, bar: bool = True) -> Job:
    """The job as it ended; until then its progress is on the screen."""
    last: Job | None = None
    with make_progress(shown=bar) as progress:
        line = progress.add_task("job", total=1.0, note="")
        async with aclosing(follow(client, job_id)) as jobs:
            async for last in jobs:
                progress.update(line, description=last.name)
                move(progress, line, last)
    if last is None:
        raise AssertionError("a followed job is seen at least once")
    return last

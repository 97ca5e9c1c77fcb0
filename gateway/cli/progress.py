"""A progress bar that the event stream moves."""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING

from rich.progress import BarColumn, Progress, TaskID, TaskProgressColumn, TextColumn, TimeElapsedColumn

from gateway.cli.show import console, standing, time_left
from gateway.client.follow import follow, follow_task

if TYPE_CHECKING:
    from gateway.client.models import Job, Task
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
    left = time_left(job)
    parts = (standing(job), left and f"{left} left", job.message or job.waiting)
    note = " - ".join(part for part in parts if part)
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


#: What the progress of a kind counts; that of others, bytes.
UNITS = {"history-export": "rows", "diagnostics": "steps"}
#: Bytes in each unit for people, the largest first.
SIZES = ((1_000_000, "MB"), (1_000, "kB"), (1, "bytes"))


def task_note(task: Task) -> str:
    """Where a task stands: its standing, how far it is, what it is at."""
    value, total = task.progress.value, task.progress.total
    size, unit = 1, UNITS.get(task.kind)
    if unit is None:
        size, unit = next(known for known in SIZES if (total or value) >= known[0] or known[0] == 1)
    far = " of ".join(f"{count / size:.{int(size > 1)}f}" for count in (value, total) if count is not None)
    return " - ".join(
        part for part in (task.standing, f"{far} {unit}" if value else "", task.message) if part
    )


async def watch_task(client: GatewayClient, task_id: str, *, bar: bool = True) -> Task:
    """The task as it ended; until then its progress is on the screen."""
    last: Task | None = None
    with make_progress(shown=bar) as progress:
        line = progress.add_task("task", total=1.0, note="")
        async with aclosing(follow_task(client, task_id)) as tasks:
            async for last in tasks:
                done = last.progress.value / last.progress.total if last.progress.total else 0.0
                progress.update(line, description=last.name, note=task_note(last))
                progress.update(line, completed=1.0 if last.status == "done" else done)
    if last is None:
        raise AssertionError("a followed task is seen at least once")
    return last

"""`history-export`: print jobs as CSV (RFC 4180, UTF-8, a header line), oldest first.

It holds every job that was there when the try began, once, as it stood when its page was read: pages follow
each other by the jobs' numbers, which only grow, up to the highest of that moment. A job that ends while the
export runs is told as running or as over, never twice and never not at all.

Cells that a spreadsheet would run as a formula get an apostrophe in front (OWASP, "CSV Injection").
"""

from __future__ import annotations

import asyncio
import csv
import io
import re
from collections.abc import AsyncIterator, Iterable, Mapping
from datetime import datetime
from typing import Any, Final, Protocol

from gateway.domain.job import Job
from gateway.domain.state import State
from gateway.domain.task import Task
from gateway.engine.ports import Clock, JobPage, Queries
from gateway.tasks.results import Results
from gateway.tasks.work import Outcome, Work

#: Jobs of a page: a list that holds no reader up for more than some milliseconds.
PAGE_JOBS: Final = 500
#: Jobs made into rows in one turn of the loop: two milliseconds.
SLICE_JOBS: Final = 50
MEDIA_TYPE: Final = "text/csv; charset=utf-8; header=present"
COLUMNS: Final = (
    "number", "job_id", "name", "status", "verdict", "printer", "member", "organization_id", "is_local",
    "attempts", "created_at", "started_at", "ended_at", "elapsed_seconds", "file_name", "file_size",
    "file_sha256", "comment", "message", "origin",
)  # fmt: skip
#: What makes a spreadsheet take a cell for a formula, in full width too (OWASP, "CSV Injection"), also behind
#: blanks and what is not seen. And behind a semicolon: where the comma is the decimal point, spreadsheets
#: split lines there.
_FORMULA: Final = re.compile(r"[\s\ufeff\u200b-\u200f\u2060]*[=+@\-\uff1d\uff0b\uff20\uff0d]|[\t\r\n]")
_FORMULA_INSIDE: Final = re.compile(rf"(;)(?={_FORMULA.pattern})")


class Engine(Protocol):
    """The engine, as far as it is needed here."""

    @property
    def state(self) -> State:
        """Members and printers by their ids; read only."""


class HistoryExport:
    """The kind."""

    def __init__(
        self, *, engine: Engine, jobs: Queries, results: Results, clock: Clock, page_jobs: int = PAGE_JOBS
    ) -> None:
        self._engine = engine
        self._jobs = jobs
        self._results = results
        self._clock = clock
        self._page_jobs = page_jobs

    async def run(self, task: Task, work: Work) -> Outcome:
        """One try; raises as `Kind` says."""
        last = self._engine.state.last_work_id
        after, before = (_instant(task.arguments.get(name)) for name in ("created_after", "created_before"))
        looked = rows = 0
        async with self._results.file_of(task) as file:
            await file.write(_lines([COLUMNS]))
            async for jobs, total in self._slices(task.arguments, last):
                wanted = [job for job in jobs if _is_between(job.created_at, after, before)]
                await file.write(_lines(self._row(job) for job in wanted))
                looked, rows = looked + len(jobs), rows + len(wanted)
                work.at(looked, max(total, looked))
            work.at(looked, looked)
            name = f"print-history-{self._clock.wall():%Y-%m-%d}.csv"
            made = await file.finish(name, MEDIA_TYPE)
        return Outcome({"rows": rows}, made)

    async def _slices(self, wanted: Mapping[str, Any], last: int) -> AsyncIterator[tuple[list[Job], int]]:
        """Jobs up to number `last`, a few at a time, and how many there are in all."""
        begin, total = 0, None
        while begin <= last:
            page = await self._page(wanted, begin)
            total = page.total if total is None else total
            for start in range(0, len(page.jobs), SLICE_JOBS):
                jobs = page.jobs[start : start + SLICE_JOBS]
                yield [job for job in jobs if job.work_id <= last], total
                await asyncio.sleep(0)
            if len(page.jobs) < self._page_jobs:
                return
            begin = page.jobs[-1].work_id + 1

    async def _page(self, wanted: Mapping[str, Any], begin: int) -> JobPage:
        return await self._jobs.jobs(
            member_id=wanted.get("member_id"),
            organization_id=wanted.get("organization_id"),
            printer_id=wanted.get("printer_id"),
            statuses=frozenset(wanted.get("statuses") or ()),
            from_work_id=begin or None,
            limit=self._page_jobs,
        )

    def _row(self, job: Job) -> tuple[str, ...]:
        state = self._engine.state
        printer, member = state.printers.get(job.printer_id or 0), state.members.get(job.member_id)
        over = job.ended_at or self._clock.wall()
        seconds = round((over - job.started_at).total_seconds()) if job.started_at is not None else None
        cells = (
            job.work_id, job.job_id, job.name, job.status.value, job.verdict and job.verdict.value,
            printer and printer.shown_name, member and member.name, job.organization_id,
            "true" if job.is_local else "false", job.attempts, job.created_at, job.started_at, job.ended_at,
            None if seconds is None else max(seconds, 0), job.file_name, job.file_size, job.file_sha256,
            job.comment, job.message, job.shown_origin.value,
        )  # fmt: skip
        return tuple(_cell(value) for value in cells)


def _cell(value: object) -> str:
    """A value as text that a spreadsheet takes for a value."""
    if value is None:
        return ""
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%dT%H:%M:%SZ")
    text = str(value).replace("\0", "")
    if not isinstance(value, str):
        return text
    return ("'" if _FORMULA.match(text) else "") + _FORMULA_INSIDE.sub(r"\1'", text)


def _lines(rows: Iterable[tuple[str, ...]]) -> bytes:
    text = io.StringIO()
    csv.writer(text).writerows(rows)  # CRLF and doubled quotes, as RFC 4180 has them
    return text.getvalue().encode("utf-8", "replace")


def _instant(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


def _is_between(at: datetime, after: datetime | None, before: datetime | None) -> bool:
    return (after is None or at > after) and (before is None or at < before)

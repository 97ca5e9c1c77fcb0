"""The reading side: lists and single rows for the APIs, on connections that never wait for a commit.

Nothing here counts or skips rows where it can help it:

    total     from `job_total` unless a printer, or the jobs from one on, are asked for
    offset    a member's jobs are numbered without gaps, so `offset` is a seek in (member_id, member_ordinal)
    statuses  one index walk per status, merged; the order by creation needs no sort
    offset of the rest walks the index alone; only the rows of the page itself are read
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from functools import lru_cache
from operator import itemgetter
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Select, func, select, union_all

from gateway.domain.file import StoredFile
from gateway.domain.job import Attempt, Job
from gateway.domain.printer_command import PrinterCommand
from gateway.engine.ports import JobPage, StoredEvent
from gateway.store import rows
from gateway.store.pages import Row, made_in_order
from gateway.store.prepared import Prepared, placeholder, prepare
from gateway.store.schema import attempt, event, file, job, job_total, printer_command, work
from gateway.store.work_queries import WorkQueries

#: Statements of lists kept ready, 5 KB each: apps ask for a handful of combinations of statuses.
_LISTS_READY: Final = 128
#: Rows of a page that is worth keeping: longer ones are pieces of a list that is read once.
_KEPT_PAGE: Final = 100


@dataclass(frozen=True, slots=True)
class JobFilter:
    """Which jobs; what is None or empty does not narrow."""

    member_id: str | None = None
    printer_id: int | None = None
    organization_id: int | None = None
    statuses: frozenset[str] = frozenset()  # shown words
    from_work_id: int | None = None

    @property
    def only_member(self) -> bool:
        """Whether the page is simply a stretch of a member's jobs."""
        return (
            self.member_id is not None
            and self.printer_id is None
            and self.organization_id is None
            and self.from_work_id is None
            and not self.statuses
        )

    def owners(self, columns: Any) -> list[ColumnElement[bool]]:
        """The conditions besides the statuses, on a table that has these columns."""
        return [
            columns.work_id >= value if name == "from_work_id" else columns[name] == value
            for name, value in self.owner_values().items()
        ]

    def owner_values(self) -> dict[str, Any]:
        """What narrows besides the statuses, by column."""
        wanted = {
            "member_id": self.member_id,
            "printer_id": self.printer_id,
            "organization_id": self.organization_id,
            "from_work_id": self.from_work_id,
        }
        return {name: value for name, value in wanted.items() if value is not None}


def page_statement(wanted: JobFilter, limit: Any, offset: Any) -> Select[Any]:
    """The rows of a page, in the order of creation. `limit` and `offset`: numbers or parameters, or None."""
    if wanted.only_member:
        ordinal = job.c.member_ordinal
        mine = rows.SELECT_JOBS.where(job.c.member_id == wanted.member_id, ordinal >= offset).order_by(
            ordinal
        )
        return mine if limit is None else mine.limit(limit)
    ids = _ids(wanted, limit, offset).subquery("page")
    return rows.SELECT_JOBS.join(ids, ids.c.work_id == job.c.work_id)


def _ids(wanted: JobFilter, limit: Any, offset: Any) -> Any:
    arms = [
        select(job.c.work_id).where(*wanted.owners(job.c), job.c.shown_status == status)
        for status in sorted(wanted.statuses)
    ]
    if len(arms) > 1:
        merged = union_all(*arms)
        ordered: Any = merged.order_by(merged.selected_columns.work_id)
    else:
        one = arms[0] if arms else select(job.c.work_id).where(*wanted.owners(job.c))
        ordered = one.order_by(job.c.work_id)
    if limit is not None:
        ordered = ordered.limit(limit)
    return ordered.offset(offset)


def total_statement(wanted: JobFilter) -> Select[Any]:
    """How many jobs there are on all pages together."""
    if wanted.printer_id is None and wanted.from_work_id is None:
        kept = select(func.coalesce(func.sum(job_total.c.n), 0)).where(*wanted.owners(job_total.c))
        return kept.where(job_total.c.shown_status.in_(sorted(wanted.statuses))) if wanted.statuses else kept
    counted = select(func.count()).select_from(job).where(*wanted.owners(job.c))
    return counted.where(job.c.shown_status.in_(sorted(wanted.statuses))) if wanted.statuses else counted


@lru_cache(maxsize=_LISTS_READY)
def _list_statements(
    owners: tuple[str, ...], statuses: frozenset[str], has_limit: bool
) -> tuple[Prepared, Prepared]:
    """The page and its total, for lists that are narrowed by these columns."""
    given: dict[str, Any] = {name: placeholder(name) for name in owners}
    wanted = JobFilter(**given, statuses=statuses)
    limit = placeholder("limit") if has_limit else None
    return prepare(page_statement(wanted, limit, placeholder("offset"))), prepare(total_statement(wanted))


def _page(found: list[Row], total: int) -> JobPage:
    in_order = sorted(found, key=itemgetter(rows.WORK_ID_AT))  # as they came; SQL does not promise it
    return JobPage(tuple(map(rows.job_from, in_order)), total)


class Queries(WorkQueries):
    """`gateway.engine.ports.Queries` on a database. Every call raises StoreUnavailable."""

    async def jobs(
        self,
        *,
        member_id: str | None = None,
        printer_id: int | None = None,
        organization_id: int | None = None,
        from_work_id: int | None = None,
        statuses: frozenset[str] = frozenset(),
        limit: int | None = 20,
        offset: int = 0,
    ) -> JobPage:
        """Jobs that match all that is given, ascending by creation; page and total from one snapshot.

        `limit=None` reads all their rows into memory; who may ask for that is for the caller to say.
        """
        wanted = JobFilter(member_id, printer_id, organization_id, statuses, from_work_id)
        values = wanted.owner_values() | {"limit": limit, "offset": offset}
        listed, counted = _list_statements(tuple(wanted.owner_values()), statuses, limit is not None)

        def long(driver: sqlite3.Connection) -> JobPage:
            jobs = made_in_order(listed.stretches(driver, values), rows.job_from, rows.WORK_ID_AT)
            return JobPage(jobs, counted.rows(driver, values)[0][0])

        def short(driver: sqlite3.Connection) -> tuple[list[Row], int]:
            return listed.rows(driver, values), counted.rows(driver, values)[0][0]

        if limit is None or limit > _KEPT_PAGE:
            return await self._database.read_plain(long)
        return await self._database.read_kept(
            listed.key(values), short, lambda page: len(page.jobs), lambda read: _page(*read)
        )

    async def job(self, job_id: str) -> Job | None:
        """One job by its public id."""
        return await self._one(rows.SELECT_JOBS.where(work.c.public_id == job_id), rows.job_from)

    async def job_by_work_id(self, work_id: int) -> Job | None:
        """One job by the number of its work row."""
        return await self._one(rows.SELECT_JOBS.where(job.c.work_id == work_id), rows.job_from)

    async def attempts(self, work_id: int) -> tuple[Attempt, ...]:
        """All tries to print a job, in order."""
        wanted = select(attempt).where(attempt.c.work_id == work_id).order_by(attempt.c.number)
        return await self._many(wanted, rows.attempt_from)

    async def file(self, file_id: str) -> StoredFile | None:
        """One upload."""
        return await self._one(rows.SELECT_FILES.where(file.c.file_id == file_id), rows.file_from)

    async def files(self, *, member_id: str | None, limit: int, offset: int) -> tuple[StoredFile, ...]:
        """Uploads, newest first; `None`: everybody's."""
        wanted = rows.SELECT_FILES.order_by(file.c.number.desc()).limit(limit).offset(offset)
        if member_id is not None:
            wanted = wanted.where(file.c.member_id == member_id)
        return await self._many(wanted, rows.file_from)

    async def command(self, task_id: str) -> PrinterCommand | None:
        """One printer command."""
        wanted = select(printer_command).where(printer_command.c.task_id == task_id)
        return await self._one(wanted, rows.command_from)

    async def events_after(self, seq: int, limit: int) -> tuple[StoredEvent, ...]:
        """Committed events behind `seq`, in order. Those pruned long ago are missing at the beginning."""
        wanted = rows.SELECT_EVENTS.where(event.c.seq > seq).order_by(event.c.seq).limit(limit)
        return await self._many(wanted, rows.event_from)

    async def last_event_seq(self) -> int:
        """The newest committed event's number; 0 when there is none."""
        newest = select(func.coalesce(func.max(event.c.seq), 0))
        return await self._database.read(lambda connection: int(connection.execute(newest).scalar_one()))

    async def _one(self, wanted: Select[Any], read: rows.Reader[rows.R]) -> rows.R | None:
        def unit(connection: Connection) -> rows.R | None:
            row = connection.execute(wanted).one_or_none()
            return None if row is None else read(row)

        return await self._database.read(unit)

    async def _many(self, wanted: Select[Any], read: rows.Reader[rows.R]) -> tuple[rows.R, ...]:
        def unit(connection: Connection) -> tuple[rows.R, ...]:
            return tuple(read(row) for row in connection.execute(wanted))

        return await self._database.read(unit)

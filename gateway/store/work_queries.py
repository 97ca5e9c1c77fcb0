"""Reading tasks, actions, and the list of print jobs and tasks together.

A page of the list is its ids, read from indexes alone (`work_lists`), then the rows of these ids. Where the
list is all there is, `work_places` says where a deep page begins.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from operator import itemgetter
from typing import Any, Final

from sqlalchemy import Connection, Select, func, select

from gateway.domain.job import Job
from gateway.domain.schedule import Action
from gateway.domain.task import ADMIN_KINDS, TASK_KEPT, Task
from gateway.engine.ports import ActionPage, TaskFilter, TaskPage, WorkFilter, WorkPage
from gateway.store import rows, work_rows
from gateway.store.columns import to_json, to_milliseconds
from gateway.store.database import Database
from gateway.store.pages import Row, made_of
from gateway.store.prepared import Prepared, placeholder, prepare
from gateway.store.schema import job, work
from gateway.store.schema_work import ADMIN_TASKS, JOBS, TASKS, action, task
from gateway.store.seen_blocks import SEEN_BLOCKS, SeenBlocks
from gateway.store.work_lists import (
    ALL_KINDS,
    ALL_STANDINGS,
    ALL_STATUSES,
    OPEN,
    JobShape,
    TaskShape,
    bounds,
    job_arms,
    job_count,
    job_window,
    packed,
    page_statement,
    task_arms,
    task_count,
    task_window,
)
from gateway.store.work_places import Places

#: What is gone is left out of lists by the clock of every ten seconds: pages stay the same in between.
_CLOCK: Final = timedelta(seconds=10)
#: Statements kept ready; the combinations that apps ask for are a handful.
_READY: Final = 64
#: Rows of a page that is worth keeping: longer ones are pieces of a list that is read once.
_KEPT_PAGE: Final = 100
#: Ids of a list by time that are read and sorted, a millisecond; where there are more, the list is walked.
WINDOW_IDS: Final = 2_000
_NO_LIMIT: Final = -1  # SQLite's word
_LAST_ID: Final = 2**62  # no row has it

_LISTED = func.json_each(placeholder("ids")).table_valued("value")
_JOBS = prepare(rows.SELECT_JOBS.where(job.c.work_id.in_(select(_LISTED.c.value))))
_TASKS = prepare(work_rows.SELECT_TASKS.where(task.c.work_id.in_(select(_LISTED.c.value))))
_TASK_BY: Final = {
    "task_id": prepare(work_rows.SELECT_TASKS.where(work.c.public_id == placeholder("task_id"))),
    "hex24": prepare(work_rows.SELECT_TASKS.where(work.c.hex24 == placeholder("hex24"))),
}

_by_creation = itemgetter(work_rows.TASK_WORK_ID_AT)


@dataclass(frozen=True, slots=True)
class _Listing:
    """The statements of one list."""

    page: Prepared  # its ids, as one JSON array
    tasks: Prepared | None  # how many there are
    jobs: Prepared | None

    def ids(self, driver: sqlite3.Connection, values: Mapping[str, Any]) -> str:
        """Of the page, as JSON."""
        ((ids,),) = self.page.rows(driver, values)
        return str(ids)

    def total(self, driver: sqlite3.Connection, values: Mapping[str, Any]) -> int:
        """How many rows are in the list."""
        counts = (counted.rows(driver, values)[0][0] for counted in (self.tasks, self.jobs) if counted)
        return sum(count or 0 for count in counts)


@lru_cache(maxsize=_READY)
def _listing(tasks: TaskShape, jobs: JobShape | None, newest_first: bool = False) -> _Listing | None:
    """None: nothing is of these shapes."""
    of_jobs = [] if jobs is None else job_arms(jobs)
    of_tasks = task_arms(tasks, newest_first=newest_first)
    if not of_jobs and not of_tasks:
        return None
    page = page_statement([*of_jobs, *of_tasks], newest_first=newest_first).subquery("page")
    return _Listing(
        page=prepare(packed(page.c.work_id)),
        tasks=prepare(task_count(tasks)) if of_tasks else None,
        jobs=prepare(job_count(jobs)) if jobs is not None and of_jobs else None,
    )


@lru_cache(maxsize=_READY)
def _windows(tasks: TaskShape, jobs: JobShape) -> list[Prepared]:
    """Of a list by time: whose ids are in the windows."""
    found = []
    if tasks.kinds and tasks.standings:
        found.append(prepare(task_window(tasks)))
    if jobs.statuses:
        found.append(prepare(job_window(jobs)))
    return found


@lru_cache(maxsize=8)  # all there are
def _places(is_of_one: bool, with_admin_kinds: bool, of_tasks_alone: bool) -> Places:
    """Of the list of jobs and tasks, oldest first; of that of tasks, newest first."""
    sorts = {TASKS, *((ADMIN_TASKS,) if with_admin_kinds else ()), *(() if of_tasks_alone else (JOBS,))}
    return Places(is_of_one=is_of_one, sorts=frozenset(sorts), newest_first=of_tasks_alone)


@dataclass(frozen=True, slots=True)
class _WorkRows:
    """What a page of jobs and tasks is made of."""

    ids: Sequence[int]
    jobs: Sequence[Row]
    tasks: Sequence[Row]
    total: int | None
    has_more: bool

    def page(self) -> WorkPage:
        """The rows as what they stand for, in the order of the ids."""
        found: dict[int, Job | Task] = {row[rows.WORK_ID_AT]: rows.job_from(row) for row in self.jobs}
        for row in self.tasks:
            found[row[work_rows.TASK_WORK_ID_AT]] = work_rows.task_from(row)
        return WorkPage(tuple(found[work_id] for work_id in self.ids), self.total, self.has_more)


@dataclass(frozen=True, slots=True)
class _Shapes:
    """What a filter of works asks for, whatever the time."""

    tasks: TaskShape
    jobs: JobShape
    values: Mapping[str, Any]  # of owners and bounds
    is_all: bool  # of the gateway or of one organization


@lru_cache(maxsize=_READY)
def _shapes(wanted: WorkFilter) -> _Shapes:
    owners = {"member_id": wanted.member_id, "organization_id": wanted.organization_id}
    given: dict[str, Any] = {name: value for name, value in owners.items() if value is not None}
    kinds = ALL_KINDS if wanted.task_kinds is None else wanted.task_kinds
    statuses = ALL_STATUSES if wanted.job_statuses is None else wanted.job_statuses
    ended, ended_values = bounds("ended_at", wanted.ended_after, wanted.ended_before)
    begins, begins_values = bounds("begins_at", wanted.begins_after, wanted.begins_before)
    tasks = TaskShape(
        tuple(given),
        kinds if wanted.with_admin_kinds else kinds - ADMIN_KINDS,
        ALL_STANDINGS if wanted.standings is None else wanted.standings,
        tuple(window for window in (ended, begins) if window is not None),
    )
    jobs = JobShape(tuple(given), statuses if begins is None else frozenset(), ended)
    is_all = (
        wanted.task_kinds is None
        and wanted.member_id is None
        and not tasks.windows
        and tasks.standings == ALL_STANDINGS
        and jobs.statuses == ALL_STATUSES
    )
    return _Shapes(tasks, jobs, given | ended_values | begins_values, is_all)


class _WorkList:
    """One request for a list of jobs and tasks."""

    def __init__(
        self, wanted: WorkFilter, now: datetime, with_total: bool, window_ids: int, seen: SeenBlocks
    ) -> None:
        shapes = _shapes(wanted)
        self._with_admin_kinds = wanted.with_admin_kinds
        self._with_total = with_total
        self._window_ids = window_ids
        self._seen = seen
        self._tasks, self._jobs, self._is_all = shapes.tasks, shapes.jobs, shapes.is_all
        self._values = {**shapes.values, **_times(now)}
        self._moment = self._values["now"] if self._tasks.depends_on_time else None

    def key(self) -> tuple[Any, ...]:
        """What of the time decides what is in the list."""
        return (self._values["since"], self._moment)

    def read(self, driver: sqlite3.Connection, limit: int, offset: int, after: int) -> _WorkRows:
        """The page's rows, in the transaction that is open."""
        few = self._ids_in_windows(driver) if self._tasks.windows else None
        if few is not None:
            behind = [work_id for work_id in few if work_id > after][offset:]
            return self._page(driver, behind[:limit], len(few), has_more=len(behind) > limit)
        total = None
        if self._is_all and (self._with_total or offset):
            places = _places("organization_id" in self._values, self._with_admin_kinds, False)
            seen = self._seen.of(driver)
            total = places.total(seen, self._values)
            if not after:
                ids = places.ids(seen, self._values, offset, limit + 1)
                return self._page(driver, ids[:limit], total, has_more=len(ids) > limit)
        listing = _listing(self._tasks, self._jobs)
        if listing is None:
            return _WorkRows((), (), (), 0 if self._with_total else None, False)
        if self._with_total and total is None:
            total = listing.total(driver, self._values | {"from_id": 0})
        values = self._values | {"from_id": after + 1, "limit": limit + 1, "offset": offset}
        ids = sorted(json.loads(listing.ids(driver, values)))
        return self._page(driver, ids[:limit], total, has_more=len(ids) > limit)

    def _ids_in_windows(self, driver: sqlite3.Connection) -> list[int] | None:
        """In order; None: too many to be sorted."""
        ids: list[int] = []
        for one in _windows(self._tasks, self._jobs):
            ids += (work_id for (work_id,) in one.rows(driver, self._values | {"most": self._window_ids + 1}))
            if len(ids) > self._window_ids:
                return None
        return sorted(ids)

    def _page(
        self, driver: sqlite3.Connection, ids: Sequence[int], total: int | None, *, has_more: bool
    ) -> _WorkRows:
        listed = {"ids": to_json(ids)}
        tasks = _TASKS.rows(driver, listed)
        jobs = _JOBS.rows(driver, listed) if len(tasks) < len(ids) else []
        return _WorkRows(ids, jobs, tasks, total if self._with_total else None, has_more)


class WorkQueries:
    """The part of `gateway.engine.ports.Queries` on tasks and actions. Every call raises StoreUnavailable."""

    def __init__(
        self, database: Database, *, window_ids: int = WINDOW_IDS, seen_blocks: int = SEEN_BLOCKS
    ) -> None:
        self._database = database
        self._window_ids = window_ids
        self._seen = SeenBlocks(seen_blocks)

    async def tasks(
        self,
        wanted: TaskFilter,
        *,
        now: datetime,
        limit: int | None = 20,
        offset: int = 0,
        after: int | None = None,
        newest_first: bool = False,
    ) -> TaskPage:
        """Tasks that match all that is given, ascending by creation; page and total from one snapshot.

        `after` is a work id: only those behind it in this order, of which `offset` are passed over. The total
        is of the whole list. `limit=None` reads all their rows into memory; who may ask for that is for the
        caller to say.
        """
        owners = {
            "app_id": wanted.app_id,
            "member_id": wanted.member_id,
            "organization_id": wanted.organization_id,
        }
        given: dict[str, Any] = {name: value for name, value in owners.items() if value is not None}
        standings = {None: ALL_STANDINGS, True: ALL_STANDINGS - OPEN, False: OPEN}[wanted.is_over]
        kinds = ALL_KINDS if wanted.kinds is None else wanted.kinds
        listing = _listing(TaskShape(tuple(given), kinds, standings), None, newest_first)
        if listing is None:
            return TaskPage((), 0, False)
        most = _NO_LIMIT if limit is None else limit + 1
        from_id = _beyond(after, newest_first)
        values = given | _times(now) | {"from_id": from_id, "limit": most, "offset": offset}

        places = None
        if newest_first and offset and after is None and _is_all_tasks(wanted):
            places = _places(bool(given), kinds == ALL_KINDS, True)

        def unit(driver: sqlite3.Connection) -> tuple[list[Row], int]:
            if places is not None:
                seen = self._seen.of(driver)
                total = places.total(seen, values)
                ids = places.ids(seen, values, offset, total if limit is None else limit + 1)
                return _TASKS.rows(driver, {"ids": to_json(ids)}), total
            found = _TASKS.rows(driver, {"ids": listing.ids(driver, values)})
            return found, listing.total(driver, values)

        def made(read: tuple[list[Row], int]) -> TaskPage:
            in_order = sorted(read[0], key=_by_creation, reverse=newest_first)
            page = made_of(in_order[:limit], work_rows.task_from)
            return TaskPage(page, read[1], has_more=len(in_order) > len(page))

        if limit is None or limit > _KEPT_PAGE:
            return await self._database.read_plain(lambda driver: made(unit(driver)))
        key = ("tasks", wanted, values["since"], limit, offset, after, newest_first)
        return await self._database.read_kept(key, unit, lambda page: len(page.tasks), made)

    async def task(self, *, task_id: str | None = None, hex24: str | None = None) -> Task | None:
        """One task by one of its public ids; also one whose time is over and that is not swept yet."""
        name, value = ("hex24", hex24) if task_id is None else ("task_id", task_id)

        def unit(driver: sqlite3.Connection) -> Task | None:
            found = _TASK_BY[name].rows(driver, {name: value})
            return work_rows.task_from(found[0]) if found else None

        return await self._database.read_plain(unit)

    async def works(
        self,
        wanted: WorkFilter,
        *,
        now: datetime,
        limit: int,
        offset: int = 0,
        after: int = 0,
        with_total: bool,
    ) -> WorkPage:
        """Print jobs and tasks in one list, in the order of their work ids; all from one snapshot.

        `after` is a work id: only those behind it, of which `offset` are passed over. The total is of the
        whole list.
        """
        asked = _WorkList(wanted, now, with_total, self._window_ids, self._seen)

        def unit(driver: sqlite3.Connection) -> _WorkRows:
            return asked.read(driver, limit, offset, after)

        if limit > _KEPT_PAGE:
            return await self._database.read_plain(lambda driver: unit(driver).page())
        key = ("works", wanted, *asked.key(), limit, offset, after, with_total)
        return await self._database.read_kept(key, unit, lambda page: len(page.works), _WorkRows.page)

    async def action(self, *, action_id: str | None = None, work_id: int | None = None) -> Action | None:
        """One action, by its public id or by the number of its work row."""
        by_number = action.c.work_id == work_id
        wanted = work_rows.SELECT_ACTIONS.where(
            by_number if action_id is None else work.c.public_id == action_id
        )

        def unit(connection: Connection) -> Action | None:
            row = connection.execute(wanted).one_or_none()
            return None if row is None else work_rows.action_from(row)

        return await self._database.read(unit)

    async def actions(
        self,
        *,
        organization_id: int | None = None,
        schedule_id: str | None = None,
        limit: int = 20,
        offset: int = 0,
    ) -> ActionPage:
        """Runs of schedules, newest first; page and total from one snapshot."""
        listed, counted = action_statements(organization_id, schedule_id, limit, offset)

        def unit(connection: Connection) -> ActionPage:
            found = tuple(map(work_rows.action_from, connection.execute(listed)))
            return ActionPage(found, connection.execute(counted).scalar_one())

        return await self._database.read(unit)


def action_statements(
    organization_id: int | None, schedule_id: str | None, limit: int, offset: int
) -> tuple[Select[Any], Select[Any]]:
    """A page of actions, newest first, and how many there are in all."""
    owners = {"schedule_id": schedule_id, "organization_id": organization_id}
    narrowed = [action.c[name] == value for name, value in owners.items() if value is not None]
    newest = select(action.c.work_id).where(*narrowed).order_by(action.c.work_id.desc())
    page = newest.limit(limit).offset(offset).subquery("page")
    listed = work_rows.SELECT_ACTIONS.where(action.c.work_id.in_(select(page.c.work_id)))
    counted = select(func.count()).select_from(action).where(*narrowed)
    return listed.order_by(action.c.work_id.desc()), counted


def _is_all_tasks(wanted: TaskFilter) -> bool:
    """All of the gateway or of one organization; tasks of ADMIN_KINDS are in it or not."""
    is_narrowed = wanted.app_id is not None or wanted.member_id is not None or wanted.is_over is not None
    return not is_narrowed and wanted.kinds in (None, ALL_KINDS, ALL_KINDS - ADMIN_KINDS)


def _beyond(work_id: int | None, newest_first: bool) -> int:
    """The first id that may follow this one; None: that may be first."""
    if newest_first:
        return _LAST_ID if work_id is None else work_id - 1
    return 0 if work_id is None else work_id + 1


def _times(now: datetime) -> dict[str, int]:
    """What is gone, and what is now, in milliseconds."""
    of_lists = to_milliseconds(now) // (step := _CLOCK // timedelta(milliseconds=1)) * step
    return {"since": of_lists - TASK_KEPT // timedelta(milliseconds=1), "now": to_milliseconds(now)}

"""Jobs and tasks in one list: the right rows, by the plain definition of what matches; by the right index."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import product
from pathlib import Path
from random import Random
from typing import Any, TypeVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Select

from gateway.domain.job import ENDS, ON_PRINTER, Job, JobStatus, Verdict
from gateway.domain.member import Member
from gateway.domain.state import Draft, State
from gateway.domain.task import ADMIN_KINDS, TASK_ENDS, TASK_KEPT, Standing, Task, TaskKind, TaskStatus
from gateway.engine.ports import TaskFilter, WorkFilter
from gateway.store.columns import to_milliseconds
from gateway.store.database import Database
from gateway.store.journal import Journal
from gateway.store.load import load_state
from gateway.store.prepared import prepare
from gateway.store.queries import Queries
from gateway.store.schema_work import BLOCK_IDS, JOBS, SORTS, TASKS
from gateway.store.seen_blocks import SeenBlocks
from gateway.store.work_lists import (
    ALL_KINDS,
    ALL_STANDINGS,
    ALL_STATUSES,
    OPEN,
    JobShape,
    TaskShape,
    Window,
    count_statement,
    gone_tasks,
    job_arms,
    job_count,
    job_window,
    page_statement,
    task_arms,
    task_count,
    task_window,
)
from gateway.store.work_places import Places, blocks_statement
from tests.store.stand import ANA, BEN, CLEO, MILLISECOND, START, Ids, SetClock, draft, new_job, peopled
from tests.store.works import new_action, new_schedule, new_stack, new_task, over

T = TypeVar("T")
#: Later than all of START's times; what ended a week before is gone.
NOW = START + TASK_KEPT
TIMES = [START + n * timedelta(hours=1) for n in range(-2, 4)]


@dataclass
class Archive:
    """A store with some of everything, the plain list of it, and lists that sort few ids or many."""

    queries: tuple[Queries, Queries]
    works: list[Job | Task]
    loop: asyncio.AbstractEventLoop

    def ask(self, question: Callable[[Queries], Any]) -> Any:
        """Both ways to read a window give the same."""
        first, second = (self.loop.run_until_complete(question(queries)) for queries in self.queries)
        assert first == second
        return first


@pytest.fixture(scope="module")
def archive(fresh_database: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Archive]:
    path = shutil.copy(fresh_database, tmp_path_factory.mktemp("archive") / "gateway.db")
    database, loop = Database(f"sqlite:///{path}"), asyncio.new_event_loop()
    works = loop.run_until_complete(filled(database))
    yield Archive((Queries(database), Queries(database, window_ids=3)), works, loop)
    database.close()
    loop.close()


async def filled(database: Database) -> list[Job | Task]:
    ids, chance = Ids(), Random(5)
    journal = Journal(database, ids.hex, SetClock())
    state = await journal.load()
    made = peopled(state, ids)
    works: list[Job | Task] = []
    for _ in range(240):
        who = chance.choice((ANA, BEN, CLEO))
        if chance.random() < 0.1:
            made.last_work_id += chance.choice((1, 40, BLOCK_IDS))  # expired long ago
        works.append(some_job(made, who, chance) if chance.random() < 0.4 else some_task(made, who, chance))
    await journal.commit(made)
    return works


def some_job(made: Draft, who: Member, chance: Random) -> Job:
    status = chance.choice(sorted(JobStatus))
    is_over = status in ENDS
    verdict = chance.choice([None, None, *Verdict]) if is_over else None
    ended_at = chance.choice(TIMES) if is_over else None
    is_local = status in ON_PRINTER  # a fact: any number of them may be seen on one machine
    return new_job(made, who, status=status, verdict=verdict, ended_at=ended_at, is_local=is_local)


def some_task(made: Draft, who: Member, chance: Random) -> Task:
    status = chance.choice(sorted(TaskStatus))
    is_pending = status is TaskStatus.PENDING
    return new_task(
        made,
        who,
        kind=chance.choice(sorted(TaskKind)),
        status=status,
        app_id=chance.choice([None, "app", "other"]),
        is_paused=is_pending and chance.random() < 0.3,
        begins_at=chance.choice([None, *TIMES, NOW, *[NOW + timedelta(hours=1)] * 8]),
        retry_at=chance.choice([None, None, START]),
        ended_at=chance.choice(TIMES) if status in TASK_ENDS else None,
    )


def is_shown(work: Job | Task, now: datetime) -> bool:
    """Lists are of the last ten seconds."""
    shown_at = now.replace(second=now.second // 10 * 10, microsecond=0)
    return isinstance(work, Job) or not work.is_gone(shown_at)


def within(at: datetime | None, after: datetime | None, before: datetime | None) -> bool:
    if after is None and before is None:
        return True
    return at is not None and (after is None or at > after) and (before is None or at < before)


def matches(work: Job | Task, wanted: WorkFilter, now: datetime) -> bool:
    """The plain definition."""
    if wanted.organization_id not in (None, work.organization_id):
        return False
    if wanted.member_id not in (None, work.member_id):
        return False
    if not within(work.ended_at, wanted.ended_after, wanted.ended_before) or not is_shown(work, now):
        return False
    if isinstance(work, Job):
        has_begins = wanted.begins_after is not None or wanted.begins_before is not None
        return not has_begins and (wanted.job_statuses is None or work.status in wanted.job_statuses)
    if not within(work.begins_at, wanted.begins_after, wanted.begins_before):
        return False
    if work.kind in ADMIN_KINDS and not wanted.with_admin_kinds:
        return False
    return (wanted.task_kinds is None or work.kind in wanted.task_kinds) and (
        wanted.standings is None or work.standing(now) in wanted.standings
    )


def subsets(words: Sequence[T]) -> st.SearchStrategy[frozenset[T] | None]:
    return st.none() | st.frozensets(st.sampled_from(words))


BOUND = st.none() | st.sampled_from([*TIMES, NOW, START + MILLISECOND / 2, START - MILLISECOND / 2])
WANTED = st.builds(
    WorkFilter,
    organization_id=st.sampled_from([None, None, 1, 2, 77]),
    member_id=st.sampled_from([None, None, None, ANA.member_id, CLEO.member_id]),
    with_admin_kinds=st.booleans(),
    job_statuses=subsets(sorted(JobStatus)) | st.sampled_from([ENDS, ALL_STATUSES - ENDS]),
    standings=subsets(sorted(Standing)) | st.just(OPEN),
    task_kinds=subsets(sorted(TaskKind)),
    begins_after=st.none() | BOUND,
    begins_before=st.none() | BOUND,
    ended_after=st.none() | BOUND,
    ended_before=st.none() | BOUND,
)
#: Some hours of a week later: what ended in TIMES goes one by one. Not in whole seconds.
CLOCK = st.integers(-3 * 3600 * 1000, 4 * 3600 * 1000).map(lambda n: NOW + n * MILLISECOND)
PLACE = st.integers(0, 30) | st.integers(0, 250)


@settings(max_examples=150, deadline=None)
@given(
    wanted=WANTED
    | st.builds(WorkFilter, organization_id=st.sampled_from([None, 1]), with_admin_kinds=st.booleans()),
    now=CLOCK,
    limit=st.integers(1, 130),
    offset=PLACE,
    after=PLACE,
    with_total=st.booleans(),
)
def test_a_page_has_what_matches(
    archive: Archive, wanted: WorkFilter, now: datetime, limit: int, offset: int, after: int, with_total: bool
) -> None:
    matching = [work for work in archive.works if matches(work, wanted, now)]
    last = archive.works[after].work_id if 0 < after < len(archive.works) else 0
    behind = [work for work in matching if work.work_id > last]
    page = archive.ask(
        lambda queries: queries.works(
            wanted, now=now, limit=limit, offset=offset, after=last, with_total=with_total
        )
    )
    assert list(page.works) == behind[offset : offset + limit]
    assert page.total == (len(matching) if with_total else None)
    assert page.has_more == (len(behind) > offset + limit)


@settings(max_examples=80, deadline=None)
@given(
    wanted=st.builds(
        TaskFilter,
        organization_id=st.sampled_from([None, 1, 2]),
        member_id=st.sampled_from([None, None, ANA.member_id]),
        app_id=st.sampled_from([None, None, "app", "none"]),
        kinds=subsets(sorted(TaskKind)) | st.just(ALL_KINDS - ADMIN_KINDS),
        is_over=st.sampled_from([None, True, False]),
    ),
    now=CLOCK,
    limit=st.none() | st.integers(1, 130),
    offset=PLACE,
    after=st.none() | st.integers(1, 260),
    newest_first=st.booleans(),
)
def test_a_page_of_tasks_has_what_matches(
    archive: Archive,
    wanted: TaskFilter,
    now: datetime,
    limit: int | None,
    offset: int,
    after: int | None,
    newest_first: bool,
) -> None:
    matching = [
        work
        for work in archive.works
        if isinstance(work, Task)
        and is_shown(work, now)
        and wanted.organization_id in (None, work.organization_id)
        and wanted.member_id in (None, work.member_id)
        and wanted.app_id in (None, work.app_id)
        and (wanted.kinds is None or work.kind in wanted.kinds)
        and wanted.is_over in (None, work.is_over)
    ]
    if newest_first:
        matching.reverse()
    total = len(matching)
    if after is not None:
        behind = range(after) if newest_first else range(after + 1, 10**6)
        matching = [work for work in matching if work.work_id in behind]
    page = archive.ask(
        lambda queries: queries.tasks(
            wanted, now=now, limit=limit, offset=offset, after=after, newest_first=newest_first
        )
    )
    end = None if limit is None else offset + limit
    assert list(page.tasks) == matching[offset:end]
    assert page.total == total
    assert page.has_more == (end is not None and end < len(matching))


def test_pages_by_the_last_id_add_up(archive: Archive) -> None:
    wanted = WorkFilter(organization_id=1)
    seen: list[Job | Task] = []
    while True:
        last = seen[-1].work_id if seen else 0
        page = archive.ask(
            lambda queries, last=last: queries.works(wanted, now=NOW, limit=7, after=last, with_total=False)
        )
        seen += page.works
        if not page.has_more:
            break
    assert seen == [work for work in archive.works if matches(work, wanted, NOW)]


def test_what_is_scheduled_waits_until_its_very_moment(archive: Archive) -> None:
    """Not until the lists' clock strikes."""
    scheduled = WorkFilter(job_statuses=frozenset(), standings=frozenset({Standing.SCHEDULED}))
    starts = NOW + timedelta(hours=1)
    for now in (starts - MILLISECOND, starts - MILLISECOND / 2, starts, starts + MILLISECOND):
        page = archive.ask(
            lambda queries, now=now: queries.works(scheduled, now=now, limit=100, with_total=True)
        )
        assert list(page.works) == [work for work in archive.works if matches(work, scheduled, now)]
        assert bool(page.works) == (now < starts)


ENDED, BEGINS = Window("ended_at", True, True), Window("begins_at", True, False)
TASK_SHAPES = [
    TaskShape(owners, kinds, standings, windows)
    for owners, kinds, standings, windows in product(
        [(), ("organization_id",), ("member_id",), ("app_id", "organization_id")],
        [ALL_KINDS, ALL_KINDS - ADMIN_KINDS, frozenset({TaskKind.BACKUP})],
        [ALL_STANDINGS, OPEN, ALL_STANDINGS - OPEN, frozenset({Standing.SCHEDULED, Standing.FAILED})],
        [(), (ENDED,), (BEGINS,)],
    )
]  # fmt: skip
JOB_SHAPES = [
    JobShape(owners, statuses, window)
    for owners, statuses, window in product(
        [(), ("organization_id",), ("member_id",), ("member_id", "organization_id")],
        [ALL_STATUSES, ALL_STATUSES - ENDS, ENDS, frozenset({JobStatus.FAILED, JobStatus.QUEUED})],
        [None, ENDED],
    )
]


@pytest.fixture(scope="module")
def plan(fresh_database: Path) -> Iterator[Callable[[Select[Any]], list[str]]]:
    """How SQLite goes about a statement: its steps on tables."""
    connection = sqlite3.connect(f"file:{fresh_database}?mode=ro", uri=True)

    def explained(statement: Select[Any]) -> list[str]:
        ready = prepare(statement)
        unknown = [None] * len(ready.parameters)
        found = connection.execute(f"EXPLAIN QUERY PLAN {ready.text}", unknown).fetchall()
        return [str(row[3]) for row in found]

    yield explained
    connection.close()


#: What walks no table.
OF_RESULTS = ("SCAN each", "SCAN CONSTANT ROW")


def reads(steps: list[str]) -> set[str]:
    assert not [step for step in steps if "TEMP B-TREE" in step], steps
    return {step for step in steps if step.startswith(("SEARCH", "SCAN")) and step not in OF_RESULTS}


def is_walk(step: str, table: str) -> bool:
    """In the order of work ids, from one on."""
    return step.startswith(f"SEARCH {table} ") and ("work_id>?" in step or "rowid>?" in step)


Plan = Callable[[Select[Any]], list[str]]


def test_no_list_of_tasks_is_sorted_or_scanned(plan: Plan) -> None:
    for shape in TASK_SHAPES:
        if not task_arms(shape):
            assert shape.standings == OPEN  # nothing that is not over ended in a window
            assert ENDED in shape.windows
            continue
        for statement in (page_statement(task_arms(shape)), count_statement(task_arms(shape, is_count=True))):
            steps = reads(plan(statement))
            assert all(is_walk(step, "task") for step in steps), (shape, steps)


def test_nor_is_one_that_begins_with_the_newest(plan: Plan) -> None:
    for shape in TASK_SHAPES:
        if not shape.windows and shape.standings in (ALL_STANDINGS, OPEN):
            steps = reads(plan(page_statement(task_arms(shape), newest_first=True)))
            assert all(is_walk(step, "task") for step in steps), (shape, steps)


def test_counting_tasks_reads_indexes_alone(plan: Plan) -> None:
    """Of those that are over; few are not."""
    for shape in TASK_SHAPES:
        if shape.standings in (ALL_STANDINGS, ALL_STANDINGS - OPEN) and BEGINS not in shape.windows:
            steps = reads(plan(count_statement(task_arms(shape, is_count=True))))
            assert all("COVERING INDEX" in step for step in steps), (shape, steps)


def test_totals_of_tasks_are_kept_and_never_counted(plan: Plan) -> None:
    """But of windows, and of what waits for a reason of its own."""
    for shape in TASK_SHAPES:
        if not shape.windows and shape.standings in (ALL_STANDINGS, OPEN, ALL_STANDINGS - OPEN):
            others = {step for step in reads(plan(task_count(shape))) if "task_total" not in step}
            assert all("ix_task_ended (ended_at<?)" in step for step in others), (shape, others)


def test_open_lists_walk_what_is_open(plan: Plan) -> None:
    for owners in ((), ("organization_id",), ("member_id",), ("app_id", "organization_id")):
        steps = reads(plan(page_statement(task_arms(TaskShape(owners, standings=OPEN)))))
        assert steps == {"SEARCH task USING INDEX ix_task_unfinished (work_id>?)"}
    open_jobs = JobShape((), ALL_STATUSES - ENDS)
    steps = reads(plan(page_statement(job_arms(open_jobs))))
    assert steps == {"SEARCH job USING INDEX ix_job_unfinished (work_id>?)"}


def test_a_window_is_looked_up(plan: Plan) -> None:
    for shape in TASK_SHAPES:
        if shape.windows:
            (step,) = reads(plan(task_window(shape)))
            by = "ix_task_ended (ended_at>?" if ENDED in shape.windows else "ix_task_scheduled (begins_at>?"
            assert by in step
    for job_shape in JOB_SHAPES:
        if job_shape.window is not None:
            (step,) = reads(plan(job_window(job_shape)))
            assert "ix_job_ended (ended_at>? AND ended_at<?)" in step


def test_no_list_of_jobs_is_sorted_or_scanned(plan: Plan) -> None:
    for shape in JOB_SHAPES:
        if not (arms := job_arms(shape)):
            assert shape.statuses.isdisjoint(ENDS)  # nothing that is not over ended in a window
            continue
        steps = reads(plan(page_statement(arms)))
        assert all(is_walk(step, "job") for step in steps), (shape, steps)
        counted = reads(plan(job_count(shape)))
        if shape.window is None and shape.statuses in (ALL_STATUSES, ALL_STATUSES - ENDS, ENDS):
            assert all("job_total" in step for step in counted)  # kept, never counted
        else:
            assert all(is_walk(step, "job") for step in counted), (shape, counted)


def test_a_deep_page_begins_at_its_block(plan: Plan) -> None:
    for sorts in (SORTS, (TASKS, JOBS), (TASKS,)):
        (step,) = reads(plan(blocks_statement(frozenset(sorts))))
        assert step.startswith("SEARCH work_block")
    for owners in ((), ("organization_id",)):
        step = plan(gone_tasks(owners, ALL_KINDS - ADMIN_KINDS))[0]  # they are few: sorting them is nothing
        assert step == "SEARCH task USING COVERING INDEX ix_task_ended (ended_at<?)"


async def test_load_does_not_look_at_tasks_that_are_over(database: Database) -> None:
    seen: list[str] = []

    def unit(connection: Any) -> None:
        driver = connection.connection.driver_connection
        driver.set_trace_callback(seen.append)
        load_state(connection)
        driver.set_trace_callback(None)

    await database.write(unit)
    asked = [sql for sql in seen if any(f"FROM {table}" in sql for table in ("task", "action", "schedule"))]
    assert len(asked) == 4  # the last is the highest number a stack had
    for sql in asked:
        steps = await database.read_plain(
            lambda driver, sql=sql: driver.execute(f"EXPLAIN QUERY PLAN {sql}").fetchall()  # type: ignore[misc]
        )
        assert not [step for step in steps if step[3] in ("SCAN task", "SCAN action", "SCAN schedule")], steps


async def test_the_ids_of_a_deep_page(journal: Journal, database: Database, state: State, ids: Ids) -> None:
    """Ten jobs and ten tasks in each of three blocks; in the second, five tasks are gone and two a backup."""
    made = draft(state, ids)
    listed: list[Job | Task] = []
    for block in (1, 2, 5):
        made.last_work_id = block * BLOCK_IDS
        for n in range(10):
            listed.append(new_job(made))
            kind = TaskKind.BACKUP if block == 2 and n < 2 else TaskKind.HISTORY_EXPORT
            gone = over(TaskStatus.DONE) if block == 2 and n >= 5 else {}
            task = new_task(made, kind=kind, **gone)
            if not gone:
                listed.append(task)
    await journal.commit(made)
    values = {"since": to_milliseconds(START), "now": 0, "organization_id": 1}
    seen = SeenBlocks()

    async def pages(of_one: bool, sorts: set[str], wanted: list[int], *, newest_first: bool = False) -> None:
        places = Places(is_of_one=of_one, sorts=frozenset(sorts), newest_first=newest_first)

        def page(driver: sqlite3.Connection, offset: int, limit: int) -> tuple[int, list[int]]:
            snapshot = seen.of(driver)
            return places.total(snapshot, values), places.ids(snapshot, values, offset, limit)

        for offset, limit in product((0, 9, 19, 20, 34, 35, len(wanted) - 1, len(wanted), 99), (1, 7, 99)):
            found = await database.read_plain(
                lambda driver, offset=offset, limit=limit: page(driver, offset, limit)  # type: ignore[misc]
            )
            assert found == (len(wanted), wanted[offset : offset + limit])

    shown = [work for work in listed if isinstance(work, Job) or work.kind is not TaskKind.BACKUP]
    tasks = [work.work_id for work in shown if isinstance(work, Task)]
    assert (len(listed), len(shown), len(tasks)) == (55, 53, 23)
    for of_one in (False, True):
        await pages(of_one, set(SORTS), [work.work_id for work in listed])
        await pages(of_one, {JOBS, TASKS}, [work.work_id for work in shown])
        await pages(of_one, {TASKS}, tasks[::-1], newest_first=True)


async def test_lists_of_actions(journal: Journal, queries: Queries, state: State, ids: Ids) -> None:
    made = draft(state, ids)
    new_stack(made)
    first, second = new_schedule(made), new_schedule(made, organization_id=2)
    runs = [new_action(made, (first, second)[n % 2]) for n in range(9)]
    await journal.commit(made)
    page = await queries.actions(schedule_id=first.schedule_id, limit=3, offset=1)
    assert (page.actions, page.total) == (tuple(runs[6::-2][:3]), 5)
    page = await queries.actions(organization_id=2)
    assert (page.actions, page.total) == (tuple(runs[7::-2]), 4)
    assert (await queries.actions()).actions == tuple(runs[::-1])
    page = await queries.actions(organization_id=1, schedule_id=second.schedule_id)
    assert (page.actions, page.total) == ((), 0)

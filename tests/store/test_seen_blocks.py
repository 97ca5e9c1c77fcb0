"""What readers keep of blocks of ids: whatever happens between two pages, the next one is right; bounded."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
import tempfile
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from gateway.domain.job import Job
from gateway.domain.member import Member
from gateway.domain.state import State
from gateway.domain.task import ADMIN_KINDS, TASK_KEPT, Task, TaskKind, TaskStatus
from gateway.engine.ports import TaskFilter, WorkFilter
from gateway.store.database import Database, sqlite_engine
from gateway.store.expiry import Expiry
from gateway.store.files import Files
from gateway.store.journal import Journal
from gateway.store.queries import Queries
from gateway.store.schema_work import BLOCK_IDS
from gateway.store.seen_blocks import SEEN_LISTS, Counts, SeenBlocks
from tests.store.stand import ANA, CLEO, START, Ids, SetClock, draft, new_job, peopled
from tests.store.works import new_task, over

#: Blocks that each connection may keep: fewer than there are.
FEW = 3
PEOPLE = st.sampled_from([ANA, CLEO])  # of two organizations
ORGANIZATIONS = st.sampled_from([None, ANA.organization_id, CLEO.organization_id])
KINDS = st.sampled_from([TaskKind.FILE_IMPORT, TaskKind.FILE_IMPORT, TaskKind.BACKUP])
WAITS = st.sampled_from([timedelta(seconds=3), timedelta(seconds=10), timedelta(days=3), TASK_KEPT])


class AnyOrder(RuleBasedStateMachine):
    """Rows come, end, are gone and are swept, in whatever order; a page is what the plain list says."""

    def __init__(self, empty: Path) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        path = shutil.copy(empty, Path(self.folder.name) / "gateway.db")
        self.loop = asyncio.new_event_loop()
        self.database = Database(f"sqlite:///{path}")
        self.queries = Queries(self.database, seen_blocks=FEW)
        self.expiry = Expiry(self.database, Files(f"{self.folder.name}/files"))
        self.ids, self.now = Ids(), START
        self.journal = Journal(self.database, self.ids.hex, SetClock())
        self.works: dict[int, Job | Task] = {}

    @initialize()
    def begin(self) -> None:
        self.state = self.loop.run_until_complete(self.journal.load())
        made = peopled(self.state, self.ids)
        self.loop.run_until_complete(self.journal.commit(made))
        made.apply()

    @rule(who=PEOPLE, kind=st.none() | KINDS, is_over=st.booleans(), jump=st.sampled_from([0, 0, BLOCK_IDS]))
    def add(self, who: Member, kind: TaskKind | None, is_over: bool, jump: int) -> None:
        made = draft(self.state, self.ids)
        made.last_work_id += jump
        ended = over(TaskStatus.DONE, self.now) if is_over else {}
        new = new_job(made, who) if kind is None else new_task(made, who, kind=kind, **ended)
        self.loop.run_until_complete(self.journal.commit(made))
        made.apply()
        self.works[new.work_id] = new

    @rule(at=st.integers(0, 30))
    def end(self, at: int) -> None:
        unfinished = [one for one in self.works.values() if isinstance(one, Task) and not one.is_over]
        if unfinished:
            task = unfinished[at % len(unfinished)]
            made = draft(self.state, self.ids)
            ended = made.put_task(replace(task, **over(TaskStatus.FAILED, self.now)))
            self.loop.run_until_complete(self.journal.commit(made))
            made.apply()
            self.works[task.work_id] = ended

    @rule(time=WAITS)
    def wait(self, time: timedelta) -> None:
        self.now += time

    @rule()
    def sweep(self) -> None:
        while self.loop.run_until_complete(self.expiry.sweep(self.now)):
            pass
        newest = max(self.works, default=0)
        for work_id, one in list(self.works.items()):
            if isinstance(one, Task) and one.is_gone(self.now) and work_id != newest:
                del self.works[work_id]

    @rule(of=ORGANIZATIONS, offset=st.integers(0, 25), limit=st.integers(1, 9), is_admin=st.booleans())
    def all_works(self, of: int | None, offset: int, limit: int, is_admin: bool) -> None:
        wanted = WorkFilter(organization_id=of, with_admin_kinds=is_admin)
        expected = [one for one in self.listed(of) if is_admin or not is_administrative(one)]
        for most in (
            limit,
            limit + 1,
        ):  # as both connections know it: another limit is another answer to keep
            page = self.loop.run_until_complete(
                self.queries.works(wanted, now=self.now, limit=most, offset=offset, with_total=True)
            )
            assert list(page.works) == expected[offset : offset + most]
            assert (page.total, page.has_more) == (len(expected), len(expected) > offset + most)

    @rule(of=ORGANIZATIONS, offset=st.integers(1, 25), limit=st.integers(1, 9))
    def newest_tasks(self, of: int | None, offset: int, limit: int) -> None:
        wanted = TaskFilter(organization_id=of)
        expected = [one for one in self.listed(of) if isinstance(one, Task)][::-1]
        page = self.loop.run_until_complete(
            self.queries.tasks(wanted, now=self.now, limit=limit, offset=offset, newest_first=True)
        )
        assert list(page.tasks) == expected[offset : offset + limit]
        assert (page.total, page.has_more) == (len(expected), len(expected) > offset + limit)

    def listed(self, of: int | None) -> Sequence[Job | Task]:
        """Lists are of the last ten seconds."""
        shown_at = shown(self.now)
        return [
            one
            for _, one in sorted(self.works.items())
            if of in (None, one.organization_id) and not (isinstance(one, Task) and one.is_gone(shown_at))
        ]

    def teardown(self) -> None:
        for snapshot in self.queries._seen._snapshots.values():
            assert len(snapshot._ids) <= FEW
        self.database.close()
        self.loop.close()
        self.folder.cleanup()


def shown(now: datetime) -> datetime:
    return now.replace(second=now.second // 10 * 10, microsecond=0)


def is_administrative(one: Job | Task) -> bool:
    return isinstance(one, Task) and one.kind in ADMIN_KINDS


def test_whatever_happens_between_two_pages(fresh_database: Path) -> None:
    run_state_machine_as_test(
        lambda: AnyOrder(fresh_database),
        settings=settings(max_examples=25, stateful_step_count=30, deadline=None),
    )


async def test_one_came_as_one_went(
    journal: Journal, queries: Queries, database: Database, state: State, ids: Ids, tmp_path: Path
) -> None:
    """The block has as many rows as before; they are others."""
    made = draft(state, ids)
    gone, stays = new_task(made, **over(TaskStatus.DONE)), new_task(made)
    await journal.commit(made)
    made.apply()
    assert await twice(queries, START) == [gone, stays]
    later = START + TASK_KEPT + timedelta(minutes=1)
    assert await Expiry(database, Files(str(tmp_path / "files"))).sweep(later) == 1
    made = draft(state, ids)
    came = new_task(made)
    await journal.commit(made)
    assert await twice(queries, later) == [stays, came]


async def test_the_clock_is_set_back_after_a_sweep(
    journal: Journal, queries: Queries, database: Database, state: State, ids: Ids, tmp_path: Path
) -> None:
    """Two of three rows are shown once because one is gone, then because another was swept."""
    made = draft(state, ids)
    swept = new_task(made, **over(TaskStatus.DONE, START + timedelta(days=1)))
    stays, newest = new_task(made), new_task(made, **over(TaskStatus.DONE))
    await journal.commit(made)
    assert await twice(queries, START) == [swept, stays, newest]
    assert await twice(queries, START + TASK_KEPT + timedelta(hours=1)) == [swept, stays]
    later = START + TASK_KEPT + timedelta(days=2)
    assert (
        await Expiry(database, Files(str(tmp_path / "files"))).sweep(later) == 1
    )  # the newest row never goes
    assert await twice(queries, START) == [stays, newest]


async def twice(queries: Queries, now: datetime) -> list[Job | Task]:
    """All works, as both connections know them: another limit is another answer to keep."""
    first, second = [
        await queries.works(WorkFilter(), now=now, limit=limit, with_total=True) for limit in (8, 9)
    ]
    assert first == second
    return list(first.works)


async def commit_something(database: Database) -> None:
    changed = "UPDATE host SET host_number = host_number + 1"
    await database.write(lambda connection: connection.exec_driver_sql(changed))


async def test_a_block_is_read_again_only_when_it_changed(database: Database) -> None:
    """Commits elsewhere cost a look at its newest id."""
    seen, reads = SeenBlocks(), list[int]()

    async def ask(block: int, rows: int) -> list[int]:
        def read() -> list[int]:
            reads.append(block)
            return [block * BLOCK_IDS + 1] * rows

        return await database.read_plain(lambda driver: [*seen.of(driver).ids("list", block, rows, read)])

    for _ in range(2):
        for _ in range(4):  # each of the two connections reads it once
            assert await ask(5, 2) == [1, 1]
        await commit_something(database)
    assert reads == [5, 5]
    assert await ask(5, 1) == [1]
    assert reads == [5, 5, 5]


def test_what_is_seen_is_of_the_transaction_that_is_open(path: Path) -> None:
    """Asking for the version fixes the snapshot: a commit right behind it is not in this transaction."""
    seen, counted = SeenBlocks(), list[int]()

    def count() -> Counts:
        (number,) = reader.execute("SELECT host_number FROM host").fetchone()
        counted.append(number)
        return Counts((), (), frozenset())

    with closing(sqlite_engine(path).raw_connection()) as writer:
        with closing(sqlite3.connect(path, isolation_level=None)) as reader:
            for _ in range(2):
                reader.execute("BEGIN")
                snapshot = seen.of(reader)
                writer.cursor().execute("UPDATE host SET host_number = host_number + 1")
                snapshot.counts("list", count)
                reader.execute("ROLLBACK")
    assert counted == [0, 1]


async def test_counts_are_of_one_snapshot(database: Database) -> None:
    seen, reads = SeenBlocks(), list[int]()

    async def ask(listed: int) -> None:
        def read() -> Counts:
            reads.append(listed)
            return Counts((), (), frozenset())

        await database.read_plain(lambda driver: seen.of(driver).counts(listed, read))

    for _ in range(4):
        await ask(1)
    assert reads == [1, 1]
    await commit_something(database)
    for _ in range(4):
        await ask(1)
    assert reads == [1, 1, 1, 1]


@pytest.mark.parametrize("lists", [SEEN_LISTS, 3 * SEEN_LISTS])
async def test_counts_are_bounded(database: Database, lists: int) -> None:
    seen = SeenBlocks()

    def unit(driver: object) -> int:
        snapshot = seen.of(driver)  # type: ignore[arg-type]
        for listed in range(lists):
            snapshot.counts(listed, lambda: Counts((), (), frozenset()))
        return len(snapshot._counts)

    assert await database.read_plain(unit) == SEEN_LISTS

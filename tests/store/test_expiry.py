"""What was kept long enough goes, a bite at a time; nothing that anybody names goes with it."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, Select
from sqlalchemy.dialects import sqlite

from gateway.domain.file import StoredFile
from gateway.domain.printer_command import PrinterCommand
from gateway.domain.schedule import ACTION_KEPT, RunState
from gateway.domain.state import State
from gateway.domain.task import TASK_KEPT, Task, TaskFile, TaskKind, TaskStatus
from gateway.engine import ports
from gateway.engine.ports import StoreUnavailable, WorkFilter
from gateway.store.database import Database
from gateway.store.expiry import (
    BITE,
    CONTENTS_BITE,
    Expiry,
    expired_actions,
    expired_schedules,
    expired_tasks,
    is_named,
)
from gateway.store.files import HELD_SECONDS, INCOMING, Files
from gateway.store.journal import Journal
from gateway.store.migrate import check
from gateway.store.queries import Queries
from tests.store.stand import ANA, CLEO, MILLISECOND, MK3, START, Ids, draft, new_job
from tests.store.works import SHA, new_action, new_schedule, new_stack, new_task, over

_: type[ports.Expiry] = Expiry  # the port, checked by mypy

GONE = START + TASK_KEPT
#: The next time that lists look at the clock.
LISTED = GONE + timedelta(seconds=10)
DONE = over(TaskStatus.DONE)


class Hours:
    """Monotonic seconds of the file store, set by the test."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def hours() -> Hours:
    return Hours()


@pytest.fixture
def files(tmp_path: Path, hours: Hours) -> Iterator[Files]:
    opened = Files(tmp_path / "files", monotonic=hours)
    yield opened
    opened.close()


@pytest.fixture
def expiry(database: Database, files: Files) -> Expiry:
    return Expiry(database, files)


@dataclass
class Stand:
    """A store, and what is done with it."""

    journal: Journal
    queries: Queries
    state: State
    ids: Ids

    async def add(self, *changes: dict[str, Any]) -> list[Task]:
        """These tasks, and one behind them that is not over."""
        made = draft(self.state, self.ids)
        tasks = [new_task(made, **one) for one in changes]
        new_task(made)
        await self.journal.commit(made)
        made.apply()
        return tasks

    async def is_there(self, task: Task) -> bool:
        return await self.queries.task(task_id=task.task_id) is not None


@pytest.fixture
def stand(journal: Journal, queries: Queries, state: State, ids: Ids) -> Stand:
    return Stand(journal, queries, state, ids)


async def put(files: Files, content: bytes, hours: Hours) -> TaskFile:
    """Content that came in long ago."""
    upload = await files.begin()
    await upload.write(content)
    sha256, size = await upload.finish()
    hours.now += HELD_SECONDS
    return TaskFile(sha256, "jobs.csv", size, "text/csv")


async def sweep_all(expiry: Expiry, now: datetime) -> list[int]:
    bites = []
    while rows := await expiry.sweep(now):
        bites.append(rows)
    return bites


async def test_a_task_goes_when_its_time_is_over(stand: Stand, expiry: Expiry, url: str) -> None:
    (task, later, waiting) = await stand.add(DONE, over(TaskStatus.FAILED, START + MILLISECOND), {})
    assert await expiry.sweep(GONE - MILLISECOND) == 0
    assert await expiry.sweep(GONE) == 1
    assert await expiry.sweep(GONE) == 0
    assert [await stand.is_there(one) for one in (task, later, waiting)] == [False, True, True]
    assert await sweep_all(expiry, GONE + timedelta(days=9999)) == [1]
    assert await stand.is_there(waiting)  # whatever the clock says
    assert check(url) == ()


async def test_an_id_is_never_given_again(journal: Journal, state: State, ids: Ids, expiry: Expiry) -> None:
    made = draft(state, ids)
    tasks = [new_task(made, **DONE) for _ in range(3)]
    await journal.commit(made)
    assert await sweep_all(expiry, GONE) == [2]  # the newest stays, and is shown nowhere
    loaded = await journal.load()
    assert loaded.last_work_id == tasks[-1].work_id
    made = draft(loaded, ids)
    behind = new_job(made)
    await journal.commit(made)
    assert behind.work_id == tasks[-1].work_id + 1
    assert await sweep_all(expiry, GONE) == [1]


async def test_lists_do_not_change_while_it_is_swept(stand: Stand, expiry: Expiry, url: str) -> None:
    kinds = (TaskKind.HISTORY_EXPORT, TaskKind.BACKUP)
    await stand.add(*(DONE | {"kind": kinds[n % 2]} for n in range(2 * BITE + 3)))
    made = draft(stand.state, stand.ids)
    new_job(made, CLEO)
    await stand.journal.commit(made)

    async def pages() -> list[ports.WorkPage]:
        wanted = (WorkFilter(), WorkFilter(with_admin_kinds=True), WorkFilter(organization_id=1))
        return [await stand.queries.works(one, now=LISTED, limit=5, with_total=True) for one in wanted]

    before = await pages()
    assert [page.total for page in before] == [2, 2, 1]
    bites = []
    while rows := await expiry.sweep(GONE):
        bites.append(rows)
        assert await pages() == before
        assert check(url) == ()
    assert bites == [BITE, BITE, 3]


async def test_runs_go_later_and_what_they_sent_stays(stand: Stand, expiry: Expiry, url: str) -> None:
    made = draft(stand.state, stand.ids)
    new_stack(made)
    schedule = new_schedule(made)
    run = new_action(made, schedule, state=RunState.SUCCEEDED, ended_at=START)
    waiting = new_action(made, schedule)
    command = PrinterCommand("command", MK3.printer_id, run.work_id, "run-macro", ANA.member_id, START)
    made.put_command(command)
    await stand.journal.commit(made)
    made.apply()
    assert await expiry.sweep(START + ACTION_KEPT - MILLISECOND) == 0
    assert await sweep_all(expiry, START + ACTION_KEPT) == [1]
    assert await stand.queries.action(work_id=run.work_id) is None
    assert await stand.queries.action(work_id=waiting.work_id) == waiting
    assert await stand.queries.command("command") == replace(command, work_id=None)
    assert check(url) == ()


async def test_a_removed_schedule_goes_with_the_last_run_of_it(
    stand: Stand, expiry: Expiry, url: str
) -> None:
    made = draft(stand.state, stand.ids)
    kept, _, spoken_of = (new_schedule(made, removed_at=at) for at in (None, START, START))
    run = new_action(made, spoken_of, state=RunState.FAILED, ended_at=START + MILLISECOND)
    new_job(made)
    await stand.journal.commit(made)
    assert await expiry.sweep(START + ACTION_KEPT - MILLISECOND) == 0
    assert await sweep_all(expiry, START + ACTION_KEPT) == [1]
    assert await stand.queries.action(work_id=run.work_id) == run
    assert await sweep_all(expiry, START + ACTION_KEPT + MILLISECOND) == [1, 1]
    assert list((await stand.journal.load()).schedules) == [kept.schedule_id]
    assert check(url) == ()


async def test_a_result_goes_with_the_last_task_that_has_it(
    stand: Stand, expiry: Expiry, files: Files, hours: Hours
) -> None:
    shared, own = await put(files, b"shared", hours), await put(files, b"own", hours)
    later = over(TaskStatus.DONE, START + timedelta(hours=1))
    await stand.add(DONE | {"file": shared}, DONE | {"file": own}, later | {"file": shared})
    assert await sweep_all(expiry, GONE) == [2, 2]  # rows, then what they named: one goes, one is kept
    assert not Path(files.path_of(own.sha256)).exists()
    assert Path(files.path_of(shared.sha256)).exists()
    assert await sweep_all(expiry, GONE + timedelta(hours=1)) == [1, 1]
    assert not Path(files.path_of(shared.sha256)).exists()


@pytest.mark.parametrize("by", ["file", "job"])
async def test_what_a_file_or_a_job_names_stays(
    stand: Stand, expiry: Expiry, files: Files, hours: Hours, by: str
) -> None:
    content = await put(files, b"G28", hours)
    await stand.add(DONE | {"file": content})
    made = draft(stand.state, stand.ids)
    if by == "file":
        made.file_rows.append(
            StoredFile(stand.ids.uuid(), content.sha256, "a.gcode", 3, ANA.member_id, 1, START, {})
        )
    else:
        new_job(made, file_sha256=content.sha256)
    await stand.journal.commit(made)
    assert await sweep_all(expiry, GONE) == [1, 1]
    assert Path(files.path_of(content.sha256)).read_bytes() == b"G28"


async def test_what_is_coming_in_stays_for_the_row_that_will_name_it(
    stand: Stand, expiry: Expiry, files: Files, hours: Hours
) -> None:
    content = await put(files, b"G28", hours)
    await stand.add(DONE | {"file": content})
    upload = await files.begin()
    await upload.write(b"G28")
    await upload.finish()  # found it there; its row is not committed yet
    assert await sweep_all(expiry, GONE) == [1]
    assert Path(files.path_of(content.sha256)).exists()
    await stand.add({"file": content} | over(TaskStatus.DONE, GONE))  # now it is
    hours.now += HELD_SECONDS
    assert await sweep_all(expiry, GONE) == [1]
    assert Path(files.path_of(content.sha256)).exists()


async def test_one_that_is_held_holds_up_no_other(
    stand: Stand, expiry: Expiry, files: Files, hours: Hours
) -> None:
    contents = [await put(files, bytes([n]), hours) for n in range(2 * CONTENTS_BITE + 5)]
    in_order = sorted(content.sha256 for content in contents)
    await stand.add(*(DONE | {"file": content} for content in contents))
    held = set(in_order[: CONTENTS_BITE + 1])
    for n in range(len(contents)):
        if hashlib.sha256(bytes([n])).hexdigest() in held:
            upload = await files.begin()
            await upload.write(bytes([n]))
            await upload.finish()
    assert await sweep_all(expiry, GONE) == [len(contents), CONTENTS_BITE - 1, 5]
    assert {sha256 for sha256 in in_order if Path(files.path_of(sha256)).exists()} == held
    hours.now += HELD_SECONDS
    assert await sweep_all(expiry, GONE) == [CONTENTS_BITE, 1]
    assert not [sha256 for sha256 in in_order if Path(files.path_of(sha256)).exists()]


async def test_what_a_crash_left_between_rows_and_contents_goes_later(
    stand: Stand, expiry: Expiry, database: Database, files: Files, hours: Hours, url: str
) -> None:
    content = await put(files, b"G28", hours)
    await stand.add(DONE | {"file": content})
    assert await expiry.sweep(GONE) == 1
    database.close()  # the rows went, the content is there
    opened = Database(url)
    assert await sweep_all(Expiry(opened, files), GONE) == [1]
    assert not Path(files.path_of(content.sha256)).exists()
    opened.close()


async def test_content_that_is_not_there_is_done_with(stand: Stand, expiry: Expiry) -> None:
    await stand.add(DONE | {"file": TaskFile(SHA, "a", 1, "text/csv")})
    assert await sweep_all(expiry, GONE) == [1, 1]


async def test_a_disk_that_does_not_write_is_told_and_tried_again(
    stand: Stand, expiry: Expiry, files: Files, hours: Hours, tmp_path: Path
) -> None:
    content = await put(files, b"G28", hours)
    await stand.add(DONE | {"file": content})
    assert await expiry.sweep(GONE) == 1
    (tmp_path / "files" / INCOMING).rmdir()
    with pytest.raises(StoreUnavailable, match=content.sha256):
        await expiry.sweep(GONE)
    (tmp_path / "files" / INCOMING).mkdir()
    assert await sweep_all(expiry, GONE) == [1]
    assert not Path(files.path_of(content.sha256)).exists()


async def swept_beside_commits(stand: Stand, expiry: Expiry, url: str, tasks: int) -> None:
    """Sweep without a pause while the engine commits and somebody reads: none waits for more than a bite."""
    for start in range(0, tasks, 1000):
        await stand.add(*[DONE] * min(1000, tasks - start))
    open_tasks, bites, is_swept = len(stand.state.tasks), 0, False

    async def sweep() -> None:
        nonlocal bites, is_swept
        while await expiry.sweep(GONE):
            bites += 1
        is_swept = True

    sweeping, commits = asyncio.create_task(sweep()), 0
    while not is_swept:
        before = bites
        made = draft(stand.state, stand.ids)
        new_job(made)
        await stand.journal.commit(made)
        made.apply()
        commits += 1
        # One is under way when the commit is asked for, one may begin before this task goes on.
        assert bites - before <= 2
        page = await stand.queries.works(WorkFilter(), now=LISTED, limit=20, with_total=True)
        assert page.total == open_tasks + commits
    await sweeping
    assert bites == -(-tasks // BITE)
    assert commits > 1
    assert check(url) == ()


async def test_commits_go_on_while_it_is_swept(stand: Stand, expiry: Expiry, url: str) -> None:
    await swept_beside_commits(stand, expiry, url, 1000)


@pytest.mark.soak
@pytest.mark.timeout(900)
async def test_commits_go_on_while_a_hundred_thousand_are_swept(
    stand: Stand, expiry: Expiry, url: str
) -> None:
    await swept_beside_commits(stand, expiry, url, 100_000)


@pytest.mark.parametrize(
    "wanted",
    [expired_tasks(GONE, 1), expired_actions(GONE, 1), expired_schedules(GONE), is_named(SHA)],
    ids=["tasks", "actions", "schedules", "contents"],
)
async def test_it_looks_only_at_what_goes(database: Database, wanted: Select[Any]) -> None:
    compiled = wanted.compile(dialect=sqlite.dialect(), compile_kwargs={"literal_binds": True})

    def unit(connection: Connection) -> list[str]:
        return [str(row[3]) for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {compiled}")]

    steps = await database.read(unit)
    assert not [step for step in steps if "TEMP B-TREE" in step]
    assert not [step for step in steps if step.startswith("SCAN") and step != "SCAN CONSTANT ROW"]
    assert [step for step in steps if step.startswith("SEARCH")]

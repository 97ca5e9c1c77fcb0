"""Lists: the right page by the right index."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import pytest
from sqlalchemy import Connection
from sqlalchemy.dialects import sqlite

from gateway.domain.file import StoredFile
from gateway.domain.job import JobStatus
from gateway.domain.state import State
from gateway.engine import ports
from gateway.store.database import Database
from gateway.store.journal import Journal
from gateway.store.load import load_state
from gateway.store.queries import JobFilter, Queries, page_statement, total_statement
from tests.store.stand import ANA, BEN, MK3, START, Ids, draft, ended, new_job

_: type[ports.Queries] = Queries  # the port, checked by mypy

STATUSES = (frozenset[str](), frozenset({"queued"}), frozenset({"queued", "printing", "paused", "sent"}))
FILTERS = [
    JobFilter(member_id, printer_id, organization_id, statuses)
    for member_id, printer_id, organization_id, statuses in product(
        (None, ANA.member_id), (None, 1), (None, 1), STATUSES
    )
] + [JobFilter(printer_id=1, statuses=statuses, from_work_id=5) for statuses in STATUSES]


def said(wanted: JobFilter) -> str:
    """A name that is the same in every process: the order of a set is not."""
    narrowed = [f"{name}={value}" for name, value in wanted.owner_values().items()]
    return "-".join([*narrowed, *sorted(wanted.statuses)]) or "all"


def plan(connection: Connection, statement: object) -> list[str]:
    compiled = statement.compile(  # type: ignore[attr-defined]
        dialect=sqlite.dialect(), compile_kwargs={"literal_binds": True}
    )
    return details(connection, f"EXPLAIN QUERY PLAN {compiled}")


def details(connection: Connection, explanation: str) -> list[str]:
    return [str(row[3]) for row in connection.exec_driver_sql(explanation)]


@pytest.mark.parametrize("wanted", FILTERS, ids=said)
async def test_pages_walk_an_index_and_never_sort(database: Database, wanted: JobFilter) -> None:
    steps = await database.read(lambda c: plan(c, page_statement(wanted, 20, 40)))
    assert not [step for step in steps if "TEMP B-TREE" in step]
    # Everything there is, in the order of creation: a walk of the table until the page is full.
    in_order = {"SCAN job"} if wanted == JobFilter() else set()
    assert not [step for step in steps if step.startswith("SCAN") and step not in {"SCAN page"} | in_order]


async def test_a_members_page_is_a_seek_however_deep(database: Database) -> None:
    steps = await database.read(lambda c: plan(c, page_statement(JobFilter(ANA.member_id), 20, 500_000)))
    assert "(member_id=? AND member_ordinal>?)" in steps[0]
    assert "OFFSET" not in str(page_statement(JobFilter(ANA.member_id), 20, 500_000))


@pytest.mark.parametrize("wanted", FILTERS, ids=said)
async def test_only_lists_of_a_printer_count(database: Database, wanted: JobFilter) -> None:
    steps = await database.read(lambda c: plan(c, total_statement(wanted)))
    assert [step for step in steps if "TEMP B-TREE" in step] == []
    if wanted.printer_id is None:
        assert all("job_total" in step for step in steps)
    else:
        assert all(step.startswith("SEARCH") for step in steps)


async def test_load_does_not_look_at_what_is_over(database: Database) -> None:
    seen: list[str] = []

    def unit(connection: Connection) -> None:
        raw = connection.connection.driver_connection
        assert raw is not None
        raw.set_trace_callback(seen.append)
        load_state(connection)
        raw.set_trace_callback(None)

    await database.write(unit)
    asked = [sql for sql in seen if sql.startswith("SELECT") and (" job" in sql or " attempt" in sql)]
    assert len(asked) == 4
    for sql in asked:
        steps = await database.read(lambda c, asked=f"EXPLAIN QUERY PLAN {sql}": details(c, asked))  # type: ignore[misc]
        assert not [step for step in steps if step == "SCAN job" or "TEMP B-TREE" in step], (sql, steps)


async def test_single_jobs(journal: Journal, queries: Queries, state: State, ids: Ids) -> None:
    made = draft(state, ids)
    job = new_job(made)
    await journal.commit(made)
    assert await queries.job(job.job_id) == job
    assert await queries.job_by_work_id(job.work_id) == job
    assert await queries.job(ids.uuid()) is None
    assert await queries.job_by_work_id(77) is None


async def test_pages_of_a_members_jobs(journal: Journal, queries: Queries, state: State, ids: Ids) -> None:
    made = draft(state, ids)
    jobs = [new_job(made, (ANA, BEN)[n % 2]) for n in range(50)]
    await journal.commit(made)
    mine = tuple(job for job in jobs if job.member_id == ANA.member_id)
    page = await queries.jobs(member_id=ANA.member_id)
    assert (page.jobs, page.total) == (mine[:20], 25)
    page = await queries.jobs(member_id=ANA.member_id, limit=10, offset=20)
    assert (page.jobs, page.total) == (mine[20:], 25)
    page = await queries.jobs(member_id=ANA.member_id, limit=None, offset=3)
    assert (page.jobs, page.total) == (mine[3:], 25)
    page = await queries.jobs(member_id=ANA.member_id, offset=1000)
    assert (page.jobs, page.total) == ((), 25)
    page = await queries.jobs(limit=3, offset=48)
    assert (page.jobs, page.total) == (tuple(jobs[48:]), 50)
    page = await queries.jobs(member_id="NOBODY")
    assert (page.jobs, page.total) == ((), 0)


@pytest.mark.parametrize("statuses", [frozenset[str](), frozenset({"queued", "canceled"})])
async def test_a_printers_jobs_from_one_on(
    journal: Journal, queries: Queries, state: State, ids: Ids, statuses: frozenset[str]
) -> None:
    """Total and offset count from there; the others are not skipped, they are not there."""
    made = draft(state, ids)
    jobs = [new_job(made, (ANA, BEN)[n % 2]) for n in range(30)]
    await journal.commit(made)
    wanted = {"printer_id": MK3.printer_id, "from_work_id": jobs[12].work_id, "statuses": statuses}
    for limit, offset in ((5, 0), (5, 5), (5, 16), (None, 0), (None, 17), (5, 100)):
        page = await queries.jobs(**wanted, limit=limit, offset=offset)  # type: ignore[arg-type]
        expected = jobs[12:][offset:][:limit]
        assert (page.jobs, page.total) == (tuple(expected), 18)
    everywhere = await queries.jobs(from_work_id=jobs[12].work_id, statuses=statuses)
    assert (everywhere.jobs, everywhere.total) == (tuple(jobs[12:]), 18)
    beyond = await queries.jobs(printer_id=MK3.printer_id, from_work_id=jobs[-1].work_id + 1)
    assert (beyond.jobs, beyond.total) == ((), 0)


async def test_a_list_from_one_job_on_is_a_seek(database: Database) -> None:
    wanted = JobFilter(printer_id=1, from_work_id=5)
    steps = await database.read(lambda c: plan(c, page_statement(wanted, 20, 0)))
    assert "(printer_id=? AND work_id>?)" in steps[0] + steps[1]
    [counted] = await database.read(lambda c: plan(c, total_statement(wanted)))
    assert "(printer_id=? AND work_id>?)" in counted


async def test_a_page_and_its_total_are_of_one_moment(
    journal: Journal, queries: Queries, state: State, ids: Ids
) -> None:
    made = draft(state, ids)
    job = new_job(made)
    await journal.commit(made)
    made.apply()
    made = draft(state, ids)
    made.put_job(ended(job, JobStatus.CANCELED))
    await journal.commit(made)
    for word, n in (("queued", 0), ("canceled", 1)):
        page = await queries.jobs(printer_id=MK3.printer_id, statuses=frozenset({word}))
        assert (len(page.jobs), page.total) == (n, n)


async def test_files_newest_first(journal: Journal, queries: Queries, state: State, ids: Ids) -> None:
    made = draft(state, ids)
    files = [
        StoredFile(
            ids.uuid(), "ab" * 32, f"{n}.gcode", 2**33, (ANA, BEN)[n % 2].member_id, 1, START, {"n": [n]}
        )
        for n in range(6)
    ]
    made.file_rows += files
    await journal.commit(made)
    assert await queries.files(member_id=None, limit=4, offset=1) == tuple(files[::-1][1:5])
    assert await queries.files(member_id=BEN.member_id, limit=9, offset=0) == tuple(files[::-2])
    assert await queries.file(files[2].file_id) == files[2]
    assert await queries.file(ids.uuid()) is None


async def test_an_empty_store(queries: Queries) -> None:
    assert await queries.jobs() == ports.JobPage((), 0)
    assert await queries.events_after(0, 10) == ()
    assert await queries.last_event_seq() == 0
    assert await queries.attempts(1) == ()
    assert await queries.command("none") is None


async def test_what_is_read_cannot_be_changed_by_its_reader(
    journal: Journal, queries: Queries, state: State, ids: Ids
) -> None:
    made = draft(state, ids)
    job = new_job(made, settings={"a": 1})
    await journal.commit(made)
    first = await queries.job(job.job_id)
    assert first is not None
    assert replace(first, settings={}) != await queries.job(job.job_id)


async def test_a_long_page_becomes_jobs_where_it_is_looked_at(
    journal: Journal, queries: Queries, state: State, ids: Ids
) -> None:
    made = draft(state, ids)
    jobs = [new_job(made) for _ in range(700)]
    await journal.commit(made)
    page = await queries.jobs(limit=None)
    assert (len(page.jobs), page.total) == (700, 700)
    assert page.jobs[698:703] == tuple(jobs[698:])
    assert page.jobs[-1] == jobs[-1]
    assert list(page.jobs) == jobs

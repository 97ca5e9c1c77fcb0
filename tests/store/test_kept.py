"""Lists that are kept until the next commit: never stale, never another's, never more than so many rows."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from sqlalchemy import text

from gateway.domain.job import JobStatus
from gateway.domain.state import State
from gateway.store.database import Database
from gateway.store.journal import Journal
from gateway.store.kept import Kept
from gateway.store.queries import Queries
from tests.store.stand import ANA, BEN, Ids, draft, ended, new_job

NUMBER = "SELECT host_number FROM host"


class Statements:
    """What the readers' connections were asked."""

    def __init__(self, database: Database) -> None:
        self.texts: list[str] = []
        readers = [database._idle.get() for _ in range(database._idle.qsize())]
        for reader in readers:
            driver = reader.connection.driver_connection
            assert isinstance(driver, sqlite3.Connection)
            driver.set_trace_callback(self.texts.append)
            database._idle.put(reader)

    def selects(self) -> int:
        return sum(statement.startswith("SELECT") for statement in self.texts)


async def test_a_list_is_read_once_between_two_commits(
    database: Database, journal: Journal, queries: Queries, state: State, ids: Ids
) -> None:
    made = draft(state, ids)
    new_job(made)
    await journal.commit(made)
    asked = Statements(database)
    first = await queries.jobs(member_id=ANA.member_id)
    once = asked.selects()
    assert (await queries.jobs(member_id=ANA.member_id), asked.selects()) == (first, once)
    await queries.jobs(member_id=ANA.member_id, offset=1)
    assert asked.selects() == 2 * once


async def test_the_very_next_list_has_what_was_written(
    journal: Journal, queries: Queries, state: State, ids: Ids
) -> None:
    made = draft(state, ids)
    for count in range(1, 8):
        job = new_job(made)
        await journal.commit(made)
        made.apply()
        page = await queries.jobs(member_id=ANA.member_id)
        assert (len(page.jobs), page.total, page.jobs[-1]) == (count, count, job)
        made = draft(state, ids)
        made.put_job(ended(job, JobStatus.CANCELED))
        await journal.commit(made)
        made.apply()
        page = await queries.jobs(member_id=ANA.member_id)
        assert page.jobs[-1].status is JobStatus.CANCELED
        made = draft(state, ids)


async def test_progress_is_a_write_too(journal: Journal, queries: Queries, state: State, ids: Ids) -> None:
    made = draft(state, ids)
    job = new_job(made)
    await journal.commit(made)
    await queries.jobs()
    await journal.save_progress([replace(job, progress=0.25)], [])
    assert [found.progress for found in (await queries.jobs()).jobs] == [0.25]


async def test_members_share_no_page(journal: Journal, queries: Queries, state: State, ids: Ids) -> None:
    made = draft(state, ids)
    jobs = [new_job(made, (ANA, BEN)[n % 2]) for n in range(6)]
    await journal.commit(made)
    for _ in range(2):
        for member in (ANA, BEN):
            page = await queries.jobs(member_id=member.member_id)
            assert page.jobs == tuple(job for job in jobs if job.member_id == member.member_id)
        assert (await queries.jobs()).jobs == tuple(jobs)
        for words in ({"queued"}, {"canceled"}, {"queued", "canceled"}):
            page = await queries.jobs(member_id=BEN.member_id, statuses=frozenset(words))
            assert page.total == (3 if "queued" in words else 0)


async def test_a_commit_while_a_list_is_read_is_in_the_next_list(database: Database) -> None:
    """The list that was being read began before; it may be given, but not kept."""
    inside, go_on = threading.Event(), threading.Event()

    def slow(driver: sqlite3.Connection) -> int:
        [found] = driver.execute(NUMBER).fetchone()
        inside.set()
        assert go_on.wait(10)
        return int(found)

    def quick(driver: sqlite3.Connection) -> int:
        return int(driver.execute(NUMBER).fetchone()[0])

    reading = asyncio.ensure_future(database.read_kept("number", slow, lambda _: 1))
    await asyncio.to_thread(inside.wait, 60)
    await database.write(lambda c: c.execute(text("UPDATE host SET host_number = 7")))
    go_on.set()
    assert await reading == 0
    assert await database.read_kept("number", quick, lambda _: 1) == 7


async def test_what_could_not_be_read_is_not_kept(database: Database) -> None:
    def fails(driver: sqlite3.Connection) -> int:
        raise LookupError

    for _ in range(2):
        with pytest.raises(LookupError):
            await database.read_kept("number", fails, lambda _: 1)
    assert await database.read_kept("number", lambda _: 5, lambda _: 1) == 5


async def test_an_answer_of_nothing_is_kept_as_well(database: Database) -> None:
    asked: list[None] = []
    for _ in range(3):
        assert await database.read_kept("none", lambda _: asked.append(None), lambda _: 0) is None
    assert asked == [None]


class AnyOrder(RuleBasedStateMachine):
    """Whatever is kept and asked for, in whatever order: what is given was kept at the commit of now."""

    MOST = 12

    def __init__(self) -> None:
        super().__init__()
        self.kept = Kept(self.MOST)
        self.commits = 0

    @rule()
    def commit(self) -> None:
        self.commits += 1

    @rule(key=st.integers(0, 5), rows=st.integers(0, 14), late=st.integers(0, 2))
    def keep(self, key: int, rows: int, late: int) -> None:
        seen = max(0, self.commits - late)
        self.kept.keep(key, (seen, rows), rows, seen)

    @rule(key=st.integers(0, 5))
    def find(self, key: int) -> None:
        found = self.kept.find(key, self.commits)
        assert found is None or found[0][0] == self.commits

    @rule(key=st.integers(0, 5), rows=st.integers(0, 11))
    def keep_and_find(self, key: int, rows: int) -> None:
        self.kept.keep(key, (self.commits, rows), rows, self.commits)
        assert self.kept.find(key, self.commits) == ((self.commits, rows),)

    @invariant()
    def is_bounded(self) -> None:
        weights = [weight for _, weight in self.kept._answers.values()]
        assert sum(weights) == self.kept._rows <= self.MOST


TestAnyOrder = AnyOrder.TestCase


def test_what_a_commit_made_old_is_given_back_little_by_little() -> None:
    """Never more than was kept at one time, however many commits there are."""
    kept = Kept(1000)
    for key in range(100):
        kept.keep(key, object(), 1, 0)
    left = []
    for commits in range(1, 40):
        assert kept.find(0, commits) is None
        kept.keep(0, object(), 1, commits)
        left.append(len(kept._gone))
    assert max(left) == 100
    assert left[-1] <= 1
    assert all(before - after <= 4 for before, after in pairwise(left))


def test_what_was_asked_for_last_stays() -> None:
    kept = Kept(10)
    for key in ("first", "second"):
        kept.keep(key, key, 4, 0)
    assert kept.find("first", 0) == ("first",)
    kept.keep("third", "third", 4, 0)
    assert [kept.find(key, 0) for key in ("first", "second", "third")] == [("first",), None, ("third",)]

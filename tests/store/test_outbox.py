"""What is due is derived: a job with a callback that ended and was not told."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from gateway.domain.job import Job, JobStatus
from gateway.domain.state import State
from gateway.engine.ports import Callback, CallbackState
from gateway.store.database import Database
from gateway.store.journal import Journal
from gateway.store.outbox import Outbox
from gateway.store.own_keys import own_key
from tests.store.stand import START, Ids, draft, ended, new_job

URL = "https://app.example/hook"


@pytest.fixture
def outbox(database: Database) -> Outbox:
    return Outbox(database)


async def stored(journal: Journal, state: State, ids: Ids, **changes: Any) -> Job:
    """A job that has ended, at version 2."""
    made = draft(state, ids)
    job = new_job(made, **{"callback_url": URL, **changes})
    await journal.commit(made)
    made.apply()
    after = draft(state, ids)
    job = after.put_job(ended(job))
    await journal.commit(after)
    after.apply()
    return job


async def test_an_end_that_nobody_was_told_is_undelivered(
    journal: Journal, state: State, ids: Ids, outbox: Outbox
) -> None:
    job = await stored(journal, state, ids)
    await stored(journal, state, ids, callback_url=None)
    waiting = draft(state, ids)
    new_job(waiting, callback_url=URL)
    await journal.commit(waiting)
    assert (job.version, job.status) == (2, JobStatus.COMPLETED)
    assert await outbox.undelivered() == (job.work_id,)


@pytest.mark.parametrize(
    ("changes", "is_due"),
    [
        ({"delivered_version": 2}, False),
        ({"delivered_version": 1}, True),
        ({"delivered_version": 1, "failures": 7}, True),
        ({"state": CallbackState.PROBING}, True),
        ({"state": CallbackState.REFUSED}, False),
        ({"state": CallbackState.GIVEN_UP, "delivered_version": 1}, False),
        ({"state": CallbackState.REFUSED, "url": "https://elsewhere.example/"}, True),
    ],
)
async def test_what_is_due(
    journal: Journal, state: State, ids: Ids, outbox: Outbox, changes: dict[str, Any], is_due: bool
) -> None:
    job = await stored(journal, state, ids)
    known = Callback(job.work_id, URL, CallbackState.ACTIVE)
    await outbox.save(replace(known, **changes))
    assert await outbox.undelivered() == ((job.work_id,) if is_due else ())


async def test_a_callback_is_one_row_that_changes(
    journal: Journal, state: State, ids: Ids, outbox: Outbox
) -> None:
    job = await stored(journal, state, ids)
    full = Callback(
        job.work_id, URL, CallbackState.ACTIVE, 3, START, START, 503, "it answers with status 503", 1, START
    )
    for known in (Callback(job.work_id, URL), full):
        await outbox.save(known)
        assert await outbox.callback(job.work_id) == known
    assert await outbox.callbacks([job.work_id, 77]) == {job.work_id: full}
    assert await outbox.callback(77) is None


async def test_many_at_once(outbox: Outbox) -> None:
    assert await outbox.callbacks(range(2000)) == {}


async def test_an_own_key_is_made_once(database: Database) -> None:
    made = [await own_key(database, "url-signing", lambda: b"a" * 32)]
    made += [await own_key(database, "url-signing", lambda: b"b" * 32)]
    other = await own_key(database, "another", lambda: b"c" * 32)
    assert (made, other) == ([b"a" * 32] * 2, b"c" * 32)

"""The writing side of the store, for the engine alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import Connection, bindparam, select, update

from gateway.domain.idempotency import Idempotency
from gateway.domain.job import Attempt, Job
from gateway.domain.state import Draft, State
from gateway.engine.ports import Clock, StoredEvent
from gateway.store.commit import IDEMPOTENCY_KEPT, write_draft
from gateway.store.database import Database
from gateway.store.load import load_state
from gateway.store.schema import attempt, idempotency, job

_SAVE_JOB = (
    update(job)
    .where(job.c.work_id == bindparam("at_id"), job.c.ended_at.is_(None))
    .values({name: bindparam(f"to_{name}") for name in ("progress", "position", "line", "reported")})
)
_SAVE_ATTEMPT = (
    update(attempt)
    .where(
        attempt.c.work_id == bindparam("at_id"),
        attempt.c.number == bindparam("at_number"),
        attempt.c.ended_at.is_(None),
    )
    .values({name: bindparam(f"to_{name}") for name in ("position", "line")})
)


class Journal:
    """`gateway.engine.ports.Journal` on a database.

    `hex_id(digits)` gives the public ids of new work rows; `clock` tells how old an Idempotency-Key is.
    Every call raises StoreUnavailable, after which nothing of it was written.
    """

    def __init__(self, database: Database, hex_id: Callable[[int], str], clock: Clock) -> None:
        self._database = database
        self._hex_id = hex_id
        self._clock = clock

    async def load(self) -> State:
        """Everything that is not over. `last_work_id` lies in this host's range, or just below it."""
        return await self._database.write(load_state)

    async def commit(self, draft: Draft) -> Sequence[StoredEvent]:
        """All rows and events of the draft, durably; the events as a reader will see them."""

        def unit(connection: Connection) -> Sequence[StoredEvent]:
            return write_draft(connection, draft, self._hex_id)

        return await self._database.write(unit)

    async def save_progress(self, jobs: Sequence[Job], attempts: Sequence[Attempt]) -> None:
        """How far running jobs are, and what their printers said last.

        Lost in a power cut at most; what has ended meanwhile is left alone.
        """
        if not jobs and not attempts:
            return

        def unit(connection: Connection) -> None:
            if jobs:
                connection.execute(_SAVE_JOB, [_progress(given) for given in jobs])
            if attempts:
                connection.execute(_SAVE_ATTEMPT, [_reached(given) for given in attempts])

        await self._database.write(unit, durable=False)

    async def find_idempotent(self, member_id: str, key: str) -> tuple[Idempotency, str] | None:
        """The fingerprint first used with that key in the last 24 h, and the id it answered."""
        since = self._clock.wall() - IDEMPOTENCY_KEPT
        wanted = select(idempotency.c.fingerprint, idempotency.c.answer).where(
            idempotency.c.member_id == member_id,
            idempotency.c.key == key,
            idempotency.c.created_at > since,
        )
        # On the writer's thread: the engine must not wait behind lists.
        found = await self._database.write(lambda connection: connection.execute(wanted).one_or_none())
        return None if found is None else (Idempotency(key, found.fingerprint), found.answer)


def _progress(given: Job) -> dict[str, Any]:
    return {
        "at_id": given.work_id,
        "to_progress": given.progress,
        "to_position": given.position,
        "to_line": given.line,
        "to_reported": given.reported,
    }


def _reached(given: Attempt) -> dict[str, Any]:
    return {
        "at_id": given.work_id,
        "at_number": given.number,
        "to_position": given.position,
        "to_line": given.line,
    }

"""What is to be told to the apps' own servers: `gateway.engine.ports.Outbox` on a database.

Nothing is queued. An end that was not delivered is a job with a callback, over, whose version is newer than
the one that was delivered.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Row, or_, select

from gateway.engine.ports import Callback, CallbackState
from gateway.store.database import Database
from gateway.store.row_sets import put_all
from gateway.store.schema import callback, job, work

_OPEN = (CallbackState.PROBING.value, CallbackState.ACTIVE.value)
_UNDELIVERED = (
    select(job.c.work_id)
    .join_from(job, work, work.c.id == job.c.work_id)
    .outerjoin(callback, callback.c.work_id == job.c.work_id)
    .where(
        job.c.callback_url.is_not(None),
        job.c.ended_at.is_not(None),
        or_(
            callback.c.work_id.is_(None),
            callback.c.url != job.c.callback_url,
            callback.c.state.in_(_OPEN) & (callback.c.delivered_version < work.c.version),
        ),
    )
    .order_by(job.c.work_id)
)
#: Work ids of one statement: SQLite takes 32,766 parameters, and older ones 999.
_AT_ONCE = 500


class Outbox:
    """Every call raises StoreUnavailable."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def undelivered(self) -> tuple[int, ...]:
        """Work ids of jobs that ended with a callback, whose end was neither delivered nor given up."""
        return await self._database.read(lambda connection: tuple(connection.scalars(_UNDELIVERED)))

    async def callback(self, work_id: int) -> Callback | None:
        """What is known of a job's callback; None before the first try."""
        return (await self.callbacks((work_id,))).get(work_id)

    async def callbacks(self, work_ids: Sequence[int]) -> Mapping[int, Callback]:
        """The same for many jobs."""

        def unit(connection: Connection) -> dict[int, Callback]:
            found = {}
            for start in range(0, len(work_ids), _AT_ONCE):
                some = callback.c.work_id.in_(work_ids[start : start + _AT_ONCE])
                for row in connection.execute(select(callback).where(some)):
                    found[row.work_id] = _from(row)
            return found

        return await self._database.read(unit)

    async def save(self, given: Callback) -> None:
        """Remember it, without waiting for the disk: a power cut may lose it, the end of the process not."""
        values = {column.name: getattr(given, column.name) for column in callback.columns}
        values["state"] = given.state.value
        await self._database.write(lambda connection: put_all(connection, callback, (values,)), durable=False)


def _from(row: Row[Any]) -> Callback:
    values = dict(row._mapping)
    return Callback(state=CallbackState(values.pop("state")), **values)

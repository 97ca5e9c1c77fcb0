"""How many bytes the results of tasks keep: `gateway.tasks.results.Kept`."""

from __future__ import annotations

from sqlalchemy import Connection, func, select

from gateway.domain.task import ADMIN_KINDS
from gateway.store.database import Database
from gateway.store.schema_work import task


class KeptResults:
    """Reads it from the rows of tasks. What two of them keep counts twice, though the disk has it once."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def sizes(self, member_id: str) -> tuple[int, int]:
        """Bytes of the member's own results, and of all; raises StoreUnavailable.

        What holds everybody's (ADMIN_KINDS) is nobody's own.
        """
        size = func.sum(task.c.file_size)
        is_own = (task.c.member_id == member_id) & task.c.kind.not_in(sorted(ADMIN_KINDS))
        # All rows, one behind the other (100,000: 25 ms): by the index of those with a file it takes 20 times
        # that.
        wanted = select(size.filter(is_own), size)

        def unit(connection: Connection) -> tuple[int, int]:
            own, everybodys = connection.execute(wanted).one()
            return own or 0, everybodys or 0

        return await self._database.read(unit)

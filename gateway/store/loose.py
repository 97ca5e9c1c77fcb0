"""Contents that perhaps no row names: noted before one gets its name, and when a row goes that named one.

The note comes first, so that a process that dies in between leaves a note without content, never content
without a note. `store.expiry` looks at the notes; one whose content is named, or gone, is struck out.
"""

from __future__ import annotations

from collections.abc import Set

from sqlalchemy import Connection, insert, select

from gateway.store.database import Database
from gateway.store.schema_work import loose_content


class LooseContents:
    """What `Files` is given to note what comes in."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def note(self, sha256: str) -> None:
        """Durable once it is awaited: the content is, too. Raises StoreUnavailable."""
        await self._database.write(lambda connection: note_contents(connection, {sha256}))


def note_contents(connection: Connection, hashes: Set[str]) -> None:
    """Note these; known ones stay."""
    known = set(connection.scalars(select(loose_content.c.sha256).where(loose_content.c.sha256.in_(hashes))))
    new = [{"sha256": sha256} for sha256 in sorted(hashes - known)]
    if new:
        connection.execute(insert(loose_content), new)

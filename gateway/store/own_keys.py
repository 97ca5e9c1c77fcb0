"""Secret keys that the gateway made for itself: each a row, made at the first use and never changed."""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import Connection, insert, select

from gateway.store.database import Database
from gateway.store.schema import secret

#: Signs the links by which printers fetch files.
URL_SIGNING = "url-signing"


async def own_key(database: Database, name: str, make: Callable[[], bytes]) -> bytes:
    """The key of that name; `make` gives it when there is none yet. Raises StoreUnavailable."""

    def unit(connection: Connection) -> bytes:
        known = connection.scalar(select(secret.c.key).where(secret.c.name == name))
        if known is not None:
            return bytes(known)
        made = make()
        connection.execute(insert(secret), {"name": name, "key": made})
        return made

    return await database.write(unit)

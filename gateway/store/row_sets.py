"""Rows put and taken by their primary keys; the same on every database."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import Connection, Table, bindparam, delete, insert, update


def put_all(connection: Connection, table: Table, wanted: Iterable[Mapping[str, Any]]) -> None:
    """Change the rows with these primary keys, add those that are missing."""
    keys = [column.name for column in table.primary_key.columns]
    change = update(table).where(*(table.c[name] == bindparam(f"at_{name}") for name in keys))
    for values in wanted:
        here = {f"at_{name}": values[name] for name in keys}
        # Never the key itself, though it stays the same: SQLite would look at every row that refers to it.
        there = {name: value for name, value in values.items() if name not in keys}
        if connection.execute(change, here | there).rowcount == 0:
            connection.execute(insert(table), dict(values))


def take_all(connection: Connection, table: Table, gone: Iterable[Mapping[str, Any]]) -> None:
    """Delete the rows with these primary keys; one that is not there is no error."""
    for key in gone:
        connection.execute(delete(table).where(*(table.c[name] == value for name, value in key.items())))


def add_to_counts(connection: Connection, table: Table, changes: Mapping[tuple[Any, ...], int]) -> None:
    """Change the column `n` of the rows with these primary keys; add those that are missing."""
    keys = [column.name for column in table.primary_key.columns]
    change = (
        update(table)
        .where(*(table.c[name] == bindparam(f"at_{name}") for name in keys))
        .values(n=table.c.n + bindparam("by"))
    )
    for at, by in changes.items():
        if by == 0:
            continue
        here = {f"at_{name}": value for name, value in zip(keys, at, strict=True)}
        if connection.execute(change, here | {"by": by}).rowcount == 0:
            connection.execute(insert(table), dict(zip(keys, at, strict=True)) | {"n": by})

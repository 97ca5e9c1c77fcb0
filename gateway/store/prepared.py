"""Statements that run often: composed once, then given to SQLite as text, rows taken as plain tuples.

SQLAlchemy composes and caches well, but what it does around each execution and each row costs ten times what
SQLite does for a page of jobs.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Any, Final

from sqlalchemy import BindParameter, Select, bindparam
from sqlalchemy.dialects import sqlite

#: Rows taken at a stretch, half a millisecond of the interpreter, and the seconds that the reading thread
#: then leaves to the event loop: waiting for the interpreter's lock, each of its turns would take 5 ms.
STRETCH: Final = 200
_BREATH: Final = 0.0001
_DIALECT = sqlite.dialect(paramstyle="qmark")


@dataclass(frozen=True, slots=True)
class Prepared:
    """A statement's text, the names of its parameters in order, and the values that never change."""

    text: str
    parameters: tuple[str, ...]
    constants: Mapping[str, Any]

    def key(self, values: Mapping[str, Any]) -> tuple[Any, ...]:
        """Stands for what is read with these values (`store.kept`)."""
        known = {**self.constants, **values}
        return (self.text, *(known[name] for name in self.parameters))

    def rows(self, driver: sqlite3.Connection, values: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        """Run it in the transaction that is open; columns come as the database has them."""
        return list(chain.from_iterable(self.stretches(driver, values)))

    def stretches(
        self, driver: sqlite3.Connection, values: Mapping[str, Any], length: int = STRETCH
    ) -> Iterator[list[tuple[Any, ...]]]:
        """The same, so many rows at a time; the last stretch may be shorter. None is empty."""
        known = {**self.constants, **values}
        cursor = driver.execute(self.text, [known[name] for name in self.parameters])
        found = cursor.fetchmany(length)
        while found:
            yield found
            if len(found) < length:
                return
            time.sleep(_BREATH)
            found = cursor.fetchmany(length)


def placeholder(name: str) -> BindParameter[Any]:
    """Where a value of this name comes in at each execution."""
    return bindparam(name, required=False)


def prepare(statement: Select[Any]) -> Prepared:
    """The text of a statement that may have placeholders."""
    compiled = statement.compile(dialect=_DIALECT, compile_kwargs={"render_postcompile": True})
    return Prepared(str(compiled), tuple(compiled.positiontup or ()), compiled.construct_params())

"""Statements that run often: composed once, then given to SQLite as text, rows taken as plain tuples.

SQLAlchemy composes and caches well, but what it does around each execution and each row costs ten times what
SQLite does for a page of jobs.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import BindParameter, Select, bindparam
from sqlalchemy.dialects import sqlite

#: Rows taken at a stretch, half a millisecond of the interpreter, and the seconds that the reading thread
#: then leaves to the event loop: waiting for the interpreter's lock, each of its turns would take 5 ms.
_STRETCH: Final = 200
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
        known = {**self.constants, **values}
        cursor = driver.execute(self.text, [known[name] for name in self.parameters])
        found = cursor.fetchmany(_STRETCH)
        while len(found) % _STRETCH == 0 and (more := cursor.fetchmany(_STRETCH)):
            time.sleep(_BREATH)
            found += more
        return found


def placeholder(name: str) -> BindParameter[Any]:
    """Where a value of this name comes in at each execution."""
    return bindparam(name, required=False)


def prepare(statement: Select[Any]) -> Prepared:
    """The text of a statement that may have placeholders."""
    compiled = statement.compile(dialect=_DIALECT, compile_kwargs={"render_postcompile": True})
    return Prepared(str(compiled), tuple(compiled.positiontup or ()), compiled.construct_params())

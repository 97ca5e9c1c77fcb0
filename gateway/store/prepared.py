"""Statements that run often: composed once, then given to SQLite as text, rows taken as plain tuples.

SQLAlchemy composes and caches well, but what it does around each execution and each row costs ten times what
SQLite does for a page of jobs.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import BindParameter, Select, bindparam
from sqlalchemy.dialects import sqlite

_DIALECT = sqlite.dialect(paramstyle="qmark")


@dataclass(frozen=True, slots=True)
class Prepared:
    """A statement's text, the names of its parameters in order, and the values that never change."""

    text: str
    parameters: tuple[str, ...]
    constants: Mapping[str, Any]

    def rows(self, driver: sqlite3.Connection, values: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        """Run it in the transaction that is open; columns come as the database has them."""
        known = {**self.constants, **values}
        return driver.execute(self.text, [known[name] for name in self.parameters]).fetchall()


def placeholder(name: str) -> BindParameter[Any]:
    """Where a value of this name comes in at each execution."""
    return bindparam(name, required=False)


def prepare(statement: Select[Any]) -> Prepared:
    """The text of a statement that may have placeholders."""
    compiled = statement.compile(dialect=_DIALECT, compile_kwargs={"render_postcompile": True})
    return Prepared(str(compiled), tuple(compiled.positiontup or ()), compiled.construct_params())

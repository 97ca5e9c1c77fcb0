"""A database to begin with, without the time that making one takes."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from gateway.store.migrate import upgrade


@cache
def empty_database() -> bytes:
    """A database at head with nothing in it; made once, since migrating takes longer than most tests."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "gateway.db"
        upgrade(f"sqlite:///{path}")
        return path.read_bytes()

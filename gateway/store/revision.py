"""Whether a database has this program's schema already, told without Alembic.

Nearly every start finds it so, and Alembic with what it brings takes half a second of a Raspberry Pi to load.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Final
from urllib.parse import quote

from gateway.engine.ports import StoreUnavailable
from gateway.store.database import sqlite_path

MIGRATIONS: Final = Path(__file__).parent / "migrations"


def newest_revision() -> str:
    """The last migration's revision, which its file's name begins with: `v0005_owners_time.py` is 0005."""
    return max(path.name[1:5] for path in MIGRATIONS.glob("versions/v[0-9][0-9][0-9][0-9]_*.py"))


def is_at_head(url: str) -> bool:
    """Whether there is nothing to upgrade. Reads only; False for whatever is missing or cannot be read."""
    try:
        path = quote(str(sqlite_path(url)))
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
            found = connection.execute("SELECT version_num FROM alembic_version").fetchall()
    except (StoreUnavailable, sqlite3.Error):
        return False
    return found == [(newest_revision(),)]

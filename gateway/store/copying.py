"""A consistent copy of the database while the gateway writes, by SQLite's online backup API.

The copy is of the moment at which it began: a read transaction is held for as long as it takes, so that the
writer's commits, which would make SQLite begin anew each time (sqlite.org/backup.html), are not seen. The
write-ahead log grows meanwhile and is cut back behind.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Final
from urllib.parse import quote

from gateway.domain.task import ADMIN_KINDS
from gateway.store.database import BUSY_TIMEOUT, sqlite_path
from gateway.store.revision import newest_revision
from gateway.store.trouble import explained

#: Pages of one step: 1 MiB of 4 KiB pages, some milliseconds on an SD card.
STEP_PAGES: Final = 256
_NAMED: Final = """
SELECT sha256 FROM file
UNION SELECT file_sha256 FROM job WHERE file_sha256 IS NOT NULL
UNION SELECT file_sha256 FROM task WHERE file_sha256 IS NOT NULL AND kind NOT IN (?, ?)
ORDER BY 1
"""


class DatabaseCopies:
    """Copies of the database at `url`."""

    def __init__(self, url: str, step_pages: int = STEP_PAGES) -> None:
        self._path = sqlite_path(url)
        self._step_pages = step_pages

    def copy(self, target: str, step: Callable[[int, int], None]) -> None:
        """Copy into an empty file. `step(bytes so far, bytes in all)` is called between steps and may raise.

        Blocks, seconds for big ones: run it in a thread. Raises StoreUnavailable, or what `step` does.
        """
        source_uri = f"file:{quote(str(self._path))}?mode=ro"
        try:
            with (
                closing(sqlite3.connect(source_uri, uri=True, timeout=BUSY_TIMEOUT)) as source,
                closing(sqlite3.connect(target)) as copy,
            ):
                source.isolation_level = None
                page_bytes = int(source.execute("PRAGMA page_size").fetchone()[0])
                source.execute("BEGIN")
                source.execute("SELECT count(*) FROM sqlite_master").fetchone()  # the snapshot begins here

                def told(status: int, remaining: int, total: int) -> None:
                    step((total - remaining) * page_bytes, total * page_bytes)

                copy.execute("PRAGMA synchronous = OFF")  # a copy that is cut off is thrown away
                source.backup(copy, pages=self._step_pages, progress=told)
                copy.execute("PRAGMA journal_mode = DELETE")  # one file, without a log beside it
        except sqlite3.Error as error:
            raise explained(error, str(self._path)) from error

    def contents(self, path: str) -> tuple[str, ...]:
        """SHA-256 of every content that a copy names, but results of backups and bundles.

        A backup that held those before it would double with each. Raises StoreUnavailable.
        """
        try:
            with closing(sqlite3.connect(f"file:{quote(path)}?mode=ro", uri=True)) as connection:
                found = connection.execute(_NAMED, tuple(sorted(ADMIN_KINDS))).fetchall()
        except sqlite3.Error as error:
            raise explained(error, path) from error
        return tuple(row[0] for row in found)

    @property
    def schema(self) -> str:
        """The revision of this program's schema."""
        return newest_revision()


def problems_of(path: Path) -> tuple[str, ...]:
    """What SQLite finds wrong with a database that nobody has open; empty when it is sound."""
    try:
        with closing(sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True)) as connection:
            found = [str(row[0]) for row in connection.execute("PRAGMA integrity_check(10)")]
    except sqlite3.Error as error:
        return (str(error),)
    return () if found == ["ok"] else tuple(found)

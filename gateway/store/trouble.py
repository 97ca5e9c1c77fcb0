"""What the database complains about, in words for the person who has to do something about it."""

from __future__ import annotations

import errno
import sqlite3

from sqlalchemy.exc import DBAPIError

from gateway.engine.ports import DraftRefused, StoreFull, StoreUnavailable

#: Primary result codes are the low byte of an extended one (https://sqlite.org/rescode.html).
_PRIMARY = 0xFF

_HELD = "another program holds it: end the one that has it open (a backup, a database shell)"
_MODE = "check its owner and mode, and its folder's, and the mount"
_ADVICE = {
    sqlite3.SQLITE_FULL: "the disk is full: free some space; nothing was written and the gateway goes on",
    sqlite3.SQLITE_BUSY: _HELD,
    sqlite3.SQLITE_LOCKED: _HELD,
    sqlite3.SQLITE_CORRUPT: "it is damaged: stop the gateway, keep a copy of it, and restore the last backup",
    sqlite3.SQLITE_NOTADB: "it is no database: check the path, or stop the gateway and restore a backup",
    sqlite3.SQLITE_READONLY: f"it cannot be written: {_MODE}",
    sqlite3.SQLITE_PERM: f"it cannot be opened: {_MODE}",
    sqlite3.SQLITE_CANTOPEN: "it cannot be opened: its folder must exist and belong to the gateway's user",
    sqlite3.SQLITE_IOERR: "the disk does not read or write: look for it in the kernel's log (dmesg)",
    sqlite3.SQLITE_NOMEM: "memory is short: nothing was written and the gateway goes on",
}
_UNKNOWN = "see the text; nothing was written"


class RowRefused(DraftRefused):
    """A row that breaks a constraint, or was decided on an old version of it. A fault of the gateway."""

    def __init__(self, why: str) -> None:
        super().__init__(f"the store refused a row, which is a fault of the gateway; please report it: {why}")


class SchemaMismatch(StoreUnavailable):
    """The database and this program do not have the same schema."""


def explained(error: DBAPIError | sqlite3.Error, path: str) -> StoreUnavailable:
    """The exception to raise instead: StoreUnavailable with what to do, or RowRefused."""
    origin = error.orig if isinstance(error, DBAPIError) else error
    if isinstance(origin, (sqlite3.IntegrityError, sqlite3.ProgrammingError, sqlite3.InterfaceError)):
        return RowRefused(str(origin))
    code = getattr(origin, "sqlite_errorcode", None)
    advice = _ADVICE.get(code & _PRIMARY, _UNKNOWN) if isinstance(code, int) else _UNKNOWN
    return StoreUnavailable(f"the database {path}: {advice} ({origin})")


def explained_os(error: OSError, path: str) -> StoreUnavailable:
    """What to do about a file that could not be written or read."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        advice = "the disk is full: free some space there, then send the file again"
        return StoreFull(f"{path}: {advice} ({error.strerror or error})")
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        advice = "it cannot be written: check its owner and mode, and the mount"
    else:
        advice = "the disk does not read or write"
    return StoreUnavailable(f"{path}: {advice} ({error.strerror or error})")

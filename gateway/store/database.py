"""The database file: one writing connection and two reading ones, each with a thread to wait in.

    engine --write(unit)--> 1 thread --> writer    BEGIN IMMEDIATE, synchronous FULL (or NORMAL for progress)
    APIs   --read(unit)---> 2 threads -> readers   mode=ro, query_only; a snapshot each; never behind a commit

A *unit* is a function of a connection that runs in one transaction: all of it or nothing. `BEGIN IMMEDIATE`
because SQLite's deferred transaction takes no lock until the first write: of four concurrent "select, then
update" units all four claimed the same job; and the late upgrade of a read to a write fails at once, whatever
the timeout.

Connections belong to no thread (a simulation runs everything inline in one); what keeps them apart is that
the writer has a pool of one thread, and that a reader is taken out of a queue while it is used.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import queue
import sqlite3
from collections.abc import Callable, Hashable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

from sqlalchemy import Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.pool import NullPool

from gateway.engine.ports import StoreUnavailable
from gateway.store.columns import to_json
from gateway.store.kept import Kept
from gateway.store.reading import Reads
from gateway.store.trouble import RowRefused, explained, explained_os

T = TypeVar("T")

#: Seconds to wait for another process (a backup, a shell) to let go of the write lock.
BUSY_TIMEOUT = 5.0
#: Lists in flight beside the writer: two, so that a long one does not hold up a short one on a 4-core board.
READERS = 2
#: Bytes the write-ahead log is cut back to after a checkpoint; it may grow beyond while a long list is read.
JOURNAL_SIZE_LIMIT = 16 * 1024 * 1024
#: The database holds hashes of keys and people's names: not for everybody on the host.
FILE_MODE = 0o640


def sqlite_path(url: str) -> Path:
    """The file of a `sqlite:////absolute/path` URL; StoreUnavailable for any other kind."""
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise StoreUnavailable(f"store.url {url!r} is no URL; write sqlite:////absolute/path.db") from error
    if parsed.get_backend_name() != "sqlite" or parsed.database in (None, "", ":memory:"):
        raise StoreUnavailable(
            f"store.url {parsed.render_as_string()}: only a SQLite file, sqlite:////absolute/path.db"
        )
    return Path(str(parsed.database))


def _as_it_is(read: Any) -> Any:
    return read


class SoleUse:
    """A lock file beside the database: two gateways on one queue would start a job twice."""

    def __init__(self, path: Path) -> None:
        self._path = path.with_name(path.name + ".lock")
        self._fd: int | None = None

    @property
    def file(self) -> Path:
        """What is locked."""
        return self._path

    def take(self) -> None:
        """Hold the lock until `release` or the end of the process; StoreUnavailable when another has it."""
        try:
            fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, FILE_MODE)
        except OSError as error:
            raise explained_os(error, str(self._path)) from error
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(fd)
            raise StoreUnavailable(
                f"another print-gateway is using {self._path.with_suffix('')}: stop it first"
            ) from error
        self._fd = fd

    def release(self) -> None:
        """Idempotent. The file stays: removing it would let two processes lock two files of one name."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None


def sqlite_engine(path: Path, *, read_only: bool = False, foreign_keys: bool = True) -> Engine:
    """An engine whose every connection has the gateway's settings; connections are opened when asked for."""

    def connect() -> sqlite3.Connection:
        mode = "ro" if read_only else "rwc"
        connection = sqlite3.connect(
            f"file:{quote(str(path))}?mode={mode}",
            uri=True,
            timeout=BUSY_TIMEOUT,
            isolation_level=None,  # no hidden BEGIN: ours is below
            check_same_thread=False,
        )
        try:
            _configure(connection, read_only, foreign_keys)
        except BaseException:
            connection.close()
            raise
        return connection

    engine = create_engine("sqlite://", creator=connect, poolclass=NullPool, json_serializer=to_json)
    begin = "BEGIN" if read_only else "BEGIN IMMEDIATE"

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        connection.exec_driver_sql(begin)

    return engine


def _configure(connection: sqlite3.Connection, read_only: bool, foreign_keys: bool) -> None:
    connection.execute(f"PRAGMA busy_timeout = {int(BUSY_TIMEOUT * 1000)}")
    connection.execute(f"PRAGMA foreign_keys = {'ON' if foreign_keys else 'OFF'}")
    if read_only:
        connection.execute("PRAGMA query_only = ON")
        return
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute(f"PRAGMA journal_size_limit = {JOURNAL_SIZE_LIMIT}")


class Database:
    """An open database. Its schema must be at head already (`migrate.upgrade`).

    `Database(url)` blocks for some milliseconds and raises StoreUnavailable. `close` is synchronous, and does
    nothing that a crash would leave undone: nothing is ever half written.
    """

    def __init__(self, url: str) -> None:
        path = sqlite_path(url)
        self._path = str(path)
        self._lock = SoleUse(path)
        self._lock.take()
        self._write_engine = sqlite_engine(path)
        self._read_engine = sqlite_engine(path, read_only=True)
        self._idle: queue.SimpleQueue[Connection] = queue.SimpleQueue()
        try:
            self._writer = self._write_engine.connect()
            for _ in range(READERS):
                self._idle.put(self._read_engine.connect())
        except DBAPIError as error:
            self._close_connections()
            raise explained(error, self._path) from error
        self._write_thread = ThreadPoolExecutor(1, thread_name_prefix="store-write")
        self._read_threads = ThreadPoolExecutor(READERS, thread_name_prefix="store-read")
        self._plain_reads = Reads(self._read_threads, READERS, self._read_plain)
        self._commits = 0  # of the writer; raised by its thread alone
        self._kept = Kept()

    async def write(self, unit: Callable[[Connection], T], *, durable: bool = True) -> T:
        """Run a unit in a writing transaction and give its answer once it is committed.

        `durable=False` commits without waiting for the disk: a power cut may lose it, nothing can tear it.
        Raises StoreUnavailable or RowRefused; in both cases nothing was written.
        """
        return await asyncio.get_running_loop().run_in_executor(
            self._write_thread, self._write, unit, durable
        )

    async def read(self, unit: Callable[[Connection], T]) -> T:
        """Run a unit on a read-only connection, on one snapshot that has every commit answered before."""
        return await asyncio.get_running_loop().run_in_executor(self._read_threads, self._read, unit)

    async def read_plain(self, unit: Callable[[sqlite3.Connection], T]) -> T:
        """As `read`, on the driver's own connection: for what runs often."""
        return await self._plain_reads.run(unit)

    async def read_kept(
        self,
        key: Hashable,
        unit: Callable[[sqlite3.Connection], Any],
        rows: Callable[[T], int],
        made: Callable[[Any], T] = _as_it_is,
    ) -> T:
        """As `read_plain`; kept until the next commit, and then given again without reading (`store.kept`).

        `key` says what is read and for whom, `rows` how many there are in an answer. `made` makes the answer
        of what `unit` read, on the event loop, for which the reading thread would only have to wait.
        """
        known = self._kept.find(key, self._commits)
        if known is not None:
            found: T = known[0]
            return found

        def noted(driver: sqlite3.Connection) -> tuple[int, Any]:
            return self._commits, unit(driver)  # the snapshot begins with the unit's first SELECT

        seen, read = await self._plain_reads.run(noted)
        found = made(read)
        self._kept.keep(key, found, rows(found), seen)
        return found

    def close(self) -> None:
        """Wait for the units under way and close. Idempotent."""
        self._write_thread.shutdown()
        self._read_threads.shutdown()
        self._close_connections()

    def _write(self, unit: Callable[[Connection], T], durable: bool) -> T:
        if not durable:
            self._synchronous("NORMAL")
        try:
            return self._transact(self._writer, unit)
        finally:
            self._commits += 1  # also where it failed: how far a failed commit came is not always known
            if not durable:
                self._synchronous("FULL")

    def _synchronous(self, level: str) -> None:
        # On the driver's connection: SQLite ignores this pragma inside a transaction.
        connection = self._writer.connection.driver_connection
        assert connection is not None
        connection.execute(f"PRAGMA synchronous = {level}")

    def _read(self, unit: Callable[[Connection], T]) -> T:
        connection = self._idle.get()
        try:
            return self._transact(connection, unit)
        finally:
            self._idle.put(connection)

    def _read_plain(self, unit: Callable[[sqlite3.Connection], T]) -> T:
        connection = self._idle.get()
        try:
            with self._explaining():
                driver = connection.connection.driver_connection
                assert isinstance(driver, sqlite3.Connection)
                driver.execute("BEGIN")
                try:
                    return unit(driver)
                finally:
                    if driver.in_transaction:  # SQLite ends it itself after some failures
                        driver.execute("ROLLBACK")
        finally:
            self._idle.put(connection)

    def _transact(self, connection: Connection, unit: Callable[[Connection], T]) -> T:
        with self._explaining(), connection.begin():
            return unit(connection)

    @contextmanager
    def _explaining(self) -> Iterator[None]:
        try:
            yield
        except (DBAPIError, sqlite3.Error) as error:
            raise explained(error, self._path) from error
        except (OverflowError, UnicodeError) as error:  # what no column can hold
            raise RowRefused(str(error)) from error

    def _close_connections(self) -> None:
        while not self._idle.empty():
            self._idle.get().close()
        if hasattr(self, "_writer"):
            self._writer.close()
        self._write_engine.dispose()
        self._read_engine.dispose()
        self._lock.release()

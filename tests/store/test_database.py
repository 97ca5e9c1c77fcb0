"""The connections: their settings, their transactions, and what is said when they fail."""

from __future__ import annotations

import asyncio
import signal
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from sqlalchemy import Connection, text

from firmware_sim.virtual_loop import VirtualLoop
from gateway.engine.ports import StoreUnavailable
from gateway.store.database import BUSY_TIMEOUT, READERS, Database, sqlite_path
from gateway.store.migrate import check
from gateway.store.trouble import RowRefused, explained

ROOT = Path(__file__).parents[2]


def pragma(connection: Connection, name: str) -> object:
    return connection.exec_driver_sql(f"PRAGMA {name}").scalar()


async def test_the_writer_waits_for_the_disk_and_keeps_a_log(database: Database) -> None:
    def settings(connection: Connection) -> dict[str, object]:
        return {
            n: pragma(connection, n) for n in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        }

    assert await database.write(settings) == {
        "journal_mode": "wal",
        "synchronous": 2,  # FULL
        "foreign_keys": 1,
        "busy_timeout": BUSY_TIMEOUT * 1000,
    }


async def test_progress_does_not_wait_for_the_disk_and_the_next_commit_does(database: Database) -> None:
    assert await database.write(lambda c: pragma(c, "synchronous"), durable=False) == 1  # NORMAL
    assert await database.write(lambda c: pragma(c, "synchronous")) == 2

    def fails(connection: Connection) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await database.write(fails, durable=False)
    assert await database.write(lambda c: pragma(c, "synchronous")) == 2


async def test_readers_cannot_write(database: Database) -> None:
    for _ in range(READERS):
        with pytest.raises(StoreUnavailable, match="cannot be written"):
            await database.read(lambda c: c.execute(text("UPDATE host SET host_number = 7")))


async def test_a_reader_sees_every_commit_that_was_answered_and_none_under_way(database: Database) -> None:
    inside, go_on = threading.Event(), threading.Event()

    def slow(connection: Connection) -> None:
        connection.execute(text("UPDATE host SET host_number = 7"))
        inside.set()
        assert go_on.wait(10)

    def read(connection: Connection) -> object:
        return connection.execute(text("SELECT host_number FROM host")).scalar()

    writing = asyncio.ensure_future(database.write(slow))
    await asyncio.to_thread(inside.wait, 60)
    assert await database.read(read) == 0  # not behind the commit
    go_on.set()
    await writing
    assert await database.read(read) == 7


async def test_of_units_that_select_and_then_update_only_one_wins(database: Database) -> None:
    """Double claim: with SQLite's own, late transactions all of them won."""

    def claim(connection: Connection) -> bool:
        free = connection.execute(text("SELECT host_number FROM host")).scalar() == 0
        if free:
            connection.execute(text("UPDATE host SET host_number = 1"))
        return free

    won = await asyncio.gather(*(database.write(claim) for _ in range(8)))
    assert sum(won) == 1


async def test_other_processes_cannot_claim_in_between_either(path: Path, database: Database) -> None:
    def select_then_look(connection: Connection) -> str:
        connection.execute(text("SELECT host_number FROM host")).scalar()
        other = sqlite3.connect(path, timeout=0, isolation_level=None)
        try:
            other.execute("UPDATE host SET host_number = 5")
        except sqlite3.OperationalError as error:
            return str(error)
        finally:
            other.close()
        return "written in between"

    assert await database.write(select_then_look) == "database is locked"


async def test_a_unit_that_fails_leaves_nothing(database: Database) -> None:
    def half(connection: Connection) -> None:
        connection.execute(text("UPDATE host SET host_number = 3"))
        raise LookupError

    with pytest.raises(LookupError):
        await database.write(half)
    assert await database.read(lambda c: c.execute(text("SELECT host_number FROM host")).scalar()) == 0
    await database.write(lambda c: c.execute(text("UPDATE host SET host_number = 4")))


async def test_a_full_disk_is_told_and_the_store_goes_on_when_there_is_room(database: Database) -> None:
    pages = await database.write(lambda c: pragma(c, "page_count"))
    big = {"id": 9, "name": "x" * 100_000, "public_id": "9" * 24}
    insert = text("INSERT INTO organization VALUES (:id, :name, :public_id)")
    await database.write(lambda c: pragma(c, f"max_page_count = {pages}"))
    with pytest.raises(StoreUnavailable, match="disk is full"):
        await database.write(lambda c: c.execute(insert, big))
    await database.write(lambda c: pragma(c, "max_page_count = 1000000"))
    await database.write(lambda c: c.execute(insert, big))


async def test_a_locked_database_is_told_and_the_store_goes_on(path: Path, database: Database) -> None:
    def no_patience(connection: Connection) -> None:
        connection.exec_driver_sql("PRAGMA busy_timeout = 0")

    await database.write(no_patience)
    shell = sqlite3.connect(path, isolation_level=None)
    shell.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreUnavailable, match="another program"):
        await database.write(lambda c: pragma(c, "user_version"))
    shell.execute("ROLLBACK")
    shell.close()
    await database.write(lambda c: c.execute(text("UPDATE host SET host_number = 4")))


async def test_a_broken_constraint_is_our_fault_and_says_so(database: Database) -> None:
    with pytest.raises(RowRefused, match="ck_host_host_number") as refused:
        await database.write(lambda c: c.execute(text("UPDATE host SET host_number = -1")))
    assert isinstance(refused.value, StoreUnavailable)
    too_big = text("UPDATE host SET host_number = :n")
    with pytest.raises(RowRefused):
        await database.write(lambda c: c.execute(too_big, {"n": 2**70}))


def test_two_gateways_cannot_share_a_store(url: str, database: Database) -> None:
    with pytest.raises(StoreUnavailable, match=r"another print-gateway is using .*gateway\.db: stop it"):
        Database(url)
    database.close()
    Database(url).close()


def test_close_is_idempotent(url: str) -> None:
    opened = Database(url)
    opened.close()
    opened.close()


@pytest.mark.parametrize(
    "url", ["postgresql://farm/queue", "sqlite://", "sqlite:///:memory:", "what is this"]
)
def test_only_files(url: str) -> None:
    with pytest.raises(StoreUnavailable, match="sqlite:////absolute/path"):
        sqlite_path(url)


def test_what_is_no_database_is_said_at_once(tmp_path: Path) -> None:
    (tmp_path / "gateway.db").write_bytes(b"G28\n" * 4096)
    with pytest.raises(StoreUnavailable, match="no database"):
        Database(f"sqlite:///{tmp_path}/gateway.db")
    with pytest.raises(StoreUnavailable, match=r"gateway\.db\.lock"):
        Database(f"sqlite:///{tmp_path}/missing/gateway.db")


@pytest.mark.parametrize(
    ("code", "advice"),
    [
        (sqlite3.SQLITE_CORRUPT, "restore the last backup"),
        (sqlite3.SQLITE_IOERR_WRITE, "kernel's log"),  # extended codes too
        (sqlite3.SQLITE_CANTOPEN, "folder must exist"),
        (sqlite3.SQLITE_MISUSE, "see the text"),
        (None, "see the text"),
    ],
)
def test_every_failure_says_what_to_do(code: int | None, advice: str) -> None:
    error = sqlite3.OperationalError("it said so")
    if code is not None:
        error.sqlite_errorcode = code
    told = explained(error, "/var/lib/x.db")
    assert advice in str(told)
    assert "/var/lib/x.db" in str(told)
    assert "it said so" in str(told)


def test_on_a_virtual_loop_everything_runs_inline_and_alike(url: str) -> None:
    """A simulation has no threads: the same connections serve the loop's own."""

    async def live() -> list[object]:
        database = Database(url)
        try:
            threads = await database.write(lambda c: threading.current_thread())
            await database.write(lambda c: c.execute(text("UPDATE host SET host_number = 7")))
            read = [
                database.read(lambda c: c.execute(text("SELECT host_number FROM host")).scalar())
                for _ in range(5)
            ]
            return [threads is threading.current_thread(), *await asyncio.gather(*read)]
        finally:
            database.close()

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        assert runner.run(live()) == [True, 7, 7, 7, 7, 7]


KILLED = """
import asyncio, os, sys
from sqlalchemy import text
from gateway.store.database import Database

async def live(database):
    await database.write(lambda c: c.execute(text("UPDATE host SET host_number = 7")))
    def die(connection):
        connection.execute(text("UPDATE host SET host_number = 8"))
        os.kill(os.getpid(), 9)
    await database.write(die)

asyncio.run(live(Database(sys.argv[1])))
"""


def test_a_process_killed_in_a_commit_leaves_the_one_before_and_no_lock(url: str, path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", KILLED, url], cwd=ROOT, check=False)
    assert done.returncode == -signal.SIGKILL
    database = Database(url)
    with sqlite3.connect(path) as connection:
        assert connection.execute("SELECT host_number FROM host").fetchone() == (7,)
    connection.close()
    database.close()
    assert check(url) == ()

"""Backups of a gateway that goes on writing, and what `restore` makes of them: all of it, or nothing."""

from __future__ import annotations

import gc
import gzip
import hashlib
import io
import json
import os
import sqlite3
import tarfile
from collections.abc import AsyncIterator, Callable
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest

from gateway.domain.task import Task, TaskKind, TaskStatus
from gateway.domain.task_commands import CancelTask
from gateway.engine.ports import StoreUnavailable
from gateway.store.copying import DatabaseCopies, problems_of
from gateway.store.database import Database
from gateway.store.queries import Queries
from gateway.store.reserve import Reserve
from gateway.store.restoring import NotRestorable, Restored, restore
from gateway.tasks.archive import Archive
from gateway.tasks.kinds.backup import Backup
from gateway.tasks.work import Kind
from tests.support.stand import BEN
from tests.tasks.shop import Shop, json_of, open_shop

BACKUP = TaskKind.BACKUP
GCODE = b"M104 S215\nG28\nG1 X10 Y10 E1\n"


@pytest.fixture
async def shop(tmp_path: Path) -> AsyncIterator[Shop]:
    async with open_shop(tmp_path) as shop:
        yield shop


async def test_what_is_in_it(shop: Shop) -> None:
    first, second = await shop.put(GCODE), await shop.put(GCODE + b"G1 X1\n")
    task = await shop.done(BACKUP, {"with_files": True})
    assert (task.status, task.error) == (TaskStatus.DONE, None)
    found = shop.members_of(task)
    files = {"files/" + first.sha256: GCODE, "files/" + second.sha256: GCODE + b"G1 X1\n"}
    assert list(found) == ["gateway.db", *sorted(files), "manifest.json"]
    assert files.items() <= found.items()
    manifest = json_of(found["manifest.json"])
    assert manifest["database"] == {
        "sha256": hashlib.sha256(found["gateway.db"]).hexdigest(),
        "size": len(found["gateway.db"]),
    }
    assert manifest["files"] == [
        {"sha256": file.sha256, "size": file.size} for file in sorted((first, second), key=lambda f: f.sha256)
    ]
    assert task.result == {"database_bytes": len(found["gateway.db"]), "files": 2, "files_missing": 0}
    assert task.progress_value == task.progress_total
    assert shop.incoming() == []


async def test_files_only_if_asked_for_and_never_former_backups(shop: Shop) -> None:
    await shop.put(GCODE)
    task = await shop.done(BACKUP, {"with_files": False})
    assert list(shop.members_of(task)) == ["gateway.db", "manifest.json"]
    await shop.done(TaskKind.DIAGNOSTICS, {})
    export = await shop.done(TaskKind.HISTORY_EXPORT, {})
    again = await shop.done(BACKUP, {"with_files": True})
    assert export.file is not None
    assert "files/" + export.file.sha256 in shop.members_of(again)
    assert again.result is not None
    assert again.result["files"] == 2


async def test_content_that_is_missing_is_counted(shop: Shop) -> None:
    file = await shop.put(GCODE)
    Path(shop.files.path_of(file.sha256)).unlink()
    task = await shop.done(BACKUP, {"with_files": True})
    assert task.result is not None
    assert (task.result["files"], task.result["files_missing"]) == (0, 1)


class Meanwhile(DatabaseCopies):
    """What happens to the contents when the copy of the database is made and they are about to be packed."""

    def __init__(self, shop: Shop, happens: Callable[[], None]) -> None:
        super().__init__(f"sqlite:///{shop.folder}/gateway.db")
        self._happens = happens

    def contents(self, path: str) -> tuple[str, ...]:
        named = super().contents(path)
        self._happens()
        return named


async def test_content_that_goes_behind_the_copy_is_said_to_be_missing(tmp_path: Path) -> None:
    """A result expires, as the sweep takes it: its row is in the copy, itself it is not."""
    gone: list[Path] = []

    def meanwhile(shop: Shop) -> dict[str, Kind]:
        copies = Meanwhile(shop, lambda: gone[0].unlink())
        return {
            "BACKUP": Backup(
                copies=copies, files=shop.files, results=shop.results, clock=shop.clock, version="0.1.0"
            )
        }

    async with open_shop(tmp_path, meanwhile) as shop:
        kept = await shop.put(GCODE)
        export = await shop.done(TaskKind.HISTORY_EXPORT, {})
        gone.append(shop.result(export))
        task = await shop.done(BACKUP, {"with_files": True})
        said = json_of(shop.members_of(task)["manifest.json"])
        (tmp_path / "backup.tar.gz").write_bytes(shop.result(task).read_bytes())
    assert task.status is TaskStatus.DONE
    assert task.result is not None
    assert (task.result["files"], task.result["files_missing"]) == (1, 1)
    assert [one["sha256"] for one in said["files"]] == [kept.sha256]
    assert (said["missing"], said["damaged"]) == ([gone[0].name], [])
    done = put_back(tmp_path / "backup.tar.gz", tmp_path / "new")
    assert (done.files, done.missing) == (1, 1)


async def test_content_that_goes_while_it_is_packed_is_whole(shop: Shop, tmp_path: Path) -> None:
    content, place, out = os.urandom(300_000), tmp_path / "content", io.BytesIO()
    place.write_bytes(content)
    with Archive(out.write, 0.0) as archive:
        archive.add_file("files/x", str(place), lambda piece: place.unlink(missing_ok=True))
    assert not place.exists()
    with tarfile.open(fileobj=io.BytesIO(out.getvalue()), mode="r:gz") as tar:
        member = tar.extractfile("files/x")
        assert member is not None
        assert member.read() == content


async def test_content_that_the_disk_has_damaged_spoils_nothing_else(shop: Shop, tmp_path: Path) -> None:
    sound, bad = await shop.put(GCODE), await shop.put(GCODE + b"G1 X1\n")
    Path(shop.files.path_of(bad.sha256)).write_bytes(GCODE + b"G1 X9\n")
    task = await shop.done(BACKUP, {"with_files": True})
    said = json_of(shop.members_of(task)["manifest.json"])
    found = hashlib.sha256(GCODE + b"G1 X9\n").hexdigest()
    assert said["files"] == [{"sha256": sound.sha256, "size": sound.size}]
    assert said["damaged"] == [{"sha256": bad.sha256, "size": bad.size, "found": found}]
    backup, house = shop.result(task), tmp_path / "new"
    done = put_back(backup, house)
    assert (done.files, done.missing) == (1, 1)
    assert [path.name for path in (house / "files").glob("??/??/*")] == [sound.sha256]
    (tmp_path / "bad.tar.gz").write_bytes(rewritten(backup, only("files/" + bad.sha256, b"another")))
    with pytest.raises(NotRestorable, match="not what its manifest says"):
        put_back(tmp_path / "bad.tar.gz", tmp_path / "newer")


def slow(shop: Shop) -> dict[str, Kind]:
    """Backups in the smallest steps there are."""
    copies = DatabaseCopies(f"sqlite:///{shop.folder}/gateway.db", step_pages=1)
    return {
        "BACKUP": Backup(
            copies=copies, files=shop.files, results=shop.results, clock=shop.clock, version="0.1.0"
        )
    }


@pytest.fixture
async def slow_shop(tmp_path: Path) -> AsyncIterator[Shop]:
    async with open_shop(tmp_path, slow) as shop:
        yield shop


async def test_the_gateway_writes_on_and_the_copy_is_of_one_moment(slow_shop: Shop) -> None:
    """Commits beside it do not make it begin anew, however small its steps are."""
    shop = slow_shop
    jobs = [await shop.submit() for _ in range(20)]
    task = await shop.add(BACKUP, {"with_files": False})
    written = 0
    while task.work_id in shop.engine.state.tasks:
        await shop.submit()
        written += 1
    done = await shop.over(task)
    assert done.status is TaskStatus.DONE
    (shop.folder / "copy.db").write_bytes(shop.members_of(done)["gateway.db"])
    assert problems_of(shop.folder / "copy.db") == ()
    with closing(sqlite3.connect(shop.folder / "copy.db")) as copy:
        (count,) = copy.execute("SELECT count(*) FROM job").fetchone()
        totals = copy.execute("SELECT sum(n) FROM job_total").fetchone()
    assert len(jobs) <= count <= len(jobs) + written
    assert totals == (count,)


async def test_a_canceled_backup_leaves_nothing(slow_shop: Shop) -> None:
    """In a thread of its own it is stopped between two steps, long before its end."""
    shop = slow_shop
    with closing(sqlite3.connect(shop.folder / "gateway.db")) as database, database:
        database.execute("CREATE TABLE ballast (x)")
        database.executemany("INSERT INTO ballast VALUES (?)", [(os.urandom(3000),) for _ in range(3000)])
    before = shop.contents()
    task = await shop.add(BACKUP, {"with_files": True})
    await shop.until(lambda: len(shop.incoming()) == 2)
    await shop.give(CancelTask(task.task_id, BEN.member_id))
    await shop.until(lambda: not shop.incoming())
    done = await shop.over(task)
    assert done.status is TaskStatus.CANCELED
    assert shop.contents() == before
    assert (await shop.done(BACKUP, {"with_files": False})).status is TaskStatus.DONE


async def test_another_database_has_its_own_tool(tmp_path: Path) -> None:
    def postgresql(shop: Shop) -> dict[str, Kind]:
        return {
            "BACKUP": Backup(
                copies=None, files=shop.files, results=shop.results, clock=shop.clock, version="0.1.0"
            )
        }

    async with open_shop(tmp_path, postgresql) as shop:
        task = await shop.done(BACKUP, {"with_files": True})
    assert (task.status, task.tries) == (TaskStatus.FAILED, 1)
    assert "pg_dump" in (task.error or "")


# ---------------------------------------------------------------- putting it back


async def a_backup(shop: Shop) -> tuple[Path, Task, str]:
    """A backup, its task, and a job that is in it."""
    await shop.put(GCODE)
    job = await shop.submit(name="precious")
    task = await shop.done(BACKUP, {"with_files": True})
    path = shop.folder / "backup.tar.gz"
    path.write_bytes(shop.result(task).read_bytes())
    return path, task, job.job_id


def put_back(backup: Path, folder: Path, *, force: bool = False) -> Restored:
    url = f"sqlite:///{folder}/gateway.db"
    return restore(backup, url, folder / "files", replace=force, patience=0.0)


def snapshot(folder: Path) -> dict[str, bytes]:
    """Everything in a folder but locks."""
    paths = (
        path for path in folder.rglob("*") if path.is_file() and not path.name.endswith((".lock", "-shm"))
    )
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


async def test_restored_into_an_empty_house(shop: Shop, tmp_path: Path) -> None:
    backup, _, job_id = await a_backup(shop)
    house = tmp_path / "new"
    done = put_back(backup, house)
    assert (done.files, done.replaced) == (1, None)
    database = Database(f"sqlite:///{house}/gateway.db")
    job = await Queries(database).job(job_id)
    database.close()
    assert job is not None
    assert job.name == "precious"
    sha256 = hashlib.sha256(GCODE).hexdigest()
    assert (house / "files" / sha256[:2] / sha256[2:4] / sha256).read_bytes() == GCODE


async def test_a_database_that_is_there_gives_way_only_if_told_to(shop: Shop, tmp_path: Path) -> None:
    backup, _, _ = await a_backup(shop)
    house = tmp_path / "new"
    put_back(backup, house)
    shell = sqlite3.connect(house / "gateway.db", isolation_level=None)
    shell.execute("PRAGMA journal_mode = WAL")
    shell.execute("UPDATE job SET name = 'worthless'")
    before = snapshot(house)
    with pytest.raises(NotRestorable, match="--force"):
        put_back(backup, house)
    assert snapshot(house) == before
    with pytest.raises(StoreUnavailable, match="another program holds it"):
        put_back(backup, house, force=True)
    assert snapshot(house) == before
    shell.close()
    done = put_back(backup, house, force=True)
    assert done.replaced == house / "gateway.db.replaced"
    assert [name_in(house / "gateway.db"), name_in(done.replaced)] == ["precious", "worthless"]
    assert sorted(path.name for path in house.iterdir()) == [
        "files", "gateway.db", "gateway.db.lock", "gateway.db.replaced",
    ]  # fmt: skip


def name_in(path: Path) -> str:
    """Of the one job in a database."""
    with closing(sqlite3.connect(path)) as database:
        return str(database.execute("SELECT name FROM job").fetchone()[0])


async def test_not_under_a_running_gateway(shop: Shop) -> None:
    backup, _, _ = await a_backup(shop)
    with pytest.raises(StoreUnavailable, match="stop it first"):
        put_back(backup, shop.folder, force=True)


def rewritten(backup: Path, change: Callable[[str, bytes], bytes | None]) -> bytes:
    """The same tar.gz with other contents; None leaves one out."""
    out = io.BytesIO()
    with tarfile.open(backup, "r:gz") as old, tarfile.open(fileobj=out, mode="w:gz") as new:
        for member in old:
            content = old.extractfile(member)
            assert content is not None
            changed = change(member.name, content.read())
            if changed is not None:
                member.size = len(changed)
                new.addfile(member, io.BytesIO(changed))
    return out.getvalue()


def only(name: str, to: bytes | None) -> Callable[[str, bytes], bytes | None]:
    return lambda member, content: to if member.startswith(name) else content


def manifest(**changes: Any) -> Callable[[str, bytes], bytes | None]:
    def change(name: str, content: bytes) -> bytes:
        return json.dumps(json.loads(content) | changes).encode() if name == "manifest.json" else content

    return change


DAMAGES: dict[str, tuple[Callable[[Path], bytes], str]] = {
    "cut off": (lambda path: path.read_bytes()[:-2000], "no backup, or damaged"),
    "half of it": (lambda path: path.read_bytes()[: path.stat().st_size // 2], "damaged"),
    "nothing": (lambda path: b"", "no backup"),
    "text": (lambda path: b"G28\n" * 1000, "no backup"),
    "gzip of text": (lambda path: gzip.compress(b"G28\n" * 1000), "no backup"),
    "another byte": (lambda path: rewritten(path, only("files/", GCODE.replace(b"X10", b"X11"))), "manifest"),
    "another database": (lambda path: rewritten(path, only("gateway.db", b"x")), "manifest"),
    "a file too few": (lambda path: rewritten(path, only("files/", None)), "manifest"),
    "no manifest": (lambda path: rewritten(path, only("manifest.json", None)), "its end is missing"),
    "a manifest of something": (lambda path: rewritten(path, only("manifest.json", b"{}")), "no backup of"),
    "a manifest that is none": (lambda path: rewritten(path, only("manifest.json", b"[")), "no backup"),
    "newer": (lambda path: rewritten(path, manifest(schema="9999")), "newer print-gateway"),
    "a manifest of numbers": (lambda path: rewritten(path, manifest(files=[1])), "its manifest is odd"),
    "a manifest of nothing": (lambda path: rewritten(path, manifest(files=None)), "its manifest is odd"),
    "damage that is none": (lambda path: rewritten(path, manifest(damaged=[1])), "its manifest is odd"),
    "missing nobody knows what": (lambda path: rewritten(path, manifest(missing=1)), "its manifest is odd"),
    "a manifest without end": (
        lambda path: rewritten(path, only("manifest.json", b"[" * 100_000)), "no backup, or damaged"
    ),
    "another format": (lambda path: rewritten(path, manifest(format=2)), "newer print-gateway"),
}  # fmt: skip


@pytest.mark.parametrize("damage", DAMAGES)
async def test_a_damaged_backup_changes_nothing(shop: Shop, tmp_path: Path, damage: str) -> None:
    backup, _, _ = await a_backup(shop)
    house = tmp_path / "new"
    put_back(backup, house)
    before = snapshot(house)
    make, words = DAMAGES[damage]
    (tmp_path / "bad.tar.gz").write_bytes(make(backup))
    with pytest.raises(NotRestorable, match=words):
        put_back(tmp_path / "bad.tar.gz", house, force=True)
    assert snapshot(house) == before


@pytest.mark.parametrize("name", ["../escape", "/etc/passwd", "files/../../x", "other", "files/" + "g" * 64])
async def test_an_archive_with_anything_else_in_it_is_refused(tmp_path: Path, name: str) -> None:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as tar:
        member = tarfile.TarInfo(name)
        member.size = 1
        tar.addfile(member, io.BytesIO(b"x"))
    (tmp_path / "bad.tar.gz").write_bytes(out.getvalue())
    with pytest.raises(NotRestorable, match="it holds"):
        put_back(tmp_path / "bad.tar.gz", tmp_path / "new")
    assert snapshot(tmp_path / "new") == {}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
async def test_root_gives_away_only_what_it_made(shop: Shop, tmp_path: Path) -> None:
    """The gateway's user may have put links to a folder of root's where contents go."""
    backup, _, _ = await a_backup(shop)
    house, roots, user = tmp_path / "new", tmp_path / "of-root", 4711
    roots.mkdir()
    (house / "files").mkdir(parents=True)
    for number in range(256):
        (house / "files" / f"{number:02x}").symlink_to(roots)
    for folder in (house, house / "files"):
        os.chown(folder, user, user)
    put_back(backup, house)
    assert (house / "gateway.db").stat().st_uid == user
    assert roots.stat().st_uid == 0


async def test_a_database_that_is_not_sound_is_not_put_in_place(shop: Shop, tmp_path: Path) -> None:
    """The hashes are right: it was damaged before it was packed."""
    backup, task, _ = await a_backup(shop)
    bad = shop.members_of(task)["gateway.db"]
    bad = bad[:4096] + os.urandom(len(bad) - 4096)
    said = {"sha256": hashlib.sha256(bad).hexdigest(), "size": len(bad)}

    def change(name: str, content: bytes) -> bytes | None:
        return bad if name == "gateway.db" else manifest(database=said)(name, content)

    (tmp_path / "bad.tar.gz").write_bytes(rewritten(backup, change))
    with pytest.raises(NotRestorable, match="the database in the backup is"):
        put_back(tmp_path / "bad.tar.gz", tmp_path / "new")
    assert not (tmp_path / "new" / "gateway.db").exists()


async def test_a_backup_stops_before_it_takes_what_the_database_needs(tmp_path: Path) -> None:
    """The copy of the database is SQLite's to write: it is asked for before, and between its steps."""
    reserved = 50_000_000
    nearly_full = Reserve(reserved, lambda folder: reserved + 4096)
    async with open_shop(tmp_path, reserve=nearly_full) as shop:
        task = await shop.add(BACKUP, {"with_files": True})
        await shop.until(lambda: shop.engine.state.tasks[task.work_id].retry_at is not None)
        waits = shop.engine.state.tasks[task.work_id]
        assert "try 1 of 5 failed" in (waits.message or "")
        assert "and 50 MB are kept for the database" in (waits.message or "")
        assert shop.incoming() == []
        await shop.put(b"G28\n")  # what is small still fits


@pytest.mark.parametrize("size", [1, 68_000, 200_000])
def test_an_archive_that_does_not_fit_is_written_to_nobody_any_more(size: int) -> None:
    """Not by the garbage collector either: it may run on the loop, for which a sink would wait for ever."""
    content = os.urandom(size)

    def until(full_at: int) -> int:
        calls = 0

        def sink(piece: bytes) -> None:
            nonlocal calls
            calls += 1
            if calls >= full_at:
                raise StoreUnavailable("the disk is full")

        with suppress(StoreUnavailable), Archive(sink, 0.0) as archive:
            archive.add_bytes("a", content)
        del archive
        gc.collect()
        return calls

    took = until(1_000)
    assert [until(full_at) for full_at in range(1, took + 1)] == list(range(1, took + 1))

"""Content: whole under its hash, or not there at all."""

from __future__ import annotations

import asyncio
import errno
import hashlib
import os
import stat
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.engine import ports
from gateway.engine.ports import StoreUnavailable
from gateway.store.files import HELD_SECONDS, INCOMING, Files, Upload

_: tuple[type[ports.Files], type[ports.Upload]] = (Files, Upload)  # the ports, checked by mypy

CONTENT = b"G28\nG1 X10\n" * 1000
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "deep" / "files"


@pytest.fixture
def files(root: Path) -> Iterator[Files]:
    opened = Files(root)
    yield opened
    opened.close()


async def put(files: Files, content: bytes = CONTENT, piece: int = 700) -> tuple[str, int]:
    upload = await files.begin()
    for start in range(0, len(content), piece):
        await upload.write(content[start : start + piece])
    return await upload.finish()


def incoming(root: Path) -> list[Path]:
    return list((root / INCOMING).iterdir())


async def test_content_lies_under_its_hash(files: Files, root: Path) -> None:
    assert await put(files) == (SHA256, len(CONTENT))
    path = Path(files.path_of(SHA256))
    assert path == root / SHA256[:2] / SHA256[2:4] / SHA256
    assert path.read_bytes() == CONTENT
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert incoming(root) == []


async def test_nothing_is_there_before_it_is_whole(files: Files, root: Path) -> None:
    upload = await files.begin()
    await upload.write(CONTENT)
    assert not Path(files.path_of(SHA256)).exists()
    assert Path(upload.temporary_path).read_bytes() == CONTENT  # to be looked at first
    assert stat.S_IMODE(os.stat(upload.temporary_path).st_mode) == 0o600
    await upload.discard()
    await upload.discard()
    assert incoming(root) == []
    assert not Path(files.path_of(SHA256)).exists()


async def test_existing_content_is_kept(files: Files, root: Path) -> None:
    await put(files)
    inode = Path(files.path_of(SHA256)).stat().st_ino
    assert await put(files) == (SHA256, len(CONTENT))
    assert Path(files.path_of(SHA256)).stat().st_ino == inode
    assert incoming(root) == []


async def test_damaged_content_is_replaced(files: Files) -> None:
    await put(files)
    Path(files.path_of(SHA256)).write_bytes(b"cut off")
    await put(files)
    assert Path(files.path_of(SHA256)).read_bytes() == CONTENT


async def test_empty_content_and_two_uploads_at_once(files: Files) -> None:
    done = await asyncio.gather(put(files), put(files, b""), put(files, CONTENT[::-1]), put(files))
    assert done[0] == done[3] == (SHA256, len(CONTENT))
    assert done[1] == (hashlib.sha256(b"").hexdigest(), 0)
    for sha256, size in done:
        assert Path(files.path_of(sha256)).stat().st_size == size


async def test_an_upload_that_is_over_takes_nothing_more(files: Files) -> None:
    upload = await files.begin()
    await upload.write(CONTENT)
    await upload.finish()
    await upload.discard()  # does nothing
    assert Path(files.path_of(SHA256)).exists()
    with pytest.raises(ValueError, match="over"):
        await upload.write(b"x")
    with pytest.raises(ValueError, match="over"):
        await upload.finish()


async def test_leftovers_of_a_crash_are_removed_at_start(root: Path) -> None:
    killed = Files(root)
    await (await killed.begin()).write(CONTENT)
    assert len(incoming(root)) == 1
    killed.close()
    started = Files(root)
    assert incoming(root) == []
    await put(started)
    started.close()
    Files(root).close()
    assert Path(started.path_of(SHA256)).exists()


class Disk:
    """Takes this many bytes, at most a few at a time, then is full."""

    def __init__(self, room: int) -> None:
        self.room = room

    def write(self, fd: int, chunk: bytes) -> int:
        if self.room == 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        taken = os.write(fd, chunk[: min(self.room, 123)])
        self.room -= taken
        return taken


async def test_short_writes_are_completed(root: Path) -> None:
    files = Files(root, Disk(10**6).write)
    assert await put(files) == (SHA256, len(CONTENT))
    assert Path(files.path_of(SHA256)).read_bytes() == CONTENT
    files.close()


async def test_a_full_disk_is_told_and_gets_its_bytes_back(root: Path) -> None:
    files = Files(root, Disk(5000).write)
    upload = await files.begin()
    await upload.write(CONTENT[:4000])
    with pytest.raises(StoreUnavailable, match="disk is full: free some space"):
        await upload.write(CONTENT[4000:])
    assert incoming(root) == []
    await upload.discard()
    with pytest.raises(ValueError, match="over"):
        await upload.finish()
    files.close()


async def test_a_cancelled_upload_leaves_nothing_and_its_descriptor_to_nobody(root: Path) -> None:
    inside, go_on = threading.Event(), threading.Event()
    written: list[int] = []

    def slow(fd: int, chunk: bytes) -> int:
        inside.set()
        assert go_on.wait(10)
        written.append(os.fstat(fd).st_ino)  # still ours
        return os.write(fd, chunk)

    files = Files(root, slow)
    upload = await files.begin()
    inode = os.stat(upload.temporary_path).st_ino
    writing = asyncio.ensure_future(upload.write(CONTENT))
    await asyncio.to_thread(inside.wait, 60)
    writing.cancel()
    await asyncio.sleep(0)
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await writing
    assert written == [inode]
    assert incoming(root) == []
    files.close()


@pytest.mark.parametrize("name", ["", "ab", "../../etc/passwd", "AB" * 32, "zz" * 32, "a" * 65])
def test_only_hashes_name_content(files: Files, name: str) -> None:
    with pytest.raises(ValueError, match="no SHA-256"):
        files.path_of(name)


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreUnavailable, match="file"):
        Files(tmp_path / "file" / "files")


class Hours:
    """Monotonic seconds, set by the test."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def hours() -> Hours:
    return Hours()


@pytest.fixture
def aging(root: Path, hours: Hours) -> Iterator[Files]:
    opened = Files(root, monotonic=hours)
    yield opened
    opened.close()


async def test_content_that_just_came_in_stays_until_its_row_must_be_there(
    aging: Files, hours: Hours
) -> None:
    await put(aging)
    hours.now = HELD_SECONDS - 1
    assert aging.take_away(SHA256) is None
    await put(aging)  # found there already: it is held anew
    hours.now = 2 * HELD_SECONDS - 2
    assert aging.take_away(SHA256) is None
    assert Path(aging.path_of(SHA256)).exists()
    hours.now = 2 * HELD_SECONDS
    taken = aging.take_away(SHA256)
    assert taken is not None
    assert not Path(aging.path_of(SHA256)).exists()
    assert [path.read_bytes() for path in taken] == [CONTENT]  # who reads it goes on
    await aging.delete(taken)
    assert not taken[0].exists()
    assert aging.take_away(SHA256) == []  # not there: nothing to do


async def test_what_is_taken_away_comes_back_with_the_next_upload(
    aging: Files, root: Path, hours: Hours
) -> None:
    await put(aging)
    hours.now = HELD_SECONDS
    taken = aging.take_away(SHA256)
    assert taken
    await put(aging)
    await aging.delete(taken)
    assert Path(aging.path_of(SHA256)).read_bytes() == CONTENT
    assert incoming(root) == []


async def test_what_a_crash_left_half_taken_is_removed_at_start(
    aging: Files, root: Path, hours: Hours
) -> None:
    await put(aging)
    hours.now = HELD_SECONDS
    assert aging.take_away(SHA256)
    assert len(incoming(root)) == 1
    Files(root).close()
    assert incoming(root) == []


async def test_finished_content_is_there_whoever_takes_away_meanwhile(root: Path) -> None:
    files, end = Files(root), threading.Event()

    def take() -> None:
        while not end.is_set():
            files.take_away(SHA256)

    taker = threading.Thread(target=take)
    taker.start()
    try:
        for _ in range(30):
            await put(files, piece=len(CONTENT))
            assert Path(files.path_of(SHA256)).exists()
    finally:
        end.set()
        taker.join()
        files.close()

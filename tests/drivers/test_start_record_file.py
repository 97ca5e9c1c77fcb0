"""The record on a real disk: what it says after a death at each system call; and the loop never waits."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.drivers.start_record import Note, note
from gateway.drivers.start_record_file import StartRecords

KEY = "7b0ff9ae-2f0d-4bd7-9be2-61f7a9a2f001"
OTHER = "7b0ff9ae-2f0d-4bd7-9be2-61f7a9a2f002"


@pytest.fixture
def records(tmp_path: Path) -> Iterator[StartRecords]:
    made = StartRecords(tmp_path / "starts")
    yield made
    made.close()


def said(folder: Path, key: str = KEY) -> bool:
    """What a new process finds."""
    new = StartRecords(folder)
    new.close()
    return new.of("p1").is_unsent(key)


async def test_only_preparing_of_this_start_proves_that_it_was_not_sent(
    tmp_path: Path, records: StartRecords
) -> None:
    folder, record = tmp_path / "starts", records.of("p1")
    assert not said(folder)
    await record.preparing(KEY)
    assert (said(folder), said(folder, OTHER), said(folder, "")) == (True, False, False)
    assert not records.of("p2").is_unsent(KEY)
    await record.sending(KEY)
    assert not said(folder)
    await record.preparing(OTHER)
    assert (said(folder), said(folder, OTHER)) == (False, True)


@pytest.mark.parametrize(
    "content", [b"", b"preparing", f"preparing {KEY}".encode(), f"preparing {KEY[:-1]}\n".encode(),
                f"preparing {KEY}\nsending {KEY}\n".encode(), b"\xff" * 5000],
)  # fmt: skip
async def test_what_is_not_whole_proves_nothing(
    tmp_path: Path, records: StartRecords, content: bytes
) -> None:
    await records.of("p1").preparing(KEY)
    (tmp_path / "starts" / "p1.start").write_bytes(content)
    assert not said(tmp_path / "starts")


async def test_it_is_for_nobody_else_to_read(tmp_path: Path, records: StartRecords) -> None:
    await records.of("p1").sending(KEY)
    assert [each.name for each in (tmp_path / "starts").iterdir()] == ["p1.start"]
    assert (tmp_path / "starts" / "p1.start").stat().st_mode & 0o777 == 0o600


class Killed(Exception):
    """As `kill -9` does it: nothing of the write runs on."""


class Disk:
    """Looks at what is there each time that something is flushed; a process dies in front of `dies_at`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.found: list[tuple[str, str, dict[str, str]]] = []  # what is flushed, and all files by name
        self.dies_at = 0

    def flush(self, fd: int) -> None:
        """fsync."""
        flushed = Path(os.readlink(f"/proc/self/fd/{fd}"))
        files = {each.name: each.read_text() for each in self._folder.iterdir()}
        self.found.append((flushed.name, "folder" if flushed.is_dir() else "file", files))
        if len(self.found) == self.dies_at:
            raise Killed
        os.fsync(fd)


async def test_the_line_is_flushed_before_its_name_and_the_name_before_anything_is_sent(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "starts"
    disk = Disk(folder)
    records = StartRecords(folder, flush=disk.flush)
    record = records.of("p1")
    await record.preparing(KEY)
    preparing, sending = f"preparing {KEY}\n", f"sending {KEY}\n"
    assert disk.found == [
        (tmp_path.name, "folder", {}),
        ("p1.start.new", "file", {"p1.start.new": preparing}),
        ("starts", "folder", {"p1.start": preparing}),
    ]
    disk.found.clear()
    await record.sending(KEY)
    records.close()
    assert disk.found == [
        ("p1.start.new", "file", {"p1.start": preparing, "p1.start.new": sending}),
        ("starts", "folder", {"p1.start": sending}),
    ]


@pytest.mark.parametrize(("dies_at", "is_unsent"), [(1, True), (2, False)])
async def test_a_death_in_the_write_leaves_the_old_line_or_the_new_one(
    tmp_path: Path, dies_at: int, is_unsent: bool
) -> None:
    """Either is true: as long as `sending` has not returned, nothing was published."""
    folder = tmp_path / "starts"
    disk = Disk(folder)
    records = StartRecords(folder, flush=disk.flush)
    record = records.of("p1")
    await record.preparing(KEY)
    disk.found.clear()
    disk.dies_at = dies_at
    with pytest.raises(Killed):
        await record.sending(KEY)
    assert said(folder) is is_unsent
    disk.dies_at = 0
    await record.sending(KEY)
    records.close()
    assert not said(folder), "what a death left half written is in nobody's way"


async def test_a_folder_that_cannot_be_made_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "starts").write_text("a file")
    records = StartRecords(tmp_path / "starts")
    why = await note(records.of("p1"), Note(KEY, is_sending=True))
    records.close()
    assert why is not None
    assert "could not be noted on the gateway's disk" in why
    assert "was not sent" in why


async def test_a_disk_that_takes_its_time_stalls_nothing_but_the_start(tmp_path: Path) -> None:
    is_let = threading.Event()

    def slow(fd: int) -> None:
        assert is_let.wait(30), "the loop stood still"

    records = StartRecords(tmp_path / "starts", flush=slow)
    writes = [asyncio.create_task(records.of(f"p{number}").preparing(KEY)) for number in range(3)]
    await asyncio.sleep(0)
    assert not any(write.done() for write in writes)
    is_let.set()  # by the loop, which goes on
    await asyncio.gather(*writes)
    records.close()
    assert all(records.of(f"p{number}").is_unsent(KEY) for number in range(3))

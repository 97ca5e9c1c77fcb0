"""The reserve: files stop where the database's bytes begin, before the disk itself says anything."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.engine.ports import StoreFull
from gateway.store.files import INCOMING, Files
from gateway.store.reserve import Reserve, free_bytes

RESERVED = 100_000_000  # bytes


class Disk:
    """Says what is free; 10 bytes above the reserve at first."""

    def __init__(self) -> None:
        self.free = RESERVED + 10

    def says(self, folder: Path) -> int:
        assert folder.is_dir()
        return self.free


@pytest.fixture
def disk() -> Disk:
    return Disk()


@pytest.fixture
def files(tmp_path: Path, disk: Disk) -> Iterator[Files]:
    opened = Files(tmp_path / "files", reserve=Reserve(RESERVED, disk.says))
    yield opened
    opened.close()


def incoming(files: Files) -> list[Path]:
    return list((Path(files.path_of("0" * 64)).parents[2] / INCOMING).iterdir())


@pytest.mark.parametrize(("size", "fits"), [(0, True), (10, True), (11, False)])
async def test_what_is_known_to_be_too_large_does_not_begin(files: Files, size: int, fits: bool) -> None:
    if fits:
        await (await files.begin(size)).discard()
        return
    with pytest.raises(StoreFull, match="100 MB are free, and 100 MB are kept for the database"):
        await files.begin(size)
    assert incoming(files) == []


async def test_what_fills_up_on_the_way_stops_at_the_reserve(files: Files, disk: Disk) -> None:
    upload = await files.begin()
    await upload.write(b"x" * 10)
    disk.free -= 10
    with pytest.raises(StoreFull, match=r"reserve_bytes under \[store\]\); free some space there"):
        await upload.write(b"x")
    assert incoming(files) == []  # and its bytes are free again


async def test_what_came_in_can_be_finished_on_a_disk_that_others_filled(files: Files, disk: Disk) -> None:
    upload = await files.begin()
    await upload.write(b"x" * 10)
    disk.free = 0
    sha256, _ = await upload.finish()
    assert Path(files.path_of(sha256)).read_bytes() == b"x" * 10


async def test_without_a_reserve_only_the_disk_says_no(tmp_path: Path) -> None:
    Reserve(0, lambda folder: 0).must_fit(tmp_path, 10**12)


def test_the_disk_is_asked(tmp_path: Path) -> None:
    assert 0 < free_bytes(tmp_path)
    with pytest.raises(StoreFull):
        Reserve(1).must_fit(tmp_path, free_bytes(tmp_path) * 2)


def test_a_disk_that_is_gone_is_no_full_one(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        Reserve(1).must_fit(tmp_path / "gone", 1)

"""Content that came in and that no row ever named goes; what a row names, or will name, stays."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import func, insert, select

from gateway.domain.file import StoredFile
from gateway.domain.state import State
from gateway.engine.ports import StoreUnavailable
from gateway.store.database import Database
from gateway.store.expiry import CONTENTS_BITE, Expiry
from gateway.store.files import HELD_SECONDS, Files
from gateway.store.journal import Journal
from gateway.store.loose import LooseContents
from gateway.store.schema_work import loose_content
from tests.store.stand import ANA, START, Ids, draft

GCODE = b"G28\nG1 X10\n"
SHA = hashlib.sha256(GCODE).hexdigest()


class Hours:
    """Monotonic seconds of the file store, set by the test."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def hours() -> Hours:
    return Hours()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "files"


@pytest.fixture
def files(root: Path, database: Database, hours: Hours) -> Iterator[Files]:
    opened = Files(root, monotonic=hours, note=LooseContents(database).note)
    yield opened
    opened.close()


async def put(files: Files, content: bytes = GCODE) -> str:
    upload = await files.begin()
    await upload.write(content)
    sha256, _ = await upload.finish()
    return sha256


async def name(journal: Journal, state: State, ids: Ids, sha256: str) -> None:
    """The row of an upload."""
    made = draft(state, ids)
    made.file_rows.append(StoredFile(ids.uuid(), sha256, "a.gcode", 3, ANA.member_id, 1, START, {}))
    await journal.commit(made)


async def noted(database: Database) -> int:
    found = await database.read(lambda c: c.scalar(select(func.count()).select_from(loose_content)))
    assert isinstance(found, int)
    return found


async def sweep_all(expiry: Expiry) -> list[int]:
    bites = []
    while rows := await expiry.sweep(START):
        bites.append(rows)
    return bites


def contents(root: Path) -> set[str]:
    return {path.name for path in root.glob("??/??/*")}


async def test_killed_between_the_content_and_its_row(
    files: Files, database: Database, url: str, root: Path
) -> None:
    """As after a kill: the content lies in its place, and the process that would name it is gone."""
    await put(files)
    files.close()
    database.close()
    opened, started = Database(url), Files(root)
    assert contents(root) == {SHA}
    assert await sweep_all(Expiry(opened, started)) == [1]
    assert (contents(root), await noted(opened)) == (set(), 0)
    started.close()
    opened.close()


async def test_killed_between_the_note_and_the_content(database: Database, root: Path, files: Files) -> None:
    await LooseContents(database).note(SHA)
    assert await sweep_all(Expiry(database, files)) == [1]
    assert await noted(database) == 0


async def test_the_note_is_there_before_the_content(database: Database, root: Path) -> None:
    seen: list[set[str]] = []

    async def note(sha256: str) -> None:
        seen.append(contents(root))
        await LooseContents(database).note(sha256)

    files = Files(root, note=note)
    await put(files)
    assert (seen, await noted(database)) == ([set()], 1)
    files.close()


async def test_without_its_note_nothing_comes_in(root: Path) -> None:
    async def note(sha256: str) -> None:
        raise StoreUnavailable("the disk is full")

    files = Files(root, note=note)
    with pytest.raises(StoreUnavailable, match="the disk is full"):
        await put(files)
    assert not [path for path in root.rglob("*") if path.is_file()]
    files.close()


async def test_a_row_that_follows_strikes_the_note_out(
    files: Files, database: Database, journal: Journal, state: State, ids: Ids, root: Path, hours: Hours
) -> None:
    expiry = Expiry(database, files)
    await put(files)
    assert await sweep_all(expiry) == [], "it is held: its row may be on its way"
    await name(journal, state, ids, SHA)
    assert await sweep_all(expiry) == [1]
    hours.now += HELD_SECONDS
    assert await sweep_all(expiry) == []
    assert (contents(root), await noted(database)) == ({SHA}, 0)


async def test_what_nobody_names_goes_once_no_row_can_follow(
    files: Files, database: Database, root: Path, hours: Hours
) -> None:
    """A task that was canceled behind its result, an upload that was refused: the process lives on."""
    expiry = Expiry(database, files)
    await put(files)
    await put(files)  # twice: one note
    hours.now = HELD_SECONDS - 1
    assert (await sweep_all(expiry), contents(root)) == ([], {SHA})
    hours.now = HELD_SECONDS
    assert (await sweep_all(expiry), contents(root)) == ([1], set())


async def test_a_sweep_beside_uploads_takes_none_whose_row_follows(
    files: Files, database: Database, journal: Journal, state: State, ids: Ids, root: Path
) -> None:
    """Every other content was there before, unnamed since a crash: its note is old, its upload is new."""
    expiry, pieces = Expiry(database, files), [bytes([n]) * 3 for n in range(40)]
    for piece in pieces[::2]:
        await put(files, piece)
    started = Files(root, note=LooseContents(database).note)  # holds nothing: what the crash left is loose
    expiry = Expiry(database, started)
    is_over = False

    async def sweep() -> None:
        while not is_over:
            await expiry.sweep(START)

    async def upload(piece: bytes) -> str:
        sha256 = await put(started, piece)
        for _ in range(20):
            await asyncio.sleep(0)
        await name(journal, state, ids, sha256)
        return sha256

    sweeping = asyncio.create_task(sweep())
    named = {await upload(piece) for piece in pieces}
    is_over = True
    await sweeping
    await sweep_all(expiry)
    assert contents(root) == named
    assert await noted(database) == 0
    started.close()


@pytest.mark.parametrize("many", [500, pytest.param(10_000, marks=pytest.mark.soak)])
async def test_many_of_them_go_in_bites(database: Database, files: Files, root: Path, many: int) -> None:
    names = sorted(hashlib.sha256(b"%d" % n).hexdigest() for n in range(many))
    await database.write(lambda c: c.execute(insert(loose_content), [{"sha256": one} for one in names]))
    for sha256 in names:
        place = Path(files.path_of(sha256))
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(b"x")
    (root / "notes.txt").write_text("of the owner")
    before = Files(root)  # of another database, before an old backup was restored beside it
    never_known = await put(before)
    before.close()
    bites = await sweep_all(Expiry(database, files))
    assert (sum(bites), max(bites)) == (len(names), CONTENTS_BITE)
    assert contents(root) == {never_known}
    assert (root / "notes.txt").exists()

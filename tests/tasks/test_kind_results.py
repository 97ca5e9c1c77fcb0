"""What results of tasks may keep together, for the week that they are there."""

from __future__ import annotations

from pathlib import Path

from gateway.domain.commands import AddMember
from gateway.domain.task import TASK_KEPT, Task, TaskKind, TaskStatus
from gateway.store.expiry import Expiry
from gateway.store.kept_results import KeptResults
from gateway.tasks.results import Bounds
from tests.support.stand import ANA, BEN
from tests.tasks.shop import Shop, open_shop

EXPORT, BACKUP = TaskKind.HISTORY_EXPORT, TaskKind.BACKUP
PLENTY = 10**9


async def size_of_an_export(folder: Path) -> int:
    """Bytes of a history without a job: its header line."""
    folder.mkdir()
    async with open_shop(folder) as shop:
        task = await shop.done(EXPORT, {})
        assert task.file is not None
        return task.file.size


async def failed(shop: Shop, kind: TaskKind = EXPORT) -> str:
    """The words of a task that has no room."""
    task = await shop.done(kind, {})
    assert (task.status, task.tries, task.file) == (TaskStatus.FAILED, 1, None)
    assert shop.incoming() == []
    return task.error or ""


async def test_a_member_has_room_for_so_much(tmp_path: Path) -> None:
    size = await size_of_an_export(tmp_path / "first")
    async with open_shop(tmp_path, bounds=Bounds(of_all=PLENTY, of_member=2 * size)) as shop:
        assert [(await shop.done(EXPORT, {})).status for _ in range(2)] == [TaskStatus.DONE] * 2
        words = await failed(shop)
        assert "your results may keep 0.0 MB (results_bytes_of_member under [tasks])" in words
        assert "each goes a week after its end" in words


async def test_a_result_ends_where_its_room_does(tmp_path: Path) -> None:
    size = await size_of_an_export(tmp_path / "first")
    async with open_shop(tmp_path, bounds=Bounds(of_all=PLENTY, of_member=size - 1)) as shop:
        assert "there is no room for the result" in await failed(shop)
        assert shop.contents() == []


async def test_others_have_room_of_their_own(tmp_path: Path) -> None:
    size = await size_of_an_export(tmp_path / "first")
    async with open_shop(tmp_path, bounds=Bounds(of_all=PLENTY, of_member=size)) as shop:
        assert (await shop.done(EXPORT, {})).status is TaskStatus.DONE
        assert await failed(shop)
        await shop.give(AddMember(ANA))
        task: Task = await shop.over(await shop.add(EXPORT, {}, ANA.member_id))
        assert task.status is TaskStatus.DONE


async def test_backups_are_bound_by_what_all_keep(tmp_path: Path) -> None:
    async with open_shop(tmp_path, bounds=Bounds(of_all=PLENTY, of_member=1)) as shop:
        task = await shop.done(BACKUP, {})
        assert task.status is TaskStatus.DONE  # it is nobody's own
        assert task.file is not None
        kept = await KeptResults(shop.database).sizes(BEN.member_id)
        assert kept == (0, task.file.size)
    (tmp_path / "second").mkdir()
    async with open_shop(tmp_path / "second", bounds=Bounds(of_all=1000, of_member=PLENTY)) as shop:
        assert "the results of all may keep 0.0 MB (results_bytes under [tasks])" in await failed(
            shop, BACKUP
        )


async def test_what_expired_makes_room(tmp_path: Path) -> None:
    size = await size_of_an_export(tmp_path / "first")
    async with open_shop(tmp_path, bounds=Bounds(of_all=size, of_member=PLENTY)) as shop:
        first = await shop.done(EXPORT, {})
        assert await failed(shop)
        assert first.ended_at is not None
        await Expiry(shop.database, shop.files).sweep(first.ended_at + TASK_KEPT)
        assert (await shop.done(EXPORT, {})).status is TaskStatus.DONE

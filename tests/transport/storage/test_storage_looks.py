"""Looks at storages: when somebody asks, all in bounded time, none twice in a moment. On virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

from firmware_sim.virtual_loop import VirtualLoop
from gateway.transport.storage import StorageTrouble
from gateway.transport.storage_looks import (
    AGAIN_SECONDS,
    ALL_SECONDS,
    AT_ONCE,
    LOOK_SECONDS,
    StorageLook,
    StorageLooks,
)


def virtually(work: Coroutine[Any, Any, None]) -> None:
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        runner.run(work)


class Shelf:
    """A storage that needs `seconds` for an answer, and counts who came."""

    def __init__(self, seconds: float = 1.0, trouble: str | None = None) -> None:
        self.seconds = seconds
        self.trouble = trouble
        self.looks = 0

    async def check(self) -> None:
        self.looks += 1
        await asyncio.sleep(self.seconds)
        if self.trouble is not None:
            raise StorageTrouble(self.trouble)


def looks(**shelves: Shelf) -> StorageLooks:
    return StorageLooks(shelves, asyncio.get_running_loop().time)


def test_those_that_were_asked_for_and_have_a_storage_are_looked_at() -> None:
    async def run() -> None:
        a1, v2, other = Shelf(), Shelf(trouble="set api_key_file"), Shelf()
        found = await looks(a1=a1, v2=v2, other=other).look(["v2", "a1", "mk3"])
        assert found == {"v2": StorageLook(False, "set api_key_file"), "a1": StorageLook(True)}
        assert (a1.looks, v2.looks, other.looks) == (1, 1, 0)

    virtually(run())


def test_one_that_is_at_a_file_is_left_alone_and_says_so() -> None:
    class Busy:
        async def check(self) -> str | None:
            return "a file is on its way"

    async def run() -> None:
        found = await StorageLooks({"a1": Busy()}, asyncio.get_running_loop().time).look(["a1"])
        assert found == {"a1": StorageLook(None, "a file is on its way")}

    virtually(run())


def test_who_asks_again_at_once_or_meanwhile_is_told_the_same() -> None:
    async def run() -> None:
        a1 = Shelf()
        told = looks(a1=a1)
        assert await asyncio.gather(told.look(["a1"]), told.look(["a1"])) == [{"a1": StorageLook(True)}] * 2
        assert a1.looks == 1
        a1.trouble = "it is full"
        await asyncio.sleep(AGAIN_SECONDS - 1)
        assert await told.look(["a1"]) == {"a1": StorageLook(True)}
        await asyncio.sleep(1)
        assert await told.look(["a1"]) == {"a1": StorageLook(False, "it is full")}
        assert a1.looks == 2

    virtually(run())


def test_one_that_hangs_is_told_and_holds_up_nobody() -> None:
    async def run() -> None:
        hung, well = Shelf(seconds=1e9), Shelf()
        began = asyncio.get_running_loop().time()
        found = await looks(hung=hung, well=well).look(["hung", "well"])
        assert asyncio.get_running_loop().time() - began == LOOK_SECONDS
        assert found["well"].is_open
        assert found["hung"].is_open is False
        assert "nothing came back within 15 s" in (found["hung"].reason or "")

    virtually(run())


def test_many_that_hang_take_bounded_time_and_the_rest_is_not_known() -> None:
    async def run() -> None:
        shelves = {f"p{number}": Shelf(seconds=1e9) for number in range(3 * AT_ONCE)}
        told = looks(**shelves)
        began = asyncio.get_running_loop().time()
        found = await told.look(list(shelves))
        assert asyncio.get_running_loop().time() - began == ALL_SECONDS
        assert [look.is_open for look in found.values()].count(False) == AT_ONCE
        assert [look.is_open for look in found.values()].count(None) == 2 * AT_ONCE

    virtually(run())


def test_a_look_that_nobody_waits_for_any_more_ends() -> None:
    async def run() -> None:
        hung = Shelf(seconds=1e9)
        told = looks(hung=hung)
        asking = asyncio.create_task(told.look(["hung"]))
        await asyncio.sleep(1)
        asking.cancel()
        await asyncio.wait({asking})
        assert asking.cancelled()
        assert len(asyncio.all_tasks()) == 1
        hung.seconds = 0
        assert await told.look(["hung"]) == {"hung": StorageLook(True)}

    virtually(run())

"""Short reads in rounds: every one is answered, whoever goes away, whatever fails, whenever it comes."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from gateway.store.reading import Reads

Unit = Callable[[str], Any]


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(2) as pool:
        yield pool


def on_connection(unit: Unit) -> Any:
    return unit("connection")


async def test_each_gets_its_own_answer(threads: ThreadPoolExecutor) -> None:
    reads = Reads[str](threads, 2, on_connection)
    answers = await asyncio.gather(*(reads.run(lambda c, n=n: (c, n)) for n in range(500)))  # type: ignore[misc]
    assert answers == [("connection", n) for n in range(500)]


async def test_what_comes_in_between_is_not_left_lying(threads: ThreadPoolExecutor) -> None:
    reads = Reads[str](threads, 2, on_connection)
    for number in range(300):  # each when the round of the one before is about to end
        assert await reads.run(lambda _, number=number: number) == number  # type: ignore[misc]


async def test_a_failure_is_its_own(threads: ThreadPoolExecutor) -> None:
    def fails(_: str) -> int:
        raise ValueError("torn")

    reads = Reads[str](threads, 2, on_connection)
    answers = await asyncio.gather(
        reads.run(fails), reads.run(lambda _: 1), reads.run(fails), return_exceptions=True
    )
    assert [str(answer) for answer in answers] == ["torn", "1", "torn"]


async def test_a_long_read_holds_up_nobody(threads: ThreadPoolExecutor) -> None:
    end = threading.Event()
    reads = Reads[str](threads, 2, on_connection)
    long = asyncio.create_task(reads.run(lambda _: end.wait(30)))
    assert await asyncio.gather(*(reads.run(lambda _: 1) for _ in range(20))) == [1] * 20
    assert not long.done()
    end.set()
    assert await long


async def test_who_goes_away_is_forgotten(threads: ThreadPoolExecutor) -> None:
    end = threading.Event()
    reads = Reads[str](threads, 1, on_connection)
    gone = asyncio.create_task(reads.run(lambda _: end.wait(30)))
    behind = asyncio.create_task(reads.run(lambda _: 2))
    await asyncio.sleep(0)
    gone.cancel()
    end.set()
    assert await behind == 2
    with pytest.raises(asyncio.CancelledError):
        await gone


async def test_no_more_threads_at_a_time_than_said(threads: ThreadPoolExecutor) -> None:
    both = threading.Barrier(2)
    lock, inside, most = threading.Lock(), 0, 0

    def unit(_: str) -> None:
        nonlocal inside, most
        with lock:
            inside += 1
            most = max(most, inside)
        both.wait(30)  # a pair at a time
        with lock:
            inside -= 1

    reads = Reads[str](threads, 2, on_connection)
    await asyncio.gather(*(reads.run(unit) for _ in range(40)))
    assert most == 2

"""What the pool runs, when, how many at once; what a try's end becomes; what a restart does. Virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from gateway.domain.commands import AddMember
from gateway.domain.task import TRIES, Task, TaskFile, TaskKind, TaskStatus
from gateway.domain.task_commands import AddTask, CancelTask, PauseTask, ResumeTask
from gateway.engine.ports import StoreUnavailable, TaskFilter
from gateway.publish.hub import Listener
from gateway.tasks.pool import TASKS, TASKS_PER_MEMBER, Pool
from gateway.tasks.work import Outcome, TaskFailed, Work
from tests.support.office import Office
from tests.support.stand import ANA, BEN

HOUR = 3600.0  # seconds
FILE = TaskFile("ab" * 32, "x.csv", 3, "text/csv")


class Takes:
    """A kind that takes some seconds, then gives or raises what it was told; by the task's name."""

    def __init__(self) -> None:
        self.seconds = 10.0
        self.ends: dict[str, list[Any]] = {}
        self.now: list[str] = []
        self.most_now = 0
        self.begun: list[tuple[float, str]] = []
        self.given_up: list[str] = []

    async def run(self, task: Task, work: Work) -> Outcome:
        self.begun.append((asyncio.get_running_loop().time(), task.name))
        self.now.append(task.name)
        self.most_now = max(self.most_now, len(self.now))
        try:
            for second in range(int(self.seconds)):
                work.at(second, int(self.seconds), "at it")
                await asyncio.sleep(1)
        except asyncio.CancelledError:
            self.given_up.append(task.name)
            raise
        finally:
            self.now.remove(task.name)
        ends = self.ends.get(task.name, [Outcome({"is": "done"}, FILE)])
        end = ends.pop(0) if len(ends) > 1 else ends[0]
        if isinstance(end, Exception):
            raise end
        assert isinstance(end, Outcome)
        return end


class House(Office):
    """Ben's and ana's tasks; the pool runs history exports by `kind`."""

    kind = Takes()

    async def start(self) -> None:
        await super().start()
        if ANA.member_id not in self.engine.state.members:
            await self.engine.execute(AddMember(ANA))
        self.pool = self.run(
            Pool(
                engine=self.engine, subscribe=self.hub.subscribe, clock=self.clock,
                kinds={TaskKind.HISTORY_EXPORT: self.kind},
            ).run()
        )  # fmt: skip

    async def add(self, name: str = "a", member: str = BEN.member_id, **fields: Any) -> Task:
        task: Task = await self.give(AddTask(member, 1, TaskKind.HISTORY_EXPORT, name, **fields))
        return task

    async def task(self, name: str = "a") -> Task:
        """As the store has it, or memory."""
        page = await self.queries.tasks(TaskFilter(), now=self.clock.wall(), limit=None)
        return next(self.engine.state.tasks.get(one.work_id, one) for one in page.tasks if one.name == name)

    async def until_over(self, name: str = "a") -> Task:
        async with asyncio.timeout(100 * HOUR):
            while any(task.name == name for task in self.engine.state.tasks.values()):
                await asyncio.sleep(1)
        return await self.task(name)

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(HOUR):
            while not condition():
                await asyncio.sleep(0.1)

    @contextmanager
    def full_disk(self) -> Iterator[None]:
        """The store takes nothing."""
        commit = self.journal.commit

        async def fail(draft: Any) -> Any:
            raise StoreUnavailable("the disk is full")

        self.journal.commit = fail  # type: ignore[method-assign]
        yield
        self.journal.commit = commit  # type: ignore[method-assign]


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    House.kind = Takes()
    async with House(tmp_path) as built:
        yield built


async def test_a_task_is_done(house: House) -> None:
    await house.add()
    task = await house.until_over()
    assert (task.status, task.tries, task.error) == (TaskStatus.DONE, 1, None)
    assert (task.result, task.file) == ({"is": "done"}, FILE)


async def test_progress_is_told_once_a_second_and_never_written(house: House) -> None:
    heard = house.hub.subscribe()
    await house.add()
    await house.until_over()
    (events, fleeting) = await taken(heard)
    assert [event.kind for event in events] == ["task-added", "task-moved", "task-moved"]
    assert {event.kind for event in fleeting} == {"task-progressed"}


async def taken(heard: Listener) -> tuple[Any, Any]:
    got = await heard.take()
    return got.events, got.fleeting


async def test_no_more_than_a_few_at_once_and_fewer_of_one_member(house: House) -> None:
    for number in range(6):
        await house.add(f"ben {number}")
    await house.until(lambda: len(house.kind.now) == TASKS_PER_MEMBER)
    for number in range(6):
        await house.add(f"ana {number}", ANA.member_id)
    await house.until_over("ben 5")
    await house.until_over("ana 5")
    assert house.kind.most_now == TASKS == 2 * TASKS_PER_MEMBER
    assert [name for _, name in house.kind.begun if name.startswith("ben")] == [f"ben {n}" for n in range(6)]


async def test_it_begins_when_it_is_told_to(house: House) -> None:
    at = house.clock.wall() + timedelta(hours=1)
    await house.add(begins_at=at)
    task = await house.until_over()
    assert task.started_at is not None
    assert timedelta() <= task.started_at - at < timedelta(seconds=1)


async def test_a_leap_of_the_wall_clock_loses_nothing(house: House) -> None:
    """A Raspberry Pi hears of the time when it is on the network: what is due then begins within seconds."""
    wall = house.clock.wall
    await house.add(begins_at=wall() + timedelta(days=2))
    await asyncio.sleep(60)
    assert house.kind.begun == []
    house.clock.wall = lambda: wall() + timedelta(days=3)  # type: ignore[method-assign]
    began = house.clock.monotonic()
    await house.until(lambda: bool(house.kind.begun))
    assert house.clock.monotonic() - began < 20
    house.clock.wall = wall  # type: ignore[method-assign]
    assert (await house.until_over()).status is TaskStatus.DONE


async def test_what_may_pass_is_tried_again_later(house: House) -> None:
    house.kind.ends["a"] = [TaskFailed("the line is dead", is_passing=True), Outcome({"is": "late"})]
    await house.add()
    task = await house.until_over()
    assert (task.status, task.tries, task.result) == (TaskStatus.DONE, 2, {"is": "late"})
    (first, _), (second, _) = house.kind.begun
    assert 20 <= second - first < 22  # ten seconds of work, ten of waiting


async def test_after_its_last_try_it_failed(house: House) -> None:
    house.kind.ends["a"] = [StoreUnavailable("the disk is full: free some space")]
    await house.add()
    task = await house.until_over()
    assert (task.status, task.tries) == (TaskStatus.FAILED, TRIES)
    assert "the disk is full: free some space" in (task.error or "")


@pytest.mark.parametrize(
    ("end", "words"),
    [
        (TaskFailed("this is no G-code"), "this is no G-code"),
        (ZeroDivisionError("a bug"), "the gateway failed; its journal has the details"),
    ],
)
async def test_what_does_not_pass_is_not_tried_again(
    house: House, end: Exception, words: str, caplog: pytest.LogCaptureFixture
) -> None:
    house.kind.ends["a"] = [end]
    await house.add()
    task = await house.until_over()
    assert (task.status, task.tries, task.error) == (TaskStatus.FAILED, 1, words)
    assert ("ZeroDivisionError" in caplog.text) == isinstance(end, ZeroDivisionError)


async def test_a_canceled_task_is_given_up_and_its_slot_is_free(house: House) -> None:
    for name in "abc":
        await house.add(name)
    await house.until(lambda: len(house.kind.now) == 2)
    began = house.clock.monotonic()
    await house.give(CancelTask((await house.task("a")).task_id, BEN.member_id))
    await house.until(lambda: "c" in house.kind.now)
    assert house.clock.monotonic() - began < 1
    assert house.kind.given_up == ["a"]
    assert (await house.task("a")).status is TaskStatus.CANCELED


async def test_a_paused_task_begins_anew(house: House) -> None:
    task = await house.add()
    await house.until(lambda: house.kind.now == ["a"])
    await house.give(PauseTask(task.task_id, BEN.member_id))
    await house.until(lambda: house.kind.given_up == ["a"])
    await asyncio.sleep(600)
    assert len(house.kind.begun) == 1
    await house.give(ResumeTask(task.task_id, BEN.member_id))
    assert (await house.until_over()).status is TaskStatus.DONE
    assert len(house.kind.begun) == 2


async def test_resumed_in_the_same_breath_the_former_try_counts_for_nothing(house: House) -> None:
    task = await house.add()
    await house.until(lambda: house.kind.now == ["a"])
    await house.give(PauseTask(task.task_id, BEN.member_id))
    await house.give(ResumeTask(task.task_id, BEN.member_id))
    done = await house.until_over()
    assert (done.status, house.kind.given_up, len(house.kind.begun)) == (TaskStatus.DONE, ["a"], 2)


async def test_an_end_that_the_store_does_not_take_is_told_until_it_does(house: House) -> None:
    await house.add()
    await house.until(lambda: house.kind.now == ["a"])
    with house.full_disk():
        await house.until(lambda: house.kind.now == [])
        await asyncio.sleep(30)
        assert (await house.task()).status is TaskStatus.RUNNING
    task = await house.until_over()
    assert (task.status, task.tries, len(house.kind.begun)) == (TaskStatus.DONE, 1, 1)


async def test_an_end_that_no_store_can_take_is_a_failure(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    house.kind.ends["a"] = [Outcome(file=TaskFile("ab" * 32, "x.csv", 2**70, "text/csv"))]
    await house.add()
    task = await house.until_over()
    assert (task.status, task.error) == (
        TaskStatus.FAILED,
        "the gateway failed; its journal has the details",
    )
    assert "the end of task 1 (history-export) was not taken" in caplog.text


async def test_nothing_begins_while_the_store_takes_nothing(house: House) -> None:
    await house.add(begins_at=house.clock.wall() + timedelta(seconds=5))
    with house.full_disk():
        await asyncio.sleep(60)
        assert house.kind.begun == []
    assert (await house.until_over()).status is TaskStatus.DONE


async def test_a_killed_gateway_begins_anew(house: House) -> None:
    await house.add()
    await house.until(lambda: house.kind.now == ["a"])
    await house.kill()
    assert house.kind.now == []
    await house.start()
    assert (await house.task()).message == "interrupted by a restart"
    task = await house.until_over()
    assert (task.status, task.tries) == (TaskStatus.DONE, 2)


async def test_what_kills_the_gateway_again_and_again_fails_truthfully(house: House) -> None:
    await house.add()
    for _ in range(TRIES):
        await house.until(lambda: house.kind.now == ["a"])
        await house.kill()
        await house.start()
    task = await house.until_over()
    assert task.status is TaskStatus.FAILED
    assert "interrupted by a restart" in (task.error or "")

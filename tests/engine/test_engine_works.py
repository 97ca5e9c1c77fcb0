"""Tasks and runs of schedules through the one writer: committed before they are ordered, ordered once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from gateway.domain.commands import CommandRefused, SetPlate
from gateway.domain.idempotency import Idempotency
from gateway.domain.observations import OrderAnswered, OrderProgressed, OrderResult
from gateway.domain.orders import Order, SendGcode, UploadFile
from gateway.domain.printer import Plate
from gateway.domain.schedule import Action, RunState
from gateway.domain.schedule_commands import RunSchedule
from gateway.domain.state import State
from gateway.domain.task import TaskKind, TaskStatus
from gateway.domain.task_commands import AddTask, BeginTask, FinishTask, NoteProgress
from gateway.engine.engine import TICK
from gateway.engine.ports import StoreUnavailable
from tests.engine.bench import Bench, running
from tests.support.stand import ANA, BEN, CountingIds, house, printer, seen
from tests.support.works import FAN, HOMING, a_schedule, an_upload

FULL = "the disk is full: free some space under /var/lib/print-gateway"
IMPORT = AddTask(BEN.member_id, 1, TaskKind.FILE_IMPORT, "look at part")


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    async for made in running(Bench()):
        yield made


@pytest.fixture
async def occupied() -> AsyncIterator[Bench]:
    async for made in running(Bench(house(printer(plate=Plate.OCCUPIED)))):
        yield made


async def run_of(bench: Bench, asked: object, **given: object) -> Action:
    schedule = await bench.engine.execute(asked)  # type: ignore[arg-type]
    action = await bench.engine.execute(RunSchedule(schedule.schedule_id, BEN.member_id, **given))  # type: ignore[arg-type]
    assert isinstance(action, Action)
    return action


# ---------------------------------------------------------------- commit, then act


async def test_a_run_that_begins_at_once_is_answered_so_and_ordered_after_its_commit(
    bench: Bench,
) -> None:
    at_commit: list[int] = []
    commit = bench.journal.commit

    async def watched(draft):  # type: ignore[no-untyped-def]
        at_commit.append(len(bench.drivers.of(SendGcode)))
        return await commit(draft)

    bench.journal.commit = watched  # type: ignore[method-assign]
    action = await run_of(bench, a_schedule(FAN))
    assert action.state is RunState.RUNNING
    assert bench.journal.actions[action.work_id] == action
    assert at_commit == [0, 0], "one for the schedule, one for its run; nothing was sent before them"
    assert len(bench.drivers.of(SendGcode)) == 1


async def test_a_run_that_cannot_be_committed_is_not_sent_and_nothing_is_believed(bench: Bench) -> None:
    schedule = await bench.engine.execute(a_schedule(FAN))
    bench.journal.broken = FULL
    with pytest.raises(StoreUnavailable, match="disk is full"):
        await bench.engine.execute(RunSchedule(schedule.schedule_id, BEN.member_id))
    assert bench.drivers.of(SendGcode) == []
    assert bench.engine.state.actions == {}
    bench.journal.broken = None
    await asyncio.sleep(TICK * 3)
    assert bench.drivers.of(SendGcode) == [], "it was refused, not put off"


async def test_the_end_of_a_run_is_decided_again_when_the_disk_is_back(bench: Bench) -> None:
    action = await run_of(bench, a_schedule(FAN))
    [order] = bench.drivers.of(SendGcode)
    bench.journal.broken = FULL
    bench.engine.observe(OrderAnswered("mk3", order.order_id, OrderResult.ACCEPTED))
    await asyncio.sleep(TICK * 3)
    bench.journal.broken = None
    await asyncio.sleep(TICK * 3)
    assert bench.journal.actions[action.work_id].state is RunState.SUCCEEDED
    assert len(bench.drivers.of(SendGcode)) == 1


class Deaf:
    """Drivers that the process never reached: it was killed behind the commit."""

    def submit(self, order: Order) -> None:
        pass


@pytest.mark.parametrize("is_sent", [True, False])
async def test_a_kill_between_the_intent_and_the_answer_sends_nothing_a_second_time(is_sent: bool) -> None:
    first = Bench()
    if not is_sent:
        first.engine._drivers = Deaf()
    async for one in running(first):
        action = await run_of(one, a_schedule(HOMING))
    left: State = first.engine.state
    left.presence.clear()
    second = Bench(left)
    second.engine._ids = LaterIds()
    async for one in running(second):
        ended = one.journal.actions[action.work_id]
        assert ended.state is RunState.FAILED
        assert "nobody knows how far this went" in str(ended.message)
        one.engine.observe(seen())
        await asyncio.sleep(60 * TICK)
        assert one.drivers.of(SendGcode) == []
        assert one.engine.state.printers[1].plate is Plate.OCCUPIED


class LaterIds(CountingIds):
    """Of another process: none of them was given before."""

    def __init__(self) -> None:
        super().__init__()
        self.given = 1000


async def test_time_alone_ends_a_run_that_waits(occupied: Bench) -> None:
    """The wall clock of this bench stands still: what is due by monotonic time is looked at by itself."""
    await run_of(occupied, a_schedule(HOMING))
    assert occupied.drivers.of(SendGcode) == []
    await occupied.engine.execute(SetPlate(1, Plate.CLEAR, "ana"))
    [order] = occupied.drivers.of(SendGcode)
    occupied.engine.observe(OrderAnswered("mk3", order.order_id, OrderResult.REFUSED, "not now"))
    await occupied.settle()
    assert len(occupied.drivers.of(SendGcode)) == 1
    await asyncio.sleep(10)
    assert len(occupied.drivers.of(SendGcode)) == 2, "a while after the refusal, without any input"


# ---------------------------------------------------------------- progress in memory


async def test_a_stored_task_is_shown_with_the_newest_progress(bench: Bench) -> None:
    task = await bench.engine.execute(IMPORT)
    begun = await bench.engine.execute(BeginTask(task.work_id))
    commits = bench.journal.commits
    await bench.engine.execute(NoteProgress(task.work_id, 1, 7, 10, "reading"))
    assert bench.journal.commits == commits, "nothing is written for it"
    assert [event.kind for event in bench.audience.fleeting] == ["task-progressed"]
    stored = bench.journal.tasks[task.work_id]
    assert (stored.progress_value, stored) == (0, begun)
    live = bench.engine.live_task(stored)
    assert (live.progress_value, live.progress_total, live.version) == (7, 10, stored.version)
    assert await bench.engine.execute(FinishTask(task.work_id, 1, {"layers": 3})) is True
    done = bench.journal.tasks[task.work_id]
    assert (done.status, bench.engine.live_task(done)) == (TaskStatus.DONE, done)
    assert bench.engine.live_task(replace(stored, version=99)).version == 99, "newer than memory"


async def test_an_upload_goes_from_order_to_result(bench: Bench) -> None:
    task = await bench.engine.execute(an_upload())
    assert task.status is TaskStatus.RUNNING
    [order] = bench.drivers.of(UploadFile)
    bench.engine.observe(
        OrderProgressed("mk3", order.order_id, 1.0, {"sent": 1000, "size": 1000, "name_on_printer": "P.GCO"})
    )
    bench.engine.observe(OrderAnswered("mk3", order.order_id, OrderResult.ACCEPTED))
    await bench.engine.settled()
    assert bench.journal.tasks[task.work_id].result == {
        "printer_id": 1, "printer": "mk3", "name_on_printer": "P.GCO", "size": 1000
    }  # fmt: skip


# ---------------------------------------------------------------- named requests


def named(asked: AddTask, fingerprint: str = "f1") -> AddTask:
    return replace(asked, idempotency=Idempotency("app-1", fingerprint))


async def test_the_same_key_makes_one_task_also_in_one_batch_and_when_it_is_over(bench: Bench) -> None:
    tasks = await asyncio.gather(*(bench.engine.execute(named(IMPORT)) for _ in range(3)))
    assert len({task.task_id for task in tasks}) == 1
    assert len(bench.engine.state.tasks) == 1
    work_id = tasks[0].work_id
    await bench.engine.execute(BeginTask(work_id))
    await bench.engine.execute(FinishTask(work_id, 1))
    again = await bench.engine.execute(named(IMPORT))
    assert (again.task_id, again.status) == (tasks[0].task_id, TaskStatus.DONE)
    with pytest.raises(CommandRefused, match="use a new key"):
        await bench.engine.execute(named(IMPORT, "f2"))


async def test_the_same_key_makes_one_run_also_when_it_is_over(bench: Bench) -> None:
    key = Idempotency("app-1", "f1")
    first = await run_of(bench, a_schedule(FAN), idempotency=key)
    asked = RunSchedule(first.schedule_id, BEN.member_id, idempotency=key)
    assert (await bench.engine.execute(asked)).action_id == first.action_id
    [order] = bench.drivers.of(SendGcode)
    bench.engine.observe(OrderAnswered("mk3", order.order_id, OrderResult.ACCEPTED))
    await bench.engine.settled()
    again = await bench.engine.execute(asked)
    assert (again.action_id, again.state) == (first.action_id, RunState.SUCCEEDED)
    assert len(bench.drivers.of(SendGcode)) == 1, "a request that is repeated moves nothing"
    with pytest.raises(CommandRefused, match="use a new key"):
        await bench.engine.execute(replace(asked, idempotency=Idempotency("app-1", "f2")))
    other = await bench.engine.execute(replace(asked, member_id=ANA.member_id))
    assert other.action_id != first.action_id, "keys are a member's own"

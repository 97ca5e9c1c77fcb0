"""The clock, the domain and the pool together: a schedule's export runs each hour, restarts or not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from gateway.domain.schedule import Schedule, ScheduleStatus, ScheduleType
from gateway.domain.schedule_commands import AddSchedule
from gateway.domain.task import Task, TaskKind, TaskStatus
from gateway.engine.ports import TaskFilter
from gateway.tasks.cron import CronTimes
from gateway.tasks.pool import Pool
from gateway.tasks.scheduler import Scheduler
from gateway.tasks.work import Outcome, Work
from tests.support.office import Office
from tests.support.stand import BEN

CRON = CronTimes()
HOUR = 3600.0  # seconds


class Exports:
    """Takes ten seconds."""

    async def run(self, task: Task, work: Work) -> Outcome:
        await asyncio.sleep(10)
        return Outcome({"rows": 0})


class House(Office):
    async def start(self) -> None:
        await super().start()
        kinds = {TaskKind.HISTORY_EXPORT: Exports()}
        given = {"engine": self.engine, "subscribe": self.hub.subscribe, "clock": self.clock}
        self.run(Pool(**given, kinds=kinds).run())
        self.run(Scheduler(**given, cron=CRON).run())

    async def schedule(self) -> Schedule:
        """On the hour."""
        (stack,) = self.engine.state.stacks.values()
        next_at = CRON.next_after("0 * * * *", "UTC", self.clock.wall())
        made: Schedule = await self.give(
            AddSchedule(
                BEN.member_id, 1, stack.number, "hourly", ScheduleType.HISTORY_EXPORT,
                cron="0 * * * *", next_at=next_at,
            )
        )  # fmt: skip
        return made

    async def exports(self) -> list[Task]:
        page = await self.queries.tasks(TaskFilter(), now=self.clock.wall(), limit=None)
        return list(page.tasks)


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with House(tmp_path) as built:
        yield built


async def test_each_hour_has_its_export(house: House) -> None:
    made = await house.schedule()
    await asyncio.sleep(2.5 * HOUR)
    exports = await house.exports()
    begun = [f"{task.created_at:%H:%M:%S}" for task in exports]
    assert begun == ["06:00:00", "07:00:00", "08:00:00"]
    assert {task.status for task in exports} == {TaskStatus.DONE}
    known = house.engine.state.schedules[made.schedule_id]
    assert known.status is ScheduleStatus.SUCCESS
    assert f"{known.next_at:%H:%M}" == "09:00"


async def test_a_restart_repeats_no_hour_and_leaves_out_what_was_missed(house: House) -> None:
    made = await house.schedule()
    await asyncio.sleep(0.5 * HOUR)
    await house.kill()
    await asyncio.sleep(3 * HOUR)
    await house.start()
    await asyncio.sleep(0.5 * HOUR)
    assert [f"{task.created_at:%H:%M}" for task in await house.exports()] == ["06:00"]
    await asyncio.sleep(0.5 * HOUR)
    assert [f"{task.created_at:%H:%M}" for task in await house.exports()] == ["06:00", "10:00"]
    await house.change(
        lambda draft: draft.put_schedule(
            replace(draft.schedules[made.schedule_id], next_at=house.clock.wall() + timedelta(days=-1))
        )
    )
    await asyncio.sleep(60)
    assert len(await house.exports()) == 2

"""One word for each time that comes, whatever the wall clock does; on virtual time."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from gateway.domain.schedule import Schedule, ScheduleType
from gateway.domain.schedule_commands import ScheduleDue
from gateway.domain.state import State
from gateway.engine.ports import StoreUnavailable
from gateway.publish.hub import Hub
from gateway.tasks.cron import CronTimes
from gateway.tasks.scheduler import Scheduler

CRON = CronTimes()
BEGIN = datetime(2026, 11, 22, 2, 59, tzinfo=UTC)


class Clock:
    """A wall clock that can be set."""

    def __init__(self) -> None:
        self.shift = timedelta()

    def wall(self) -> datetime:
        return BEGIN + timedelta(seconds=asyncio.get_running_loop().time()) + self.shift

    def monotonic(self) -> float:
        return asyncio.get_running_loop().time()


class Engine:
    """Moves `next_at` as the domain does: an order for a time before it counts for nothing."""

    def __init__(self) -> None:
        self.state = State()
        self.said: list[ScheduleDue] = []
        self.ran: list[datetime] = []
        self.failures = 0

    async def execute(self, command: Any) -> None:
        assert isinstance(command, ScheduleDue)
        if self.failures:
            self.failures -= 1
            raise StoreUnavailable("the disk is full")
        self.said.append(command)
        known = self.state.schedules[command.schedule_id]
        assert known.next_at is not None
        if known.next_at <= command.due_at:
            self.ran.append(command.due_at)
        self.add(known.schedule_id, known.cron or "", command.next_at, known.timezone)

    def add(self, name: str, cron: str, next_at: datetime | None, zone: str = "UTC") -> None:
        self.state.schedules[name] = Schedule(
            name, 1, 1, "MEMBERBENBEN0", name, ScheduleType.MAINTENANCE, BEGIN, BEGIN,
            cron=cron, timezone=zone, next_at=next_at,
        )  # fmt: skip


@pytest.fixture
async def clock() -> Clock:
    return Clock()


@pytest.fixture
async def engine(clock: Clock) -> Any:
    engine = Engine()
    running = asyncio.create_task(
        Scheduler(engine=engine, subscribe=Hub().subscribe, cron=CRON, clock=clock).run()
    )
    yield engine
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


def add(engine: Engine, cron: str, clock: Clock) -> None:
    engine.add("one", cron, CRON.next_after(cron, "UTC", clock.wall()))


async def test_each_time_is_said_once_and_on_time(engine: Engine, clock: Clock) -> None:
    add(engine, "*/5 * * * *", clock)
    await asyncio.sleep(1000)
    assert engine.ran == [BEGIN + timedelta(minutes=minutes) for minutes in (1, 6, 11, 16)]
    assert len(engine.said) == 4


async def test_times_that_were_missed_are_said_once_with_the_latest(engine: Engine, clock: Clock) -> None:
    """The gateway was off for a week."""
    engine.add("one", "0 * * * *", BEGIN - timedelta(days=7))
    await asyncio.sleep(20)
    assert engine.ran == [datetime(2026, 11, 22, 2, 0, tzinfo=UTC)]


async def test_a_leap_forward_is_one_word_not_hundreds(engine: Engine, clock: Clock) -> None:
    add(engine, "0 * * * *", clock)
    await asyncio.sleep(5)
    clock.shift = timedelta(days=30)
    await asyncio.sleep(20)
    assert engine.ran == [datetime(2026, 12, 22, 2, 0, tzinfo=UTC)]


async def test_a_clock_that_falls_back_repeats_nothing(engine: Engine, clock: Clock) -> None:
    add(engine, "0 3 * * *", clock)
    await asyncio.sleep(90)
    assert engine.ran == [datetime(2026, 11, 22, 3, 0, tzinfo=UTC)]
    clock.shift = timedelta(hours=-1)
    await asyncio.sleep(2 * 3600)
    assert len(engine.said) == 1
    await asyncio.sleep(24 * 3600)
    assert engine.ran == [datetime(2026, 11, day, 3, 0, tzinfo=UTC) for day in (22, 23)]


async def test_a_board_that_begins_in_the_past_waits_and_then_repeats_nothing(
    engine: Engine, clock: Clock
) -> None:
    """It ran at three this morning, booted in 1970, and hears of the time ten minutes later."""
    clock.shift = datetime(1970, 1, 1, tzinfo=UTC) - BEGIN
    engine.add("one", "0 3 * * *", datetime(2026, 11, 23, 3, 0, tzinfo=UTC))
    await asyncio.sleep(600)
    clock.shift = timedelta(hours=9)
    await asyncio.sleep(600)
    assert engine.said == []


async def test_what_the_store_does_not_take_is_said_again(engine: Engine, clock: Clock) -> None:
    add(engine, "0 3 * * *", clock)
    engine.failures = 3
    await asyncio.sleep(120)
    assert engine.ran == [datetime(2026, 11, 22, 3, 0, tzinfo=UTC)]
    assert len(engine.said) == 1


async def test_the_nights_that_change_the_clock_have_one_run_each(engine: Engine, clock: Clock) -> None:
    for day, expected in (
        (datetime(2026, 3, 28, 12, tzinfo=UTC), 1),
        (datetime(2026, 10, 24, 12, tzinfo=UTC), 0),
    ):
        clock.shift += day - clock.wall()
        engine.ran.clear()
        engine.add("one", "30 2 * * *", CRON.next_after("30 2 * * *", "Europe/Berlin", day), "Europe/Berlin")
        await asyncio.sleep(24 * 3600)
        night = (day + timedelta(days=1)).date()
        minute = 0 if expected else 30
        assert engine.ran == [datetime(night.year, night.month, night.day, expected, minute, tzinfo=UTC)]


async def test_a_zone_that_is_gone_from_the_host_stops_nothing_else(
    engine: Engine, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    engine.add("lost", "0 3 * * *", BEGIN, "Atlantis/Capital")
    add(engine, "0 3 * * *", clock)
    await asyncio.sleep(600)
    assert engine.ran == [datetime(2026, 11, 22, 3, 0, tzinfo=UTC)]
    assert caplog.text.count("Atlantis/Capital") == 1


async def test_without_schedules_it_sleeps(engine: Engine, clock: Clock) -> None:
    await asyncio.sleep(3600)
    assert engine.said == []

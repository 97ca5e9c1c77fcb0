"""When it is swept: in bites with pauses, later again, and again behind trouble. Virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime

import pytest

from gateway.engine.ports import StoreUnavailable
from gateway.tasks.sweeping import PAUSE, SWEEP_EVERY, Sweeper
from tests.support.office import LoopClock


class Expiry:
    def __init__(self) -> None:
        self.left = 0
        self.trouble: Exception | None = None
        self.bites: list[tuple[float, int]] = []

    async def sweep(self, now: datetime) -> int:
        if self.trouble is not None:
            raise self.trouble
        bite = min(self.left, 50)
        self.left -= bite
        self.bites.append((asyncio.get_running_loop().time(), bite))
        return bite


@pytest.fixture
async def expiry() -> AsyncIterator[Expiry]:
    expiry = Expiry()
    running = asyncio.create_task(Sweeper(expiry=expiry, clock=LoopClock()).run())
    yield expiry
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_it_sweeps_in_bites_until_nothing_is_left(expiry: Expiry) -> None:
    expiry.left = 120
    await asyncio.sleep(SWEEP_EVERY + 10)
    assert [bite for _, bite in expiry.bites] == [50, 50, 20, 0]
    first, second = (at for at, _ in expiry.bites[:2])
    assert first == pytest.approx(SWEEP_EVERY)
    assert second - first == pytest.approx(PAUSE)


@pytest.mark.parametrize("trouble", [StoreUnavailable("the disk is full"), ZeroDivisionError()])
async def test_trouble_is_no_end(
    expiry: Expiry, trouble: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    expiry.left, expiry.trouble = 1, trouble
    await asyncio.sleep(SWEEP_EVERY + 10)
    assert "expired" in caplog.text
    expiry.trouble = None
    await asyncio.sleep(SWEEP_EVERY + 10)
    assert expiry.left == 0

"""VirtualLoop under pytest-asyncio."""

from __future__ import annotations

import asyncio

from firmware_sim import VirtualLoop


async def test_a_test_sleeps_a_day() -> None:
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop)
    before = loop.time()
    await asyncio.sleep(86400.0)
    assert loop.time() - before == 86400.0

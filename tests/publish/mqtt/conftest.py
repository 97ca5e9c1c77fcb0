"""On virtual time, but for what talks to a real broker."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from firmware_sim.virtual_loop import VirtualLoop
from tests.publish.mqtt.stand import Broadcast


def pytest_asyncio_loop_factories(config: Any, item: Any) -> Mapping[str, Callable[[], Any]]:
    """By the module."""
    if item.path.stem == "test_real_brokers":
        return {"real": asyncio.SelectorEventLoop}
    return {"virtual": VirtualLoop}


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[Broadcast]:
    """A gateway with ben's printer mk3, commands allowed, on a broker in memory; everything was told."""
    async with Broadcast(tmp_path) as built:
        built.tell()
        await built.settle()
        yield built

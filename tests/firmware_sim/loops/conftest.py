"""The async tests of this folder run on virtual time, through pytest-asyncio's own hook."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

from firmware_sim import VirtualLoop


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    return {"virtual": VirtualLoop}

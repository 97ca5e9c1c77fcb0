"""Virtual time for what waits; the real loop for what talks to servers or works in threads."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from firmware_sim.virtual_loop import VirtualLoop


def pytest_asyncio_loop_factories(config: Any, item: Any) -> Mapping[str, Callable[[], Any]]:
    """By the module: servers and threads are real ones."""
    if item.path.stem.endswith("_servers") or item.path.stem.startswith("test_kind_"):
        return {"real": asyncio.SelectorEventLoop}
    return {"virtual": VirtualLoop}

"""Callbacks wait and try again: on virtual time. What talks to servers has the real loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from firmware_sim.virtual_loop import VirtualLoop


def pytest_asyncio_loop_factories(config: Any, item: Any) -> Mapping[str, Callable[[], Any]]:
    """By the module."""
    if item.path.stem == "test_callbacks":
        return {"virtual": VirtualLoop}
    return {"real": asyncio.SelectorEventLoop}

"""These tests run on virtual time: a second costs nothing, and a wait for nothing is an error."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from firmware_sim.virtual_loop import VirtualLoop


def pytest_asyncio_loop_factories(config: Any, item: Any) -> Mapping[str, Callable[[], Any]]:
    """Every async test below this folder."""
    return {"virtual": VirtualLoop}

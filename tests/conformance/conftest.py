"""One host a test, as the API's own tests have it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.api.host import Host


@pytest.fixture
async def host(tmp_path: Path) -> AsyncIterator[Host]:
    """A gateway with members and two printers, and no jobs."""
    async with Host(tmp_path) as built:
        yield built

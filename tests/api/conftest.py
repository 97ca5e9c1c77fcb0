"""One host a test."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.api.host import Host


@pytest.fixture
async def host(tmp_path: Path) -> AsyncIterator[Host]:
    """A gateway with ana's printer mk3, her colleague ben, and eve of another organization."""
    async with Host(tmp_path) as built:
        yield built

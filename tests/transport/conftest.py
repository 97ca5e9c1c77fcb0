from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.transport.ptys import PtyMachine


@pytest.fixture
def machine() -> Iterator[PtyMachine]:
    pty = PtyMachine()
    yield pty
    pty.unplug()

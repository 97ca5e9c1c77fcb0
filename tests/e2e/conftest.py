"""Real processes take their time on a busy machine: a test that hangs is told by its own deadlines before."""

from __future__ import annotations

from pathlib import Path

import pytest

#: Seconds of a whole test; `house.PATIENCE` is for one step of it.
MOST_SECONDS = 600
_HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Below this folder, unless a test says otherwise."""
    for item in items:
        if item.path.is_relative_to(_HERE) and item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(MOST_SECONDS))

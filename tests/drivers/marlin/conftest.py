"""A file for the printers' own cards."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.drivers.marlin.uploads import LINES


@pytest.fixture
def part(tmp_path: Path) -> Path:
    """`LINES` with comments, as a slicer writes them."""
    path = tmp_path / "Cal cube.gcode"
    path.write_text("; sliced\n\n" + "\n".join(f"{line} ; comment" for line in LINES) + "\n; the end\n")
    return path

"""Print files for the driver's tests."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture
def gcode(tmp_path: Path) -> Path:
    """A print of 200 short moves."""
    path = tmp_path / "clip.gcode"
    rows = ["; a clip", "G28 ; home", "M117 Printing"]
    rows += [f"G1 X{index % 100}.{index % 10} Y{index // 100} F6000" for index in range(200)]
    rows += ["M84 ; done"]
    path.write_text("\n".join(rows) + "\n")
    return path


@pytest.fixture
def moves(gcode: Path) -> list[str]:
    """Its moves."""
    return [row for row in gcode.read_text().splitlines() if row.startswith("G1")]


@pytest.fixture
def file_of(tmp_path: Path) -> Callable[[str], Path]:
    """Makes a print file of a text."""

    def make(text: str) -> Path:
        path = tmp_path / f"{len(list(tmp_path.iterdir()))}.gcode"
        path.write_text(text)
        return path

    return make

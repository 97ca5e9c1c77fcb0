"""What a print file says of homing and modes, up to a byte of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.gcode.homing import Said, said_by


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", Said()),
        ("G1 X1\n", Said()),
        ("G28\n", Said(is_homed=True)),
        ("g28 ; home\n", Said(is_homed=True)),
        ("; G28\n", Said()),
        ("M117 G28\n", Said()),
        ("G280\nG28.1\n", Said()),
        ("G28 X\n", Said()),
        ("G28 X0 Y0\nG28 Z\n", Said(is_homed=True)),
        ("G28\nM84\n", Said()),
        ("G28\nM18 ; off\n", Said()),
        ("G28\nM84 E\n", Said(is_homed=False)),
        ("G28\nM84 S60\n", Said(is_homed=True)),
        ("G28\nM84 X\nG28 X\n", Said(is_homed=True)),
        ("G90\n", Said(says_mode=True)),
        ("G91\n", Said(says_mode=True)),
        ("M83\n", Said(says_extruder_mode=True)),
        ("M82\nG28\nG90", Said(is_homed=True, says_mode=True, says_extruder_mode=True)),
    ],
)
def test_what_is_said(text: str, said: Said, tmp_path: Path) -> None:
    path = tmp_path / "part.gcode"
    path.write_text(text)
    with path.open("rb") as file:
        assert said_by(file, len(text)) == said


def test_only_what_comes_before(tmp_path: Path) -> None:
    path = tmp_path / "part.gcode"
    path.write_text("G90\nG28\nM84\n")
    with path.open("rb") as file:
        assert said_by(file, 4) == Said(says_mode=True)
        assert said_by(file, 8) == Said(is_homed=True, says_mode=True)
        assert said_by(file, 0, is_homed=True) == Said(is_homed=True)
        assert not said_by(file, 12, is_homed=True).is_homed

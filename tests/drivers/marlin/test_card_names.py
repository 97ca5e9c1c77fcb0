"""Names that FAT takes, and the small file that remembers one."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_sim.machine.sdcard import short_name
from gateway.drivers.marlin.card_names import NAMES_MAX, names_for
from gateway.streamer.upload_mark_file import UploadMarkFile


@pytest.mark.parametrize(
    ("title", "names"),
    [
        ("cube.gcode", ["CUBE.GCO", "CUBE_2.GCO", "CUBE_3.GCO"]),
        ("Calibration cube (2).gcode", ["CALIBRAT.GCO", "CALIBR_2.GCO", "CALIBR_3.GCO"]),
        ("parts/left leg.g", ["LEFT_LEG.GCO", "LEFT_L_2.GCO", "LEFT_L_3.GCO"]),
        ("noext", ["NOEXT.GCO", "NOEXT_2.GCO", "NOEXT_3.GCO"]),
        ("\u7acb\u65b9\u4f53.gcode", ["FILE.GCO", "FILE_2.GCO", "FILE_3.GCO"]),
        ("..", ["FILE.GCO", "FILE_2.GCO", "FILE_3.GCO"]),
    ],
)
def test_names(title: str, names: list[str]) -> None:
    assert list(islice(names_for(title, ()), 3)) == names


def test_taken_names_are_left_out_and_there_is_an_end() -> None:
    assert next(names_for("cube.gcode", {"CUBE.GCO", "CUBE_2.GCO"})) == "CUBE_3.GCO"
    assert len(list(names_for("cube.gcode", {"CUBE.GCO"}))) == NAMES_MAX - 1


@given(st.text(max_size=40))
def test_fat_has_every_one_of_them_as_it_is(title: str) -> None:
    names = list(names_for(title, ()))
    assert len(set(names)) == NAMES_MAX
    assert all(short_name(name, set()) == name for name in names)


def test_a_mark_survives_its_process_and_nothing_else_is_believed(tmp_path: Path) -> None:
    mark = UploadMarkFile(tmp_path, "mk3")
    assert mark.left() is None
    mark.note("CUBE_2.GCO")
    assert UploadMarkFile(tmp_path, "mk3").left() == "CUBE_2.GCO"
    assert UploadMarkFile(tmp_path, "mk4").left() is None
    for odd in (b"", b"\xff\xfe", b"A.GCO\nM112", b"cube.gcode", b"X" * 5000):
        (tmp_path / "mk3.upload").write_bytes(odd)
        assert mark.left() is None
    mark.clear()
    mark.clear()
    assert list(tmp_path.iterdir()) == []

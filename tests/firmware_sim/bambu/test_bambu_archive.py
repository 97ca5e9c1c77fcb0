"""Print files: the plate of an archive, and what its slicer says of layers and time."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_sim.bambu.archive import Place, Unprintable, plate_of, read_plate
from firmware_sim.bambu.storage import Files, StorageFull, tidy
from tests.firmware_sim.bambu.bench import PLATE, archive

FIRST = "Metadata/plate_1.gcode"


def test_the_plate_that_is_asked_for() -> None:
    assert plate_of(archive(), FIRST) == PLATE
    assert plate_of(archive(b"G28\n", "Metadata/plate_7.gcode"), "Metadata/plate_7.gcode") == b"G28\n"
    assert plate_of(PLATE, FIRST) == PLATE, "a plain file is G-code itself"


@pytest.mark.parametrize("content", [b"", b" \n", b"\x89PNG\0", b"PK", archive()[:-30], archive()[:60]])
def test_what_cannot_be_printed(content: bytes) -> None:
    with pytest.raises(Unprintable):
        plate_of(content, FIRST)


def test_an_archive_without_the_plate() -> None:
    with pytest.raises(Unprintable, match="no Metadata/plate_2"):
        plate_of(archive(), "Metadata/plate_2.gcode")


def test_an_archive_that_claims_too_much() -> None:
    with pytest.raises(Unprintable, match=f"{len(PLATE)} bytes"):
        plate_of(archive(), FIRST, most_bytes=len(PLATE) - 1)


@given(st.integers(0, len(archive()) - 1), st.integers(1, 255))
def test_a_harmed_archive_is_the_plate_or_unprintable(at: int, flip: int) -> None:
    harmed = bytearray(archive())
    harmed[at] ^= flip
    try:
        plate_of(bytes(harmed), FIRST)
    except Unprintable:
        pass


def test_layers_percent_and_minutes_by_place() -> None:
    text = (
        b"; total layer number: 2\nG28\nM73 P0 R9\n; CHANGE_LAYER\nG1 X1\nM73 P50 R4\n; CHANGE_LAYER\nG1 X2\n"
    )
    plate = read_plate(text)
    assert plate.layers == 2
    assert plate.place_at(0) == Place()
    assert plate.place_at(text.index(b"G1 X1")) == Place(1, 0, 9)
    assert plate.place_at(len(text)) == Place(2, 50, 4)
    assert plate.percent_at(len(text)) == 50


def test_a_file_that_says_nothing_goes_by_bytes() -> None:
    plate = read_plate(b"G1 X1\n" * 100)
    assert [plate.percent_at(offset) for offset in (0, 300, 600)] == [0, 50, 100]
    assert plate.layers == 0


@pytest.mark.parametrize("comment", [b"; CHANGE_LAYER", b";LAYER_CHANGE", b";LAYER:0"])
def test_how_slicers_announce_a_layer(comment: bytes) -> None:
    assert read_plate(comment + b"\nG1 X1\n" + comment + b"\n").layers == 2


@pytest.mark.parametrize(
    ("path", "kept"),
    [
        ("/x.3mf", "x.3mf"),
        ("cache//x", "cache/x"),
        ("../../etc/passwd", "etc/passwd"),
        ("a/../b/.", "b"),
        ("/", ""),
    ],
)
def test_paths(path: str, kept: str) -> None:
    assert tidy(path) == kept


def test_folders_and_room() -> None:
    files = Files({"a.3mf": b"123", "cache/b.3mf": b"4"}, room=6)
    assert files.listed("/") == [("a.3mf", 3), ("cache", None), ("model", None), ("timelapse", None)]
    assert files.listed("cache") == [("b.3mf", 1)]
    assert [files.is_folder(name) for name in ("", "/cache/", "a.3mf", "nope")] == [True, True, False, False]
    with pytest.raises(StorageFull):
        files.put("c", b"123")
    files.put("a.3mf", b"12345")
    assert files.used() == 6

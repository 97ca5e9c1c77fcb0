"""What a printable file is, by its first bytes."""

from __future__ import annotations

import gzip
import io
import tarfile
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from gateway.gcode.inspect import NotPrintable
from gateway.gcode.printables import archive_format, inspect_printable
from gateway.gcode.sliced_3mf import DIRECTORY_BYTES

GCODE = b"G28\nG1 X10 Y10 F3000\nM104 S0\n"


def tar_gz(format: int = tarfile.PAX_FORMAT, name: str = "slice_1.png") -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz", format=format) as tar:
        member = tarfile.TarInfo(name)
        member.size = 5
        tar.addfile(member, io.BytesIO(b"slice"))
    return out.getvalue()


def zipped() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("print.gcode", GCODE)
    return out.getvalue()


@pytest.mark.parametrize(
    ("content", "is_format"),
    [
        (tar_gz(), "tar.gz"),
        (tar_gz(tarfile.USTAR_FORMAT), "tar.gz"),
        (tar_gz(tarfile.GNU_FORMAT), "tar.gz"),
        (tar_gz(name="./"), "tar.gz"),
        (tar_gz(name="schichten/ü" * 20), "tar.gz"),
        (zipped(), "zip"),
        (gzip.compress(GCODE * 100), None),
        (gzip.compress(b"\0" * 100_000), None),
        (gzip.compress(b"x" * 511), None),
        (b"\x1f\x8b\x08" + b"\xff" * 100, None),
        (b"\x1f\x8b", None),
        (b"PK\x05\x06" + bytes(18), None),
        (GCODE, None),
        (b"", None),
    ],
    ids=[f"content {number}" for number in range(14)],  # it has the time when it was packed
)
def test_archives_by_their_first_bytes(content: bytes, is_format: str | None) -> None:
    assert archive_format(content[: 64 * 1024]) == is_format


def test_a_bomb_is_not_unpacked() -> None:
    """A gigabyte in a megabyte: 512 bytes of it are looked at."""
    bomb = gzip.compress(b"\0" * 50_000_000)
    assert archive_format(bomb[: 64 * 1024]) is None


def test_what_goes_into_the_metadata(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(tar_gz())
    assert inspect_printable(path) == {"format": "tar.gz", "size": len(tar_gz())}
    path.write_bytes(GCODE)
    found = inspect_printable(path)
    assert ("format" in found, found["printable_lines"]) == (False, 3)


@pytest.mark.parametrize(
    ("content", "says"),
    [(b"solid cube\n", "an STL model"), (gzip.compress(GCODE, mtime=0), "a gzip archive"), (b"", "empty"),
     (b"<html></html>", "a web page"), (b"Dear printer,\n", "G-code")],
)  # fmt: skip
def test_the_rest_is_refused_in_the_same_words_as_ever(tmp_path: Path, content: bytes, says: str) -> None:
    path = tmp_path / "file"
    path.write_bytes(content)
    with pytest.raises(NotPrintable, match=says):
        inspect_printable(path)


def sliced(*names: str, info: str | None = None, comment: bytes = b"") -> bytes:
    """A 3MF as slicers write it."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("3D/3dmodel.model", "<model/>")
        for name in names:
            archive.writestr(name, GCODE)
        if info is not None:
            archive.writestr("Metadata/slice_info.config", info)
        archive.comment = comment
    return out.getvalue()


INFO = (
    '<config><plate><metadata key="index" value="1"/><metadata key="prediction" value="4021"/>'
    '<metadata key="weight" value="12.50"/></plate>'
    '<plate><metadata key="prediction" value="9"/></plate></config>'
)


def found(tmp_path: Path, content: bytes) -> Mapping[str, Any]:
    path = tmp_path / "upload"
    path.write_bytes(content)
    return inspect_printable(path)


def test_a_sliced_3mf_is_known_by_its_plates(tmp_path: Path) -> None:
    content = sliced("Metadata/plate_2.gcode", "Metadata/plate_1.gcode", info=INFO, comment=b"x" * 60_000)
    assert found(tmp_path, content) == {
        "format": "gcode.3mf",
        "size": len(content),
        "plates": [1, 2],
        "estimated_time": 4021.0,
        "filament_g": 12.5,
    }
    assert found(tmp_path, sliced("Metadata/plate_1.gcode"))["plates"] == [1]


@pytest.mark.parametrize(
    "content",
    [
        sliced(),
        sliced("Metadata/plate_1.png", "plate_1.gcode", "Metadata/plate_0.gcode"),
        sliced("Metadata/plate_1.gcode")[:-30],
        sliced("Metadata/plate_1.gcode")[:-22] + b"PK\x06\x07" + bytes(16) + b"PK\x05\x06" + bytes(18),
        b"PK\x03\x04" + bytes(100),
    ],
    ids=["not sliced", "no plate", "cut short", "points elsewhere", "nothing behind the mark"],
)
def test_any_other_archive_is_a_zip(tmp_path: Path, content: bytes) -> None:
    assert found(tmp_path, content) == {"format": "zip", "size": len(content)}


def test_a_list_of_contents_without_measure_is_not_read(tmp_path: Path) -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("Metadata/plate_1.gcode", GCODE)
        for number in range(DIRECTORY_BYTES // 1000):
            archive.writestr(f"{number}{'x' * 1000}", b"")
    assert found(tmp_path, out.getvalue())["format"] == "zip"

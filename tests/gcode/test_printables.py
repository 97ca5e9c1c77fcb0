"""What a printable file is, by its first bytes."""

from __future__ import annotations

import gzip
import io
import tarfile
import zipfile
from pathlib import Path

import pytest

from gateway.gcode.inspect import NotPrintable
from gateway.gcode.printables import archive_format, inspect_printable

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

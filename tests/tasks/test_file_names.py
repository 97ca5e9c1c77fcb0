"""How a fetched file is called."""

from __future__ import annotations

import pytest

from gateway.tasks.file_names import NAME_CHARS, file_name


@pytest.mark.parametrize(
    ("disposition", "path", "name"),
    [
        (None, "/a/part.gcode", "part.gcode"),
        (None, "/a/part 1.gcode", "part 1.gcode"),
        (None, "/a/", "a"),
        (None, "/", "fetched.gcode"),
        (None, "", "fetched.gcode"),
        (None, "/..", "fetched.gcode"),
        ('attachment; filename="clip.gcode"', "/x", "clip.gcode"),
        ("attachment; filename=clip.gcode", "/x", "clip.gcode"),
        ("attachment; filename*=UTF-8''gr%C3%BCn.gcode", "/x", "grün.gcode"),
        ('attachment; filename="../../etc/passwd"', "/x", "passwd"),
        (r'attachment; filename="C:\\prints\\clip.gcode"', "/x", "clip.gcode"),
        ('attachment; filename="a\x1b[2Jb.gcode"', "/x", "a[2Jb.gcode"),
        ("attachment", "/x.zip", "x.zip"),
        ("attachment; filename*=no-such-charset''x.gcode", "/x.zip", "x.gcode"),
        ('attachment; filename="  "', "/x.zip", "x.zip"),
        (None, "/" + "a" * 300 + ".gcode", ("a" * 300 + ".gcode")[-NAME_CHARS:]),
    ],
)
def test_names(disposition: str | None, path: str, name: str) -> None:
    assert file_name(disposition, path) == name

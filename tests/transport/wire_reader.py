"""Reads wire logs by the format's own description, sharing nothing with what writes them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

HEADER = "# print-gateway wire log 1; seconds (monotonic), > to the printer, < from the printer, ! events"
_LINE = re.compile(r"(\d+\.\d{6}) ([<>!]) (.*)")
_ESCAPE = re.compile(r"\\(\\|n|r|x([0-9a-f]{2}))")
_NAMED = {"\\": b"\\", "n": b"\n", "r": b"\r"}


class Record(NamedTuple):
    at: float  # monotonic seconds
    mark: str  # > < or !
    data: bytes


def read(*paths: Path) -> list[Record]:
    """The records of the files, in order; each file must begin with the header."""
    records = []
    for path in paths:
        if not path.exists():
            continue
        text = path.read_bytes().decode("ascii")
        assert text.endswith("\n"), "whole records only"
        first, *lines = text[:-1].split("\n")
        assert first == HEADER
        for line in lines:
            found = _LINE.fullmatch(line)
            assert found is not None, line
            records.append(Record(float(found[1]), found[2], unescaped(found[3])))
    return records


def unescaped(text: str) -> bytes:
    data, at = b"", 0
    for escape in _ESCAPE.finditer(text):
        plain = text[at : escape.start()]
        assert "\\" not in plain
        assert all(" " <= char <= "~" for char in plain)
        data += plain.encode("ascii")
        data += bytes([int(escape[2], 16)]) if escape[2] else _NAMED[escape[1]]
        at = escape.end()
    rest = text[at:]
    assert "\\" not in rest
    assert all(" " <= char <= "~" for char in rest)
    return data + rest.encode("ascii")


def bytes_of(records: list[Record], mark: str) -> bytes:
    """All that went one way."""
    return b"".join(record.data for record in records if record.mark == mark)

"""The printable lines of a G-code file, one at a time, with where they end in the file.

Only lines that the firmware answers are printable: comments and empty lines are left out (Marlin answers them
with nothing at all). What is passed on is what Marlin understands: no `;` comment, no line number or
checksum of the file's own (nor the M110 that goes with them: it would reset the numbers of the connection),
command words and parameters in upper case (a lower-case command is unknown to Marlin), ASCII only, without
backslash (Marlin takes it for an escape, drops it, and then finds the checksum wrong for ever). Texts and
file names (M117, M118, M23, ...) keep their case.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

#: Bytes read at once: large enough for few system calls, small enough not to hold up an event loop.
CHUNK_BYTES = 16 * 1024
#: Bytes of one line of the file, comments included: slicers write thumbnails and settings in long comments.
FILE_LINE_BYTES_MAX = 64 * 1024
#: Characters of M117's text: displays show 20 to 60; a longer one would not fit the firmware's line.
DISPLAY_CHARS_MAX = 64

#: Commands whose parameters are text or file names: the case of their letters means something.
TEXT_COMMANDS = frozenset(
    {"M0", "M1", "M16", "M23", "M28", "M30", "M32", "M33", "M117", "M118", "M550", "M587", "M928"}
)
_DISPLAY_COMMANDS = ("M117", "M118")
_OWN_NUMBER = re.compile(rb"[Nn]\d+\s*")
_OWN_CHECKSUM = re.compile(rb"\s*\*\d+\s*$")
_COMMAND = re.compile(r"([A-Za-z]\d*)")
_NEEDS_TIDYING = re.compile(rb"[\t\\]|M11[078]")
_BOM = b"\xef\xbb\xbf"
#: What nearly all lines of a print file are made of. One of these alone that begins with G or T is printable
#: as it is.
_PLAIN = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 .-+:_="
_MOTION_OR_TOOL = frozenset(b"GT")

#: A GcodeLine in bytes: text, bytes of the file up to and including it, ordinal.
BlockLine = tuple[bytes, int, int]


class GcodeLine(NamedTuple):
    """One printable line."""

    text: str  # what goes to the firmware, without number, checksum, newline
    end: int  # bytes of the file up to and including this line
    ordinal: int  # 1 for the first printable line


class LineOverlong(ValueError):
    """A line of the file is longer than any G-code file has. `number` counts all lines, from 1."""

    def __init__(self, number: int) -> None:
        super().__init__(
            f"line {number} is longer than {FILE_LINE_BYTES_MAX} bytes: this is not a G-code file."
            " Export it from the slicer again."
        )
        self.number = number


def printable(raw: bytes) -> str:
    """One line of a file as the firmware wants it; empty when there is nothing to send."""
    if b";" in raw:
        raw = raw[: raw.index(b";")]
    raw = raw.strip()
    if not raw:
        return ""
    if raw.isupper() and raw[0] != 78 and raw.isascii() and not _NEEDS_TIDYING.search(raw):  # 78: N
        return raw.decode("ascii")
    return _tidied(raw)


def _tidied(raw: bytes) -> str:
    raw = raw.removeprefix(_BOM)
    number = _OWN_NUMBER.match(raw)
    if number:
        raw = _OWN_CHECKSUM.sub(b"", raw[number.end() :])
    text = raw.decode("utf-8", "replace").encode("ascii", "replace").decode("ascii").strip()
    text = text.replace("\t", " ").replace("\\", "/")
    match = _COMMAND.match(text)
    if match is None:
        return text
    word = match.group(1).upper()
    if word == "M110":
        return ""
    if word not in TEXT_COMMANDS:
        return text.upper()
    text = word + text[match.end() :]
    if word in _DISPLAY_COMMANDS:
        text = text[: DISPLAY_CHARS_MAX + 5].rstrip()
    return text


def raw_lines(file: BinaryIO, *, start: int = 0) -> Iterator[tuple[bytes, int]]:
    """(line without its newline, offset behind it) from byte `start` on. Raises LineOverlong.

    Holds one chunk and one line at most, whatever the size of the file.
    """
    for lines, offset, newline in _chunks(file, start):
        for line in lines:
            offset += len(line) + newline
            yield line, offset


def _chunks(file: BinaryIO, start: int) -> Iterator[tuple[list[bytes], int, int]]:
    """(whole lines without their newlines, offset of the first, bytes of each newline). Raises LineOverlong.

    Only the last line of a file can be without one; it comes alone.
    """
    file.seek(start)
    offset, number, rest = start, 0, b""
    while chunk := file.read(CHUNK_BYTES):
        *lines, rest = (rest + chunk).split(b"\n")
        if lines and len(max(lines, key=len)) > FILE_LINE_BYTES_MAX:
            first = next(at for at, line in enumerate(lines) if len(line) > FILE_LINE_BYTES_MAX)
            yield lines[:first], offset, 1
            raise LineOverlong(number + first + 1)
        yield lines, offset, 1
        number += len(lines)
        offset += sum(map(len, lines)) + len(lines)
        if len(rest) > FILE_LINE_BYTES_MAX:
            raise LineOverlong(number + 1)
    if rest:
        yield [rest], offset, 0


def line_blocks(file: BinaryIO, *, start: int = 0, start_ordinal: int = 0) -> Iterator[list[BlockLine]]:
    """The printable lines from byte `start` on (a line's beginning), a chunk of the file at a time.

    `start_ordinal` printable lines came before. Blocks are never empty. Raises LineOverlong.
    """
    ordinal = start_ordinal
    for lines, end, newline in _chunks(file, start):
        block: list[BlockLine] = []
        for line in lines:
            end += len(line) + newline
            if not line:
                continue
            if line[0] not in _MOTION_OR_TOOL or line[-1] == 0x20 or line.translate(None, _PLAIN):
                line = printable(line).encode("ascii")
                if not line:
                    continue
            ordinal += 1
            block.append((line, end, ordinal))
        if block:
            yield block


def printable_lines(file: BinaryIO, *, start: int = 0, start_ordinal: int = 0) -> Iterator[GcodeLine]:
    """The same lines one at a time, as text."""
    for block in line_blocks(file, start=start, start_ordinal=start_ordinal):
        for text, end, ordinal in block:
            yield GcodeLine(text.decode("ascii"), end, ordinal)

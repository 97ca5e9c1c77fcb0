"""Recorded wire logs: read, or fed to a board whose answers are compared. `playing` plays them to a host.

    # print-gateway wire log 1; seconds (monotonic), > to the printer, < from the printer, ! events
    12.345901 > N1 M105*38\\n
    12.350000 < ok T:20.00 /0.00\\r\\n

A record is one chunk of bytes as a port took or gave it. 0x20 to 0x7E stand for themselves except the
backslash (`\\\\`); newline is `\\n`, carriage return `\\r`, every other byte `\\xHH`.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from firmware_sim.machine.board import Board

TO_PRINTER, FROM_PRINTER, EVENT = ">", "<", "!"
SETTLE_SECONDS = 1.0
"""What a board may still say behind the last record."""
_RECORD = re.compile(r"(\d+(?:\.\d+)?) ([><!])(?: (.*))?")
_ESCAPE = re.compile(r"\\(\\|n|r|x[0-9A-Fa-f]{2}|.?)")
_PLAIN = {"\\": "\\", "n": "\n", "r": "\r"}


class BadWireLog(ValueError):
    """Not a wire log; the message is one line that names the place."""


@dataclass(frozen=True, slots=True)
class Record:
    """One chunk: `at` seconds, `way` is `>`, `<` or `!`; `data` of an event is its text."""

    at: float
    way: str
    data: bytes


def read_wire_log(path: Path) -> list[Record]:
    """The records of a file. Raises BadWireLog."""
    try:
        lines = path.read_text(encoding="ascii").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise BadWireLog(f"{path}: {getattr(error, 'strerror', None) or 'not plain ASCII'}") from error
    records: list[Record] = []
    for number, line in enumerate(lines, start=1):
        if not line or line.startswith("#"):
            continue
        found = _RECORD.fullmatch(line)
        try:
            if found is None:
                raise BadWireLog("not `SECONDS > BYTES`")
            records.append(Record(float(found[1]), found[2], _bytes(found[3] or "")))
        except BadWireLog as error:
            raise BadWireLog(f"{path}, line {number}: {error}") from error
    if not any(record.way == FROM_PRINTER for record in records):
        raise BadWireLog(f"{path}: the printer says nothing in it")
    return records


def _bytes(text: str) -> bytes:
    def plain(found: re.Match[str]) -> str:
        escape = found[1]
        if escape[:1] == "x" and len(escape) == 3:
            return chr(int(escape[1:], 16))
        if escape not in _PLAIN:
            raise BadWireLog(f"no such escape: {found[0]!r}")
        return _PLAIN[escape]

    return _ESCAPE.sub(plain, text).encode("latin-1")


def lines_of(records: Iterable[Record], way: str) -> list[bytes]:
    whole = b"".join(record.data for record in records if record.way == way)
    return whole.removesuffix(b"\n").split(b"\n") if whole else []


def said_by(board: Board, records: Sequence[Record]) -> list[str]:
    """What a board says when the recorded host talks to it at the recorded times.

    If the host speaks first in the recording, the board has booted before and its banner is not among it.
    """
    first = next(record for record in records if record.way != EVENT)
    if first.way == TO_PRINTER:
        board.poll(first.at - SETTLE_SECONDS)
        board.poll(first.at)
    heard = b""
    for record in records:
        heard += board.poll(record.at)
        if record.way == TO_PRINTER:
            board.receive(record.data, record.at)
    heard += board.poll(records[-1].at + SETTLE_SECONDS)
    return [line.decode("latin-1") for line in heard.split(b"\n")[:-1]]


def differences(board: Board, records: Sequence[Record]) -> list[str]:
    """Where the board answers otherwise than the recorded printer did, in words; empty: the same."""
    recorded = [line.decode("latin-1") for line in lines_of(records, FROM_PRINTER)]
    pairs = itertools.zip_longest(recorded, said_by(board, records))
    return [
        f"line {n}: recorded {one!r}, the board {two!r}"
        for n, (one, two) in enumerate(pairs, 1)
        if one != two
    ]

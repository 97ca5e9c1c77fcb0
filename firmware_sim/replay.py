"""Recorded wire logs: played to a host, or fed to a board whose answers are compared.

    # print-gateway wire log 1; seconds (monotonic), > to the printer, < from the printer, ! events
    12.345901 > N1 M105*38\\n
    12.350000 < ok T:20.00 /0.00\\r\\n

A record is one chunk of bytes as a port took or gave it. 0x20 to 0x7E stand for themselves except the
backslash (`\\\\`); newline is `\\n`, carriage return `\\r`, every other byte `\\xHH`.
"""

from __future__ import annotations

import itertools
import re
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from firmware_sim.machine.board import Board
from firmware_sim.wire.link import Link

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


class Replay(Link):
    """A link at whose far end a recording plays the printer.

    What the printer said comes when the host has sent as many lines as it had sent by then, after the
    recorded pause. A line that is not the recorded one becomes an entry `deviation` and is told, and the play
    goes on. `board` lends its ledger and never runs.
    """

    def __init__(
        self, board: Board, records: Sequence[Record], tell: Callable[[str], None] = lambda _: None
    ) -> None:
        super().__init__(board)
        self._tell = tell
        self._expected = _lines_of(records, TO_PRINTER)
        self._cues: deque[tuple[int, float, bytes]] = deque(_cues(records))
        self._tail = b""
        self._heard = 0
        self._ready_since: float | None = None

    @property
    def is_over(self) -> bool:
        """Everything has been said and every recorded line has come."""
        return not self._cues and self._heard >= len(self._expected)

    def receive(self, data: bytes, now: float) -> None:
        """The host writes."""
        *lines, self._tail = (self._tail + data).split(b"\n")
        for line in lines:
            self._compare(line, now)
            self._heard += 1
        self._wait_from(now)

    def poll(self, now: float) -> bytes:
        """What the printer says by `now`."""
        if self._ready_since is None:
            self._wait_from(now)
        said = b""
        while (due := self.next_deadline()) is not None and due <= now:
            said += self._cues.popleft()[2]
            self._ready_since = None
            self._wait_from(due)
        return said

    def next_deadline(self) -> float | None:
        """When the next chunk is due; None while the host owes a line, and at the end."""
        if not self._cues or self._ready_since is None or self._heard < self._cues[0][0]:
            return None
        return self._ready_since + self._cues[0][1]

    def rx_free(self) -> int | None:
        """A recording holds nobody off."""
        return None

    def _wait_from(self, now: float) -> None:
        if self._ready_since is None and self._cues and self._heard >= self._cues[0][0]:
            self._ready_since = now

    def _compare(self, line: bytes, now: float) -> None:
        expected = self._expected[self._heard] if self._heard < len(self._expected) else None
        if line != expected:
            shown = "the end" if expected is None else expected.decode("latin-1")
            text = line.decode("latin-1")
            self.board.ledger.append(now, "deviation", source="host", line=text, effect=f"recorded: {shown}")
            self._tell(f"line {self._heard + 1}: the host sent {text!r}, recorded: {shown}")


def _cues(records: Sequence[Record]) -> Iterable[tuple[int, float, bytes]]:
    """Per chunk of the printer: lines the host had sent by then, seconds since the last record, bytes."""
    lines = 0
    before = records[0].at if records else 0.0
    for record in records:
        if record.way == TO_PRINTER:
            lines += record.data.count(b"\n")
        elif record.way == FROM_PRINTER:
            yield lines, max(0.0, record.at - before), record.data
        before = record.at


def _lines_of(records: Iterable[Record], way: str) -> list[bytes]:
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
    recorded = [line.decode("latin-1") for line in _lines_of(records, FROM_PRINTER)]
    pairs = itertools.zip_longest(recorded, said_by(board, records))
    return [
        f"line {n}: recorded {one!r}, the board {two!r}"
        for n, (one, two) in enumerate(pairs, 1)
        if one != two
    ]

"""A recorded wire log plays the printer, to a host that may ask at other moments than the recorded one.

A host asks by the clock (M105, M27), so no two runs have their questions in the same places, and every
number behind a question is another one. Therefore lines are compared without number and checksum; a question
may come where none was recorded, and be left out where one was; and answers carry the numbers of the host
that hears them.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from firmware_sim.machine.board import Board
from firmware_sim.replay import FROM_PRINTER, TO_PRINTER, Record, lines_of
from firmware_sim.wire.link import Link

QUESTIONS = (b"M105", b"M27")
"""What a host asks when it likes, and what changes nothing on a machine."""
_FRAME = re.compile(rb"N(\d+) ?(.*?)(?:\*\d+)?", re.DOTALL)
_ANSWERED_NUMBER = re.compile(rb"(ok N?)(\d+)\b")
_TOLD_NUMBER = re.compile(rb"(Resend: ?|Last Line: ?|rs N?)(\d+)")
_RESEND = re.compile(rb"(?:Resend: ?|rs N?)(\d+)")
_CARD = re.compile(rb"(?:Not )?SD printing.*\n")


def _read(line: bytes) -> tuple[int | None, bytes]:
    """Number and command of a line from the host."""
    found = _FRAME.fullmatch(line)
    return (int(found[1]), found[2]) if found else (None, line)


@dataclass(slots=True)
class _Said:
    """One line of the printer. Lines of the host are counted from 0.

    `answers`: whose ok it is. `while_at`: the oldest one without an answer when it was said.
    """

    pause: float
    data: bytes
    host_lines: int
    answers: int | None = None
    while_at: int | None = None


class Replay(Link):
    """A link at whose far end a recording plays the printer.

    What the printer said comes in the recorded order after the recorded pauses: an ok when its line has come,
    a refusal when the host has sent what it had sent by then, the rest when the line has come that waited for
    its ok then. A line that is not the recorded one becomes an entry `deviation` and is told, and the play
    goes on. `board` lends its ledger and never runs.
    """

    def __init__(
        self, board: Board, records: Sequence[Record], tell: Callable[[str], None] = lambda _: None
    ) -> None:
        super().__init__(board)
        self._tell = tell
        self._lines = lines_of(records, TO_PRINTER)
        self._recorded = [_read(line) for line in self._lines]
        said = list(_said(records))
        _attribute(said, self._recorded)
        self._answers = _first_answers(said, self._recorded)
        self._to_say = deque(said)
        self._answered = frozenset(one.answers for one in said)
        """Recorded lines that have an ok in the recording."""
        self._came: dict[int, int | None] = {}
        """Recorded line that waits for its ok -> the number that this host gave it."""
        self._numbers: dict[int, int] = {}
        self._extra: deque[tuple[int, int | None, bytes]] = deque()
        """Questions that were not recorded: behind which line, number, command."""
        self._card = b""
        self._next = 0
        self._heard = 0
        self._tail = b""
        self._ready_since: float | None = None

    @property
    def is_over(self) -> bool:
        """Everything has been said and every recorded line has come."""
        return not self._to_say and self._beyond_questions() >= len(self._lines)

    def receive(self, data: bytes, now: float) -> None:
        """The host writes."""
        *lines, self._tail = (self._tail + data).split(b"\n")
        for line in lines:
            self._heard += 1
            self._hear(line, now)
        self._wait_from(now)

    def poll(self, now: float) -> bytes:
        """What the printer says by `now`."""
        self._wait_from(now)
        said = self._extra_answers()
        while (due := self._due()) is not None and due <= now:
            one = self._to_say.popleft()
            said += self._as_heard(one)
            said += self._extra_answers()
            self._ready_since = None
            self._wait_from(due)
        return said

    def next_deadline(self) -> float | None:
        """When the next line is due; None while the host owes a line, and at the end."""
        return 0.0 if self._is_extra_due() else self._due()

    def rx_free(self) -> int | None:
        """A recording holds nobody off."""
        return None

    # -- the host -----------------------------------------------------------------------------------------

    def _hear(self, line: bytes, now: float) -> None:
        number, command = _read(line)
        if not self._is_recorded_at(self._next, command):
            beyond = self._beyond_questions()
            if command in QUESTIONS:
                self._extra.append((self._next, number, command))
                return
            if self._is_recorded_at(beyond, command):
                self._next = beyond
            else:
                self._deviates(line, now)
        place, self._next = self._next, self._next + 1
        if place >= len(self._recorded):
            return
        recorded = self._recorded[place][0]
        if recorded is not None and number is not None:
            self._numbers[recorded] = number
        if place in self._answered:
            self._came[place] = number

    def _is_recorded_at(self, place: int, command: bytes) -> bool:
        return place < len(self._recorded) and self._recorded[place][1] == command

    def _beyond_questions(self) -> int:
        place = self._next
        while place < len(self._recorded) and self._recorded[place][1] in QUESTIONS:
            place += 1
        return place

    def _deviates(self, line: bytes, now: float) -> None:
        is_end = self._next >= len(self._lines)
        shown = "the end" if is_end else self._lines[self._next].decode("latin-1")
        text = line.decode("latin-1")
        self.board.ledger.append(now, "deviation", source="host", line=text, effect=f"recorded: {shown}")
        self._tell(f"line {self._heard}: the host sent {text!r}, recorded: {shown}")

    # -- the printer --------------------------------------------------------------------------------------

    def _due(self) -> float | None:
        if not self._to_say or self._ready_since is None or not self._may_be_said(self._to_say[0]):
            return None
        return self._ready_since + self._to_say[0].pause

    def _wait_from(self, now: float) -> None:
        if self._ready_since is None and self._to_say and self._may_be_said(self._to_say[0]):
            self._ready_since = now

    def _may_be_said(self, one: _Said) -> bool:
        if _TOLD_NUMBER.search(one.data) or one.data.startswith(b"Error:"):
            return one.host_lines <= self._beyond_questions()
        return one.while_at is None or one.while_at < self._next

    def _as_heard(self, one: _Said) -> bytes:
        """The line with this host's numbers; nothing, if it answers what was not asked."""
        if one.answers is None:
            if found := _CARD.fullmatch(one.data):
                self._card = found[0]
            return _TOLD_NUMBER.sub(self._renumbered, one.data)
        command = self._recorded[one.answers][1]
        if command in QUESTIONS:
            self._answers[command] = one.data
        if one.answers not in self._came:
            return b""
        return _with_number(one.data, self._came.pop(one.answers))

    def _renumbered(self, found: re.Match[bytes]) -> bytes:
        number = int(found[2])
        mine = self._numbers.get(number)
        if mine is None and number - 1 in self._numbers:
            mine = self._numbers[number - 1] + 1
        return found[1] + (found[2] if mine is None else b"%d" % mine)

    def _is_extra_due(self) -> bool:
        """Its turn has come when every line in front of it has its answer."""
        return bool(self._extra) and all(place >= self._extra[0][0] for place in self._came)

    def _extra_answers(self) -> bytes:
        said = b""
        while self._is_extra_due():
            _, number, command = self._extra.popleft()
            said += self._card if command == b"M27" else b""
            said += _with_number(self._answers.get(command, b"ok\n"), number)
        return said


def _with_number(ok: bytes, number: int | None) -> bytes:
    return ok if number is None else _ANSWERED_NUMBER.sub(rb"\g<1>%d" % number, ok, count=1)


def _said(records: Sequence[Record]) -> Iterator[_Said]:
    """The printer's lines; the pause is that since the last record, of either side."""
    lines, tail = 0, b""
    before = records[0].at if records else 0.0
    for record in records:
        if record.way == TO_PRINTER:
            lines += record.data.count(b"\n")
        elif record.way == FROM_PRINTER:
            *whole, tail = (tail + record.data).split(b"\n")
            pause = max(0.0, record.at - before)
            for line in whole:
                yield _Said(pause, line + b"\n", lines)
                pause = 0.0
        before = record.at
    if tail:
        yield _Said(0.0, tail, lines)


def _attribute(said: Sequence[_Said], recorded: Sequence[tuple[int | None, bytes]]) -> None:
    """Find the line that each ok belongs to: the one it names, else the oldest without an answer.

    What a Resend refuses is answered by it, and the ok behind it belongs to no line. Empty lines are answered
    by few (Klipper does).
    """
    oks = [one for one in said if one.data.startswith(b"ok")]
    are_empty_answered = len(oks) >= len(recorded)
    waiting: deque[int] = deque()
    sent = 0
    is_refusal = False
    for one in said:
        while sent < min(one.host_lines, len(recorded)):
            if recorded[sent][1] or are_empty_answered:
                waiting.append(sent)
            sent += 1
        one.while_at = waiting[0] if waiting else None
        if refused := _RESEND.match(one.data):
            is_refusal = True
            waiting = deque(p for p in waiting if (recorded[p][0] or 0) < int(refused[1]))
        elif not one.data.startswith(b"ok"):
            continue
        elif is_refusal:
            is_refusal = False
        elif waiting:
            one.answers = one.while_at = _answered_by(one.data, waiting, recorded)


def _answered_by(ok: bytes, waiting: deque[int], recorded: Sequence[tuple[int | None, bytes]]) -> int:
    named = _ANSWERED_NUMBER.match(ok)
    if named:
        for place in waiting:
            if recorded[place][0] == int(named[2]):
                waiting.remove(place)
                return place
    return waiting.popleft()


def _first_answers(said: Sequence[_Said], recorded: Sequence[tuple[int | None, bytes]]) -> dict[bytes, bytes]:
    """For questions that come before the first recorded one."""
    found: dict[bytes, bytes] = {}
    for one in said:
        if one.answers is not None and recorded[one.answers][1] in QUESTIONS:
            found.setdefault(recorded[one.answers][1], one.data)
    return found

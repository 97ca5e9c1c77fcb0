"""The judge of damage that no host could have detected.

The wire knows what was sent and where it was harmed; the board knows which bytes made up a line that it
accepted. Joined, they tell whether a command ran that is not what the host sent although the host had
numbered and checksummed it. Only then is the entry of the ledger labelled, with the reason and the line sent:

* the checksum still holds (an XOR forgives two equal flips);
* the `N` was harmed, so the firmware took the line for an un-numbered one and checked nothing;
* the firmware checks nothing at all.

Not labelled: whatever the firmware refused or dropped (the next number tells), and what it did not know if
that had no number; with a number an `unknown` entry takes the place of the line that was sent. Nor a line
that the host sent without a checksum (its own choice); damage toward the host (numbers protect the print).
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable

from firmware_sim.ledger import Entry
from firmware_sim.machine.intake import strip

REMEMBERED_LINES = 512
"""Lines sent that a damaged one is compared with: more than any receive buffer holds."""
LONGEST_TAIL = 4096
"""Bytes of an unfinished line that are remembered."""
LABEL = "undetectable: "
CHECKSUM_HOLDS = "the checksum still holds"
NUMBER_HARMED = "the line number was harmed, so nothing was checked"
NOTHING_CHECKED = "this firmware checks nothing"
_SENT = "; sent: "
_CHECKSUMMED = re.compile(rb" *N *[-+]?\d+.*\*\d+ *")
_LINE_ENDS = re.compile(rb"[\n\r]")


class SentLines:
    """What the host sent, undamaged, and where it was harmed on the way.

    Places are counted in bytes that ever entered the board's receive buffer.
    """

    def __init__(self) -> None:
        self.tail = b""
        self._lines: deque[bytes] = deque(maxlen=REMEMBERED_LINES)
        self._line_count = 0
        self._harmed: deque[tuple[int, int]] = deque()

    @property
    def has_harm(self) -> bool:
        """Whether any damaged place may still be in the receive buffer."""
        return bool(self._harmed)

    def glance(self, data: bytes) -> None:
        """Keep up with `data` while no damage is possible: only the unfinished line matters."""
        end = max(data.rfind(b"\n"), data.rfind(b"\r"))
        self.tail = (data[end + 1 :] if end >= 0 else self.tail + data)[-LONGEST_TAIL:]

    def note(self, data: bytes, places: Iterable[tuple[int, int]], entered: int) -> None:
        """`data` was sent; each of `places` is (where harm arrived, where it was sent), both from its start.

        entered: bytes that had entered the receive buffer before.
        """
        ends = [found.start() for found in _LINE_ENDS.finditer(data)]
        at_line, index = 0, self._line_count
        for arrived, sent in places:
            while at_line < len(ends) and sent > ends[at_line]:
                at_line += 1
            # A new line end makes two lines of one: the byte behind it is harmed as well.
            self._harmed.append((entered + arrived, index + at_line))
            self._harmed.append((entered + arrived + 1, index + at_line))
        *whole, self.tail = _LINE_ENDS.split(self.tail + data)
        self.tail = self.tail[-LONGEST_TAIL:]
        self._lines.extend(whole)
        self._line_count += len(whole)

    def settle(self, entered: int) -> None:
        """So many bytes have entered: harm to those that did not (a dead board, a full buffer) is over."""
        while self._harmed and self._harmed[-1][0] > entered:
            self._harmed.pop()

    def judge(self, line: bytes, start: int, end: int, *, unchecked: bool = False) -> str:
        """The label of an accepted line made of the bytes from `start` to `end`; empty for nearly all."""
        touched: list[int] = []
        while self._harmed and self._harmed[0][0] < end:
            place, index = self._harmed.popleft()
            if place >= start:
                touched.append(index)
        arrived = line.strip(b" ")
        if not touched or any(arrived == sent.strip(b" ") for sent in self._lines):
            return ""
        sent = next((text for text in map(self._line, touched) if _CHECKSUMMED.fullmatch(text)), None)
        if sent is None:
            return ""
        ran, meant = strip(arrived), strip(sent)
        counted = unchecked or ran.number is not None
        if counted and ran.command == meant.command:
            return ""
        reason = NOTHING_CHECKED if unchecked else CHECKSUM_HOLDS if counted else NUMBER_HARMED
        return f"{LABEL}{reason}{_SENT}{sent.decode('latin-1')}"

    def _line(self, index: int) -> bytes:
        """A line sent, whole; what there is of it if its end has not been sent yet."""
        behind = self._line_count - index
        if behind > len(self._lines):
            return b""
        return self._lines[-behind] if behind > 0 else self.tail


def is_undetectable(entry: Entry) -> bool:
    """Whether a host is excused for this entry."""
    return entry.effect is not None and entry.effect.startswith(LABEL)


def executed_as_sent(entries: Iterable[Entry], source: str = "host") -> list[str]:
    """The executed commands, with what no host could detect taken back: for checkers.

    A numbered line whose checksum held counts as the line that was sent; a line that ran unchecked for want
    of its number is left out (the host sends it again when it is asked for).
    """
    commands: list[str] = []
    for entry in entries:
        if entry.event not in ("executed", "unknown") or entry.source != source:
            continue
        if not is_undetectable(entry):
            if entry.event == "executed":
                commands.append(entry.line or "")
        elif NUMBER_HARMED not in (entry.effect or ""):
            sent = (entry.effect or "").partition(_SENT)[2].encode("latin-1")
            commands.append(strip(sent).command.decode("latin-1"))
    return commands

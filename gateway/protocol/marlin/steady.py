"""The short way through a link in its steady state: plain answers in, the next lines of a print out.

Nearly all of a print is this, so nearly all of its processor time goes here. `Steady.count` does with reads
that hold nothing but whole `ok` or `ok N7 P15 B3` lines exactly what `parse_reply` and the link's hearing do
with each of them, in one go. Whenever anything else is the matter (another phase, a question under way, a
marker that is next, half a line, any other word) it changes nothing and says so, and the long way is taken.
`Steady.hand_over` is `submit` for many lines. `tests/protocol/marlin/test_steady.py` holds both ways against
each other, for any bytes in any cuts.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from gateway.protocol.marlin.connection import Connection
from gateway.protocol.marlin.framing import LineNotSendable, numbered_plain
from gateway.protocol.marlin.incoming import LineReader
from gateway.protocol.marlin.link_states import LinkPhase
from gateway.protocol.marlin.patience import Patience
from gateway.protocol.marlin.silence import Silence

#: Reads that are only plain oks, and how many: more of them at once come by the long way.
_PLAIN_OKS = {b"ok\n" * count: count for count in range(1, 33)}
#: Commands that take long or wait for somebody. Nothing of the print goes behind them before they are done:
#: what the firmware has cannot be taken back, and a print that is paused or cancelled while it heats or homes
#: shall not move when that ends.
_ALONE = frozenset(
    b"G4 G12 G27 G28 G29 G30 G33 G34 G76 M0 M1 M48 M109 M116 M190 M191 M226 M303 M600 M601 M701 M702".split()
)
_NAMED_OK = re.compile(rb"ok N(\d{1,9}) P\d{1,9} B(\d{1,4})\n")


class Steady:
    """Counts plain answers and numbers the lines of a print."""

    def __init__(
        self, connection: Connection, reader: LineReader, patience: Patience, silence: Silence
    ) -> None:
        self._link = connection
        self._reader = reader
        self._patience = patience
        self._silence = silence
        self._alone = 0  # number of the line behind which nothing goes yet

    def count(self, data: bytes, now: float) -> bool:
        """Take bytes from the port, if they are only answers to lines. False: nothing is done with them."""
        link = self._link
        if (
            link.phase is not LinkPhase.STREAMING
            or not link.is_ready
            or not self._silence.is_calm
            or not self._reader.is_at_line_start
        ):
            return False
        oks = _PLAIN_OKS.get(data)
        if not (self._count_named(data) if oks is None else link.window.count_plain(oks)):
            return False
        self._patience.answer_seen(now)
        return True

    def _count_named(self, data: bytes) -> bool:
        window, end, at = self._link.window, len(data), 0
        named = []
        while at < end:
            match = _NAMED_OK.match(data, at)
            if match is None:
                return False
            named.append((int(match[1]), int(match[2])))
            at = match.end()
        for number, block_free in named:
            window.learn(block_free, number)
            window.count_named(number)
        return True

    def hand_over(self, lines: Sequence[tuple[bytes, int, int]], at: int) -> int:
        """Number the lines from index `at` on as far as there is room; how many. Each begins with its text.

        Raises LineNotSendable when the first of them cannot be sent.
        """
        link = self._link
        window, profile = link.window, link.profile
        line_chars, runs = profile.line_chars, not link.is_saving
        marks = profile.temperature_in_ok and runs
        before = number = window.last
        room, space = (0, 0) if window.acked < self._alone <= number else window.room()
        try:
            for text, _, _ in lines[at : at + max(room, 0)]:
                if space <= 0:
                    break
                frame = numbered_plain(number + 1, text, line_chars)
                number = window.append(frame, is_marker=marks and text.startswith(b"M105"))
                space -= len(frame)
                if runs and not text.startswith(b"G1") and text.split(b" ", 1)[0] in _ALONE:
                    self._alone = number
                    break
        except LineNotSendable:
            if number == before:
                raise
        return number - before

"""The lines of a file on their way to the printer's card, and what they amount to there.

A line that says M29 anywhere would end the saving in the middle, and the rest of the file would be run; an
M112 stops a Prusa when it is read, numbered and meant for a file or not. Neither is sent. Sources: queue.cpp
(is_M29), cardreader.cpp (write_command) of Marlin 2.1; cmdqueue.cpp of Prusa-Firmware 3.14.
"""

from __future__ import annotations

import asyncio
import re
from collections import deque
from collections.abc import Callable, Iterator
from functools import partial
from typing import BinaryIO

from gateway.domain.orders import UploadFile
from gateway.drivers.marlin.unfinished import open_unchanged
from gateway.gcode.lines import BlockLine, line_blocks
from gateway.protocol.marlin.framing import LineNotSendable
from gateway.protocol.marlin.link import Link

#: CR and LF, which the firmware puts behind each line (write_command).
LINE_END_BYTES = 2

_ENDS_SAVING = re.compile(rb"M29(?!\d)")
#: Emergency parsers skip digits, blanks and minus signs between a line's number and its M.
_STOPS = re.compile(rb"[-0-9 ]*M *112(?!\d)")


class UploadLines:
    """One file: checked in a thread, then handed over line by line."""

    def __init__(self, order: UploadFile) -> None:
        self.trouble: str | None = None  # why the file cannot be sent
        self.sent = 0  # bytes of the file whose lines were answered
        self.written = 0  # bytes that the lines handed over have on the card
        self.are_over = False  # all of them were handed over
        self._order = order
        self._file: BinaryIO | None = None
        self._is_wanted = True
        self._blocks: Iterator[list[BlockLine]] = iter(())
        self._block: list[BlockLine] = []
        self._next = 0
        self._flying: deque[tuple[int, int]] = deque()  # number of a line, bytes of the file behind it

    @property
    def are_checked(self) -> bool:
        """Whether the file is known to be the ordered one, or why not."""
        return self._file is not None or self.trouble is not None

    def check(self, wake: Callable[[], None]) -> None:
        """Open and hash the file in a thread; `wake` is called when that is done."""
        order = self._order
        work = partial(open_unchanged, order.path, order.size, order.sha256, lambda: self._is_wanted)
        future = asyncio.get_running_loop().run_in_executor(None, work)
        future.add_done_callback(partial(self._checked, wake))

    def _checked(self, wake: Callable[[], None], done: asyncio.Future[BinaryIO]) -> None:
        if done.cancelled():
            return
        error = done.exception()
        if error is not None:
            self.trouble = str(error)
        elif not self._is_wanted:
            done.result().close()
        else:
            self._file = done.result()
            self._blocks = line_blocks(self._file)
        wake()

    def let_go(self) -> None:
        """The upload is over, or the driver's run is."""
        self._is_wanted = False
        if self._file is not None:
            self._file.close()
            self._file = None

    def hand_over(self, link: Link) -> bool:
        """Hand over lines while there is room. False: the link took none, or there are none left.

        Raises ValueError, for people, when the file cannot be sent any further.
        """
        if not self._are_left():
            return False
        block, begin = self._block, self._next
        try:
            self._next = end = begin + link.hand_over(block, begin)
        except LineNotSendable as error:
            raise ValueError(f"line {block[begin][2]}: {error}") from error
        if end == begin:
            return False
        self._flying.append((link.last_number, block[end - 1][1]))
        self.written += sum(len(text) + LINE_END_BYTES for text, _, _ in block[begin:end])
        return True

    def _are_left(self) -> bool:
        while self._next == len(self._block):
            try:
                block = next(self._blocks, None)
            except OSError as error:
                raise ValueError(f"it cannot be read any further ({error.strerror})") from error
            if block is None:
                self.are_over = True
                return False
            self._block, self._next = list(_as_written(block)), 0
        return True

    def see_answers(self, acked: int) -> None:
        """The lines up to number `acked` were answered."""
        flying = self._flying
        while flying and flying[0][0] <= acked:
            self.sent = flying.popleft()[1]


def _as_written(block: list[BlockLine]) -> Iterator[BlockLine]:
    """The lines as the card will have them: the firmware cuts each at its first `*`. Raises ValueError."""
    for text, end, ordinal in block:
        if b"*" in text:
            text = text[: text.index(b"*")]
        text = text.strip(b" ")
        if _ENDS_SAVING.search(text):
            raise ValueError(f"line {ordinal} says M29, which ends every upload; print it from here instead")
        if _STOPS.match(text):
            raise ValueError(
                f"line {ordinal} is an emergency stop, and printers obey it while they receive it"
            )
        if text:
            yield text, end, ordinal

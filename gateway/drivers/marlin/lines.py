"""The lines of a print file on their way to the link: read a block ahead, handed over as there is room."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

from gateway.drivers.marlin.stages import Place
from gateway.gcode.lines import BlockLine, line_blocks
from gateway.protocol.marlin.link import Link


class FileLines:
    """Where a print is in its file. `file` None: there is nothing to be sent."""

    def __init__(self, file: BinaryIO | None, size: int, behind: Place) -> None:
        """`size`: bytes that were ordered; what a file grew by since then is not sent."""
        self._blocks: Iterator[list[BlockLine]] = iter(())
        if file is not None:
            self._blocks = line_blocks(file, start=behind.offset, start_ordinal=behind.line)
        self._size = size
        self._block: list[BlockLine] = []
        self._next = 0

    def are_left(self) -> bool:
        """Whether there is one more. Raises LineOverlong or OSError for what the file is."""
        if self._next == len(self._block):
            self._block, self._next = next(self._blocks, []), 0
            while self._block and self._block[-1][1] > self._size:
                self._block.pop()
        return bool(self._block)

    def hand_over(self, link: Link) -> list[BlockLine]:
        """The lines that the link took now. Raises LineNotSendable for the first that cannot be sent."""
        begin = self._next
        self._next = end = begin + link.hand_over(self._block, begin)
        return self._block[begin:end]

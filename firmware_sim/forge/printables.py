"""A print file as it comes in: its hash, its size, and how many layers it has. The content is not kept."""

from __future__ import annotations

import hashlib
import re

LONGEST_LINE_BYTES = 64 * 1024
"""A piece without a line end that is longer is no G-code: it is hashed and not looked at."""

_LAYER_COMMENT = re.compile(rb"^;\s*(LAYER:\s*-?\d+|LAYER_CHANGE|BEFORE_LAYER_CHANGE)\b")
_MOVE = re.compile(rb"^G[01]\s")
_Z = re.compile(rb"\sZ(-?\d+(?:\.\d*)?)")
_EXTRUDES = re.compile(rb"\sE-?\d")


class Printable:
    """Fed with a file's bytes in order.

    Layers are the slicer's comments (`;LAYER:3` as Cura writes, `;LAYER_CHANGE` as PrusaSlicer); without them
    the number of heights at which something is extruded.
    """

    def __init__(self) -> None:
        self.size = 0
        self._hash = hashlib.sha256()
        self._line = bytearray()
        self._is_text = True
        self._comments: dict[bytes, int] = {}
        self._heights: set[bytes] = set()
        self._height = b"0"

    def feed(self, chunk: bytes) -> None:
        """The next bytes."""
        self.size += len(chunk)
        self._hash.update(chunk)
        if not self._is_text:
            return
        self._line += chunk
        if b"\n" in chunk:
            *lines, self._line = self._line.split(b"\n")
            for line in lines:
                self._is_text = self._is_text and len(line) <= LONGEST_LINE_BYTES
                self._look_at(bytes(line).strip())
        if len(self._line) > LONGEST_LINE_BYTES or not self._is_text:
            self._is_text = False
            self._line.clear()

    @property
    def sha256(self) -> str:
        """Hexadecimal, of everything fed so far."""
        return self._hash.hexdigest()

    def layers(self) -> int:
        """0 when the file shows none: it is no G-code."""
        if not self._is_text:
            return 0
        if self._line:
            self._look_at(bytes(self._line).strip())
            self._line.clear()
        return max(self._comments.values(), default=0) or len(self._heights)

    def _look_at(self, line: bytes) -> None:
        if comment := _LAYER_COMMENT.match(line):
            kind = comment[1].partition(b":")[0]
            self._comments[kind] = self._comments.get(kind, 0) + 1
        elif _MOVE.match(line):
            if height := _Z.search(line):
                self._height = height[1]
            if _EXTRUDES.search(line):
                self._heights.add(self._height)

"""Bytes to command lines, the way the firmware's serial loop does it: one byte at a time.

A line is collected in a buffer of 96 bytes (the last is the terminator, so 95 count; the rest of a longer
line is thrown away up to its end). `;` starts a comment. An empty line is nothing at all; a line of blanks
is a command with an empty name. A NUL byte ends the text but not the line: the firmware's strings are C's.
Then the line number and the checksum are judged:

    N expected + good checksum                  accepted
    N = last or last - 1                        silently dropped: no ok, no error
    any other N (unless the line says M110)     Error, Resend: last+1, ok
    checksum wrong or absent                    Error, Resend: last+1, ok
    no N                                        accepted unchecked; a `*` and what follows is ignored later

Source: recorded runs, `tests/vectors/marlin/*.toml`; order of the checks as in Marlin's queue.cpp.
"""

from __future__ import annotations

import enum
from collections import deque
from dataclasses import dataclass

from firmware_sim.machine import replies

MAX_COMMAND_BYTES = 96
"""Marlin's MAX_CMD_SIZE, terminator included."""

_NEWLINE, _RETURN, _SEMICOLON, _BACKSLASH, _BACKSPACE = b"\n\r;\\\b"
_SPECIAL = frozenset((_NEWLINE, _RETURN, _SEMICOLON, _BACKSLASH, _BACKSPACE))
_N = ord("N")


class _Mode(enum.Enum):
    NORMAL = enum.auto()
    SKIP_TO_END = enum.auto()
    ESCAPED = enum.auto()


class Intake:
    """The collecting half: keeps its place between calls, wherever the bytes were cut."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._mode = _Mode.NORMAL

    def next_line(self, rx: deque[int]) -> bytes | None:
        """Eat bytes from `rx` until one line is complete; None when they run out first.

        Bytes behind the line stay in `rx`: the firmware stops reading when its command ring is full.
        """
        buffer, mode, special, normal = self._buffer, self._mode, _SPECIAL, _Mode.NORMAL
        next_byte, collect = rx.popleft, buffer.append
        while rx:
            byte = next_byte()
            if byte not in special and mode is normal:
                collect(byte)
                if len(buffer) >= MAX_COMMAND_BYTES - 1:
                    mode = _Mode.SKIP_TO_END
            elif byte == _NEWLINE or byte == _RETURN:
                mode = normal
                if buffer:
                    line = bytes(buffer).partition(b"\0")[0]
                    buffer.clear()
                    self._mode = mode
                    return line
            elif mode is not _Mode.SKIP_TO_END:
                mode = self._special(byte, mode)
        self._mode = mode
        return None

    def _special(self, byte: int, mode: _Mode) -> _Mode:
        """The rare bytes: escape, comment, backspace, and whatever stands behind an escape."""
        if mode is _Mode.NORMAL and byte == _BACKSLASH:
            return _Mode.ESCAPED
        if mode is _Mode.NORMAL and byte == _SEMICOLON:
            return _Mode.SKIP_TO_END
        if byte == _BACKSPACE:
            del self._buffer[-1:]
            return _Mode.NORMAL
        self._buffer.append(byte)
        full = len(self._buffer) >= MAX_COMMAND_BYTES - 1
        return _Mode.SKIP_TO_END if full else _Mode.NORMAL

    @property
    def half_a_line(self) -> bool:
        """Whether a line was begun."""
        return bool(self._buffer)

    def forget(self) -> None:
        """Drop a half-collected line (reset, or the firmware flushed its receive buffer)."""
        self._buffer.clear()
        self._mode = _Mode.NORMAL


@dataclass(frozen=True, slots=True)
class Accepted:
    """A line that goes into the command ring, as it was received."""

    line: bytes


@dataclass(frozen=True, slots=True)
class Repeated:
    """The last accepted number or the one before it: dropped without a word."""

    number: int


@dataclass(frozen=True, slots=True)
class Refused:
    """A line error; the receive buffer is flushed and `Resend:` follows."""

    reason: str


class LineNumbers:
    """The judging half: one counter."""

    def __init__(self) -> None:
        self.last = 0

    def judge(self, line: bytes, *, saving: bool = False) -> Accepted | Repeated | Refused:
        """Decide about one collected line. `saving`: M28 is open, then un-numbered lines need M29."""
        command = line.lstrip(b" ")
        if not command or command[0] != _N:
            if saving and not is_end_of_upload(command):
                return Refused(replies.ERR_NO_CHECKSUM)
            return Accepted(line)
        renumbers = b"M110" in command
        number = leading_number(command[1:])
        if renumbers and (second := command.find(b"N", 4)) >= 0:
            number = leading_number(command[second + 1 :])
        if number != self.last + 1 and not renumbers:
            if self.last - 1 <= number <= self.last:
                return Repeated(number)
            return Refused(replies.ERR_LINE_NUMBER)
        star = command.rfind(b"*")
        if star < 0:
            return Refused(replies.ERR_NO_CHECKSUM)
        if leading_number(command[star + 1 :]) != checksum_of(command[:star]):
            return Refused(replies.ERR_CHECKSUM)
        self.last = number
        return Accepted(line)


def checksum_of(body: bytes) -> int:
    """XOR of what stands before the star, byte by byte."""
    checksum = 0
    for byte in body:
        checksum ^= byte
    return checksum


def leading_number(text: bytes) -> int:
    """C's strtol in base 10: blanks, a sign, digits; 0 when there are none."""
    text = text.lstrip(b" \t")
    sign = -1 if text[:1] == b"-" else 1
    if text[:1] in (b"-", b"+"):
        text = text[1:]
    value = 0
    for byte in text:
        if not 0x30 <= byte <= 0x39:
            break
        value = value * 10 + byte - 0x30
    return sign * value


def is_end_of_upload(command: bytes) -> bool:
    """`M29` and `M29 `, not `M290`."""
    at = command.find(b"M29")
    return at >= 0 and not command[at + 3 : at + 4].isdigit()


@dataclass(frozen=True, slots=True)
class Stripped:
    """A received line taken apart: the command proper, and the number it carried."""

    command: bytes
    number: int | None
    number_text: bytes


def strip(line: bytes) -> Stripped:
    """Take the line number and the checksum off, as the firmware's parser does before it looks."""
    command = line.lstrip(b" ")
    number: int | None = None
    number_text = b""
    if command[:1] == b"N" and (command[1:2].isdigit() or command[1:2] in (b"-", b"+")):
        end = 1
        while end < len(command) and (command[end : end + 1].isdigit() or command[end] in b"+-"):
            end += 1
        number_text = command[1:end]
        number = leading_number(number_text)
        command = command[end:].lstrip(b" ")
    star = command.find(b"*")
    if star >= 0:
        command = command[:star].rstrip(b" ")
    return Stripped(command, number, number_text if line[:1] == b"N" else b"")

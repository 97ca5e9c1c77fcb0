"""Lines on their way to the firmware: what may be sent, and how it is numbered and checked.

A frame is `N<number> <text>*<checksum>\\n`; the checksum is the XOR of all bytes before the `*`.
Facts measured on Marlin 2.1.2 (default build, MAX_CMD_SIZE 96):

* an empty line or a comment gets no answer at all, a whitespace-only line gets `Unknown command: ""`:
  none of them may be sent, for the host would wait for an `ok` that never comes, or count one too many;
* a frame longer than 95 characters loses its checksum and is refused for ever;
* a lower-case command word is an unknown command;
* a backslash is an escape: Marlin drops it before it computes the checksum, which then never matches;
* Klipper drops everything it read together with one byte that is not UTF-8: so ASCII only.
"""

from __future__ import annotations

import re
from functools import reduce
from operator import xor

#: Characters in one frame without its newline: Marlin's MAX_CMD_SIZE (96) less the terminating zero.
MARLIN_LINE_CHARS = 95
#: Commands that the firmware (or its emergency parser) acts on as it reads them: sent bare, never numbered.
EMERGENCY_COMMANDS = frozenset({"M108", "M112", "M410"})
#: The answer to a prompt of the firmware's, by the number of its button: one digit is what the emergency
#: parser reads. The firmware that asked waits inside the command that asked, so only this way gets through.
_PROMPT_ANSWER = re.compile(r"M876 S[0-9]")

_FOLDED_BYTES = 96  # 2 x 384 bits, and no line that firmware takes is longer
#: Printable ASCII that means itself: no comment, no escape.
_PLAIN = bytes(sorted(set(range(0x20, 0x7F)) - set(b";\\")))


class LineNotSendable(ValueError):
    """This text may not go to the printer as one line. The text of the error says why."""


class LineEmpty(LineNotSendable):
    """Nothing is left of the line; Marlin would not answer it."""


class LineTooLong(LineNotSendable):
    """The frame has more characters than the firmware's line buffer."""


class LineUnprintable(LineNotSendable):
    """The line holds bytes outside printable ASCII."""


def is_emergency(command: str) -> bool:
    """Whether the firmware acts on this as it reads it: M108, M112, M410, or `M876 S<button 0-9>`."""
    return command in EMERGENCY_COMMANDS or _PROMPT_ANSWER.fullmatch(command) is not None


def checksum(body: bytes) -> int:
    """XOR of all bytes (0..255), as Marlin computes it over everything before the `*`."""
    # The bytes as one number, folded onto itself: a few operations on it cost less than a loop over 40 bytes.
    if len(body) > _FOLDED_BYTES:
        return reduce(xor, body, 0)
    folded = int.from_bytes(body, "little")
    folded ^= folded >> 384
    folded ^= folded >> 192
    folded ^= folded >> 96
    folded ^= folded >> 48
    folded ^= folded >> 24
    return (folded ^ folded >> 8 ^ folded >> 16) & 0xFF


def sendable(text: str, *, line_chars: int = MARLIN_LINE_CHARS) -> bytes:
    """`text` as the bytes of one un-numbered line, without newline.

    Strips a `;` comment and surrounding blanks. Raises LineEmpty, LineUnprintable or LineTooLong.
    """
    if ";" in text:
        text = text[: text.index(";")]
    text = text.strip(" \t\r\n")
    if not text:
        raise LineEmpty("there is nothing to send in an empty line or a comment")
    if not (text.isascii() and text.isprintable()):
        odd = next(char for char in text if not (char.isascii() and char.isprintable()))
        raise LineUnprintable(f"character {odd!r} in {text[:40]!r} is not printable ASCII")
    if "\\" in text:
        raise LineUnprintable(f"the firmware takes the backslash in {text[:40]!r} for an escape")
    if len(text) > line_chars:
        raise LineTooLong(f"{len(text)} characters, the firmware takes {line_chars}: {text[:40]!r}…")
    return text.encode("ascii")


def bare(text: str, *, line_chars: int = MARLIN_LINE_CHARS) -> bytes:
    """One un-numbered line with its newline. Raises LineNotSendable."""
    return sendable(text, line_chars=line_chars) + b"\n"


def checked(text: str) -> bytes:
    """One line with a checksum and no number, and its newline. Raises LineNotSendable.

    Repetier with FEATURE_CHECKSUM_FORCED takes no line without a checksum, M112 included (gcode.cpp); Prusa
    and the first Marlins refuse one that has a checksum and no number.
    """
    body = sendable(text)
    return b"%b*%d\n" % (body, checksum(body))


def numbered(number: int, text: str, *, line_chars: int = MARLIN_LINE_CHARS) -> bytes:
    """One numbered, checked frame with its newline. Raises LineNotSendable."""
    body = b"N%d %b" % (number, sendable(text, line_chars=line_chars))
    frame = b"%b*%d\n" % (body, checksum(body))
    if len(frame) - 1 > line_chars:
        raise LineTooLong(
            f"{len(frame) - 1} characters with number and checksum, the firmware takes {line_chars}:"
            f" {text[:40]!r}…"
        )
    return frame


def numbered_plain(number: int, text: bytes, line_chars: int) -> bytes:
    """`numbered`, for a text in bytes: the lines of a print, of which nearly all can go as they are."""
    if not text or text[0] == 0x20 or text[-1] == 0x20 or text.translate(None, _PLAIN):
        return numbered(number, text.decode("latin-1"), line_chars=line_chars)
    body = b"N%d %b" % (number, text)
    frame = b"%b*%d\n" % (body, checksum(body))
    if len(frame) - 1 > line_chars:
        return numbered(number, text.decode("ascii"), line_chars=line_chars)  # raises
    return frame

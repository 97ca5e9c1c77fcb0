"""Forty lines of Marlin: numbering, checksums, and nothing else. For tests of the link alone, without time.

It follows the transcripts recorded from Marlin 2.1.2: a repeated line gets no answer, an error is three
lines, the receive buffer is dropped behind an error.
"""

from __future__ import annotations

import re

IDENTITY = (
    "FIRMWARE_NAME:Marlin 2.1.2 (Nov 21 2026) PROTOCOL_VERSION:1.0 MACHINE_TYPE:SimRap 1.4",
    "Cap:AUTOREPORT_TEMP:1",
    "Cap:EMERGENCY_PARSER:0",
)


class TinyFirmware:
    """Bytes in, bytes out, everything at once."""

    def __init__(self, *, advanced_ok: bool = False, drops_buffer: bool = True) -> None:
        self.executed: list[str] = []
        self.received: list[str] = []
        self.last_line = 0
        self._advanced_ok = advanced_ok
        self._drops_buffer = drops_buffer
        self._buffer = b""

    def receive(self, data: bytes) -> list[str]:
        """Reply lines to what came in."""
        *lines, self._buffer = (self._buffer + data).split(b"\n")
        replies: list[str] = []
        for line in lines:
            refused, answer = self._take(line.decode("ascii"))
            replies += answer
            if refused and self._drops_buffer:
                break
        return replies

    def _take(self, line: str) -> tuple[bool, list[str]]:
        if not line.strip():
            return False, []
        self.received.append(line)
        number: int | None = None
        text = line
        match = re.match(r"N(-?\d+) (.*)\*(\d+)$", line)
        if match:
            number, text = int(match[1]), match[2]
            body = line[: line.rindex("*")]
            total = 0
            for byte in body.encode():
                total ^= byte
            if total != int(match[3]):
                return True, self._refuse("checksum mismatch")
            if text.startswith("M110"):
                self.last_line = int(re.search(r"N(\d+)", text)[1])  # type: ignore[index]
                return False, ["ok"]
            if number in (self.last_line, self.last_line - 1):
                return False, []
            if number != self.last_line + 1:
                return True, self._refuse("Line Number is not Last Line Number+1")
            self.last_line = number
        elif line.startswith("N"):
            return True, self._refuse("No Checksum with line number")
        return False, self._execute(text.partition("*")[0].strip(), number)

    def _refuse(self, why: str) -> list[str]:
        return [f"Error:{why}, Last Line: {self.last_line}", f"Resend: {self.last_line + 1}", "ok"]

    def _execute(self, text: str, number: int | None) -> list[str]:
        if text == "M115":
            return [*IDENTITY, "ok"]
        if text == "M105":
            return ["ok T:20.0 /0.0 B:20.0 /0.0 @:0 B@:0"]
        if not re.match(r"[GMT]\d", text):
            return [f'echo:Unknown command: "{text}"', "ok"]
        self.executed.append(text)
        return [f"ok N{number} P15 B3" if self._advanced_ok and number is not None else "ok"]

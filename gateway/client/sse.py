"""Server-Sent Events as text: bytes in, events out. No I/O (HTML standard, 9.2.6)."""

from __future__ import annotations

from dataclasses import dataclass

#: Characters of one event: the gateway's largest is a few kB; more means that this is no event stream.
MAX_EVENT = 1_000_000


class NotAnEventStream(ValueError):
    """The bytes cannot be a stream of the gateway's."""


@dataclass(frozen=True, slots=True)
class ServerSentEvent:
    """One dispatched event; `last_id` is what to resume behind."""

    kind: str
    text: str
    last_id: str | None


class SseParser:
    """Feed it what arrives; it keeps the unfinished rest. The last id survives from event to event."""

    def __init__(self, last_id: str | None = None) -> None:
        self.last_id = last_id
        self.retry: float | None = None  # seconds, when the server asked for one
        self._rest = b""
        self._kind = ""
        self._lines: list[str] = []
        self._size = 0

    def feed(self, chunk: bytes) -> list[ServerSentEvent]:
        """The events that this chunk completed."""
        lines = (self._rest + chunk).replace(b"\r\n", b"\n").split(b"\n")
        self._rest = lines.pop()
        found = (self._take(line.decode("utf-8", errors="replace")) for line in lines)
        events = [event for event in found if event is not None]
        self._check(len(self._rest))
        return events

    def _check(self, more: int) -> None:
        if self._size + more > MAX_EVENT:
            raise NotAnEventStream(f"an event of more than {MAX_EVENT} characters")

    def _take(self, line: str) -> ServerSentEvent | None:
        if not line:
            return self._dispatch()
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "data":
            self._lines.append(value)
            self._check(len(value))
            self._size += len(value)
        elif name == "event":
            self._kind = value
        elif name == "id" and "\0" not in value:
            self.last_id = value or None
        elif name == "retry" and value.isascii() and value.isdigit():
            self.retry = int(value) / 1000
        return None

    def _dispatch(self) -> ServerSentEvent | None:
        event = ServerSentEvent(self._kind or "message", "\n".join(self._lines), self.last_id)
        empty = not self._lines
        self._kind, self._lines, self._size = "", [], 0
        return None if empty else event

"""Between the port and the link: bytes become whole lines, and what happened waits until somebody asks.

Both are bounded: a firmware (or a wrong baud rate) can send anything, for ever.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

from gateway.protocol.marlin.link_events import LinkEvent
from gateway.protocol.marlin.replies import Busy, Echo, NotSdPrinting, Position, SdStatus, Temperature

#: Bytes of one incoming line; the longest measured (M115) has 250, Klipper's errors may have some more.
REPLY_BYTES_MAX = 2048
#: Events not yet fetched. A port read holds at most a few dozen lines; beyond this, telemetry is dropped.
EVENTS_MAX = 1024

_TELEMETRY = (Temperature, Position, SdStatus, Echo, Busy, NotSdPrinting)


class LineReader:
    """Whole lines out of pieces of any size; a line longer than any firmware says is dropped."""

    def __init__(self) -> None:
        self._rest = b""
        self._is_overlong = False

    def __len__(self) -> int:
        """Bytes kept of a line that is not complete."""
        return len(self._rest)

    @property
    def is_at_line_start(self) -> bool:
        """Whether what comes next begins a line."""
        return not self._rest and not self._is_overlong

    def feed(self, data: bytes) -> Iterator[bytes]:
        """The lines that `data` completes, without their newlines."""
        if b"\n" not in data:
            self._keep(self._rest + data)
            return
        *lines, rest = (self._rest + data).split(b"\n")
        if self._is_overlong:
            self._is_overlong = False
            del lines[0]
        self._keep(rest)
        for line in lines:
            if len(line) <= REPLY_BYTES_MAX:
                yield line

    def forget(self) -> None:
        """The connection is over."""
        self._rest = b""

    def _keep(self, rest: bytes) -> None:
        if len(rest) > REPLY_BYTES_MAX:
            self._is_overlong = True
            rest = b""
        self._rest = rest


class EventQueue:
    """What happened, oldest first; when nobody fetches it, telemetry goes first and the oldest next."""

    def __init__(self) -> None:
        self._events: deque[LinkEvent] = deque()

    def __len__(self) -> int:
        """Events not yet fetched."""
        return len(self._events)

    def put(self, event: LinkEvent) -> None:
        """Add one."""
        if len(self._events) >= EVENTS_MAX and isinstance(event, _TELEMETRY):
            return
        if len(self._events) >= 2 * EVENTS_MAX:
            self._events.popleft()
        self._events.append(event)

    def take(self) -> LinkEvent | None:
        """Remove and return the oldest."""
        return self._events.popleft() if self._events else None

"""`baud = "auto"`: finding the speed at which a printer talks. Decides; the driver opens and listens.

    open at the next speed -> the firmware names itself         that is it: remembered, from now on the first
                           -> bytes without a readable line     the next speed, half a second after the first
                           -> silence                           the next speed, after 5 s; the remembered one
                                                                has the link's whole patience: most likely the
                                                                printer is just switched off
                           -> text                              the link's handshake decides

While a print is unfinished on the machine only the remembered speed is used: at a wrong one a byte can become
any other, and the firmware might take some for a command.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from gateway.protocol.marlin.failures import FailureReason
from gateway.protocol.marlin.link import Link
from gateway.transport.port import Port, PortListener, PortOpener, PortUnavailable, SpeedImpossible

#: Seconds of silence until the next speed: a board that resets when its port opens is deaf for about two, and
#: is asked twice by then.
SILENCE_SECONDS = 5.0
#: Seconds from the first unreadable byte: by then a board that echoes what it was told at another speed has
#: said something readable too.
GARBAGE_SECONDS = 0.5
#: Unreadable bytes without a readable line from which a speed is wrong. One or two are noise.
GARBAGE_BYTES = 8
#: Characters of a readable line at least: `ok`.
LINE_CHARS = 2

_FORGOTTEN = (
    "A print is unfinished on this printer, and the speed it was printed at is not known any more: write it"
    ' into the configuration in place of baud = "auto", and restart the streamer.'
)
_NOT_FOUND = (
    "It answers at none of {tried}: check that it is switched on, and its cable; if its firmware was built"
    " for another speed, write that as `baud`."
)
_READABLE = frozenset(range(0x20, 0x7F)) | {0x09, 0x0D}
_NEWLINE = 0x0A
_WRONG_SPEED = (FailureReason.NO_ANSWER, FailureReason.NOT_UNDERSTOOD)


class SpeedMemory(Protocol):
    """Keeps the speed that was good last; survives the driver host, not the host."""

    def recall(self) -> int | None:
        """The last good speed; None when there is none."""

    def remember(self, speed: int) -> None:
        """This one is good. Never raises: without it the search begins anew."""


class SpeedSearch:
    """The speeds of one printer, tried one connection after the other. `open` is the driver's PortOpener."""

    def __init__(self, openers: Mapping[int, PortOpener], memory: SpeedMemory) -> None:
        """`openers`: speed in baud -> how to open the port with it, the likeliest first."""
        self._openers = openers
        self._memory = memory
        self._good: int | None = None  # remembered
        self._is_bound = False  # to that one
        self._left: list[int] = []  # speeds of this round, the one in use first
        self._is_decided = False  # nothing more is to be said of this connection
        self._has_moved_on = False
        self._ear = _Ear()
        self._opened_at = 0.0

    # -- before a connection ------------------------------------------------------------------------------

    def begin(self, *, is_print_unfinished: bool) -> str:
        """A connection is about to be made; what it is about, for people."""
        recalled = self._memory.recall()
        self._good = recalled if recalled in self._openers else None
        if is_print_unfinished:
            self._left = [] if self._good is None else [self._good]
        elif self._is_bound or not self._left:
            others = [speed for speed in self._openers if speed != self._good]
            self._left = others if self._good is None else [self._good, *others]
        self._is_bound = is_print_unfinished
        self._is_decided = self._has_moved_on = False
        return self._prospect()

    async def open(self, listener: PortListener) -> Port:
        """Open the port at the speed that is next. Raises PortUnavailable."""
        if not self._left:
            raise PortUnavailable(_FORGOTTEN)
        self._ear = _Ear()
        self._ear.listener = listener
        try:
            return await self._openers[self._left[0]](self._ear)
        except SpeedImpossible:
            self._next()
            raise

    def opened(self, now: float) -> None:
        """The port is open."""
        self._opened_at = now

    # -- during it ----------------------------------------------------------------------------------------

    @property
    def deadline(self) -> float | None:
        """When `judge` decides at the latest; None when nothing but the link can tell."""
        if self._is_decided or self._ear.has_line:
            return None
        if self._ear.is_garbage and self._ear.garbled_at is not None:
            return self._ear.garbled_at + GARBAGE_SECONDS
        return None if self._left[0] == self._good else self._opened_at + SILENCE_SECONDS

    def judge(self, link: Link, now: float) -> str | None:
        """Why this speed is not the printer's, for people; None while that is open, and when it is."""
        if self._is_decided:
            return None
        if link.was_ready:
            self._settle()
        elif link.failure is not None:
            if link.failure.reason in _WRONG_SPEED:
                self._next()
        else:
            self._ear.noted(now)
            if self.deadline is not None and now >= self.deadline:
                return self._give_up()
        return None

    @property
    def is_searching(self) -> bool:
        """Whether the next speed is to be tried at once."""
        return self._has_moved_on and bool(self._left)

    # -- within -------------------------------------------------------------------------------------------

    def _settle(self) -> None:
        speed = self._left[0]
        self._left, self._is_decided = [], True
        if speed != self._good:
            self._memory.remember(speed)

    def _next(self) -> None:
        self._left = self._left[1:]
        self._is_decided = self._has_moved_on = True

    def _give_up(self) -> str:
        what = "sends bytes that make no sense" if self._ear.garbled else "says nothing"
        tried = self._left[0]
        self._next()
        return f"The printer {what} at {tried} baud. {self._prospect()}"

    def _prospect(self) -> str:
        if self._is_bound:
            return "A print is unfinished on it, so only the speed that was good last is used."
        if not self._left:
            tried = ", ".join(str(speed) for speed in self._openers)
            return _NOT_FOUND.format(tried=tried)
        place = len(self._openers) - len(self._left) + 1
        return f"Looking for its speed: {self._left[0]} baud ({place} of {len(self._openers)})."


class _Ear:
    """Hears what comes in before the link does: whether any of it can be read."""

    listener: PortListener

    def __init__(self) -> None:
        self.garbled = 0  # unreadable bytes
        self.garbled_at: float | None = None
        self.has_line = False
        self._line = 0  # readable characters of this line; -1: something in it was not
        self._is_new = False

    @property
    def is_garbage(self) -> bool:
        """Whether enough came in that makes no sense, and nothing that does."""
        return self.garbled >= GARBAGE_BYTES and not self.has_line

    def noted(self, now: float) -> None:
        """It is `now`: bytes have no time of their own here."""
        if self.garbled and self.garbled_at is None:
            self.garbled_at = now

    def bytes_received(self, data: bytes) -> None:
        """See PortListener."""
        if not self.has_line:
            self._look_at(data)
        self.listener.bytes_received(data)

    def port_lost(self, reason: str) -> None:
        """See PortListener."""
        self.listener.port_lost(reason)

    def _look_at(self, data: bytes) -> None:
        for byte in data:
            if byte == _NEWLINE:
                self.has_line = self.has_line or self._line >= LINE_CHARS
                self._line = 0
            elif byte not in _READABLE:
                self.garbled += 1
                self._line = -1
            elif self._line >= 0:
                self._line += 1

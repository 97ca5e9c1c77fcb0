"""What a driver is: the protocol every printer kind implements, and what it is given.

The suite in `tests/contract/` holds every driver to the sentences below.

* A driver never retries a start; it answers every order exactly once (Acknowledge excepted), also while its
  machine is away.
* One start order is one physical start at most, however connections and driver hosts break in between, and
  however often the order is given. A start that went out unseen is proved by the machine or answered unclear.
* A start that the former driver host provably did not send (`drivers/start_record.py`), and that the machine
  does not show, is refused, and what was uploaded of it is removed.
* A start that meets a machine which has a print is refused, and what it prints goes on.
* A start that would be refused again, whoever tries it, is refused for good (`is_final`), and why.
* `expect` that names another print than the one on the machine is refused, and nothing is sent.
* A print nobody ordered is reported as local, with a key of the driver's own that no other print ever has
  (`local-<uuid>`, or what the machine calls it), never judged. The next driver host gives the same print the
  same key where the machine, or what it is told at `begin`, tells that it is the same.
* Nothing is said of what is on a machine before it has told all of it (a full state, a finished handshake);
  until then a print that was known is shown as it was.
* A file that it was told to upload is never started, and nothing of it is run; it is saved whole, or what
  was written of it is deleted, by the next driver host if need be.
* The end of a print is repeated in every snapshot until it is acknowledged.
* "Paused", "canceled", "completed" are said when the machine did it, not when it was asked.
* A print that a death of the host or a pulled cable interrupted goes on from the line the machine has, no
  line lost and none doubled, in the stage it was in (a paused one paused, a cancelled one to its end); or it
  is held, with the reason, and nothing of it is sent. On a machine that prints by itself it was never
  interrupted: how it ended meanwhile is told with its key, or it is held if the machine does not know.
* What a machine's reset ended is over or held, with the reason; it is not started again.
* What a kind cannot do it refuses with a sentence that says how else.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from typing import Protocol

from gateway.domain.observations import OrderAnswered, OrderProgressed, PrinterObserved
from gateway.domain.orders import Order

#: Where a driver's facts go. Synchronous and quick; called from the event loop.
Sink = Callable[[PrinterObserved | OrderAnswered | OrderProgressed], None]


class Driver(Protocol):
    """One printer, for as long as the driver host lives; it reconnects by itself."""

    @property
    def printer(self) -> str:
        """The printer's name in the configuration."""

    async def run(self, sink: Sink) -> None:
        """Connect, observe, reconnect; until cancelled. Cancelling leaves the machine as it is."""

    def submit(self, order: Order) -> None:
        """Take an order; never blocks, never raises for what the machine does. Answered through the sink."""

    def snapshot(self) -> PrinterObserved:
        """All that is known now, including ends not yet acknowledged."""


class LineKind(IntEnum):
    """Why a numbered line was sent."""

    JOB = 1  # a line of the print file
    SIDE = 2  # a line between the job's: temperature report, adjustment, script
    HANDSHAKE = 3  # before the print: what the firmware has when nothing of the print arrived
    START = 4  # in front of the first line of the file; recorded with the line's number in the start script


class RecordedStage(IntEnum):
    """What a driver host was about to make of the print when it was last heard of."""

    STREAMING = 1  # line after line, to the end of the file and its end script
    PAUSED = 2  # or about to be
    CANCELED_BY_USER = 3  # being cancelled; the machine had not done all of it
    CANCELED_AT_DEVICE = 4
    FAILED = 5  # being switched off, because it failed
    HELD = 6  # a person was asked to look; it never goes on by itself
    RESUMING = 7  # on its way back from where it was parked; the next line of the file comes behind that


@dataclass(frozen=True, slots=True)
class Parked:
    """Where a pause found the machine: what must be restored before the next line of the file.

    Millimetres in the file's own (logical) coordinates, as M114 tells them; targets in degrees Celsius.
    """

    x: float
    y: float
    z: float
    e: float
    hotend: float = 0.0
    bed: float = 0.0


@dataclass(frozen=True, slots=True)
class OpenRecord:
    """A print that a former driver host left unfinished, as its line record tells it."""

    key: str
    path: str
    sha256: str
    size: int
    name: str
    last_number: int  # number of the last line handed to the port
    last_offset: int  # offset in the file just behind that line
    last_line: int  # printable lines of the file handed to the port (1-based count)
    stage: RecordedStage = RecordedStage.STREAMING
    parked: Parked | None = None  # with PAUSED and RESUMING: the machine may stand there or anywhere near
    alive_at: float = math.inf  # monotonic seconds when the print was fed last; infinite: it still is


class UploadMark(Protocol):
    """Survives the death of the driver host: the file that it was about to write to the printer's card."""

    def note(self, name: str) -> None:
        """`name` (8.3) is opened next; until `clear` the firmware may be writing to it. Raises OSError."""

    def clear(self) -> None:
        """It is saved, or deleted, or nobody's business any more."""

    def left(self) -> str | None:
        """The name that was noted; None: nothing is open."""


class LineRecord(Protocol):
    """Survives the death of the driver host: which lines were handed to the port, and of which print.

    `sent` is a memory store (no system call, no flush): it happens for every line of every print.
    """

    def open(self, *, key: str, path: str, sha256: str, size: int, name: str) -> None:
        """Begin a record; from now until `close` the print is recoverable."""

    def sent(self, number: int, offset: int, line: int, kind: LineKind) -> None:
        """Line `number` goes to the port next; `offset`: file position behind it, `line`: its ordinal."""

    def enter(self, stage: RecordedStage) -> None:
        """The print is in this stage from now on; a memory store, made before anything is sent for it."""

    def park(self, parked: Parked | None) -> None:
        """What a resume must restore, known before the machine is moved away; None: nothing."""

    def alive(self, at: float) -> None:
        """The print was fed, or watched, at monotonic `at`; a memory store."""

    def close(self) -> None:
        """The print is over (its end has been observed)."""

    def unfinished(self) -> OpenRecord | None:
        """What a former driver host left open; None when the record is closed or absent."""

    def find(self, number: int) -> tuple[int, int, LineKind] | None:
        """(offset, line, kind) recorded for a line number among the last 256 sent; None outside."""

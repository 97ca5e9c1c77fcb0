"""What a board asks of its firmware. The board owns time, power and the ring; the firmware has the manners.

    arrive(data)         bytes have come in through the receive interrupt
    read()               lines out of the receive side into the ring, as far as there is room
    begin(command)       run one command; a generator if it takes time
    answer(command)      it has ended: `ok`, or nothing
    on_time()            something of its own is due (`next_due`): a read that timed out, a reminder

A reset makes a new one: it keeps nothing over a reset.
"""

from __future__ import annotations

import hashlib
import math
from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import TYPE_CHECKING

from firmware_sim.machine import replies
from firmware_sim.machine.intake import is_end_of_upload
from firmware_sim.machine.thermal import ThermalFault
from firmware_sim.machine.words import Command

if TYPE_CHECKING:
    from firmware_sim.machine.loop import CommandLoop

_PLANNED = frozenset({"G0", "G1", "G2", "G3"})


class Firmware(ABC):
    """One firmware at work on one board."""

    def __init__(self, loop: CommandLoop) -> None:
        self.loop = loop
        self.tripped = False
        """Thermal protection has struck and need not strike again."""
        self.checks_nothing = loop.personality.has("no_line_numbers")
        """Numbers and checksums are ignored."""
        self.ignores_m110 = loop.personality.has("ignores_m110")

    @property
    def card_slots(self) -> int:
        """How far lines of a card print may fill the ring."""
        return self.loop.personality.bufsize

    # -- receiving ---------------------------------------------------------------------------------------

    @abstractmethod
    def interrupt(self, data: bytes) -> bytes:
        """See the bytes before they are buffered (emergency parser); what is left of them to buffer."""

    @abstractmethod
    def buffer(self, data: bytes) -> None:
        """Keep bytes until they are read; the board has checked that they fit."""

    @abstractmethod
    def unread(self) -> int:
        """Bytes that have come in and were not read yet."""

    @abstractmethod
    def can_read(self) -> bool:
        """Whether there is anything to read."""

    @abstractmethod
    def read(self) -> None:
        """Lines into the ring while it has room."""

    def obey_interrupts(self) -> None:
        """Do what an interrupt only flagged; most firmwares flag nothing."""
        return

    def has_interrupts(self) -> bool:
        """Whether `obey_interrupts` has anything to do."""
        return False

    # -- running -----------------------------------------------------------------------------------------

    def begin(self, command: Command) -> Iterator[float] | None:
        """Run a command of the ring: answered at once, or resumed at the instants it yields."""
        loop = self.loop
        if loop.card.saving and command.source in ("host", "sd"):
            self._write_to_card(command)
            return None
        handler = loop.handlers.get(command.code)
        if handler is None:
            self.unknown(command)
            return None
        if command.code in _PLANNED and loop.planner.free(loop.now) <= 0:
            return self._when_there_is_room(command)
        if command.code != "M1001":
            loop.note_run(command)
        return handler(loop, command)

    def _when_there_is_room(self, command: Command) -> Iterator[float]:
        """A move that finds the planner full waits, unacknowledged, until a block is free."""
        loop = self.loop
        while (at := loop.planner.room_at(loop.now)) > loop.now:
            yield at
        loop.note_run(command)
        rest = loop.handlers[command.code](loop, command)
        if rest is not None:
            yield from rest

    def unknown(self, command: Command) -> None:
        """A command nobody knows."""
        loop = self.loop
        loop.say(loop.words.unknown.format(command=command.text))
        # Without a number nothing is hidden: the host's next one tells. With it the line counts as done.
        altered = (command.altered or None) if command.number is not None else None
        loop.note("unknown", source=command.source, n=command.number, line=command.text, effect=altered)

    def _write_to_card(self, command: Command) -> None:
        loop, text = self.loop, command.text.encode("latin-1")
        if is_end_of_upload(text):
            file = loop.card.saved()
            loop.say(replies.FILE_SAVED)
            loop.note_run(command)
            if file is not None:
                effect = f"{len(file.content)} bytes, sha256 {hashlib.sha256(file.content).hexdigest()}"
                loop.note("sd_saved", source="host", line=file.short, effect=effect)
        elif loop.card.write(text):
            loop.note_run(command, "sd_write")
        else:
            loop.say(replies.WRITE_FAILED)
            loop.note_run(command, "sd_write_failed")

    @abstractmethod
    def answer(self, command: Command) -> None:
        """The command has ended and still holds its slot."""

    def card_line(self, line: bytes) -> Command:
        """A line of a file on the card as a command; no `ok` for it."""
        return Command(line.decode("latin-1"), "sd", says_ok=False)

    # -- numbers, time, the end --------------------------------------------------------------------------

    last_line = 0
    """The last accepted line number."""

    def renumber(self, line_number: int) -> None:
        """M110 N, when it runs."""
        self.last_line = line_number

    def next_due(self) -> float:
        """When `on_time` is wanted; infinity if never."""
        return math.inf

    def on_time(self) -> None:
        """Something of the firmware's own is due at the present instant; see `next_due`."""
        return

    @abstractmethod
    def forget_input(self) -> None:
        """Killed: nothing of what came in will be read."""

    @abstractmethod
    def shut_down(self) -> None:
        """M112."""

    @abstractmethod
    def kill_pressed(self) -> None:
        """The KILL button of the board."""

    @abstractmethod
    def thermal_shutdown(self, fault: ThermalFault) -> None:
        """Thermal protection has struck."""

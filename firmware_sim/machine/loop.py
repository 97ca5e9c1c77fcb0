"""The command loop: lines in, commands run in order, `ok` out.

    read lines until the command ring is full -> run the oldest -> `ok` -> take it off the ring -> again

A command that takes time is a generator which yields the instant at which it wants to be resumed (infinity:
when somebody wakes it). While it waits the ring goes on filling; bytes that no longer fit stay unread. The
running command keeps its slot, which is why B of `ok P15 B7` is one less than BUFSIZE when all is quiet. How
lines are read and answered is the firmware's (`firmwares/`).
"""

from __future__ import annotations

import enum
import math
from abc import abstractmethod
from collections import deque
from collections.abc import Iterator

from firmware_sim.faults.injector import Injector
from firmware_sim.machine.commands import Handler
from firmware_sim.machine.firmwares import Firmware, firmware_for
from firmware_sim.machine.outbox import Outbox
from firmware_sim.machine.state import Machine
from firmware_sim.machine.words import Command

TICK = 1e-6
"""Least time in seconds a waiting command lets pass, so that a careless one cannot hang the machine."""


class Power(enum.Enum):
    """What the electronics are doing."""

    OFF = "off"
    BOOTING = "booting"
    RUNNING = "running"
    HALTED = "halted"


class CommandLoop(Machine):
    """The part of a board between the receive side and the commands; `Board` adds time, power and verbs."""

    faults: Injector
    handlers: dict[str, Handler]
    firmware: Firmware
    ring: deque[Command]
    _power: Power
    _out: Outbox
    entered: int
    """Bytes that ever entered the receive buffer."""

    def _forget_commands(self) -> None:
        """An empty loop, as after a reset. What was said before is on the wire already and stays."""
        self.ring = deque()
        self._injected: deque[Command] = deque()
        self._running: Iterator[float] | None = None
        self._current: Command | None = None
        self._resume_at = math.inf
        self._line_end = self.words.line_end.encode()
        self._thinks = self.personality.command_seconds
        self.firmware = firmware_for(self)

    def _drop_commands(self) -> None:
        """Killed: nothing read, queued or running goes on."""
        self.firmware.forget_input()
        self.ring.clear()
        self._injected.clear()
        self._running = self._current = None
        self._resume_at = math.inf

    @property
    def is_running(self) -> bool:
        """Booted and not killed."""
        return self._power is Power.RUNNING

    def _has_work(self) -> bool:
        if self._power is not Power.RUNNING:
            return False
        if self._resume_at <= self.now or (self.card.abort_wanted and self._running is None):
            return True
        filled = len(self.ring)
        return (
            (filled < self.personality.bufsize and self.firmware.can_read())
            or (self._running is None and bool(self.ring or self._injected))
            or (self._card_has_lines() and filled < self.firmware.card_slots)
            or self.firmware.has_interrupts()
        )

    def _card_has_lines(self) -> bool:
        return self.card.fetching and not self.card.finished

    def _work(self) -> None:
        """Everything that can be done at this instant."""
        while self._power is Power.RUNNING:
            self.firmware.obey_interrupts()
            if self._running is not None:
                if self._resume_at > self.now:
                    self._read()
                    if self._resume_at > self.now:
                        return
                self._resume()
                continue
            if self.card.abort_wanted:
                self.abort_card_print()
            self._read()
            if self._power is not Power.RUNNING or not self._start_next():
                return

    def _read(self) -> None:
        """Fill the ring: first from the wire, then from the card, as long as there is a free slot."""
        self.firmware.read()
        if not self._card_has_lines():
            return
        slots, ring = self.firmware.card_slots, self.ring
        while self._card_has_lines() and len(ring) < slots and self._power is Power.RUNNING:
            text = self.card.next_line()
            if text is None:
                self.card.finished = True
                ring.append(Command("M1001", "sd", says_ok=False))
            else:
                command = self.firmware.card_line(text)
                if command.code == "M25" and not self.personality.has("park_on_pause"):
                    self.card.fetching = False
                ring.append(command)
            self.chimes.queue_filled()

    # -- running commands --------------------------------------------------------------------------------

    def _start_next(self) -> bool:
        if self._injected:
            command = self._injected.popleft()
        elif self.ring:
            command = self.ring[0]
        else:
            return False
        self._current = command
        if self.faults.watches_commands:
            self.faults.command_begins(command)
        running = self._think(command) if self._thinks else self.firmware.begin(command)
        if self._power is not Power.RUNNING:
            return False
        if running is None:
            self._finish(command)
        else:
            self._running, self._resume_at = running, self.now
            self.chimes.command_began(self.now)
        return True

    def _think(self, command: Command) -> Iterator[float]:
        """A slow processor takes its time for every command before it does anything."""
        end = self.now + self._thinks
        while self.now < end:
            yield end
        running = self.firmware.begin(command)
        if running is not None:
            yield from running

    def _resume(self) -> None:
        running, command = self._running, self._current
        if running is None or command is None:
            return
        self._resume_at = math.inf
        try:
            wanted = max(next(running), self.now + TICK)
        except StopIteration:
            if self._running is running and self._power is Power.RUNNING:
                self._running = None
                self._finish(command)
        else:
            # A command that reset the machine is not resumed in the next life.
            if self._running is running:
                self._resume_at = wanted

    def _finish(self, command: Command) -> None:
        """`ok` while the command still holds its slot, then the slot is free."""
        self.firmware.answer(command)
        if self.ring and self.ring[0] is command:
            self.ring.popleft()
        if self.faults.watches_commands:
            self.faults.command_ended(command)
        self._current = None
        self.chimes.command_ended(self.now)

    # -- what handlers, firmwares and the panel use ------------------------------------------------------

    def say(self, line: str) -> None:
        """One line to the host; text is Latin-1, so that any byte comes back as it was sent."""
        current = self._current
        self.say_about(line, current.number if current is not None else None)

    def say_about(self, line: str, number: int | None) -> None:
        """`number` of the command that the line answers, if it answers a numbered one."""
        if not self.faults.listens:
            self.utter(line)
            return
        for words in self.faults.spoken(line, number):
            self.utter(words)

    def utter(self, line: str) -> None:
        """Onto the wire, whatever faults are armed."""
        self._out.put(line.encode("latin-1") + self._line_end, self.now)

    def note_run(self, command: Command, event: str = "executed") -> None:
        """A command runs; what harm on the wire made of it unseen is said with it."""
        altered = command.altered or None
        self.note(event, source=command.source, n=command.number, line=command.text, effect=altered)

    def note(
        self,
        event: str,
        *,
        source: str | None = None,
        n: int | None = None,
        line: str | None = None,
        effect: str | None = None,
    ) -> None:
        """One fact into the ledger, at the machine's present instant."""
        self.ledger.append(self.now, event, source=source, n=n, line=line, effect=effect)

    def inject(self, text: str, source: str) -> None:
        """Run a command before anything queued, without `ok` (panel, end scripts)."""
        self._injected.append(Command(text, source, says_ok=False))

    def clear_queue(self) -> None:
        """Forget every queued command; the hosts' lines among them never get an `ok` (Marlin does that)."""
        for command in self.ring:
            self.note("dropped", source=command.source, n=command.number, line=command.text)
        self.ring.clear()

    def wake(self) -> None:
        """Let a waiting command look again at this instant."""
        if self._running is not None:
            self._resume_at = self.now

    def renumber(self, line_number: int) -> None:
        """M110 N."""
        self.firmware.renumber(line_number)

    def forget_answer(self) -> None:
        """The command has said its own `ok` line (M105)."""
        if self._current is not None:
            self._current.says_ok = False

    @abstractmethod
    def restart(self) -> None:
        """The board resets itself at this instant."""

    @property
    @abstractmethod
    def is_hung(self) -> bool:
        """Whether the firmware neither reads nor speaks just now."""

    def shut_down(self) -> None:
        """M112 from the queue."""
        self.firmware.shut_down()

    def _say_busy(self) -> None:
        if self.waiting_for_user:
            self.say(self.words.busy_user)
        else:
            self.say(self.words.busy_heating if self.heat_waits else self.words.busy)

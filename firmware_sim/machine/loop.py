"""The command loop: lines in, commands run in order, `ok` out.

    read lines until the command ring is full -> run the oldest -> `ok` -> take it off the ring -> again

A command that takes time is a generator which yields the instant at which it wants to be resumed (infinity:
when somebody wakes it). While it waits the ring goes on filling; bytes that no longer fit stay in `rx`. The
running command keeps its slot, which is why B of `ok P15 B7` is one less than BUFSIZE when all is quiet.
"""

from __future__ import annotations

import enum
import math
from collections import deque
from collections.abc import Iterator

from firmware_sim.faults.injector import Injector
from firmware_sim.machine import replies
from firmware_sim.machine.commands import Handler
from firmware_sim.machine.emergency import EmergencyParser
from firmware_sim.machine.intake import (
    Accepted,
    Intake,
    LineNumbers,
    Refused,
    Repeated,
    is_end_of_upload,
    strip,
)
from firmware_sim.machine.state import Machine
from firmware_sim.machine.words import Command

TICK = 1e-6
"""Least time in seconds a waiting command lets pass, so that a careless one cannot hang the machine."""
_PLANNED = frozenset({"G0", "G1", "G2", "G3"})


class Power(enum.Enum):
    """What the electronics are doing."""

    OFF = "off"
    BOOTING = "booting"
    RUNNING = "running"
    HALTED = "halted"


class CommandLoop(Machine):
    """The part of a board between the receive side and the commands; `Board` adds time, power and verbs."""

    faults: Injector
    _handlers: dict[str, Handler]
    _power: Power
    _out: bytearray
    _entered: int
    """Bytes that ever entered the receive buffer."""

    def _forget_commands(self) -> None:
        """An empty loop, as after a reset. What was said before is on the wire already and stays."""
        self._rx: deque[int] = deque()
        self._line_start = self._entered
        self._ring: deque[Command] = deque()
        self._injected: deque[Command] = deque()
        self._running: Iterator[float] | None = None
        self._current: Command | None = None
        self._resume_at = math.inf
        self._intake = Intake()
        self._numbers = LineNumbers()
        self._emergency = EmergencyParser()
        self._orders: list[str] = []

    def _drop_commands(self) -> None:
        """Killed: nothing read, queued or running goes on."""
        self._rx.clear()
        self._line_start = self._entered
        self._ring.clear()
        self._injected.clear()
        self._running = self._current = None
        self._resume_at = math.inf

    def _has_work(self) -> bool:
        if self._power is not Power.RUNNING:
            return False
        if self._orders or self._resume_at <= self.now or (self.card.abort_wanted and self._running is None):
            return True
        room = len(self._ring) < self.personality.bufsize
        idle = self._running is None
        return (
            (room and bool(self._rx))
            or (idle and bool(self._ring or self._injected))
            or (room and self._card_has_lines())
        )

    def _card_has_lines(self) -> bool:
        return self.card.fetching and not self.card.finished

    def _work(self) -> None:
        """Everything that can be done at this instant."""
        while self._power is Power.RUNNING:
            self._obey_interrupts()
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
        bufsize, ring = self.personality.bufsize, self._ring
        while self._rx and len(ring) < bufsize and self._power is Power.RUNNING:
            line = self._intake.next_line(self._rx)
            if line is None:
                break
            self._take(line)
            self._line_start = self._entered - len(self._rx)
        while self._card_has_lines() and len(ring) < bufsize and self._power is Power.RUNNING:
            text = self.card.next_line()
            if text is None:
                self.card.finished = True
                ring.append(Command("M1001", "sd", says_ok=False))
            else:
                command = Command(strip(text).command.decode("latin-1"), "sd", says_ok=False)
                if command.code == "M25" and not self.personality.has("park_on_pause"):
                    self.card.fetching = False
                ring.append(command)
            self.chimes.queue_filled()

    def _take(self, line: bytes) -> None:
        """One collected line: judge it, act on the few that do not wait, queue it."""
        last, verdict = self._numbers.last, self._judge(line)
        end = self._entered - len(self._rx)
        altered = self.faults.label(line, self._line_start, end)
        if isinstance(verdict, Repeated):
            self.note("repeat", source="host", n=verdict.number)
            return
        if not isinstance(verdict, Accepted):
            self._rx.clear()
            self._intake.forget()
            refusal = [replies.line_error(verdict.reason, last), replies.resend(last + 1), replies.OK]
            for words in self.faults.refusal(refusal, last + 1):
                self._say(words, None)
            self.note("resend", source="host", n=self._numbers.last + 1, line=verdict.reason.rstrip(", :"))
            return
        stripped = strip(line)
        command = Command(
            stripped.command.decode("latin-1"),
            "host",
            stripped.number,
            stripped.number_text.decode("latin-1"),
            altered=altered,
        )
        if not self.personality.has("emergency_parser") and line.lstrip(b" ")[:1] == b"M":
            self._act_early(command.text)
        if self._power is Power.RUNNING:
            self._ring.append(command)
            self.chimes.queue_filled()

    def _judge(self, line: bytes) -> Accepted | Repeated | Refused:
        """Line number and checksum, as far as this firmware looks at them."""
        if self.faults.checks_nothing:
            return Accepted(line)
        last, verdict = self._numbers.last, self._numbers.judge(line, saving=self.card.saving is not None)
        if self.faults.ignores_m110 and b"M110" in line:
            self._numbers.last = last
        return verdict

    def _act_early(self, text: str) -> None:
        """Without an emergency parser three un-numbered commands act when they are read, before the queue."""
        if text.startswith("M112"):
            self.kill(replies.KILLED_BY_M112)
        elif text.startswith("M108"):
            self.release(user=self.personality.has("user_wait"))
        elif text.startswith("M410"):
            self.stop_motion()

    def _obey(self, order: str) -> None:
        """An order of the emergency parser, in the receive interrupt."""
        if order == "M108":
            self.release(user=True)
        elif order.startswith("M876"):
            self.answer()
        elif self._power is Power.RUNNING:
            self._orders.append(order)

    def _obey_interrupts(self) -> None:
        """What the emergency parser only flags and the main loop then does."""
        orders, self._orders = self._orders, []
        for order in orders:
            if order == "M112":
                self.kill(replies.KILLED_BY_M112)
                return
            self.stop_motion()

    # -- running commands --------------------------------------------------------------------------------

    def _start_next(self) -> bool:
        if self._injected:
            command = self._injected.popleft()
        elif self._ring:
            command = self._ring[0]
        else:
            return False
        self._current = command
        if self.faults.watches_commands:
            self.faults.command_begins(command)
        running = self._begin(command)
        if self._power is not Power.RUNNING:
            return False
        if running is None:
            self._finish(command)
        else:
            self._running, self._resume_at = running, self.now
            self.chimes.command_began(self.now)
        return True

    def _begin(self, command: Command) -> Iterator[float] | None:
        if self.card.saving is not None and command.source == "host":
            self._write_to_card(command)
            return None
        handler = self._handlers.get(command.code)
        if handler is None:
            self.say(replies.unknown(command.text))
            # Without a number nothing is hidden: the host's next one tells. With it the line counts as done.
            altered = command.altered if command.number is not None else None
            self.note(
                "unknown", source=command.source, n=command.number, line=command.text, effect=altered or None
            )
            return None
        if command.code in _PLANNED and self.planner.free(self.now) <= 0:
            return self._when_there_is_room(command)
        if command.code != "M1001":
            self._note_executed(command)
        return handler(self, command)

    def _note_executed(self, command: Command, event: str = "executed") -> None:
        altered = command.altered or None
        self.note(event, source=command.source, n=command.number, line=command.text, effect=altered)

    def _when_there_is_room(self, command: Command) -> Iterator[float]:
        """A move that finds the planner full waits, unacknowledged, until a block is free."""
        while (at := self.planner.room_at(self.now)) > self.now:
            yield at
        self._note_executed(command)
        rest = self._handlers[command.code](self, command)
        if rest is not None:
            yield from rest

    def _resume(self) -> None:
        running, command = self._running, self._current
        if running is None or command is None:
            return
        self._resume_at = math.inf
        try:
            self._resume_at = max(next(running), self.now + TICK)
        except StopIteration:
            self._running = None
            self._resume_at = math.inf
            if self._power is Power.RUNNING:
                self._finish(command)

    def _finish(self, command: Command) -> None:
        """`ok` while the command still holds its slot, then the slot is free."""
        if command.says_ok:
            self._say_ok(command)
        if self._ring and self._ring[0] is command:
            self._ring.popleft()
        if self.faults.watches_commands:
            self.faults.command_ended(command)
        self._current = None
        self.chimes.command_ended(self.now)

    def _say_ok(self, command: Command) -> None:
        if not self.personality.has("advanced_ok"):
            self.say(replies.OK)
            return
        number = f" N{command.number_text}" if command.number_text else ""
        slots = self.personality.bufsize - len(self._ring)
        self.say(f"{replies.OK}{number} P{self.planner.free(self.now)} B{slots}")

    def _write_to_card(self, command: Command) -> None:
        text = command.text.encode("latin-1")
        if is_end_of_upload(text):
            self.card.close()
            self.say(replies.FILE_SAVED)
            self._note_executed(command)
        else:
            self.card.write(text)
            self._note_executed(command, "sd_write")

    # -- what handlers and the panel use -----------------------------------------------------------------

    def say(self, line: str) -> None:
        """One line to the host; text is Latin-1, so that any byte comes back as it was sent."""
        current = self._current
        self._say(line, current.number if current is not None else None)

    def _say(self, line: str, number: int | None) -> None:
        """`number` of the command that the line answers, if it answers a numbered one."""
        if not self.faults.listens:
            self.utter(line)
            return
        for words in self.faults.spoken(line, number):
            self.utter(words)

    def utter(self, line: str) -> None:
        """Onto the wire, whatever faults are armed."""
        self._out += line.encode("latin-1") + b"\n"

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
        for command in self._ring:
            self.note("dropped", source=command.source, n=command.number, line=command.text)
        self._ring.clear()

    def wake(self) -> None:
        """Let a waiting command look again at this instant."""
        if self._running is not None:
            self._resume_at = self.now

    def renumber(self, line_number: int) -> None:
        """M110 N."""
        if not self.faults.ignores_m110:
            self._numbers.last = line_number

    def forget_answer(self) -> None:
        """The command has said its own `ok` line (M105)."""
        if self._current is not None:
            self._current.says_ok = False

    def _say_busy(self) -> None:
        self.say(replies.BUSY_USER if self.waiting_for_user else replies.BUSY_WORKING)

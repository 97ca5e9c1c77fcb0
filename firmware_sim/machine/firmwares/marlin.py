"""Marlin 2: numbered lines with checksums, errors that flush, `ok` when a command leaves the ring.

Source: recorded runs, `tests/vectors/marlin/*.toml`.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from firmware_sim.machine import replies
from firmware_sim.machine.emergency import EmergencyParser
from firmware_sim.machine.firmwares.base import Firmware
from firmware_sim.machine.intake import Accepted, Intake, LineNumbers, Refused, Repeated, strip
from firmware_sim.machine.thermal import ThermalFault
from firmware_sim.machine.words import Command

if TYPE_CHECKING:
    from firmware_sim.machine.loop import CommandLoop


class MarlinFirmware(Firmware):
    """Also the ground for firmwares that grew out of Marlin."""

    def __init__(self, loop: CommandLoop) -> None:
        super().__init__(loop)
        build = loop.personality
        self.rx: deque[int] = deque()
        self._intake = self._new_intake()
        self._numbers = self._new_numbers()
        self._emergency = EmergencyParser() if build.has("emergency_parser") else None
        self._orders: list[str] = []
        self._line_start = loop.entered
        self._advanced_ok = build.has("advanced_ok")

    def _new_intake(self) -> Intake:
        return Intake()

    def _new_numbers(self) -> LineNumbers:
        return LineNumbers()

    # -- receiving ---------------------------------------------------------------------------------------

    def interrupt(self, data: bytes) -> bytes:
        """The emergency parser, in builds with one. While a file is uploaded the orders are the file's."""
        if self._emergency is not None:
            for order in self._emergency.feed(data):
                if not self.loop.card.saving:
                    self._obey(order)
        return data

    def buffer(self, data: bytes) -> None:
        """Into the receive ring."""
        self.rx.extend(data)

    def unread(self) -> int:
        """Bytes in the receive ring."""
        return len(self.rx)

    def can_read(self) -> bool:
        """Whether a byte is there."""
        return bool(self.rx)

    def read(self) -> None:
        """Line by line, as long as there is a free slot."""
        loop, rx = self.loop, self.rx
        ring, bufsize = loop.ring, loop.personality.bufsize
        while rx and len(ring) < bufsize and loop.is_running:
            line = self._intake.next_line(rx)
            if line is None:
                break
            self.take(line)
            self._line_start = loop.entered - len(rx)

    def judge(self, line: bytes) -> Accepted | Repeated | Refused:
        """Line number and checksum, as far as this firmware looks at them."""
        faults, numbers = self.loop.faults, self._numbers
        if faults.checks_nothing:
            return Accepted(line)
        last, verdict = numbers.last, numbers.judge(line, saving=self.loop.card.saving)
        if faults.ignores_m110 and b"M110" in line:
            numbers.last = last
        return verdict

    def label(self, line: bytes) -> str:
        """Why no host could tell that the line just read is not what was sent; empty for nearly all."""
        return self.loop.faults.label(line, self._line_start, self.loop.entered - len(self.rx))

    def take(self, line: bytes) -> None:
        """One collected line: judge it, act on the few that do not wait, queue it."""
        loop = self.loop
        last, verdict = self._numbers.last, self.judge(line)
        altered = self.label(line)
        if isinstance(verdict, Repeated):
            loop.note("repeat", source="host", n=verdict.number)
            return
        if not isinstance(verdict, Accepted):
            self.refuse(verdict.reason, last)
            return
        stripped = strip(line)
        command = Command(
            stripped.command.decode("latin-1"),
            "host",
            stripped.number,
            stripped.number_text.decode("latin-1"),
            altered=altered,
        )
        if self._emergency is None:
            self._act_early(line, command)
        if loop.is_running:
            loop.ring.append(command)
            loop.chimes.queue_filled()

    def refuse(self, reason: str, last: int) -> None:
        """A line error: the receive side is flushed, and three lines ask for the line behind `last`."""
        loop = self.loop
        self.rx.clear()
        self._intake.forget()
        self.request([replies.line_error(reason, last)], last + 1)
        loop.note("resend", source="host", n=last + 1, line=reason.rstrip(", :"))

    def request(self, words: list[str], wanted: int) -> None:
        """Say `words`, the Resend and its ok."""
        loop = self.loop
        words = [*words, loop.words.resend.format(number=wanted)]
        if not loop.personality.has("resend_without_ok"):
            words.append(replies.OK)
        for line in loop.faults.refusal(words, wanted):
            loop.say_about(line, None)

    def _act_early(self, line: bytes, command: Command) -> None:
        """Without an emergency parser three un-numbered commands act when they are read, before the queue."""
        if line.lstrip(b" ")[:1] != b"M":
            return
        loop, text = self.loop, command.text
        if text.startswith("M112"):
            self.shut_down()
        elif text.startswith("M108"):
            loop.release(user=loop.personality.has("user_wait"))
        elif text.startswith("M410"):
            loop.stop_motion()

    def _obey(self, order: str) -> None:
        """An order of the emergency parser, in the receive interrupt."""
        loop = self.loop
        if order == "KILL":
            # Resets also a halted board, in builds with SOFT_RESET_VIA_SERIAL.
            if loop.personality.has("soft_reset"):
                loop.restart()
        elif order == "M108":
            loop.release(user=True)
        elif order.startswith("M876"):
            loop.answer()
        elif loop.is_running:
            self._orders.append(order)

    def has_interrupts(self) -> bool:
        """M112 or M410 seen by the emergency parser."""
        return bool(self._orders)

    def obey_interrupts(self) -> None:
        """What the emergency parser only flags and the main loop then does."""
        orders, self._orders = self._orders, []
        for order in orders:
            if order == "M112":
                self.shut_down()
                return
            self.loop.stop_motion()

    # -- answering ---------------------------------------------------------------------------------------

    def answer(self, command: Command) -> None:
        """`ok`; with ADVANCED_OK the line number, free planner blocks and free slots too."""
        if not command.says_ok:
            return
        loop = self.loop
        if not self._advanced_ok:
            loop.say(replies.OK)
            return
        number = f" N{command.number_text}" if command.number_text else ""
        slots = loop.personality.bufsize - len(loop.ring)
        loop.say(f"{replies.OK}{number} P{loop.planner.free(loop.now)} B{slots}")

    def card_line(self, line: bytes) -> Command:
        """Numbers and checksums in a file are taken off as on the wire, and not looked at."""
        return super().card_line(strip(line).command)

    @property
    def last_line(self) -> int:  # type: ignore[override]
        """The truth behind `Last Line:`."""
        return self._numbers.last

    def renumber(self, line_number: int) -> None:
        """M110 N, when it runs."""
        if not self.loop.faults.ignores_m110:
            self._numbers.last = line_number

    # -- the end -----------------------------------------------------------------------------------------

    def forget_input(self) -> None:
        """Nothing is read any more."""
        self.rx.clear()
        self._line_start = self.loop.entered

    def shut_down(self) -> None:
        """M112."""
        self.die(replies.KILLED_BY_M112)

    def kill_pressed(self) -> None:
        """As M112, with other words."""
        self.die(replies.KILLED_BY_BUTTON)

    def thermal_shutdown(self, fault: ThermalFault) -> None:
        """The error, an empty line, what the display falls back to, and the end."""
        loop = self.loop
        error, status = replies.thermal_fault(fault.kind, fault.heater)
        lines = [error, ""]
        if len(loop.axes.homed) < 3:
            # The display falls back to its idle message, which goes out as a status line too.
            lines.append(f"echo:{replies.HOME_FIRST}\r")
            if loop.personality.has("notifications"):
                lines.append(f"//action:notification {replies.HOME_FIRST}\r")
        self.die(*lines, status)

    def die(self, *why: str) -> None:
        """Last words, then silence."""
        after = [replies.HOST_POWER_OFF] if self.loop.personality.has("host_actions") else []
        self.loop.kill(*why, replies.KILLED, *after)

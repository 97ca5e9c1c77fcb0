"""Prusa-Firmware (MK2.5, MK3: 8 bit): an old Marlin with its own ideas about bad lines.

    a repeated line number          Error, Resend, ok - never dropped in silence
    a checksum without a number     Error: No Line Number with checksum, Resend, ok
    95 bytes without a line end     that is a line; what follows is the next one
    bytes from 0x80 up              ignored, one by one
    half a line, then nothing       after 2 s: `RX timeout`, and it is forgotten
    a full receive ring             `Full RX Buffer`, and all of it is forgotten
    M112, numbered or not           acts when it is read; the board resets itself and waits for the knob
    a thermal fault                 no kill: heaters off, host lines dropped, busy lines for ever

Source: Prusa-Firmware 3.14 (commit 0c9bf5d4), `cmdqueue.cpp`, `Marlin_main.cpp`, `temperature.cpp`. Read, not
recorded.
"""

from __future__ import annotations

import math
from collections import deque
from typing import TYPE_CHECKING

from firmware_sim.machine import replies
from firmware_sim.machine.firmwares.marlin import MarlinFirmware
from firmware_sim.machine.intake import (
    MAX_COMMAND_BYTES,
    Accepted,
    Intake,
    LineNumbers,
    Refused,
    Repeated,
    checksum_of,
    leading_number,
)
from firmware_sim.machine.thermal import ThermalFault
from firmware_sim.machine.words import Command

if TYPE_CHECKING:
    from firmware_sim.machine.loop import CommandLoop

RX_TIMEOUT_SECONDS = 2.0
"""Half a line that does not go on is forgotten after so long."""
NO_NUMBER = "No Line Number with checksum, Last Line: "


class PrusaIntake(Intake):
    """Collects 7-bit characters up to a line end or 95 of them; `;` starts a comment."""

    def __init__(self) -> None:
        super().__init__()
        self._line = bytearray()
        self._comment = False

    def next_line(self, rx: deque[int]) -> bytes | None:
        """Eat bytes until one line is complete; None when they run out first."""
        while rx:
            byte = rx.popleft()
            if byte >= 0x80:
                continue
            full = len(self._line) >= MAX_COMMAND_BYTES - 1
            if byte in b"\n\r" or full:
                line = bytes(self._line).partition(b"\0")[0]
                found = bool(self._line)
                self.forget()
                if found:
                    return line
            elif byte == 0x3B:
                self._comment = True
            elif not self._comment:
                self._line.append(byte)
        return None

    def forget(self) -> None:
        """Drop half a line."""
        self._line.clear()
        self._comment = False

    @property
    def half_a_line(self) -> bool:
        """Whether a line was begun."""
        return bool(self._line)


class PrusaNumbers(LineNumbers):
    """Only the next number is right, and a checksum needs one."""

    def judge(self, line: bytes, *, saving: bool = False) -> Accepted | Repeated | Refused:
        """Decide about one collected line; a number counts only at its very beginning."""
        if line[:1] != b"N":
            return Refused(NO_NUMBER) if b"*" in line else Accepted(line)
        number = leading_number(line[1:])
        if number != self.last + 1 and not _command_of(line).startswith(b"M110"):
            return Refused(replies.ERR_LINE_NUMBER)
        star = line.find(b"*")
        if star < 0:
            return Refused(replies.ERR_NO_CHECKSUM)
        if leading_number(line[star + 1 :]) != checksum_of(line[:star]):
            return Refused(replies.ERR_CHECKSUM)
        self.last = number
        return Accepted(line)


def _command_of(line: bytes) -> bytes:
    return line[1:].lstrip(b" ").lstrip(b"+-0123456789").lstrip(b" ")


class PrusaFirmware(MarlinFirmware):
    """Marlin's loop with Prusa's intake, numbers and ends."""

    _intake: PrusaIntake

    def __init__(self, loop: CommandLoop) -> None:
        super().__init__(loop)
        self._heard_at = loop.now
        self._stopped = False

    def _new_intake(self) -> Intake:
        return PrusaIntake()

    def _new_numbers(self) -> LineNumbers:
        return PrusaNumbers()

    def read(self) -> None:
        """Line by line; a ring that is found full is not trusted."""
        loop = self.loop
        if self.rx:
            if len(loop.ring) < loop.personality.bufsize and len(self.rx) >= loop.personality.rx_buffer:
                self.rx.clear()
                loop.say("Full RX Buffer")
            self._heard_at = loop.now
        super().read()

    def next_due(self) -> float:
        """The end of the patience with half a line."""
        return self._heard_at + RX_TIMEOUT_SECONDS if self._intake.half_a_line else math.inf

    def on_time(self) -> None:
        """Forget half a line."""
        self._intake.forget()
        self.loop.say("RX timeout")

    def take(self, line: bytes) -> None:
        """While stopped by a thermal fault good lines are dropped and not counted."""
        if not self._stopped:
            super().take(line)
            return
        last, verdict = self._numbers.last, self.judge(line)
        self._numbers.last = last
        if isinstance(verdict, Refused):
            self.refuse(verdict.reason, last)
        else:
            self.loop.note("dropped", source="host", line=line.decode("latin-1"), effect="stopped")

    def _act_early(self, line: bytes, command: Command) -> None:
        """M112 and nothing else, with or without a number."""
        if command.text == "M112":
            self.shut_down()

    def shut_down(self) -> None:
        """M112: the reason comes behind the end."""
        self._die("Error:M112 called. Emergency Stop.")

    def kill_pressed(self) -> None:
        """The board's KILL input."""
        self._die()

    def _die(self, *why: str) -> None:
        self.loop.kill(replies.KILLED, *why)
        # The next life shows the reason on the display and waits for the knob before anything else.
        self.loop.inject("M0", "machine")

    def thermal_shutdown(self, fault: ThermalFault) -> None:
        """Stopped, not killed: `//action:cancel`, heaters off, and nothing more is taken."""
        loop, error = self.loop, thermal_error(fault)
        self._stopped = True
        loop.note("kill", line=error, effect="stopped, not halted")
        loop.say(error)
        loop.host_action("cancel")
        loop.ring.clear()
        loop.stop_motion()
        loop.heaters_off()
        loop.card.close()
        loop.inject("M0", "machine")
        loop.release(user=True)


def thermal_error(fault: ThermalFault) -> str:
    """The `Error:` line of a thermal fault."""
    bed = fault.heater == "bed"
    match fault.kind:
        case "Heating failed":
            return f"Error: THERMAL RUNAWAY (PREHEAT {'HEATBED' if bed else 'HOTEND'})"
        case "Thermal Runaway":
            return f"Error: {'HEATBED' if bed else 'HOTEND'} THERMAL RUNAWAY"
    short = fault.kind.split()[0]
    return (
        f"Error:Heaters switched off. {short} BED triggered!"
        if bed
        else (f"Error:0: Heaters switched off. {short} triggered!")
    )

"""Repetier-Firmware: `ok` when a line is taken, before it runs.

    a good line                     `ok 7` as soon as it is buffered; what the command says comes behind it
    a line seen within the last 40  `skip 7`, `ok`
    a line from the future          `Error:expected line 8 got 9`, an empty line, `Resend:8`, `ok`
    a wrong checksum                `Error:Wrong checksum`, and the same three
    behind an error                 up to 14 wrong lines are skipped with `skip N`, `ok` and no further error
    a thermal fault                 `fatal:...`, repeated with the `ok` of every line until M999
    no answer to a Resend           it is repeated every 0.2 s, `ok` included; half a line counts as that too
    idle for a second               `wait`
    M110                            `ok` at once, and never runs
    neither G nor M nor T           `Error:Format error`, and Resend

Source: Repetier-Firmware 1.0.4, `gcode.cpp`, `Commands.cpp`. Read, not recorded. `Missing checksum` is said
by builds with FEATURE_CHECKSUM_FORCED once a checksum has been seen.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING

from firmware_sim.machine import replies
from firmware_sim.machine.firmwares.marlin import MarlinFirmware
from firmware_sim.machine.intake import checksum_of, leading_number
from firmware_sim.machine.thermal import ThermalFault
from firmware_sim.machine.words import Command

if TYPE_CHECKING:
    from firmware_sim.machine.loop import CommandLoop

REMINDER_SECONDS = 0.2
"""A Resend that is not answered is repeated so often."""
LINES_TO_SKIP = 14
"""How many wrong lines behind an error are taken for what was still on its way."""
LINES_REMEMBERED = 40
"""A number so far back is taken for a repeated line."""
DECOUPLED = "Error:One heater seems decoupled from thermistor - disabling all for safety!"
FATAL_TAIL = " - Printer stopped and heaters disabled due to this error. Fix error and restart with M999."

_NUMBER = re.compile(rb"N *(-?\d+) *", re.IGNORECASE)
_TEXT = re.compile(rb"M(20|23|28|29|30|32|36|117|118|531)(?!\d)", re.IGNORECASE)
_NAMED = re.compile(rb"[GMT]", re.IGNORECASE)


class RepetierFirmware(MarlinFirmware):
    """Marlin's receive side and commands; lines are judged and answered Repetier's way."""

    def __init__(self, loop: CommandLoop) -> None:
        super().__init__(loop)
        self._last = 0
        self._seen = 0
        self._to_skip = -1
        self._forced = False
        self._fatal = ""
        self._heard_at = loop.now

    # -- judging -----------------------------------------------------------------------------------------

    def read(self) -> None:
        """Note when something was heard last."""
        if self.rx:
            self._heard_at = self.loop.now
        super().read()

    def take(self, line: bytes) -> None:
        """Checksum, number, `ok`, ring - in this order."""
        reason = None if self.loop.faults.checks_nothing else self._damage(line)
        found = _NUMBER.match(line)
        if found:
            self._seen = int(found[1])
        if reason is not None:
            self.refuse(f"Error:{reason}", self._last)
            return
        command = Command(
            _payload(line, found.end() if found else 0),
            "host",
            self._seen if found else None,
            str(self._seen) if found else "",
            says_ok=False,
            altered=self.label(line),
        )
        if command.code == "M110":
            if not self.loop.faults.ignores_m110:
                self._last = self._seen
            self._to_skip = -1
            self.loop.say(replies.OK)
            self.loop.note_run(command)
        elif command.code == "M112":
            self.shut_down()
        elif not found or self.loop.faults.checks_nothing or self._is_next():
            self._accept(command)

    def _damage(self, line: bytes) -> str | None:
        star = line.rfind(b"*")
        body = line[_end_of_number(line) :]
        if _TEXT.match(body):
            # The text of these commands swallows the checksum, which nobody looks at.
            return None
        if star >= 0:
            self._forced |= self.loop.personality.has("checksum_forced")
            if leading_number(line[star + 1 :]) & 0xFF != checksum_of(line[:star]):
                return "Wrong checksum"
        elif self._forced:
            return "Missing checksum"
        return None if _NAMED.search(body) else "Format error"

    def _is_next(self) -> bool:
        """Whether the number just seen is the next one; if not, say what is to be said."""
        ahead = (self._seen - self._last) & 0xFFFF
        if ahead == 1:
            self._last = self._seen
            return True
        if (self._last - self._seen) & 0xFFFF < LINES_REMEMBERED:
            self._skip("repeat")
        elif self._to_skip < 0:
            self.refuse(f"Error:expected line {self._last + 1} got {self._seen}", self._last)
        else:
            self._to_skip -= 1
            self._skip("dropped")
        return False

    def _skip(self, event: str) -> None:
        self.loop.say(f"skip {self._seen}")
        self.loop.say(replies.OK)
        self.loop.note(event, source="host", n=self._seen)

    def _accept(self, command: Command) -> None:
        loop = self.loop
        self._to_skip = -1
        if self._fatal and command.code != "M999":
            loop.say(self._fatal)
            loop.note("dropped", source="host", n=command.number, line=command.text, effect="fatal")
        else:
            if self._fatal:
                self._fatal, self.tripped = "", False
                loop.say("info:Continue from fatal state")
            loop.ring.append(command)
            loop.chimes.queue_filled()
        loop.say_about(f"{replies.OK} {self._seen}", command.number)

    def refuse(self, reason: str, last: int) -> None:
        """The error and the request."""
        self._ask([reason, ""], last, reason)

    def _ask(self, words: list[str], last: int, reason: str) -> None:
        self.rx.clear()
        self._intake.forget()
        self._to_skip = LINES_TO_SKIP
        self.request(words, last + 1)
        self.loop.note("resend", source="host", n=last + 1, line=reason)

    # -- time --------------------------------------------------------------------------------------------

    def next_due(self) -> float:
        """A Resend without an answer, or half a line that does not go on."""
        waits = self._to_skip >= 0 or self._intake.half_a_line
        return self._heard_at + REMINDER_SECONDS if waits else math.inf

    def on_time(self) -> None:
        """Ask again."""
        self._heard_at = self.loop.now
        self._ask([""], self._last, "reminder")

    # -- the rest ----------------------------------------------------------------------------------------

    def answer(self, command: Command) -> None:
        """It was answered when it was taken."""

    @property
    def last_line(self) -> int:  # type: ignore[override]
        """The last accepted number."""
        return self._last

    def shut_down(self) -> None:
        """M112 resets the board; the new life says `start`."""
        self.loop.kill()

    def kill_pressed(self) -> None:
        """As M112."""
        self.loop.kill()

    def thermal_shutdown(self, fault: ThermalFault) -> None:
        """Heaters off, and every command is refused, with an `ok`, until M999."""
        loop = self.loop
        if "TEMP" in fault.kind:
            warning, what = "Disabling all heaters due to detected sensor defect.", "Heater/sensor error"
        else:
            when = "rising" if fault.kind == "Heating failed" else "hold"
            warning, what = DECOUPLED, f"Heater decoupled during {when}"
        self._fatal = f"fatal:{what}{FATAL_TAIL}"
        loop.note("kill", line=self._fatal, effect="refuses commands, not halted")
        loop.say(warning)
        loop.clear_queue()
        loop.stop_motion()
        loop.heaters_off()
        loop.release(user=True)
        loop.say(self._fatal)


def _end_of_number(line: bytes) -> int:
    found = _NUMBER.match(line)
    return found.end() if found else 0


def _payload(line: bytes, start: int) -> str:
    """The command without number and checksum; letters may be small ones, which only ASCII has here."""
    body = line[start:].partition(b"*")[0].strip()
    return (body if _TEXT.match(line[start:]) else body.upper()).decode("latin-1")

"""The handshake: who is there, and what to ask of it. Sans-I/O helper of the link.

`M115` until the firmware names itself, then (in the link) `M110 N0` with a numbered M105, then the reports:
`M155 S<n>` if `Cap:AUTOREPORT_TEMP`, `M27 S<n>` if `Cap:AUTOREPORT_SD_STATUS`, and one M27 wherever there
is a card, to see a print that is already running; `M154 S5` if `Cap:AUTOREPORT_POS`.

In front of all that goes `M29` where a former host may have left a file open for writing (M28), or where the
first M115 is refused for its missing checksum: such a firmware would write every question into that file.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import chain

from gateway.protocol.marlin import framing
from gateway.protocol.marlin.failures import FailureReason
from gateway.protocol.marlin.profile import Profile, profile_for
from gateway.protocol.marlin.replies import (
    Capability,
    FileSaved,
    FirmwareInfo,
    Ok,
    Reply,
    Temperature,
    UnknownCommand,
)

#: Seconds from one M115 to the next: a board with a boot loader is deaf for about two seconds after a reset.
ASK_SECONDS = 3.0
#: Seconds after `start` before asking: the rest of the boot messages takes some tens of milliseconds.
AFTER_START_SECONDS = 0.5
#: Seconds to name itself; a `busy` begins them anew (a printer that waits for a person answers afterwards).
IDENTIFY_SECONDS = 30.0
#: Seconds for M110, and for the M105 behind it, before both are sent again (both are harmless to repeat): at
#: first and at most, doubled with each try. Behind a print from the card each line waits for its long moves.
NUMBER_SECONDS = 2.0
NUMBER_SECONDS_MAX = 30.0
#: Tries to number: two minutes in all.
NUMBER_TRIES = 7
#: Oks without a name before the firmware counts as unknown, and M115s asked by then: the lines that somebody
#: else left in the firmware are answered first, a window full of them at once.
NAMELESS_OKS = 3
#: The same while somebody else's print is in the firmware: slow moves are answered for a long time.
NAMELESS_OKS_IN_MID_PRINT = 9
#: Seconds to the next M115 after a refused line: half a one, and the M115 behind it was dropped too.
AFTER_REFUSAL_SECONDS = 0.2
#: Seconds between two reports of the position: a line of 60 bytes that only people look at.
POSITION_SECONDS = 5
#: Answers to M29 after which no file is open: the first may be one to a line of the former host. `Done saving
#: file.` needs no second one.
CLOSINGS = 2
#: How a firmware with an open file refuses a line without a number (queue.cpp, STR_ERR_NO_CHECKSUM).
_NO_CHECKSUM = "No Checksum"
#: No command and no checksum ends like this; alone it is an unknown command, with an ok like any other.
SPOILS_HALF_A_LINE = b"9999"


class Handshake:
    """What the firmware has said of itself so far, and the clock of the questions."""

    def __init__(
        self,
        now: float,
        *,
        override: Profile | None,
        report_seconds: int,
        is_mid_print: bool = False,
        may_be_saving: bool = False,
    ) -> None:
        self.firmware = "unknown"
        self.machine: str | None = None
        self.capabilities: dict[str, bool] = {}
        self.deadline: float = now
        self._override = override
        self._report_seconds = report_seconds
        self.is_mid_print = is_mid_print
        self._nameless_max = NAMELESS_OKS_IN_MID_PRINT if is_mid_print else NAMELESS_OKS
        self._limit = now + IDENTIFY_SECONDS
        self._is_named = False
        self._understood = False
        self._nameless_oks = self._asked = 0
        self._tries = 0
        self._owes_ok_of_refusal = False
        self._may_be_saving = may_be_saving
        self._closings = self._closing_oks = 0  # M29s sent, and oks since the first
        self.needs_checksum = False  # nothing is taken without one (Repetier, once it has seen one)
        self.ok_when_taken = False  # its oks say so, whatever its name is
        self._commands: Iterator[str] | None = None

    def question(self) -> bytes:
        """The M115 (or M29) to send now, with the end of whatever half line may be in the receive buffer.

        In mid-print that half may be an emergency command: a newline alone would make "M1" (wait for a
        person) of "M108". With digits it is unknown, and a numbered half is refused as ever.
        """
        is_first = not self._asked and not self._closings
        spoils = SPOILS_HALF_A_LINE if (self.is_mid_print or self._may_be_saving) and is_first else b""
        command = "M29" if self._may_be_saving else "M115"
        return spoils + b"\n" + (framing.checked(command) if self.needs_checksum else framing.bare(command))

    def asked(self, now: float) -> None:
        """The question went out."""
        if self._may_be_saving:
            self._closings += 1
        else:
            self._asked += 1
        self.deadline = now + ASK_SECONDS

    def numbered(self, now: float) -> None:
        """M110 went out."""
        self._tries += 1
        self._commands = None
        self.numbering_goes_on(now)

    def numbering_goes_on(self, now: float) -> None:
        """The M110 was answered: the same time for the line that proves it."""
        self.deadline = now + min(NUMBER_SECONDS * 2.0 ** (self._tries - 1), NUMBER_SECONDS_MAX)

    def board_started(self, now: float) -> None:
        """The board booted: what it said before may be another firmware's."""
        self.capabilities.clear()
        self._is_named = False
        self._may_be_saving = False
        self._understood = True
        self._nameless_oks = self._asked = 0
        self._tries = 0
        self._commands = None
        self._limit = now + IDENTIFY_SECONDS
        self.deadline = now + AFTER_START_SECONDS

    def overdue(self, now: float, *, has_heard: bool) -> FailureReason | None:
        """Whether the time is up, and why."""
        if self._tries:
            return FailureReason.NUMBERS_NOT_ACCEPTED if self._tries >= NUMBER_TRIES else None
        if now < self._limit:
            return None
        return FailureReason.NOT_UNDERSTOOD if has_heard and not self._understood else FailureReason.NO_ANSWER

    def hear_busy(self, now: float) -> None:
        """It works on something: it answers afterwards. Asking on would only fill its receive buffer."""
        self._understood = True
        self._limit = max(self._limit, now + IDENTIFY_SECONDS)
        self.deadline = max(self.deadline, now + ASK_SECONDS)

    def hear_error(self, text: str) -> None:
        """Why a line was refused: what has no checksum is said with one from now on, or a file is open."""
        self.needs_checksum |= text.startswith("Missing checksum")
        if text.startswith(_NO_CHECKSUM) and not (self.is_mid_print or self._is_named or self._may_be_saving):
            self._may_be_saving = True
            self._closings = self._closing_oks = 0

    def hear_refusal(self, now: float) -> None:
        """A line was refused, and what had been read behind it is gone."""
        self._owes_ok_of_refusal = True
        self.deadline = min(self.deadline, now + AFTER_REFUSAL_SECONDS)

    def hear_leftover_ok(self, now: float) -> None:
        """An ok for a line of a former host: it works off what that one left."""
        if not self._owes_ok_of_refusal:
            self.hear_busy(now)
        self._owes_ok_of_refusal = False

    def hear(self, reply: Reply) -> bool:
        """Learn from a reply. True when the firmware is identified."""
        match reply:
            case FirmwareInfo():
                self.firmware, self.machine, self._is_named = reply.name, reply.machine, True
            case Capability():
                if len(self.capabilities) < 256:  # a firmware names about 40
                    self.capabilities[reply.name] = reply.is_on
            case UnknownCommand() if reply.command.split(maxsplit=1)[:1] == ["M115"]:
                self._nameless_oks = self._asked = self._nameless_max
            case Temperature():
                self._understood = True  # somebody asked it for reports; it will answer when it has time
            case FileSaved():
                self._closed()
            case Ok() if self._may_be_saving:
                self._hear_closing_ok()
            case Ok():
                return self._hear_ok(reply)
            case _:
                pass
        return False

    def _hear_closing_ok(self) -> None:
        self._understood = True
        if self._owes_ok_of_refusal:
            self._owes_ok_of_refusal = False
            return
        self._closing_oks += 1
        if min(self._closing_oks, self._closings) >= CLOSINGS:
            self._closed()
        self.deadline = 0.0  # the next question, at once

    def _closed(self) -> None:
        self._may_be_saving = False
        self.deadline = 0.0

    def _hear_ok(self, ok: Ok) -> bool:
        self._understood = True
        if ok.firmware is not None:
            self.firmware, self.machine, self._is_named = ok.firmware.name, ok.firmware.machine, True
        self._nameless_oks += 1
        return self._is_named or min(self._nameless_oks, self._asked) >= self._nameless_max

    def profile(self) -> Profile:
        """The profile of this firmware, corrected by its capabilities."""
        profile = (self._override or profile_for(self.firmware)).with_capabilities(self.capabilities)
        return replace(profile, ok_when="taken") if self.ok_when_taken else profile

    def next_command(self) -> str | None:
        """The next report to ask for, one at a time; None when all were."""
        if self._commands is None:
            self._commands = iter(tuple(self._reports()))
        return next(self._commands, None)

    def _reports(self) -> Iterator[str]:
        profile, seconds = self.profile(), self._report_seconds
        temperature: tuple[str, ...] = ()
        card: tuple[str, ...] = ()
        if profile.report_temperatures and self.capabilities.get("AUTOREPORT_TEMP"):
            temperature = (profile.report_temperatures.format(seconds=seconds),)
        if profile.sd_card:
            card = ("M27",)
            if profile.report_sd and self.capabilities.get("AUTOREPORT_SD_STATUS"):
                card = ("M27", profile.report_sd.format(seconds=seconds))
        position: tuple[str, ...] = ()
        if profile.report_position and self.capabilities.get("AUTOREPORT_POS"):
            position = (profile.report_position.format(seconds=max(POSITION_SECONDS, seconds)),)
        if not (temperature or card or position) and profile.counts_lines:
            return iter(("M105",))  # see `Opening.number_again`: one line more than the one that proves M110
        return chain(temperature, card, position)

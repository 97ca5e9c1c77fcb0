"""Klipper's pseudo-terminal in its Marlin mode: another world behind the same `ok`.

    line numbers, checksums     ignored; there is no Resend
    every line                  `ok`, also an empty one and a comment; also behind `!!`
    an error                    `!! why`, with all its lines as `// ...` in front if there are several
    one byte that is no UTF-8   everything of the same read of the operating system is lost, without a word
    20 lines waiting            it stops reading
    M112 as a line of its own   acts when it is read, if fewer than 20 lines wait; else in its turn
    shutdown                    `// Klipper state: Shutdown`, no reason; STATUS tells it; then `!!` to most
    RESTART, FIRMWARE_RESTART   `ok`, `// Klipper state: Disconnect`, 1.7 s later `// Klipper state: Ready`;
                                after a shutdown only FIRMWARE_RESTART leads to Ready

What arrives in one `receive` is one read, as long as klippy is reading. Source: notes of recorded runs, and
klippy's `gcode.py`, `webhooks.py`, `mcu.py`.
"""

from __future__ import annotations

import enum
import math
import re
from collections import deque
from collections.abc import Iterator
from typing import TYPE_CHECKING

from firmware_sim.machine import replies
from firmware_sim.machine.firmwares.base import Firmware
from firmware_sim.machine.klipper_commands import WHEN_NOT_READY, GcodeError
from firmware_sim.machine.thermal import ThermalFault
from firmware_sim.machine.words import Command

if TYPE_CHECKING:
    from firmware_sim.machine.loop import CommandLoop

READ_BYTES = 4096
"""klippy's os.read takes no more at once."""
MOST_PARTIAL_BYTES = 1 << 16
"""A line without an end is kept up to here; klippy has no bound, a simulator needs one."""
RESTART_SECONDS = 1.7
"""From `Disconnect` to `Ready` (noted from a recorded run)."""
RESTART_DWELL_SECONDS = 0.5
"""A restart of a printer that is ready lets so much time pass before."""

_M112 = re.compile(r"^(?:[nN][0-9]+)?\s*[mM]112(?:\s|$)")
_NUMBERED = re.compile(r"[nN] *-?\d+ *")
_CODE = re.compile(r"([A-Za-z_]+ *-?[0-9.]*)")
_FREE_TEXT = re.compile(r"M(?:23|117|118)(?![0-9])", re.IGNORECASE)
_WORDS = ("STATUS", "RESTART", "FIRMWARE_RESTART", "ECHO", "HELP")

HOW_TO_RESTART = (
    'Once the underlying issue is corrected, use the\n"FIRMWARE_RESTART" command to reset the firmware, '
    "reload the\nconfig, and restart the host software.\n"
)
STARTING = (
    "Printer is not ready\nThe klippy host software is attempting to connect.  Please\n"
    "retry in a few moments."
)


class State(enum.Enum):
    """What klippy thinks of the printer."""

    READY = "ready"
    SHUTDOWN = "shutdown"
    STARTING = "startup"
    ERROR = "error"


class KlipperFirmware(Firmware):
    """klippy: the ring holds the lines that wait, the first of them runs."""

    def __init__(self, loop: CommandLoop) -> None:
        super().__init__(loop)
        self.state = State.READY
        self._reason = ""
        self._reads: deque[bytes] = deque()
        self._partial = ""
        self._line_start = loop.entered
        self.checks_nothing = True
        self._restart_to: State | None = None
        self._ready_at = math.inf

    # -- receiving ---------------------------------------------------------------------------------------

    def interrupt(self, data: bytes) -> bytes:
        """Nothing looks at the bytes before they are read."""
        return data

    def buffer(self, data: bytes) -> None:
        """One read each; while klippy does not read, the terminal joins what comes."""
        reading = len(self.loop.ring) < self.loop.personality.bufsize and not self.loop.is_hung
        if self._reads and not reading:
            self._reads[-1] += data
        else:
            self._reads.append(data)

    def unread(self) -> int:
        """Bytes in the terminal."""
        return sum(len(chunk) for chunk in self._reads)

    def can_read(self) -> bool:
        """Whether a read would return."""
        return bool(self._reads)

    def read(self) -> None:
        """Read by read, until 20 lines wait."""
        loop = self.loop
        while self._reads and len(loop.ring) < loop.personality.bufsize:
            chunk = self._reads.popleft()
            if len(chunk) > READ_BYTES:
                self._reads.appendleft(chunk[READ_BYTES:])
            self._process(chunk[:READ_BYTES])

    def _process(self, chunk: bytes) -> None:
        loop = self.loop
        try:
            text = chunk.decode()
        except UnicodeDecodeError:
            loop.note("dropped", source="host", line=f"{len(chunk)} bytes", effect="no UTF-8")
            self._line_start += len(chunk)
            return
        lines = text.split("\n")
        lines[0] = self._partial + lines[0]
        self._partial = lines.pop()[:MOST_PARTIAL_BYTES]
        for line in lines:
            raw = line.encode()
            end = self._line_start + len(raw) + 1
            loop.ring.append(self._command(line, loop.faults.label(raw, self._line_start, end)))
            self._line_start = end
        if lines:
            loop.chimes.queue_filled()
        if len(loop.ring) < loop.personality.bufsize and any(_M112.match(line) for line in lines):
            self.shut_down()

    def _command(self, line: str, altered: str) -> Command:
        """Without number and checksum; letters may be small ones."""
        text = line.strip()
        number: int | None = None
        if found := _NUMBERED.match(text):
            number = int(found[0][1:].strip())
            text = text[found.end() :]
            body, star, checksum = text.rpartition("*")
            if star and checksum.isdigit():
                text = body
        if not _FREE_TEXT.match(text):
            text = text.partition(";")[0].partition("*")[0].strip().upper()
        elif text[:1].islower():
            text = text[:1].upper() + text[1:]
        # What the ledger holds is Latin-1, as all that is said.
        return Command(text.encode().decode("latin-1"), "host", number, altered=altered)

    # -- running -----------------------------------------------------------------------------------------

    @property
    def card_slots(self) -> int:
        """The file is read line by line, whenever nothing else waits."""
        return 1

    def begin(self, command: Command) -> Iterator[float] | None:
        """Run it; an error is said, and it is answered all the same."""
        loop = self.loop
        try:
            if self.state is not State.READY and not self._runs_anyway(command):
                raise GcodeError(self._state_message())
            running = self._dispatch(command)
        except GcodeError as error:
            why = str(error)
            self._say_error(why)
            loop.note("refused", source=command.source, n=command.number, line=command.text, effect=why)
            if command.source == "sd":
                loop.note("sd_abort", line=loop.card.opened.short if loop.card.opened else None)
                loop.card.close()
            return None
        return self._until_shutdown(running, command) if running is not None else None

    def _dispatch(self, command: Command) -> Iterator[float] | None:
        loop = self.loop
        word = command.text.split(" ", 1)[0]
        handler = loop.handlers.get(command.code)
        if handler is not None:
            running = handler(loop, command)
        elif word in _WORDS:
            running = self._own_command(word)
        else:
            self._unknown_to_klippy(command)
            return None
        if command.code != "M1001":
            loop.note_run(command)
        return running

    def _runs_anyway(self, command: Command) -> bool:
        if command.code == "M105":
            # Asked before it is ready: no sensors yet.
            self.loop.say(f"{replies.OK} T:0")
            command.says_ok = False
            command.code = command.text = ""
        word = command.text.split(" ", 1)[0]
        return not command.text or command.code in WHEN_NOT_READY or command.code == "M21" or word in _WORDS

    def _unknown_to_klippy(self, command: Command) -> None:
        if not command.text:
            return
        found = _CODE.match(command.text)
        name = found[0].replace(" ", "") if found else command.text
        self.loop.say(self.loop.words.unknown.format(command=name))
        self.loop.note("unknown", source=command.source, n=command.number, line=command.text)

    def _until_shutdown(self, running: Iterator[float], command: Command) -> Iterator[float]:
        """A shutdown ends every wait at once; homing calls that an error."""
        for at in running:
            yield at
            if self.state is not State.READY:
                if command.code == "G28":
                    self._say_error("Homing failed due to printer shutdown")
                return

    def answer(self, command: Command) -> None:
        """`ok`, whatever came of it; behind a restart's the new klippy begins."""
        if command.says_ok:
            self.loop.say(replies.OK)
        if self._restart_to is not None and command.source == "host":
            self._disconnect()

    # -- klippy's own commands ---------------------------------------------------------------------------

    def _own_command(self, word: str) -> Iterator[float] | None:
        match word:
            case "STATUS":
                if self.state is State.READY:
                    self._say_state("Ready")
                else:
                    raise GcodeError(f"{self._state_message()}\nKlipper state: Not ready")
            case "RESTART" | "FIRMWARE_RESTART":
                return self._restart(firmware=word == "FIRMWARE_RESTART")
        return None

    def _restart(self, *, firmware: bool) -> Iterator[float]:
        ready = self.state is State.READY
        yield from self.loop.motion_done()
        end = self.loop.now + (RESTART_DWELL_SECONDS if ready else 0.0)
        while self.loop.now < end:
            yield end
        self._restart_to = State.READY if ready or firmware else State.ERROR

    def _disconnect(self) -> None:
        loop = self.loop
        self._say_state("Disconnect")
        self.state = State.STARTING
        self._ready_at = loop.now + RESTART_SECONDS
        loop.heaters_off()
        loop.stop_motion()
        loop.axes.homed.clear()
        loop.card.close()

    def next_due(self) -> float:
        """When the new klippy has come up."""
        return self._ready_at

    def on_time(self) -> None:
        """Up, or not."""
        self._ready_at, target = math.inf, self._restart_to
        self._restart_to = None
        if target is State.READY:
            self.state, self._reason, self.tripped = State.READY, "", False
            self._say_state("Ready")
        else:
            self.state = State.ERROR

    # -- the end -----------------------------------------------------------------------------------------

    def forget_input(self) -> None:
        """Nothing is forgotten: a shutdown does not stop the reading."""

    def shut_down(self) -> None:
        """M112."""
        self._shut_down("Shutdown due to M112 command")

    def kill_pressed(self) -> None:
        """A board's KILL input is a command sent to the micro-controller."""
        self._shut_down("MCU 'mcu' shutdown: Command request")

    def thermal_shutdown(self, fault: ThermalFault) -> None:
        """The reason is not said: it must be asked for."""
        if "TEMP" in fault.kind:
            self._shut_down("MCU 'mcu' shutdown: ADC out of range")
        else:
            name = "heater_bed" if fault.heater == "bed" else "extruder"
            self._shut_down(f"Heater {name} not heating at expected rate")

    def _shut_down(self, reason: str) -> None:
        loop = self.loop
        if self.state is not State.READY:
            return
        self.state, self._reason = State.SHUTDOWN, reason
        loop.note("kill", line=reason, effect="shutdown, still answers")
        loop.stop_motion()
        loop.heaters_off()
        loop.axes.homed.clear()
        loop.card.close()
        self._say_state("Shutdown")
        loop.wake()

    def _state_message(self) -> str:
        match self.state:
            case State.STARTING:
                return STARTING
            case State.ERROR:
                what = f"MCU 'mcu' error during config: {self._reason}"
                return f"{what}\n{HOW_TO_RESTART}Error configuring printer"
        return f"{self._reason}\n{HOW_TO_RESTART}Printer is shutdown"

    def _say_state(self, state: str) -> None:
        self.loop.say(f"// Klipper state: {state}")

    def _say_error(self, text: str) -> None:
        lines = text.split("\n")
        if len(lines) > 1:
            for line in lines:
                self.loop.say(f"// {line}")
        self.loop.say(f"!! {lines[0]}")

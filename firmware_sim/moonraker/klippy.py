"""klippy: one script at a time, the file on the virtual SD card between the scripts, and the ways it ends.

    down -> starting (1.7 s) -> ready -> shutdown -> FIRMWARE_RESTART -> starting ...
                                   `-> RESTART ---------------------------^   (after a shutdown: error)

A script holds the G-code lock while it runs: a pause, a cancel and a start wait behind whatever line of the
file runs just then, and that may be a heat-up of minutes. A shutdown ends every wait at once. Moves are
planned up to a second ahead, so the head still moves for a moment after a file is complete or paused.
Source: klippy's gcode.py, klippy.py, virtual_sdcard.py; measured runs for times and words.
"""

from __future__ import annotations

import json
import math
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from firmware_sim.ledger import Ledger
from firmware_sim.machine.chimes import Chimes
from firmware_sim.machine.klipper_commands import GcodeError
from firmware_sim.machine.motion import Axes, Planner
from firmware_sim.machine.sdcard import Card
from firmware_sim.machine.state import Machine
from firmware_sim.machine.thermal import Heater, ThermalFault
from firmware_sim.machine.words import Command
from firmware_sim.moonraker import klippy_commands
from firmware_sim.moonraker.files import Gcodes
from firmware_sim.moonraker.life import READY_MESSAGE, SHUTDOWN_WORDS, STARTUP_MESSAGE, Life
from firmware_sim.moonraker.print_stats import PrintStats
from firmware_sim.moonraker.virtual_sdcard import VirtualSdcard
from firmware_sim.personality import Personality

START_SECONDS = 1.7
"""From a new process to `ready` (measured: `Disconnect` to `Ready`)."""
SOCKET_SECONDS = 0.3
"""From a new process to an API socket that can be opened (judged)."""
TICK = 1e-6
"""Least seconds a waiting command lets pass."""
IDLE_SECONDS = 600.0
"""klippy's `idle_timeout`: then heaters and motors go off."""


@dataclass(slots=True)
class Script:
    """G-code to run under the lock. done: told None, or the error's text, when it has run."""

    text: str
    source: str
    done: Callable[[str | None], None]
    request: str = ""


class Klippy(Machine):
    """The process with its machine. `now` in seconds; see the module's text."""

    def __init__(self, personality: Personality, ledger: Ledger, gcodes: Gcodes, *, has_macros: bool) -> None:
        self.personality, self.ledger, self.gcodes = personality, ledger, gcodes
        self.has_macros = has_macros
        self.now = 0.0
        self.probe_is_dead = False
        self.starts = 0
        """Physical starts so far."""
        self.on_gone: Callable[[], None] = lambda: None
        """Told when the process ends: whoever waits for an answer gets none."""
        self.hotend = Heater("E0", personality.hotend, personality.ambient)
        self.bed = Heater("bed", personality.plate, personality.ambient)
        self.card = Card()
        self.chimes = Chimes(0.0, 0.0, lambda: None, lambda: None)
        self._begin_process()
        self.life, self._ready_at = Life.READY, math.inf

    def _begin_process(self) -> None:
        """Everything a new process does not know."""
        self.planner = Planner(self.personality.planner_blocks, self.personality.first_move_delay)
        self.axes = Axes(self.personality)
        self.forget_session()
        self.stats = PrintStats()
        self.sdcard = VirtualSdcard(self.stats)
        self.is_paused = self.sd_paused = False
        self.display_progress: float | None = None
        self.display_message: str | None = None
        self.reason = ""
        self.tripped = False
        self.restart_wanted: Life | None = None
        self.script: Script | None = None
        self._scripts: deque[Script] = deque()
        self._running: Iterator[float] | None = None
        self._resume_at = math.inf
        self._idle_from = self.now
        self.is_timed_out = True
        self.began_at = self.now

    # -- asked from outside ------------------------------------------------------------------------------

    def run_script(self, script: Script) -> None:
        """Queue it behind the others; the file waits until all of them have run."""
        self._scripts.append(script)
        if script.source != "machine":
            self.is_timed_out = False

    @property
    def is_attachable(self) -> bool:
        """Whether the API socket can be opened."""
        return self.life is not Life.DOWN and self.now >= self.began_at + SOCKET_SECONDS

    @property
    def message(self) -> str:
        """`webhooks.state_message`."""
        match self.life:
            case Life.READY:
                return READY_MESSAGE
            case Life.STARTING:
                return STARTUP_MESSAGE
        return f"{self.reason}\n{SHUTDOWN_WORDS}"

    @property
    def is_busy(self) -> bool:
        """A script or the file runs, or something moves."""
        return self._is_working() or self.planner.drained_at(self.now) > self.now

    # -- the process -------------------------------------------------------------------------------------

    def die(self, why: str) -> None:
        """The process is gone. The micro-controller misses it within seconds and switches all off."""
        if self.life is Life.DOWN:
            return
        self.note("klippy-gone", line=why)
        self._note_lost()
        self._everything_off()
        self._begin_process()
        self.life, self._ready_at = Life.DOWN, math.inf
        self.on_gone()

    def start_process(self) -> None:
        """A new one, if there is none."""
        if self.life is Life.DOWN:
            self._begin_process()
            self.note("klippy-started")
            self.life, self._ready_at = Life.STARTING, self.now + START_SECONDS

    def exit_to(self, life: Life) -> None:
        """RESTART, FIRMWARE_RESTART: the process ends and comes back as `life`."""
        reason = self.reason
        self.die("restart")
        self.start_process()
        self.restart_wanted, self.reason = life, reason

    def shut_down(self, reason: str = "Shutdown due to M112 command") -> None:
        """Heaters and motors off, the print stops where it is; only a firmware restart leads back."""
        if self.life not in (Life.READY, Life.STARTING):
            return
        self.note("kill", line=reason, effect="shutdown, still answers")
        self._note_lost()
        self.life, self.reason, self._ready_at = Life.SHUTDOWN, reason, math.inf
        self._everything_off()
        self.sdcard.must_pause = True
        self.wake()

    def _everything_off(self) -> None:
        self.stop_motion()
        self.heaters_off()
        self.fan = 0
        self.axes.homed.clear()

    def _note_lost(self) -> None:
        if self.life is not Life.SHUTDOWN and self.stats.state in ("printing", "paused"):
            self.note("print-lost", source="machine", n=self.starts, line=self.stats.filename)

    # -- living through time -----------------------------------------------------------------------------

    def live_until(self, now: float) -> None:
        """Everything that happens by itself up to `now`, each at its own instant."""
        self.work()
        while (due := self.next_due()) <= now:
            self.now = max(self.now, due)
            self._on_time()
            self.work()
        self.now = max(self.now, now)

    def next_due(self) -> float:
        """When something happens by itself; infinity: never."""
        if self.life is Life.DOWN:
            return math.inf
        return min(self._resume_at, self._ready_at, self._fault_at(), self._idle_at())

    def _on_time(self) -> None:
        if self._ready_at <= self.now:
            self._ready_at = math.inf
            self.life = self.restart_wanted or Life.READY
            self.restart_wanted = None
            if self.life is Life.READY:
                self.reason = ""
        fault = self._thermal_fault()
        if fault is not None and fault.at <= self.now:
            self.thermal_shutdown(fault)
        if self._idle_at() <= self.now:
            self.is_timed_out = True
            self.run_script(Script("TURN_OFF_HEATERS\nM84", "machine", lambda _error: None))

    def _idle_at(self) -> float:
        if self.is_timed_out or self.life is not Life.READY or self._is_working():
            return math.inf
        return self._idle_from + IDLE_SECONDS

    def _is_working(self) -> bool:
        return self._running is not None or bool(self._scripts) or self.sdcard.is_active

    def _fault_at(self) -> float:
        fault = self._thermal_fault()
        return fault.at if fault else math.inf

    def _thermal_fault(self) -> ThermalFault | None:
        if self.tripped or self.life is not Life.READY:
            return None
        found = [f for f in (self.hotend.pending_fault(self.now), self.bed.pending_fault(self.now)) if f]
        return min(found, key=lambda fault: fault.at, default=None) if found else None

    def thermal_shutdown(self, fault: ThermalFault) -> None:
        """klippy's verify_heater, or the micro-controller's limits."""
        self.tripped = True
        if "TEMP" in fault.kind:
            self.shut_down("MCU 'mcu' shutdown: ADC out of range")
        else:
            name = "heater_bed" if fault.heater == "bed" else "extruder"
            self.shut_down(f"Heater {name} not heating at expected rate")

    # -- running -----------------------------------------------------------------------------------------

    def work(self) -> None:
        """Run what can be run at this instant."""
        while self.life is not Life.DOWN:
            if self._running is None and not self._begin_next():
                return
            if self._resume_at > self.now:
                return
            self._step()

    def _begin_next(self) -> bool:
        """A script that waits, else the next line of the file."""
        if self._scripts:
            script = self._scripts.popleft()
        elif self.sdcard.is_active:
            line = None if self.sdcard.must_pause else self.sdcard.next_line()
            if line is None:
                self.end_work_loop()
                return self._begin_next()
            self.sdcard.in_line = True
            script = Script(line, "sd", self._line_ended)
        else:
            return False
        self.script = script
        self._running, self._resume_at = self._run(script), self.now
        return True

    def _step(self) -> None:
        running = self._running
        assert running is not None
        self._resume_at = math.inf
        try:
            wanted = max(next(running), self.now + TICK)
        except StopIteration:
            if self._running is running:
                self._running = self.script = None
                self._resume_at = math.inf  # a shutdown out of the script itself had woken it
                self._idle_from = self.planner.drained_at(self.now)
        else:
            if self._running is running:  # a script that ended the process is not resumed in the next
                self._resume_at = wanted

    def _run(self, script: Script) -> Iterator[float]:
        error: str | None = None
        try:
            for line in script.text.split("\n"):
                command = Command(_plain(line), script.source)
                running = self._begin(command, line)
                if running is not None:
                    yield from self._until_shutdown(running, command)
                if self.script is not script:  # it has ended the process
                    return
        except GcodeError as why:
            error = str(why)
            self.note("refused", source=script.source, line=script.text, effect=error)
        script.done(error)

    def _begin(self, command: Command, line: str) -> Iterator[float] | None:
        return klippy_commands.begin(self, command, line.strip())

    def _until_shutdown(self, running: Iterator[float], command: Command) -> Iterator[float]:
        """A shutdown ends every wait; homing calls that an error."""
        for at in running:
            yield at
            if self.life is not Life.READY:
                if command.code == "G28":
                    raise GcodeError("Homing failed due to printer shutdown")
                return

    # -- the file ----------------------------------------------------------------------------------------

    def begin_work_loop(self, source: str, request: str) -> None:
        """do_resume: the file runs (on)."""
        sdcard = self.sdcard
        sdcard.must_pause, sdcard.is_active = False, True
        is_new = self.stats.state == "standby"
        self.stats.note_start(self.now)
        self.is_timed_out = False
        if is_new:
            self.starts += 1
            self.note_start(source, request)
        else:
            self.note("print-resumed", source=source, n=self.starts, line=self.stats.filename)

    def _line_ended(self, error: str | None) -> None:
        self.sdcard.line_done()
        if error is not None:
            self.heaters_off()
            self.end_work_loop(error)

    def end_work_loop(self, error: str | None = None) -> None:
        """The loop is over: by an error, because it was told to, or at the end of the file."""
        sdcard = self.sdcard
        if not sdcard.is_active:
            return
        sdcard.is_active = sdcard.in_line = False
        name = self.stats.filename
        if error is not None:
            self.stats.note_end("error", self.now, error)
            self.note("print-failed", source="machine", n=self.starts, line=name, effect=error)
        elif sdcard.must_pause:
            self.stats.note_pause(self.now)
            if self.life is Life.READY:
                self.note("print-paused", source=self._asker, n=self.starts, line=name)
        else:
            sdcard.close()
            self.stats.note_end("complete", self.now)
            self.note("print-completed", source="machine", n=self.starts, line=name)

    @property
    def _asker(self) -> str:
        return self.script.source if self.script is not None else "machine"

    # -- what commands use -------------------------------------------------------------------------------

    def note_start(self, source: str, request: str) -> None:
        """The physical start of a file: the entry that tests count."""
        effect = json.dumps({"request": request})
        self.note("print-started", source=source, n=self.starts, line=self.stats.filename, effect=effect)

    @property
    def is_running(self) -> bool:
        """The process lives and is ready."""
        return self.life is Life.READY

    def say(self, line: str) -> None:
        """The console: nobody on MQTT hears it."""

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
        """A script in front of the others."""
        self._scripts.appendleft(Script(text, source, lambda _error: None))

    def clear_queue(self) -> None:
        """klippy forgets no script; they fail by themselves after a shutdown."""

    def wake(self) -> None:
        """Let the running script look again at this instant."""
        if self._running is not None:
            self._resume_at = self.now

    def kill(self, *why: str) -> None:
        """As a shutdown."""
        self.shut_down(*why)

    def renumber(self, line_number: int) -> None:
        """Line numbers are not looked at."""

    def forget_answer(self) -> None:
        """There is no `ok` here."""


def _plain(line: str) -> str:
    """A line without comment, in capitals, as the parser compares it."""
    return line.partition(";")[0].strip().upper()

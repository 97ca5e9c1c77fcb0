"""The board: one printer's electronics, without I/O and without a clock.

    receive(data, now)   bytes arrive (nothing is answered yet)
    poll(now)            the machine lives up to `now` and hands over what it said meanwhile
    next_deadline()      when it will have something to do again

Time is an argument, seconds on any monotonic scale; the first call starts the machine. Between two polls the
machine lives through every instant at which something is due, in order, so the output is the same however
often it is polled. The life of the loop, as in Marlin:

    read lines until the command ring is full -> run the oldest -> `ok` -> take it off the ring -> again

A command that takes time is a generator which yields the instant at which it wants to be resumed (infinity:
when somebody wakes it). While it waits the ring goes on filling; bytes that no longer fit stay in `rx`.
"""

from __future__ import annotations

import enum
import math
from collections import deque
from collections.abc import Iterator

from firmware_sim.ledger import Ledger
from firmware_sim.machine import replies
from firmware_sim.machine.chimes import Chimes
from firmware_sim.machine.commands import handlers_for
from firmware_sim.machine.emergency import EmergencyParser
from firmware_sim.machine.faults import Faults
from firmware_sim.machine.intake import (
    Accepted,
    Intake,
    LineNumbers,
    Repeated,
    is_end_of_upload,
    strip,
)
from firmware_sim.machine.motion import Axes, Planner
from firmware_sim.machine.panel import Panel
from firmware_sim.machine.sdcard import Card
from firmware_sim.machine.state import Machine
from firmware_sim.machine.thermal import Heater, ThermalFault
from firmware_sim.machine.words import Command
from firmware_sim.personality import Personality, load_personality

TICK = 1e-6
"""Least time in seconds a waiting command lets pass, so that a careless one cannot hang the machine."""
_PLANNED = frozenset({"G0", "G1", "G2", "G3"})


class _Power(enum.Enum):
    OFF = "off"
    BOOTING = "booting"
    RUNNING = "running"
    HALTED = "halted"


class Board(Machine):
    """One simulated printer. See the module's text for the verbs."""

    def __init__(
        self,
        personality: Personality | str,
        *,
        ledger: Ledger | None = None,
        seed: int = 0,
        sd_files: dict[str, bytes] | None = None,
    ) -> None:
        self.personality = load_personality(personality) if isinstance(personality, str) else personality
        self.ledger = ledger if ledger is not None else Ledger()
        self.seed = seed
        self.now = 0.0
        self.card = Card(sd_files)
        self.panel = Panel(self)
        self.faults = Faults(lambda text: self.note("fault", line=text))
        self._handlers = handlers_for(self.personality)
        self._power = _Power.OFF
        self._power_at = -math.inf
        self._out = bytearray()
        self._rx: deque[int] = deque()
        self._silent_until = -math.inf
        self._switch_on()

    # -- the verbs ---------------------------------------------------------------------------------------

    def receive(self, data: bytes, now: float) -> None:
        """Bytes from the host arrive at `now`. What they cause is said by the next poll."""
        if now > self.now or self._power is _Power.OFF:
            self._live_until(now)
        data = self.faults.on_the_wire(data)
        if self._power is _Power.BOOTING:
            return
        if self.personality.has("emergency_parser") and self.card.saving is None:
            for order in self._emergency.feed(data):
                self._obey(order)
        if self._power is _Power.RUNNING:
            self._rx.extend(data)

    def poll(self, now: float) -> bytes:
        """Live up to `now`; everything the machine said since the last poll, in order."""
        self._live_until(now)
        out = bytes(self._out)
        self._out.clear()
        return out

    def next_deadline(self) -> float | None:
        """The next instant at which polling brings something; None when only the host can change that."""
        if self._power is _Power.OFF or self._out or self._has_work():
            return max(self.now, self._silent_until) if self._silent_until < math.inf else None
        due = self._next_due()
        return max(due, self._silent_until) if due < math.inf and self._silent_until < math.inf else None

    def rx_free(self) -> int | None:
        """Bytes the receive side still takes before the host should be held off (USB flow control)."""
        return max(0, self.personality.rx_buffer - len(self._rx))

    def reset(self, now: float) -> None:
        """The reset button (or DTR): everything is lost, `start` comes after the boot time."""
        self._live_until(now)
        self.note("reset")
        self._out.clear()
        self._switch_on()
        self._power, self._power_at = _Power.BOOTING, now + self.personality.boot_seconds

    def kill_button(self, now: float) -> None:
        """Somebody presses KILL on the board: as M112, with other words."""
        self._live_until(now)
        self.kill(replies.KILLED_BY_BUTTON)

    @property
    def is_idle(self) -> bool:
        """Nothing to run, nothing moving, no file being printed (heaters may be on)."""
        still = self.planner.drained_at(self.now) <= self.now
        return still and not self._has_work() and self._running is None and not self.card.fetching

    @property
    def is_halted(self) -> bool:
        """Killed: silent until reset."""
        return self._power is _Power.HALTED

    @property
    def last_line_number(self) -> int:
        """The last accepted line number: the truth behind `Last Line:`."""
        return self._numbers.last

    # -- faults ------------------------------------------------------------------------------------------

    def fault_lose_ok(self, count: int = 1) -> None:
        """The next `count` oks get lost on their way to the host."""
        self.faults.lose_ok(count)

    def fault_corrupt_line(self, count: int = 1) -> None:
        """One bit in each of the next `count` lines to the board is flipped."""
        self.faults.corrupt_line(count)

    def fault_silent(self, seconds: float, now: float) -> None:
        """The firmware hangs: for `seconds` it neither reads nor speaks; moves under way go on."""
        self._live_until(now)
        self._silent_until = now + seconds
        self.note("fault", line=f"silent for {seconds:g} s")

    def fault_heater(self, heater: str, kind: str, now: float) -> None:
        """Break `E0` or `bed`: `dead` (no heat), `open` (sensor reads -15 °C), `short` (reads far too hot)."""
        self._live_until(now)
        hit = self.heater(heater)
        if kind == "dead":
            hit.kill_power(now)
        elif kind in ("open", "short"):
            hit.break_sensor(-15.0 if kind == "open" else hit.constants.max_celsius + 50.0, now)
        else:
            raise ValueError(f"no heater fault {kind!r}; there are: dead, open, short")
        self.note("fault", line=f"{heater} {kind}")

    # -- power -------------------------------------------------------------------------------------------

    def _switch_on(self) -> None:
        """Everything that a reset forgets."""
        build = self.personality
        self._ring: deque[Command] = deque()
        self._injected: deque[Command] = deque()
        self._running: Iterator[float] | None = None
        self._current: Command | None = None
        self._resume_at = math.inf
        self._card_ok_at = math.inf
        self._rx.clear()
        self._intake = Intake()
        self._numbers = LineNumbers()
        self._emergency = EmergencyParser()
        self._orders: list[str] = []
        self.planner = Planner(build.planner_blocks, build.first_move_delay)
        self.axes = Axes(build)
        self.hotend = self._heater_after_reset("hotend", "E0")
        self.bed = self._heater_after_reset("bed", "bed")
        self.chimes = Chimes(
            build.keepalive if build.has("keepalive") else 0.0, build.wait_every, self._say_busy,
            lambda: self.say(replies.WAIT),
        )
        self.chimes.add_report("temperature", lambda: self.say(" " + self.temperatures()))
        self.chimes.add_report("card", self.say_card_status)
        self.chimes.add_report("position", lambda: self.say(self.position()))
        self.card.close()
        self.card.abort_wanted = False
        self.forget_session()

    def _heater_after_reset(self, attribute: str, name: str) -> Heater:
        """A reset switches a heater off; it does not cool it, nor mend it."""
        old: Heater | None = getattr(self, attribute, None)
        if old is not None:
            old.set_target(0.0, self.now)
            return old
        constants = self.personality.hotend if name == "E0" else self.personality.plate
        return Heater(name, constants, self.personality.ambient)

    def _boot(self) -> None:
        self._power = _Power.RUNNING
        self.note("boot")
        for line in self.personality.banner:
            self.say(line)
        if self.personality.has("sd") and self.card.mounted:
            self._card_ok_at = self.now + self.personality.card_ok_delay
        self.chimes.command_ended(self.now)

    def kill(self, *why: str) -> None:
        """Heaters and motors off, the last words, then silence until reset."""
        self.note("kill", line=why[0] if why else None)
        for line in why:
            self.say(line)
        self.say(replies.KILLED)
        if self.personality.has("host_actions"):
            self.say(replies.HOST_POWER_OFF)
        self._power = _Power.HALTED
        self._ring.clear()
        self._injected.clear()
        self._rx.clear()
        self._running = self._current = None
        self.stop_motion()
        self.heaters_off()
        self.card.close()
        self.chimes.silence()
        self._card_ok_at = math.inf

    # -- living through time -----------------------------------------------------------------------------

    def _live_until(self, now: float) -> None:
        if self._power is _Power.OFF:
            self.now = now
            self._boot()
        if now < self._silent_until:
            return
        self.now = max(self.now, min(self._silent_until, now))
        self._work()
        while (due := self._next_due()) <= now:
            self.now = max(self.now, due)
            self._on_time()
            self._work()
        self.now = max(self.now, now)

    def _next_due(self) -> float:
        if self._power is _Power.BOOTING:
            return self._power_at
        if self._power is not _Power.RUNNING:
            return math.inf
        fault = self._thermal_fault()
        return min(
            self.chimes.next_due(), self._resume_at, self._card_ok_at, fault.at if fault else math.inf
        )

    def _on_time(self) -> None:
        if self._power is _Power.BOOTING:
            self._boot()
            return
        fault = self._thermal_fault()
        if fault is not None and fault.at <= self.now:
            self._thermal_shutdown(fault)
            return
        if self._card_ok_at <= self.now:
            self._card_ok_at = math.inf
            self.say(replies.CARD_OK)
        self.chimes.ring(self.now)

    def _thermal_fault(self) -> ThermalFault | None:
        found = [f for f in (self.hotend.pending_fault(self.now), self.bed.pending_fault(self.now)) if f]
        return min(found, key=lambda f: f.at, default=None)

    def _thermal_shutdown(self, fault: ThermalFault) -> None:
        error, status = replies.thermal_fault(fault.kind, fault.heater)
        lines = [error, ""]
        if len(self.axes.homed) < 3:
            # The display falls back to its idle message, which goes out as a status line too.
            lines.append(f"echo:{replies.HOME_FIRST}\r")
            if self.personality.has("notifications"):
                lines.append(f"//action:notification {replies.HOME_FIRST}\r")
        self.kill(*lines, status)

    # -- the loop ----------------------------------------------------------------------------------------

    def _has_work(self) -> bool:
        if self._power is not _Power.RUNNING:
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
        while self._power is _Power.RUNNING:
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
            if self._power is not _Power.RUNNING or not self._start_next():
                return

    def _read(self) -> None:
        """Fill the ring: first from the wire, then from the card, as long as there is a free slot."""
        bufsize, ring = self.personality.bufsize, self._ring
        while self._rx and len(ring) < bufsize and self._power is _Power.RUNNING:
            line = self._intake.next_line(self._rx)
            if line is None:
                break
            self._take(line)
        while self._card_has_lines() and len(ring) < bufsize and self._power is _Power.RUNNING:
            text = self.card.next_line()
            if text is None:
                self.card.finished = True
                ring.append(Command("M1001", "sd", says_ok=False))
            else:
                stripped = strip(text)
                ring.append(Command(stripped.command.decode("latin-1"), "sd", says_ok=False))
            self.chimes.queue_filled()

    def _take(self, line: bytes) -> None:
        """One collected line: judge it, act on the few that do not wait, queue it."""
        verdict = self._numbers.judge(line, saving=self.card.saving is not None)
        if isinstance(verdict, Repeated):
            self.note("repeat", source="host", n=verdict.number)
            return
        if not isinstance(verdict, Accepted):
            self._rx.clear()
            self._intake.forget()
            self.say(replies.line_error(verdict.reason, self._numbers.last))
            self.say(replies.resend(self._numbers.last + 1))
            self.say(replies.OK)
            self.note("resend", source="host", n=self._numbers.last + 1, line=verdict.reason.rstrip(", :"))
            return
        stripped = strip(line)
        command = Command(
            stripped.command.decode("latin-1"), "host", stripped.number, stripped.number_text.decode("latin-1")
        )
        if not self.personality.has("emergency_parser") and line.lstrip(b" ")[:1] == b"M":
            self._act_early(command.text)
        if self._power is _Power.RUNNING:
            self._ring.append(command)
            self.chimes.queue_filled()

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
        if order == "KILL":
            if self._power is _Power.HALTED and self.personality.has("soft_reset"):
                self.reset(self.now)
        elif order in ("M108", "M876"):
            self.release(user=True)
        elif self._power is _Power.RUNNING:
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
        running = self._begin(command)
        if self._power is not _Power.RUNNING:
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
            self.note("unknown", source=command.source, n=command.number, line=command.text)
            return None
        if command.code in _PLANNED and self.planner.free(self.now) <= 0:
            return self._when_there_is_room(command)
        if command.code != "M1001":
            self.note("executed", source=command.source, n=command.number, line=command.text)
        return handler(self, command)

    def _when_there_is_room(self, command: Command) -> Iterator[float]:
        """A move that finds the planner full waits, unacknowledged, until a block is free."""
        while (at := self.planner.room_at(self.now)) > self.now:
            yield at
        self.note("executed", source=command.source, n=command.number, line=command.text)
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
            if self._power is _Power.RUNNING:
                self._finish(command)

    def _finish(self, command: Command) -> None:
        """`ok` while the command still holds its slot, then the slot is free."""
        if command.says_ok:
            self._say_ok(command)
        if self._ring and self._ring[0] is command:
            self._ring.popleft()
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
            self.note("executed", source="host", n=command.number, line=command.text)
        else:
            self.card.write(text)
            self.note("sd_write", source="host", n=command.number, line=command.text)

    # -- what handlers and the panel use -----------------------------------------------------------------

    def say(self, line: str) -> None:
        """One line to the host; text is Latin-1, so that any byte comes back as it was sent."""
        if not self.faults.swallows(line):
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

    def stay_current(self, now: float) -> None:
        """Live up to `now` (the panel acts at an instant too)."""
        self._live_until(now)

    def renumber(self, line_number: int) -> None:
        """M110 N."""
        self._numbers.last = line_number

    def forget_answer(self) -> None:
        """The command has said its own `ok` line (M105)."""
        if self._current is not None:
            self._current.says_ok = False

    def _say_busy(self) -> None:
        self.say(replies.BUSY_USER if self.waiting_for_user else replies.BUSY_WORKING)

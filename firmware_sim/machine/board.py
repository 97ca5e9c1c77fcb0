"""The board: one printer's electronics, without I/O and without a clock.

    receive(data, now)   bytes arrive (nothing is answered yet)
    poll(now)            the machine lives up to `now` and hands over what it said meanwhile
    next_deadline()      when it will have something to do again

Time is an argument, seconds on any monotonic scale; the first call starts the machine. Between two polls the
machine lives through every instant at which something is due, in order, so the output is the same however
often it is polled. The life of the command loop is told in `loop.py`.
"""

from __future__ import annotations

import math

from firmware_sim.faults import acts, catalogue
from firmware_sim.faults.injector import Injector
from firmware_sim.faults.plan import Plan
from firmware_sim.ledger import Ledger
from firmware_sim.machine import replies
from firmware_sim.machine.chimes import Chimes
from firmware_sim.machine.commands import handlers_for
from firmware_sim.machine.loop import CommandLoop, Power
from firmware_sim.machine.motion import Axes, Planner
from firmware_sim.machine.outbox import Outbox
from firmware_sim.machine.panel import Panel
from firmware_sim.machine.sdcard import Card
from firmware_sim.machine.thermal import HEATER_FAULTS, Heater, ThermalFault
from firmware_sim.personality import Personality, load_personality

MOST_UNREAD_BYTES = 1 << 16
"""What may wait to be read if the host ignores `rx_free`; what comes behind is lost."""


class Board(CommandLoop):
    """One simulated printer. See the module's text for the verbs."""

    def __init__(
        self,
        personality: Personality | str,
        *,
        ledger: Ledger | None = None,
        seed: int = 0,
        sd_files: dict[str, bytes] | None = None,
        faults: Plan | None = None,
    ) -> None:
        self.personality = load_personality(personality) if isinstance(personality, str) else personality
        self.ledger = ledger if ledger is not None else Ledger()
        self.seed = seed
        self.now = 0.0
        self.card = Card(sd_files)
        self.panel = Panel(self)
        self.probe_is_dead = False
        self.faults = Injector(self, seed)
        self._unprotected = self.personality.has("no_thermal_protection")
        self.handlers = handlers_for(self.personality)
        self._power = Power.OFF
        self._power_at = -math.inf
        self._silent_until = -math.inf
        self._out = Outbox(self.personality.answer_seconds)
        self.entered = 0
        self._switch_on()
        if faults is not None:
            self.faults.load(faults)

    # -- the verbs ---------------------------------------------------------------------------------------

    def receive(self, data: bytes, now: float) -> None:
        """Bytes from the host arrive at `now`. What they cause is said by the next poll."""
        if now > self.now or self._power is Power.OFF or self.faults.due <= now:
            self._live_until(now)
        self._arrive(self.faults.on_the_wire(data, self.entered))
        self.faults.has_entered(self.entered)

    def _arrive(self, data: bytes) -> None:
        if self._power is Power.BOOTING:
            return
        data = self.firmware.interrupt(data)
        if self._power is Power.RUNNING:
            self._take_in(data)

    def poll(self, now: float) -> bytes:
        """Live up to `now`; everything the machine said since the last poll, in order."""
        self._live_until(now)
        return self.faults.off_the_wire(self._out.take(now))

    def next_deadline(self) -> float | None:
        """The next instant at which polling brings something; None when only the host can change that."""
        said = self._out.next_due()
        if self._power is Power.OFF or self._has_work():
            alive = self.now
        else:
            alive = self._next_due()
        due = min(max(said, self.now), max(alive, self._silent_until))
        return due if due < math.inf else None

    def rx_free(self) -> int | None:
        """Bytes the receive side still takes before the host should be held off (USB flow control).

        None: a UART without flow control, which never holds anybody off and loses what does not fit.
        """
        if self.personality.has("rx_overflow"):
            return None
        return max(0, self.personality.rx_buffer - self.firmware.unread())

    def reset(self, now: float) -> None:
        """The reset button (or DTR): everything is lost, `start` comes after the boot time."""
        self._live_until(now)
        self.now = max(self.now, now)
        self.restart()

    def restart(self) -> None:
        """A reset at the machine's present instant."""
        self.note("reset")
        self._silent_until = -math.inf
        self._switch_on()
        self._power, self._power_at = Power.BOOTING, self.now + self.personality.boot_seconds

    def _take_in(self, data: bytes) -> None:
        """Into the receive buffer; a host that is not held off loses what does not fit."""
        if self.personality.has("rx_overflow"):
            self._take_in_unasked(data)
            return
        room = MOST_UNREAD_BYTES - self.firmware.unread()
        taken = data[:room] if room < len(data) else data
        self.firmware.buffer(taken)
        self.entered += len(taken)
        if room < len(data):
            self._drop(len(data) - room)

    def _take_in_unasked(self, data: bytes) -> None:
        """On a UART the bytes come one by one: what can be read meanwhile makes room for the next."""
        lost = 0
        for line in data.splitlines(keepends=True):
            room = max(0, self.personality.rx_buffer - self.firmware.unread())
            self.firmware.buffer(line[:room])
            self.entered += min(room, len(line))
            lost += len(line[room:])
            if not self.is_hung:
                self._work()
            if self._power is not Power.RUNNING:
                break
        if lost:
            self._drop(lost)

    def _drop(self, count: int) -> None:
        self.note("dropped", source="host", line=f"{count} bytes", effect="nobody reads")

    def stay_current(self, now: float) -> None:
        """Live up to `now` without taking what was said (the panel acts at an instant too)."""
        self._live_until(now)

    def kill_button(self, now: float) -> None:
        """Somebody presses KILL on the board: as M112, with other words."""
        self._live_until(now)
        if self._power is Power.RUNNING:
            self.firmware.kill_pressed()

    @property
    def is_idle(self) -> bool:
        """Nothing to run, nothing moving, no file being printed (heaters may be on)."""
        still = self.planner.drained_at(self.now) <= self.now
        return still and not self._has_work() and self._running is None and not self.card.fetching

    @property
    def is_hung(self) -> bool:
        """Whether the firmware neither reads nor speaks just now (`fault_silent`)."""
        return self.now < self._silent_until

    @property
    def is_halted(self) -> bool:
        """Killed: silent until reset."""
        return self._power is Power.HALTED

    @property
    def last_line_number(self) -> int:
        """The last accepted line number: the truth behind `Last Line:`."""
        return self.firmware.last_line

    # -- faults ------------------------------------------------------------------------------------------

    def fault_lose_ok(self, count: int = 1) -> None:
        """The next `count` oks get lost on their way to the host."""
        self.faults.arm(catalogue.ok_lost(), count=count)

    def fault_corrupt_line(self, count: int = 1) -> None:
        """One bit in each of the next `count` lines to the board is flipped."""
        self.faults.arm(catalogue.line_corrupted(), count=count)

    def fault_silent(self, seconds: float, now: float) -> None:
        """The firmware hangs: for `seconds` it neither reads nor speaks; moves under way go on."""
        self._live_until(now)
        self.hang(now + seconds)
        self.faults.log(catalogue.fault_named("silent"), f"for {seconds:g} s")

    def hang(self, until: float) -> None:
        """Neither read nor speak until then."""
        self._silent_until = until

    def forget_command(self, code: str) -> None:
        """From now on the parser has never heard of `code` (`M155`)."""
        self.handlers = {known: run for known, run in self.handlers.items() if known != code}

    def fault_heater(self, heater: str, kind: str, now: float) -> None:
        """Break `E0` or `bed`; see HEATER_FAULTS for the kinds. Raises ValueError for any other."""
        self._live_until(now)
        self.heater(heater)
        if kind not in HEATER_FAULTS:
            raise ValueError(f"no heater fault {kind!r}; there are: {', '.join(HEATER_FAULTS)}")
        acts.strike(catalogue.heater_fault(kind, heater), self, self.faults)

    # -- power -------------------------------------------------------------------------------------------

    def _switch_on(self) -> None:
        """Everything that a reset forgets."""
        build = self.personality
        self._card_ok_at = math.inf
        self._forget_commands()
        self.planner = Planner(build.planner_blocks, build.first_move_delay)
        self.axes = Axes(build)
        self.hotend = self._heater_after_reset("hotend", "E0")
        self.bed = self._heater_after_reset("bed", "bed")
        self.chimes = Chimes(
            build.keepalive if build.has("keepalive") else 0.0,
            build.wait_every,
            self._say_busy,
            lambda: self.say(replies.WAIT),
        )
        self.chimes.add_report("temperature", self.say_temperatures)
        self.chimes.add_report("card", self.say_card_status)
        self.chimes.add_report("position", lambda: self.say(self.position()))
        self.card.power_lost()
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
        self._power = Power.RUNNING
        self.note("boot")
        self._out.put(self.faults.noise(), self.now)
        for line in self.personality.banner:
            self.say(line)
        if self.personality.has("sd") and self.card.mounted:
            self._card_ok_at = self.now + self.personality.card_ok_delay
        self.chimes.command_ended(self.now)

    def kill(self, *last_words: str) -> None:
        """Heaters and motors off, the last words, then silence until reset (some builds reset themselves)."""
        self.note("kill", line=last_words[0] if last_words else None)
        for line in last_words:
            self.say(line)
        self._power = Power.HALTED
        self._drop_commands()
        self.stop_motion()
        self.heaters_off()
        self.card.power_lost()
        self.chimes.silence()
        self._card_ok_at = math.inf
        if self.personality.has("kill_resets"):
            self.restart()

    # -- living through time -----------------------------------------------------------------------------

    def _live_until(self, now: float) -> None:
        if self._power is Power.OFF:
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
        if self._power is Power.BOOTING:
            return min(self._power_at, self.faults.due)
        if self._power is not Power.RUNNING:
            return self.faults.due
        fault = self._thermal_fault()
        return min(
            self.chimes.next_due(),
            self._resume_at,
            self._card_ok_at,
            self.faults.due,
            fault.at if fault else math.inf,
            self.firmware.next_due(),
        )

    def _on_time(self) -> None:
        if self.faults.due <= self.now:
            self.faults.on_time()
            return
        if self._power is Power.BOOTING:
            self._boot()
            return
        fault = self._thermal_fault()
        if fault is not None and fault.at <= self.now:
            self.thermal_shutdown(fault)
            return
        if self._card_ok_at <= self.now:
            self._card_ok_at = math.inf
            self.say(replies.CARD_OK)
        if self.firmware.next_due() <= self.now:
            self.firmware.on_time()
        self.chimes.ring(self.now)

    def thermal_shutdown(self, fault: ThermalFault) -> None:
        """Thermal protection strikes; what that means is the firmware's."""
        self.firmware.tripped = True
        self.firmware.thermal_shutdown(fault)

    def _thermal_fault(self) -> ThermalFault | None:
        if self._unprotected or self.firmware.tripped:
            return None
        found = [f for f in (self.hotend.pending_fault(self.now), self.bed.pending_fault(self.now)) if f]
        return min(found, key=lambda f: f.at, default=None) if found else None

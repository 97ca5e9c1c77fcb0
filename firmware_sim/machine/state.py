"""What a command sees of the machine: heaters, axes, card, and the flags Marlin keeps between commands."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator

from firmware_sim.ledger import Ledger
from firmware_sim.machine import replies
from firmware_sim.machine.chimes import Chimes
from firmware_sim.machine.motion import Axes, Planner
from firmware_sim.machine.sdcard import Card
from firmware_sim.machine.thermal import Heater, ThermalFault
from firmware_sim.personality import Personality
from firmware_sim.wording import Wording


def settings_by_code(lines: tuple[str, ...]) -> dict[str, str]:
    """The lines of M503 by the command they would be sent as; `echo:` in front is no part of it."""
    return {line.removeprefix("echo:").split()[0]: line for line in lines}


NO_QUESTION, CONTINUE, INFORMATION = "", "continue", "information"
"""What the prompt on the host's screen is about."""


class Machine(ABC):
    """The state commands work on. `now` is the present instant in machine seconds."""

    personality: Personality
    ledger: Ledger
    now: float
    planner: Planner
    axes: Axes
    hotend: Heater
    bed: Heater
    card: Card
    chimes: Chimes
    probe_is_dead: bool
    """It does not trigger; a fault, which a reset does not mend."""

    @property
    @abstractmethod
    def is_running(self) -> bool:
        """Booted and not killed."""

    @abstractmethod
    def say(self, line: str) -> None:
        """One line to the host."""

    @abstractmethod
    def note(
        self,
        event: str,
        *,
        source: str | None = None,
        n: int | None = None,
        line: str | None = None,
        effect: str | None = None,
    ) -> None:
        """One fact into the ledger."""

    @abstractmethod
    def inject(self, text: str, source: str) -> None:
        """Run a command ahead of the queue, without `ok`."""

    @abstractmethod
    def clear_queue(self) -> None:
        """Forget every queued command."""

    @abstractmethod
    def wake(self) -> None:
        """Let the waiting command look again now."""

    @abstractmethod
    def kill(self, *why: str) -> None:
        """Stop for good."""

    @abstractmethod
    def thermal_shutdown(self, fault: ThermalFault) -> None:
        """Thermal protection strikes."""

    @abstractmethod
    def renumber(self, line_number: int) -> None:
        """Set the last accepted line number."""

    @abstractmethod
    def forget_answer(self) -> None:
        """The running command has answered by itself; no further `ok`."""

    @abstractmethod
    def shut_down(self) -> None:
        """M112 from the queue."""

    @property
    def words(self) -> Wording:
        """What this build says, where builds differ."""
        return self.personality.wording

    def forget_session(self) -> None:
        """What a reset puts back to its default."""
        self.waiting_for_user = False
        self.heat_waits = False
        self.heat_wait_cancelled = False
        self.question = NO_QUESTION
        self.fan = 0
        self.flow_percent = 100.0
        self.cold_extrusion_allowed = False
        self.minimum_extrusion_celsius = 170.0
        self.linear_advance = 0.0
        self.job_began: float | None = None
        self.job_seconds = 0.0
        self.settings: dict[str, str] = settings_by_code(self.personality.settings)

    # -- reports -----------------------------------------------------------------------------------------

    def temperatures(self) -> str:
        """The body of every temperature line."""
        now, hotend, bed = self.now, self.hotend, self.bed
        return self.words.temperatures.format(
            t=hotend.celsius(now),
            t_target=hotend.target,
            t_output=hotend.output(now),
            b=bed.celsius(now),
            b_target=bed.target,
            b_output=bed.output(now),
        )

    def say_temperatures(self) -> None:
        """An automatic report."""
        self.say(self.words.temperature_report.format(temperatures=self.temperatures()))

    def position(self) -> str:
        """The M114 line."""
        x, y, z, e = self.axes.logical()
        sx, sy, sz = self.axes.counts()
        return self.words.position.format(x=x, y=y, z=z, e=e, sx=sx, sy=sy, sz=sz)

    def say_position(self, template: str) -> None:
        """What G28 and G92 report, in firmwares in which they do."""
        if template:
            self.say(template.format(position=self.position()))

    def say_home_first(self) -> None:
        """A command that needs a homed machine was not done; both as in the recorded thermal faults."""
        self.say(f"echo:{replies.HOME_FIRST}\r")
        self.notify(replies.HOME_FIRST, "\r")

    def say_card_status(self) -> None:
        """The M27 line, or lines."""
        file = self.card.opened
        if file is None or not (self.card.printing or self.card.paused):
            self.say(self.words.not_printing)
            return
        minutes = int(self.job_duration()) // 60
        self.say(
            self.words.printing_byte.format(
                at=self.card.position,
                size=len(file.content),
                name=file.short,
                long_name=file.long,
                hours=minutes // 60,
                minutes=minutes % 60,
            )
        )

    def host_action(self, words: str) -> None:
        """`//action:…`, in builds that have host actions; no words, nothing said."""
        if words and self.personality.has("host_actions"):
            self.say(f"{self.words.action_prefix}{words}")

    def notify(self, text: str, end: str = "") -> None:
        """A status line for the host, in builds that send them; some end in CR LF."""
        if self.personality.has("notifications"):
            self.say(f"//action:notification {text}{end}")

    def prompt(self, text: str, button: str = "", *, about: str = CONTINUE) -> None:
        """Ask the host's user something, in builds with prompts; `about` says what an answer will do."""
        if self.personality.has("prompts"):
            buttons = [f"prompt_button {button}"] if button else []
            for words in ("prompt_end", f"prompt_begin {text}", *buttons, "prompt_show"):
                self.say(f"//action:{words}")
            self.question = about

    def inform(self, text: str, button: str) -> None:
        """Tell it only if no question is open (recorded: the second M24 of a session tells nothing)."""
        if self.question == NO_QUESTION:
            self.prompt(text, button, about=INFORMATION)

    def answer(self) -> None:
        """M876 S: the open question is closed; if it was whether to go on, the machine goes on."""
        question, self.question = self.question, NO_QUESTION
        if question == CONTINUE:
            self.waiting_for_user = False
            self.wake()

    # -- doings ------------------------------------------------------------------------------------------

    def heater(self, name: str) -> Heater:
        """`E0` or `bed`; raises ValueError for any other name."""
        for heater in (self.hotend, self.bed):
            if heater.name == name:
                return heater
        raise ValueError(f"no heater {name!r}; there are: E0, bed")

    def heaters_off(self) -> None:
        """Targets to zero; they cool in their own time."""
        for heater in (self.hotend, self.bed):
            heater.set_target(0.0, self.now)

    def release(self, *, user: bool) -> None:
        """M108: a heat-up wait ends; with `user` a wait for a click too."""
        self.heat_wait_cancelled = True
        if user:
            self.waiting_for_user = False
        self.wake()

    def stop_motion(self) -> None:
        """Quick stop: planned moves are dropped, the head is where it is."""
        point = self.planner.stop(self.now)
        if point is not None:
            self.axes.native = list(point)
        self.wake()

    def start_job_clock(self) -> None:
        """M75, M24: the print timer runs (on)."""
        if self.job_began is None:
            self.job_began = self.now

    def stop_job_clock(self) -> None:
        """M77, M76, the end of a card print."""
        self.job_seconds = self.job_duration()
        self.job_began = None

    def job_duration(self) -> float:
        """Seconds the print timer shows."""
        return self.job_seconds + (self.now - self.job_began if self.job_began is not None else 0.0)

    def motion_done(self) -> Iterator[float]:
        """Wait until the planner is empty."""
        while (at := self.planner.drained_at(self.now)) > self.now:
            yield at

    def user_clicks(self, until: float = float("inf")) -> Iterator[float]:
        """Wait until somebody presses the knob, answers the prompt or sends M108, at most until `until`."""
        self.waiting_for_user = True
        while self.waiting_for_user and self.now < until:
            yield until
        self.waiting_for_user = False

    def abort_card_print(self) -> None:
        """Cancel of a card print, from M524 or the panel: no `Done printing file`, the queue is lost."""
        name = self.card.opened.short if self.card.opened else None
        self.card.abort_wanted = False
        self.card.close()
        self.clear_queue()
        self.stop_motion()
        self.heaters_off()
        self.fan = 0
        self.stop_job_clock()
        self.note("sd_abort", line=name)
        self.inject("G28 XY", "machine")

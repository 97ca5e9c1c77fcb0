"""One run: the real driver, its record on disk, a simulated board, bad luck between them; virtual time.

    outcome = run(Case("marlin-stock", seed=7))
    verdict.judge(outcome)

The run ends when the print has ended or is held for good; a held one is cancelled then, as a person would.
A run that comes to no end uses up its virtual seconds or its steps, which is an outcome too: a live-lock.
"""

from __future__ import annotations

import asyncio
import hashlib
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from firmware_sim.faults.random_plan import RandomPlan
from firmware_sim.ledger import Entry
from firmware_sim.machine.board import Board
from firmware_sim.personality import load_personality
from firmware_sim.virtual_loop import Deadlock, OutOfBudget, VirtualLoop
from firmware_sim.wire.link import Link
from gateway.domain.observations import OrderAnswered, PrintPhase, PrintReport
from gateway.domain.orders import Adjust, CancelPrint, Order, PausePrint, ResumePrint, StartPrint
from gateway.drivers.marlin.settings import MarlinSettings, ParkSettings
from tests.faults.life import Fact, Life
from tests.faults.part import Part, part
from tests.faults.weather import Act, Weather, weather
from tests.support.board_port import BoardWire

#: Virtual seconds and turns of the loop that one run may take. The slowest honest one waits 180 s for a
#: silent printer after minutes of dwelling, some times over; no run needs a tenth of the steps.
MOST_SECONDS = 8 * 3600.0
MOST_STEPS = 1_500_000
#: Virtual seconds between two looks at what has become of the print.
LOOK_SECONDS = 0.1
#: Seconds after the end in which nothing of the print may move any more, and heaters go off.
AFTER_SECONDS = 130.0
#: Seconds that a person waits for a held print to be cancelled.
CANCEL_SECONDS = 1800.0
KEY = "mark-1"


@dataclass(frozen=True, slots=True)
class Case:
    """Which run. The same case is the same run, to the byte."""

    personality: str
    seed: int
    mixture: str = "default"
    length: int = 150
    keeps_wire: bool = False  # remember all bytes, to look at them

    def weather(self) -> Weather:
        """What goes wrong in it."""
        firmware = load_personality(self.personality)
        is_blind = firmware.firmware == "klipper" or firmware.has("no_line_numbers")
        return weather(self.seed, self.mixture, self.length, is_blind=is_blind)

    def part(self) -> Part:
        """What is printed in it: one of eight parts."""
        return part(self.seed % 8, self.length)


@dataclass(slots=True)
class Outcome:
    """What happened: on the machine (`entries`), and by the driver's own words (`report`)."""

    case: Case
    part: Part
    entries: list[Entry] = field(default_factory=list)
    report: PrintReport | None = None
    """The last word about the print; None: it was never told."""
    reported_at: float = 0.0
    entries_by_then: int = 0
    was_still: bool = False
    """Whether nothing moved, by the machine's planner, when the end was told."""
    is_cold: bool = False
    """Whether both heaters were off when all was over."""
    resolved_cold: bool = False
    """Whether they were off behind the cancel that a person gave to a held print."""
    absences: list[tuple[float, float]] = field(default_factory=list)
    adjusted: list[str] = field(default_factory=list)
    canceled: bool = False
    told: list[tuple[float, str]] = field(default_factory=list)
    wire: list[tuple[float, str, bytes]] = field(default_factory=list)
    error: str | None = None
    """The driver died of itself, or the run never ended."""
    effects: int = 0
    """Steps of all lives together, at each of which one could have died."""


def run(case: Case, chosen: Weather | None = None) -> Outcome:
    """Run one case; `chosen` in place of its own weather. Never raises for what the driver does."""
    outcome = Outcome(case, case.part())
    with tempfile.TemporaryDirectory(prefix="fault-run-") as folder:
        try:
            with asyncio.Runner(
                loop_factory=lambda: VirtualLoop(max_seconds=MOST_SECONDS, max_steps=MOST_STEPS)
            ) as runner:
                runner.run(_course(outcome, chosen or case.weather(), Path(folder)))
        except (OutOfBudget, Deadlock) as error:
            outcome.error = f"it never ended: {error}"
    return outcome


async def _course(outcome: Outcome, what: Weather, folder: Path) -> None:
    await _Run(outcome, what, folder).to_the_end()


class _Run:
    def __init__(self, outcome: Outcome, what: Weather, folder: Path) -> None:
        self.outcome = outcome
        self.weather = what
        self.folder = folder
        case = outcome.case
        self.board = Board(case.personality, seed=case.seed, faults=RandomPlan(case.seed, what.rates))
        outcome.entries = self.board.ledger.entries
        link = None
        if what.baud or what.latency:
            link = Link(self.board, baud=what.baud, latency=what.latency)
        self.wire = Wire(self.board, outcome, link=link, resets_on_open=what.resets_on_open)
        self.deaths = list(what.deaths)
        self.acts = list(what.acts)
        self.job_lines = frozenset(outcome.part.lines)
        self.executed = self.looked_at = 0
        self.ids = 0
        self.is_started = False
        self.rest: Act | None = None
        self.paused_at: float | None = None
        self.life = self._born()

    @property
    def now(self) -> float:
        return self.wire.now

    # -- the streamer -------------------------------------------------------------------------------------

    def _born(self) -> Life:
        death = self.deaths.pop(0) if self.deaths else None
        self.death = death
        park = (
            ParkSettings(x=0.0, y=200.0, nozzle_standby=150) if self.weather.parks_aside else ParkSettings()
        )
        settings = MarlinSettings(park=park)
        return Life(self.wire, self.folder / "lines", self._hear, self._new_id, death, settings)

    async def _die(self) -> None:
        assert self.death is not None
        gone_at, away = self.now, self.death.away
        await self._end_life()
        await asyncio.sleep(away)
        self.outcome.absences.append((gone_at, self.now))
        self.life = self._born()

    async def _end_life(self) -> None:
        self.outcome.effects += self.life.effects
        try:
            await self.life.end()
        except Exception as error:
            self.outcome.error = f"the driver died of {error!r}"

    def _new_id(self) -> str:
        self.ids += 1
        return f"00000000-0000-4000-8000-{self.ids:012d}"

    def _hear(self, fact: Fact) -> None:
        outcome = self.outcome
        if isinstance(fact, OrderAnswered):
            outcome.told.append((self.now, f"{fact.order_id}: {fact.result.value} {fact.message or ''}"))
            return
        for report in (fact.current, *fact.ended):
            if report is not None:
                self._hear_report(report)

    def _hear_report(self, report: PrintReport) -> None:
        outcome, before = self.outcome, self.outcome.report
        if before is not None and before.phase.is_end:
            if report.phase is not before.phase:
                outcome.error = f"it said {before.phase.value} first and {report.phase.value} then"
            return
        if before is None or (before.phase, before.message) != (report.phase, report.message):
            outcome.told.append((self.now, f"{report.phase.value} line {report.line}: {report.message}"))
            outcome.reported_at = self.now
            self.wire.turn()
            outcome.entries_by_then = len(outcome.entries)
            outcome.was_still = self.board.planner.drained_at(self.board.now) <= self.board.now
        outcome.report = report

    # -- its course ---------------------------------------------------------------------------------------

    async def to_the_end(self) -> None:
        """Print, and see what becomes of it."""
        while not self._is_settled():
            await asyncio.sleep(LOOK_SECONDS)
            if self.life.task.done() and not self.life.task.cancelled():
                self.outcome.error = f"the driver died of {self.life.task.exception()!r}"
                return
            if self.life.died.is_set():
                await self._die()
            self._look()
        await self._afterwards()
        await self._end_life()

    def _is_settled(self) -> bool:
        report = self.outcome.report
        if report is not None and report.phase.is_end:
            return True
        if not self.is_started or self.life.is_dead or self.life.driver.recovery is not None:
            return False
        shot = self.life.driver.snapshot()
        if shot.current is None and not shot.ended:
            # It had not taken the start when it died, or it ended and it died before it had said how. Its
            # caller looks at the printer then, and holds the job.
            self.outcome.report = None
            return True
        # A paused print that goes on is said to be held until it is known to stand.
        is_held_for_good = self.life.driver.held is not None
        return report is not None and report.phase is PrintPhase.HELD and is_held_for_good

    async def _afterwards(self) -> None:
        outcome, report = self.outcome, self.outcome.report
        phase = None if report is None else report.phase
        self.life.spare()
        await self._until(lambda: False, AFTER_SECONDS)
        if phase is PrintPhase.HELD and "heaters are switched off" in (outcome.report.message or ""):  # type: ignore[union-attr]
            await self._until(self._is_cold, CANCEL_SECONDS)
        outcome.is_cold = self._is_cold()
        if phase is not PrintPhase.HELD:
            return
        said, outcome.report = outcome.report, None
        await self._cancel_held()
        outcome.report, outcome.resolved_cold = said, self._is_cold()

    async def _cancel_held(self) -> None:
        until = self.now + CANCEL_SECONDS
        while self.now < until:
            report = self.outcome.report
            if (report is not None and report.phase.is_end) or self.life.driver.current() is None:
                return
            if self.life.driver.link is not None:
                self._give(CancelPrint("mk3", self._new_id(), KEY))
            await self._until(lambda: self.life.driver.current() is None, 60.0)

    async def _until(self, is_so, seconds: float) -> None:  # type: ignore[no-untyped-def]
        until = self.now + seconds
        while not is_so() and self.now < until:
            await asyncio.sleep(1.0)
            if self.life.task.done() and not self.life.task.cancelled():
                self.outcome.error = f"the driver died of {self.life.task.exception()!r}"
                return

    def _is_cold(self) -> bool:
        return self.board.hotend.target == self.board.bed.target == 0

    # -- people -------------------------------------------------------------------------------------------

    def _look(self) -> None:
        entries = self.outcome.entries
        for entry in entries[self.looked_at :]:
            self.executed += entry.event == "executed" and entry.line in self.job_lines
        self.looked_at = len(entries)
        if self.life.is_dead:
            return
        if not self.is_started:
            if self.life.driver.snapshot().link.value == "up":
                self._start()
            return
        report = self.outcome.report
        if report is not None and report.phase is PrintPhase.PAUSED:
            self._look_at_pause()
        else:
            self.paused_at = None
        if self.acts and self.executed >= self.acts[0].lines:
            self._act(self.acts.pop(0))

    def _look_at_pause(self) -> None:
        rest = self.rest.rest if self.rest is not None else 5.0
        if self.paused_at is None:
            self.paused_at = self.now
        elif self.now >= self.paused_at + rest:
            self.paused_at = self.now
            self._give(ResumePrint("mk3", self._new_id(), KEY))

    def _act(self, act: Act) -> None:
        if act.what == "pause":
            self.rest = act
            self._give(PausePrint("mk3", self._new_id(), KEY))
        elif act.what == "cancel":
            self.outcome.canceled = True
            self._give(CancelPrint("mk3", self._new_id(), KEY))
        elif act.change is not None:
            self._give(Adjust("mk3", self._new_id(), KEY, act.change))

    def _start(self) -> None:
        self.is_started = True
        path = self.folder / "part.gcode"
        content = self.outcome.part.content
        path.write_bytes(content)
        sha256 = hashlib.sha256(content).hexdigest()
        self._give(StartPrint("mk3", "start", KEY, str(path), sha256, len(content), path.name))

    def _give(self, order: Order) -> None:
        self.outcome.told.append((self.now, f"-> {type(order).__name__} {order.order_id}"))
        self.life.driver.submit(order)


class Wire(BoardWire):
    """The cable, which remembers what passed if the case wants it."""

    def __init__(self, board: Board, outcome: Outcome, *, link: Link | None, resets_on_open: bool) -> None:
        super().__init__(board, link=link, resets_on_open=resets_on_open)
        self._heard = outcome.wire if outcome.case.keeps_wire else None

    def carry(self, data: bytes) -> None:
        if self._heard is not None:
            self._heard.append((self.now, ">", data))
        super().carry(data)

    def _deliver(self) -> None:
        port, data = self._to_host[0]
        if self._heard is not None and port._is_open:
            self._heard.append((self.now, "<", data))
        super()._deliver()

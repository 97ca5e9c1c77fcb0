"""A night in which everything meets: jobs, runs of schedules, uploads, panel prints, stops, deaths.

Each run, job and upload has lines of its own, so that the machines' ledgers tell whose a line was. Judged:

* the lines of a run are executed once, in order, with nobody else's between them; all of them if it
  succeeded, none if it never began; a run stops for a print that somebody starts at the printer;
* nothing moves before somebody has looked, since the last thing on that machine that may have left something:
  a print, a macro that prints, one that was broken off, an emergency stop. Looked: when it stood still;
* no line of an upload is executed, and what is on a card is whole, or torn and told of;
* in the morning nothing is under way that no machine is at.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from firmware_sim.faults.random_plan import Rate
from gateway.domain.commands import CommandRefused, ResolveJob, SetPlate, StartJob
from gateway.domain.job import JobStatus
from gateway.domain.observations import LinkState
from gateway.domain.orders import Order, SendGcode, StartPrint, UploadFile
from gateway.domain.printer import Plate, Presence
from gateway.domain.schedule import Action, RunState, Schedule, ScheduleType, Step
from gateway.domain.schedule_commands import AddSchedule, CancelAction, RunSchedule
from gateway.domain.task import Task, TaskKind, TaskStatus
from gateway.domain.task_commands import AddTask, CancelTask, PauseTask, ResumeTask
from gateway.engine.ports import TaskFilter
from gateway.tasks.cron import CronTimes
from gateway.tasks.run_plans import RunPlans
from gateway.tasks.scheduler import Scheduler
from tests.sim.test_any_night import BAD_CABLES, CARD, PERSONALITIES, Night
from tests.support.stand import ANA
from tests.support.town import Town

#: Things that happen in a night, and in one of the few that are always run.
STEPS, FEW = 24, 12
#: Seconds for the longest macro, print or upload, and for another try of what a late death interrupted.
SETTLES = 240.0
#: Lines of its macro that a board has in its queue when somebody starts a print at the printer.
QUEUED = 8
#: Tags of by-hand runs and of uploads; those of jobs and the card are in `test_any_night`.
RUNS, UPLOADS = range(4000, 4100), range(7000, 7100)
BY_THE_CLOCK = {5001: "*/3 * * * *", 5002: "*/5 * * * *"}
CARD_TAG = 2900
UPLOADED = frozenset({TaskKind.PRINTER_UPLOAD})
_TAG = re.compile(r"G1 X\d+ Y\d+(?: E[\d.]+)? F(\d+)")

_MOVES = [f"G1 X{20 + n} Y90 F{{1}}" for n in range(40)]
_PURGES = [f"G1 X{20 + n} Y5 E{n} F{{1}}" for n in range(1, 20)]
#: name -> type, lines; `{1}` is the tag. What a line without tag is cannot be told.
MACROS: Mapping[str, tuple[ScheduleType, list[str]]] = {
    "jog": (ScheduleType.GCODE_MACRO, ["G28", *_MOVES, "M400"]),
    "purge": (ScheduleType.GCODE_MACRO, ["G28", "M302 S0", *_PURGES]),
    "grease": (ScheduleType.MAINTENANCE, ["G28 Z", *_MOVES[:10]]),
}


@dataclass
class Stretch:
    """Lines of one owner that a machine executed behind each other."""

    tag: int
    began: float
    ended: float
    lines: list[str] = field(default_factory=list)


class WorkNight(Night):
    """One seeded run."""

    def __init__(self, town: Town, seed: int) -> None:
        super().__init__(town, seed)
        self.tags = {"run": iter(RUNS), "upload": iter(UPLOADS)}
        self.made: dict[str, Schedule] = {}
        self.clocked: dict[int, Schedule] = {}
        self.looked: dict[str, list[float]] = {printer: [] for printer in PERSONALITIES}
        self.stopped: dict[str, list[float]] = {printer: [] for printer in PERSONALITIES}
        self.panel_prints = 0
        self.ticking: asyncio.Task[None] | None = None

    # -- the evening --------------------------------------------------------------------------------------

    async def evening(self) -> None:
        """Clear plates, schedules, and a clock."""
        for name, (type, lines) in MACROS.items():
            params = {"gcode": lines, "note": name} if type is ScheduleType.MAINTENANCE else {"gcode": lines}
            self.made[name] = await self._schedule(name, type, params, None)
        for tag, cron in BY_THE_CLOCK.items():
            lines = [line.replace("{1}", str(tag)) for line in MACROS["jog"][1]]
            made = await self._schedule(f"clock {tag}", ScheduleType.GCODE_MACRO, {"gcode": lines}, cron)
            self.clocked[tag] = made
        await self.clear()
        self._tick()

    async def _schedule(
        self, name: str, type: ScheduleType, params: Mapping[str, Any], cron: str | None
    ) -> Schedule:
        next_at = CronTimes().next_after(cron, "UTC", self.town.clock.wall()) if cron else None
        macro = RunPlans().macro(type, params, None)
        made = await self.town.engine.execute(
            AddSchedule(
                ANA.member_id, 1, 1, name, type, params=params, macro=macro, cron=cron, next_at=next_at
            )
        )
        assert isinstance(made, Schedule)
        return made

    def _tick(self) -> None:
        town = self.town
        scheduler = Scheduler(
            engine=town.engine, subscribe=town.hub.subscribe, cron=CronTimes(), clock=town.clock
        )
        self.ticking = asyncio.create_task(scheduler.run(), name="scheduler")

    # -- what happens -------------------------------------------------------------------------------------

    async def step(self) -> None:
        """Something happens."""
        await asyncio.sleep(self.chance.choice([0.05, 0.3, 1.0, 3.0, 7.0, 20.0, 90.0]))
        happenings = [self.gateway_dies_or_returns, self.streamer_dies_or_returns, self.panel, self.cable]
        if self.is_up["gateway"]:
            happenings += [self.submit, self.run, self.run, self.run, self.upload, self.upload, self.stop]
            happenings += [self.clear, self.clear, self.clear, self.clear, self.command, self.change]
            happenings += [self.start_out_of_turn]
        await self.chance.choice(happenings)()

    async def run(self) -> None:
        """By hand, with an argument."""
        made = self.made[self.chance.choice(list(self.made))]
        tag = str(next(self.tags["run"]))
        macro = RunPlans().macro(made.type, made.params, tag)
        with suppress(CommandRefused):
            await self.town.engine.execute(
                RunSchedule(made.schedule_id, ANA.member_id, arguments=tag, macro=macro)
            )

    async def upload(self) -> None:
        tag, printer = next(self.tags["upload"]), self.chance.choice(list(PERSONALITIES))
        file = await self.town.upload("\n".join(upload_lines(tag)).encode(), f"u{tag}.gcode")
        arguments = {
            "printer_id": self.town.printer(printer).printer_id, "printer": printer, "name": file.name,
            "file_id": file.file_id, "sha256": file.sha256, "size": file.size,
        }  # fmt: skip
        asked = AddTask(ANA.member_id, 1, TaskKind.PRINTER_UPLOAD, f"u{tag}", arguments=arguments)
        await self.town.engine.execute(asked)

    async def change(self) -> None:
        """Somebody changes their mind about a task or a run, at whatever moment."""
        state = self.town.engine.state
        works = [*state.tasks.values(), *state.actions.values()]
        if not works:
            return
        work = self.chance.choice(works)
        with suppress(CommandRefused):
            if isinstance(work, Action):
                await self.town.engine.execute(CancelAction(work.work_id, ANA.member_id))
            else:
                kind = self.chance.choice([CancelTask, PauseTask, ResumeTask, ResumeTask])
                await self.town.engine.execute(kind(work.task_id, ANA.member_id))

    async def start_out_of_turn(self) -> None:
        waiting = [job for job in self.town.engine.state.jobs.values() if job.status is JobStatus.QUEUED]
        if waiting:
            job = self.chance.choice(waiting)
            with suppress(CommandRefused):
                await self.town.engine.execute(StartJob(job.job_id, ANA.member_id, job.printer_id or 0))

    async def clear(self) -> None:
        """Somebody looks at both plates, whatever the machines are at, and at what is held there."""
        for printer in PERSONALITIES:
            row = self.town.printer(printer)
            if self.town._link(printer) is not LinkState.UP:
                continue  # who confirms a plate then is believed (docs/SAFETY.md)
            for job in list(self.town.engine.state.jobs.values()):
                if job.printer_id == row.printer_id and job.is_held:
                    await self._try(ResolveJob(job.job_id, ANA.member_id, JobStatus.FAILED))
            with suppress(CommandRefused):
                at = self.town.wires[printer].now
                await self.town.engine.execute(SetPlate(row.printer_id, Plate.CLEAR, "ana"))
                self.looked[printer].append(at)

    async def stop(self) -> None:
        """The red button, now and then; a board that halts by it is reset by whoever comes."""
        if self.chance.random() < 0.5:
            return
        printer = self.chance.choice(list(PERSONALITIES))
        row, wire = self.town.printer(printer), self.town.wires[printer]
        if self.town.engine.state.presence.get(row.printer_id, Presence()).link is not LinkState.UP:
            return
        self.stopped[printer].append(wire.now)
        await self.town.engine.emergency_stop(row.printer_id, ANA.member_id)
        await asyncio.sleep(self.chance.choice([3.0, 10.0]))
        wire.board.reset(wire.now)
        wire.turn()

    async def cable(self) -> None:
        self.town.wires[self.chance.choice(list(PERSONALITIES))].unplug(self.chance.choice([0.1, 3.0]))

    async def panel(self) -> None:
        """Somebody prints from the card, in the middle of a macro or of an upload too."""
        town, card = self.town, self.town.wires["right"].board.card
        if card.printing or card.paused or not all(self.is_up.values()):
            return  # a print that nobody here sees makes no plate occupied (docs/SAFETY.md)
        if not town.wires["right"].board.is_idle:
            activity = self._driver_is_beside_prints()
            if not activity or card.saving:
                return
        self.panel_prints += 1
        town.at_panel("right", "start", "CLIP.GCO")

    def _driver_is_beside_prints(self) -> bool:
        """Whether what the machine is at is no print."""
        seen = next(shot for shot in self.town.host.snapshot() if shot.printer == "right")
        return seen.link is LinkState.UP and seen.current is None

    async def gateway_dies_or_returns(self) -> None:
        if self.is_up["gateway"] and self.chance.random() < 0.4:
            # Behind the commit of the next thing to be begun, in front of its order.
            swallowed: list[Order] = []

            def pass_on(order: Order) -> bool:
                if isinstance(order, SendGcode | StartPrint | UploadFile):
                    swallowed.append(order)
                return not swallowed

            self.town.pass_on = pass_on
            with suppress(TimeoutError):
                await self.town.until(lambda: swallowed, 20.0)
        if self.is_up["gateway"]:
            await self._stop_ticking()
        await super().gateway_dies_or_returns()
        if self.is_up["gateway"]:
            self.town.pass_on = lambda order: True
            self._tick()

    async def _stop_ticking(self) -> None:
        if self.ticking is not None:
            self.ticking.cancel()
            await asyncio.gather(self.ticking, return_exceptions=True)

    async def dawn(self) -> None:
        """Everything comes up again and settles; nobody looks any more."""
        if not self.is_up["gateway"]:
            await self.gateway_dies_or_returns()
        if not self.is_up["streamer"]:
            await self.streamer_dies_or_returns()
        await asyncio.sleep(SETTLES)
        await self._stop_ticking()
        await asyncio.sleep(60)  # what the clock began last

    # -- the verdict --------------------------------------------------------------------------------------

    async def judge(self) -> None:
        """By the machines."""
        town = self.town
        actions = await self._actions()
        for printer in PERSONALITIES:
            stretches = self._stretches(printer)
            self._judge_runs(printer, actions, stretches)
            self._judge_plate(printer, actions, stretches)
        for job in (await town.queries.jobs(limit=None)).jobs:
            if job.job_id in self.moves:
                moves, end = self.moves[job.job_id], self.moves[job.job_id][0].split()[-1]
                done = [line for line in town.moves(self.printer_of[job.job_id]) if line.endswith(end)]
                assert done == moves[: len(done)], f"{job.name}: each line once and in order"
                assert job.status is not JobStatus.COMPLETED or done == moves
        await self._judge_uploads()

    async def _actions(self) -> list[Action]:
        found: list[Action] = []
        for made in (*self.made.values(), *self.clocked.values()):
            page = await self.town.queries.actions(schedule_id=made.schedule_id, limit=1000)
            found += page.actions
        return found

    def _stretches(self, printer: str) -> list[Stretch]:
        found: list[Stretch] = []
        late = 0
        for entry in self.town.ledger(printer).events("executed"):
            tagged = _TAG.fullmatch(entry.line or "")
            if tagged is None:
                continue
            tag, line = int(tagged[1]), entry.line or ""
            assert tag not in UPLOADS, "a line of an upload was run"
            before = found[-1] if found else None
            if before is not None and before.tag == CARD_TAG and self._is_late(found, tag):
                late += 1
                next(s for s in reversed(found) if s.tag == tag).lines.append(line)
            elif before is not None and before.tag == tag and line != before.lines[0]:
                before.lines.append(line)
                before.ended = entry.t
            else:
                found.append(Stretch(tag, entry.t, entry.t, [line]))
        assert late <= QUEUED * self.panel_prints, f"{late} lines of macros between those of a print"
        return found

    def _is_late(self, found: Sequence[Stretch], tag: int) -> bool:
        """Whether this was in the board's queue when a print was started at the printer."""
        return len(found) > 1 and found[-2].tag == tag and (tag in RUNS or tag in BY_THE_CLOCK)

    def _judge_runs(self, printer: str, actions: list[Action], stretches: list[Stretch]) -> None:
        for tag in (*RUNS, *BY_THE_CLOCK):
            mine = [stretch.lines for stretch in stretches if stretch.tag == tag]
            pairs = self._steps(printer, tag, actions)
            begun = [step for _, step in pairs if step.state in (RunState.SUCCEEDED, RunState.FAILED)]
            assert not any(step.state is RunState.RUNNING for _, step in pairs), "nobody is at it"
            if not pairs:
                assert not mine, "nobody ordered it"
                continue
            lines = tagged(pairs[0][0])
            whole = sum(found == lines for found in mine)
            assert all(found == lines[: len(found)] for found in mine), "in order, and nobody else between"
            assert len(mine) <= len(begun), "once a run"
            assert whole >= sum(step.state is RunState.SUCCEEDED for step in begun), "succeeded: all lines"

    def _steps(self, printer: str, tag: int, actions: list[Action]) -> list[tuple[Action, Step]]:
        printer_id = self.town.printer(printer).printer_id
        mine = [action for action in actions if self._tag_of(action) == tag]
        return [(action, step) for action in mine for step in action.steps if step.printer_id == printer_id]

    def _tag_of(self, action: Action) -> int:
        clocked = (tag for tag, made in self.clocked.items() if made.schedule_id == action.schedule_id)
        return int(action.arguments) if action.arguments is not None else next(clocked)

    def _judge_plate(self, printer: str, actions: list[Action], stretches: list[Stretch]) -> None:
        """Nothing moves over what may lie there; the card's prints are somebody's own affair."""
        dirty_since = -1.0  # the evening's look is the first
        stops = sorted(self.stopped[printer])
        for stretch in stretches:
            dirty_since = max([dirty_since, *(at for at in stops if at <= stretch.began)])
            if stretch.tag != CARD_TAG:
                looks = [at for at in self.looked[printer] if dirty_since <= at <= stretch.began]
                said = f"{stretch.tag} began at {stretch.began:.1f}"
                assert looks, f"{said}, and nobody looked since {dirty_since:.1f}"
            if self._leaves_something(printer, stretch, actions):
                dirty_since = stretch.ended

    def _leaves_something(self, printer: str, stretch: Stretch, actions: list[Action]) -> bool:
        pairs = self._steps(printer, stretch.tag, actions)
        if not pairs:
            return True  # a print
        action, step = pairs[0]
        if action.type is ScheduleType.MAINTENANCE or (action.macro is not None and action.macro.prints):
            return True
        if stretch.tag in BY_THE_CLOCK:
            return stretch.lines != tagged(action)
        return step.state is not RunState.SUCCEEDED

    async def _judge_uploads(self) -> None:
        now = self.town.clock.wall()
        tasks = (await self.town.queries.tasks(TaskFilter(kinds=UPLOADED), now=now, limit=None)).tasks
        assert not [task for task in tasks if task.status is TaskStatus.RUNNING], "nobody is at it"
        for task in tasks:
            if task.status is TaskStatus.DONE:
                self._judge_done(task)
        for printer in PERSONALITIES:
            board, ledger = self.town.wires[printer].board, self.town.ledger(printer)
            assert not board.card.saving
            files = {file.short: file.content for file in board.card.files}
            wholes = {as_written(tag) for tag in UPLOADS}
            deleted = [entry.line or "" for entry in ledger.events("executed")]
            for name, content in files.items():
                is_left = self.panel_prints > 0 and f"M30 {name}" not in deleted
                assert name in CARD or content in wholes or is_left, f"{name} is torn, and was not deleted"
            assert all(files.get(name) == content for name, content in CARD.items() if printer == "right")

    def _judge_done(self, task: Task) -> None:
        assert task.result is not None
        card = self.town.wires[task.arguments["printer"]].board.card
        found = card.find(task.result["name_on_printer"])
        assert found is not None, f"{task.name} is done, and not on the card"
        assert found.content == as_written(int(task.name[1:])), f"{task.name} is done, and not whole"


def upload_lines(tag: int) -> list[str]:
    return [f"G1 X{n % 150} Y{n // 150} F{tag}" for n in range(300)]


def as_written(tag: int) -> bytes:
    return b"".join(f"{line}\r\n".encode() for line in upload_lines(tag))


def tagged(action: Action) -> list[str]:
    """The lines of its macro by which it is known."""
    return [line for line in (action.macro.lines if action.macro else ()) if _TAG.fullmatch(line)]


async def run_night(
    folder: Path, seed: int, rates: Mapping[str, Rate] | None = None, *, steps: int = STEPS
) -> None:
    async with Town(folder, PERSONALITIES, sd_files=CARD, seed=seed, rates=rates) as town:
        for printer in PERSONALITIES:
            await town.until(lambda printer=printer: town._link(printer) is LinkState.UP)
        night = WorkNight(town, seed)
        await night.evening()
        for _ in range(steps):
            await night.step()
        await night.dawn()
        await night.judge()


@pytest.mark.parametrize("seed", [1, 2])
async def test_a_night_of_everything(tmp_path: Path, seed: int) -> None:
    await run_night(tmp_path, seed, steps=FEW)


async def test_a_night_of_everything_with_bad_cables(tmp_path: Path) -> None:
    await run_night(tmp_path, 5, BAD_CABLES, steps=FEW)


@pytest.mark.soak
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("rates", [{}, BAD_CABLES], ids=["good cables", "bad cables"])
@pytest.mark.parametrize("seed", range(1000, 1150))
async def test_many_nights_of_everything(tmp_path: Path, seed: int, rates: Mapping[str, Rate]) -> None:
    await run_night(tmp_path, seed, rates)

"""A schedule of starts and bad luck, drawn from a seed, played on an MqttTown, and judged in the morning.

Two jobs start on two printers at once. Meanwhile the gateway dies at steps of its own, connections break,
answers are lost, late or doubled, and people start prints at the machines. In the morning all of it is well
again, somebody clears the plates, and what waits must print. Judged by the machines' ledgers:

* no job was started twice;
* a job says completed if, and only if, a machine has done all of it; other ends have a sentence;
* what is not over is held with a sentence, or waits behind what is held;
* nobody is asked to look at a start that provably never left the gateway;
* a print of the panel is one job at most, and one if the gateway was there all the time.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from random import Random
from typing import Final

from firmware_sim.bambu.faults import BambuFault
from firmware_sim.bambu.panel import NotNow
from firmware_sim.moonraker.faults import Misfortune
from gateway.domain.job import Job, JobStatus
from gateway.domain.printer import Plate
from gateway.transport.mqtt import MqttMessage
from tests.support.memory_broker import Fate
from tests.support.mqtt_town import BAMBU, GATEWAY, KLIPPER, PRINTERS, MqttTown

#: Of Bambu printers: with and without ids of panel prints, whole states, ids of 32 bits; on an A1 mini a
#: start cancels what it prints.
PERSONALITIES: Final = ("a1", "a1-mini", "h2d-like", "p1s", "x1c")
#: Steps of the gateway from the submission of two jobs to the proof of both starts, and some more.
STEPS: Final = 90
#: Seconds of a whole night after the submission, and until everything has settled in the morning.
NIGHT, MORNING = 240.0, 420.0
#: What may go wrong with the start itself, by the printer's own doing.
BAMBU_FAULTS: Final = (
    "no-echo", "echo-late", "vanished", "lost-before", "lost-after", "half-dead", "refused", "deltas-only",
    "upload-cut", "file-truncated", "storage-full",
)  # fmt: skip
KLIPPER_FAULTS: Final = (
    "request-lost", "request-doubled", "reply-lost", "reply-late", "upload-refused", "upload-answer-lost",
    "upload-truncated",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Death:
    """Of a process: at this step of its life behind the submission, or the rise; it is away for `seconds`."""

    step: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Accident:
    """At `at` seconds behind the submission, for `seconds`."""

    at: float
    kind: str
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Plan:
    """One night."""

    deaths: tuple[Death, ...] = ()
    accidents: tuple[Accident, ...] = ()
    faults: tuple[tuple[str, str, float], ...] = ()  # printer, name, seconds
    personality: str = "a1"  # of the Bambu printer


def drawn(seed: int) -> Plan:
    """The plan of a seed."""
    chance = Random(f"starts {seed}")
    deaths = [
        Death(chance.randint(1, STEPS), chance.choice((0.5, 3.0, 20.0, 90.0)))
        for _ in range(chance.choice((1, 1, 2, 3)))
    ]
    kinds = ("broker down", "network pulled", "network silent", "all dropped", "ack lost", "panel", "panel")
    accidents = [
        Accident(chance.uniform(0.0, 25.0), chance.choice(kinds), chance.choice((0.5, 5.0, 40.0)))
        for _ in range(chance.choice((0, 1, 1, 2, 3)))
    ]
    faults = [
        (printer, chance.choice(names), chance.choice((1.0, 12.0, 100.0)))
        for printer, names in ((BAMBU, BAMBU_FAULTS), (KLIPPER, KLIPPER_FAULTS))
        if chance.random() < 0.4
    ]
    accidents.sort(key=lambda one: one.at)
    return Plan(tuple(deaths), tuple(accidents), tuple(faults), PERSONALITIES[seed % len(PERSONALITIES)])


@dataclass
class Morning:
    """What came of it. `wrong`: what must never be."""

    jobs: list[Job]
    starts: list[str]
    wrong: list[str] = field(default_factory=list)
    outcomes: Counter[str] = field(default_factory=Counter)


class StartNight:
    """One plan on one town."""

    def __init__(self, town: MqttTown, plan: Plan) -> None:
        self.town = town
        self.plan = plan
        self.died_at: list[str] = []

    async def play(self) -> Morning:
        """The night and the morning."""
        await self.town.ready()
        self._arm()
        deaths = asyncio.create_task(self._die_and_rise(), name="deaths")
        accidents = asyncio.create_task(self._accidents(), name="accidents")
        await asyncio.sleep(NIGHT)
        for task in (deaths, accidents):
            task.cancel()
        for outcome in await asyncio.gather(deaths, accidents, return_exceptions=True):
            if isinstance(outcome, Exception):
                raise outcome
        return await self._morning()

    # -- the night ----------------------------------------------------------------------------------------

    def _arm(self) -> None:
        for printer, name, seconds in self.plan.faults:
            if printer == BAMBU:
                is_command = name not in ("deltas-only", "upload-cut", "file-truncated", "storage-full")
                command = "project_file" if is_command else None
                self.town.bambu.panel.arm(BambuFault(name, command=command, seconds=seconds))
            else:
                method = None if name.startswith("upload") else "printer.print.start"
                self.town.klipper.faults.arm(Misfortune(name, method=method, seconds=seconds))

    async def _die_and_rise(self) -> None:
        """The first death is counted from the submission on, further ones from the rise on."""
        town = self.town
        for number, death in enumerate(self.plan.deaths):
            dies_at = _at(death.step)
            if number == 0:
                town.life.begin_counting(dies_at)
                submitting = asyncio.create_task(self._submit(), name="submit")
            else:
                town.life.begin_counting(dies_at)
            await town.life.ended.wait()
            self.died_at.append(town.life.died_at)
            if not submitting.done():
                submitting.cancel()
            await asyncio.gather(submitting, return_exceptions=True)
            await town.bury()
            await asyncio.sleep(death.seconds)
            await town.start_gateway()

    async def _submit(self) -> None:
        for printer in PRINTERS:
            await self.town.submit(printer)

    async def _accidents(self) -> None:
        passed = 0.0
        for accident in self.plan.accidents:
            await asyncio.sleep(accident.at - passed)
            passed = accident.at
            self._happens(accident)

    def _happens(self, accident: Accident) -> None:
        town, later = self.town, asyncio.get_running_loop().call_later
        match accident.kind:
            case "broker down":
                town.broker.down()
                later(accident.seconds, town.broker.up)
            case "network pulled":
                town.bambu_wire.pull(accident.seconds)
            case "network silent":
                town.bambu_wire.silence(accident.seconds)
            case "all dropped":
                town.broker.drop(GATEWAY)
                town.bambu_wire.drop()
            case "ack lost":
                town.broker.fate = _loses_the_next_start(town)
            case _:
                self._panel(BAMBU if accident.at < 12.0 else KLIPPER)

    def _panel(self, printer: str) -> None:
        with suppress(NotNow):  # it prints
            self.town.at_panel(printer)

    # -- the morning --------------------------------------------------------------------------------------

    async def _morning(self) -> Morning:
        town = self.town
        town.life.begin_counting(lambda number, name: False)
        if town.life.is_over:
            await town.bury()
            await town.start_gateway()
        for _ in range(2):
            await asyncio.sleep(MORNING)
            for printer in PRINTERS:
                if not self._is_held(printer) and town.printer(printer).plate is not Plate.CLEAR:
                    await town.clear_plate(printer)
        await asyncio.sleep(MORNING)
        town.check_alive()
        morning = Morning(await town.jobs(), town.starts())
        self._judge(morning)
        return morning

    def _is_held(self, printer: str) -> bool:
        number = self.town.printer(printer).printer_id
        return any(
            job.printer_id == number and job.is_on_printer for job in self.town.engine.state.jobs.values()
        )

    def _judge(self, morning: Morning) -> None:
        began, done = Counter(morning.starts), Counter(self.town.ends())
        morning.wrong += [f"{name} was started {count} times" for name, count in began.items()
                          if count > 1 and name != "panel"]  # fmt: skip
        for job in morning.jobs:
            if not job.is_local:
                self._judge_job(morning, job, began[job.name], done[job.name])
        local = [job for job in morning.jobs if job.is_local]
        morning.outcomes["local prints"] += began["panel"]
        morning.outcomes["local jobs"] += len(local)
        if len(local) > began["panel"]:
            morning.wrong.append(f"{began['panel']} prints of the panel are {len(local)} jobs")

    def _judge_job(self, morning: Morning, job: Job, began: int, done: int) -> None:
        who = f"{job.name} on {self._printer_of(job)}"
        if (job.status is JobStatus.COMPLETED) != bool(done) and not job.is_held:
            morning.wrong.append(f"{who} is {job.status}, and the machine has done {done} of it")
        if not job.message and job.status is not JobStatus.COMPLETED and not self._waits(job):
            morning.wrong.append(f"{who} is {job.status} without a sentence")
        if not job.is_over and not job.is_held and not self._waits(job):
            morning.wrong.append(f"{who} is still {job.status}: {job.message}")
        if job.is_held and self._noted(job) == "preparing":
            morning.wrong.append(f"{who} is held, and by its record it was never sent")
        place = (
            f"held, noted {self._noted(job)}"
            if job.is_held
            else "waits behind what is held"
            if self._waits(job)
            else job.status.value
        )
        morning.outcomes[f"{place}, started {began}"] += 1

    def _waits(self, job: Job) -> bool:
        """Behind another job that is held."""
        state = self.town.engine.state
        others = [other for other in state.jobs.values() if other.printer_id == job.printer_id]
        is_waiting = job.status is JobStatus.QUEUED and bool(self.town.engine.waiting(job))
        return is_waiting and any(other.is_held for other in others)

    def _noted(self, job: Job) -> str:
        """What the record says of its start."""
        said = self.town.records[self._printer_of(job)].said
        return said[-1][0] if said and said[-1][1] == job.print_key else "nothing"

    def _printer_of(self, job: Job) -> str:
        row = self.town.engine.state.printers.get(job.printer_id or 0)
        return "no printer" if row is None else row.name


def _at(step: int) -> Callable[[int, str], bool]:
    return lambda number, name: number == step


def _loses_the_next_start(town: MqttTown) -> Callable[[str, MqttMessage], Fate]:
    def fate(client: str, message: MqttMessage) -> Fate:
        if client == GATEWAY and b"printer.print.start" in message.payload:
            town.broker.fate = lambda client, message: Fate.ARRIVES
            return Fate.ACK_LOST
        return Fate.ARRIVES

    return fate

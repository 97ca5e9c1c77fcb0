"""A whole gateway with a Bambu and a Klipper printer on virtual time; killed at will.

    async with MqttTown(folder, seed=7) as town:
        await town.ready()
        job = await town.submit("bambu")
        town.life.end()                      # or a `dies_at` for start_gateway: between any two steps
        await town.bury()
        await town.start_gateway()

The machines and the broker live on through every death; their ledgers are what tests judge by. A print is
known by its name: `job3` is printed from a file of that name, whatever the driver adds to it.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from random import Random
from typing import Any, Final

from firmware_sim.bambu.ledger import physical_starts
from firmware_sim.bambu.personality import load_bambu_personality
from firmware_sim.bambu.printer import BambuPrinter
from firmware_sim.ledger import Ledger
from firmware_sim.moonraker.printer import MoonrakerPrinter
from firmware_sim.moonraker.settings import MoonrakerConfig
from gateway.domain.commands import AddFile, AddMember, ConfigurePrinters, PrinterSetting, SetPlate, SubmitJob
from gateway.domain.file import StoredFile
from gateway.domain.job import Job
from gateway.domain.observations import LinkState
from gateway.domain.printer import Plate, PlateClear, Presence, Printer
from gateway.drivers.bambu.driver import BambuDriver
from gateway.drivers.bambu.settings import BambuSettings
from gateway.drivers.contract import Driver
from gateway.drivers.heat_watch import HeatWatch
from gateway.drivers.hosting import DriverHost
from gateway.drivers.left import LeftPrint, left_print
from gateway.drivers.moonraker.driver import MoonrakerDriver
from gateway.drivers.moonraker.settings import MoonrakerSettings
from gateway.engine.engine import Engine
from gateway.protocol.moonraker.topics import coalesces
from gateway.publish.hub import Hub
from gateway.safety.limits import SafetyLimits
from gateway.safety.monitor import PrinterMonitor
from gateway.safety.stance import TELLING, TELLING_IN_ERROR
from gateway.store.database import Database
from gateway.store.files import Files
from gateway.store.journal import Journal
from gateway.store.loose import LooseContents
from gateway.store.queries import Queries
from tests.support.bambu_stand import gcode, sliced
from tests.support.bambu_wire import BambuWire
from tests.support.databases import empty_database
from tests.support.memory_broker import MemoryBroker
from tests.support.moonraker_wire import MoonrakerWire
from tests.support.mortal_process import (
    Life,
    MortalConnect,
    MortalJournal,
    MortalOrders,
    MortalStartRecord,
    MortalStorage,
)
from tests.support.office import LoopClock
from tests.support.stand import ANA, BEN, CountingIds
from tests.support.start_records import KeptStartRecord

BAMBU: Final = "bambu"
KLIPPER: Final = "klipper"
PRINTERS: Final = (BAMBU, KLIPPER)
SERIAL: Final = "01S00C000000001"
INSTANCE: Final = "voron1"
GATEWAY: Final = "gateway"  # its name on the broker
#: Of every print, the panel's too; each takes two seconds, so that a night cuts into most of them.
MOVES: Final = [f"G1 X{number * 7 % 50 + 1} Y{number % 7} F6000" for number in range(1, 25)]
PANEL_FILE: Final = {BAMBU: "panel.gcode.3mf", KLIPPER: "panel.gcode"}
_NAME: Final = re.compile(r"^(job[0-9]+|panel)(?![0-9])")
#: Seconds between two looks at the store.
LOOK: Final = 0.5


def _is_bambu_start(payload: bytes) -> bool:
    return b'"project_file"' in payload or b'"gcode_file"' in payload


def _is_klipper_start(payload: bytes) -> bool:
    return b"printer.print.start" in payload


def _part(printer: str) -> bytes:
    if printer == BAMBU:
        return sliced(gcode(MOVES))
    return "\n".join(["G28", *(line for move in MOVES for line in (move, "G4 P2000")), ""]).encode()


def _heat_watch() -> HeatWatch:
    """As `main_mqtt_printers` makes it of a configuration that says nothing."""
    stances = {BAMBU: TELLING_IN_ERROR, KLIPPER: TELLING}
    return HeatWatch({name: PrinterMonitor(SafetyLimits(), stance) for name, stance in stances.items()})


class MqttTown:
    """Two printers, a broker, and one gateway process after the other. Use as an async context."""

    def __init__(
        self, folder: Path, *, seed: int = 0, personality: str = "a1", watches_heat: bool = False
    ) -> None:
        """`personality`: of the Bambu printer. `watches_heat`: as the gateway does, every two seconds."""
        self.folder = folder
        self._watches_heat = watches_heat
        self.ids = CountingIds()
        self.clock = LoopClock()
        self.chance = Random(f"town {seed}")
        self.broker = MemoryBroker(latency=0.005)
        self.bambu = BambuPrinter(
            replace(load_bambu_personality(personality), stop_seconds=15.0), serial=SERIAL,
            files={PANEL_FILE[BAMBU]: _part(BAMBU)}, ledger=Ledger(), seed=seed,
        )  # fmt: skip
        self.bambu_wire = BambuWire(self.bambu)
        self.klipper = MoonrakerPrinter(
            MoonrakerConfig(instance=INSTANCE), files={PANEL_FILE[KLIPPER]: _part(KLIPPER)}
        )
        self.klipper_wire = MoonrakerWire(self.broker, self.klipper)
        (folder / "gateway.db").write_bytes(empty_database())
        self.records = {name: KeptStartRecord() for name in PRINTERS}  # on the disk: they survive
        self._jobs = 0
        self._tasks: dict[str, asyncio.Task[Any]] = {}

    async def __aenter__(self) -> MqttTown:
        await self.klipper_wire.__aenter__()
        await self.start_gateway()
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._tasks:
            self.life.end()
            await self.bury()
        await self.klipper_wire.__aexit__()
        self.bambu_wire.stop()

    # -- the gateway's process ----------------------------------------------------------------------------

    async def start_gateway(self, dies_at: Callable[[int, str], bool] = lambda number, name: False) -> None:
        """A new process on the same database; it may die at a step."""
        life = self.life = Life(dies_at)
        self.database = Database(f"sqlite:///{self.folder / 'gateway.db'}")
        self.queries = Queries(self.database)
        self.files = Files(self.folder / "files", note=LooseContents(self.database).note)
        engine: Engine

        def observe(seen: Any) -> None:
            if life.passes(f"before the engine hears {type(seen).__name__}"):
                engine.observe(seen)

        host = DriverHost(
            {BAMBU: partial(self._bambu_driver, life), KLIPPER: partial(self._klipper_driver, life)},
            observe, monotonic=self.clock.monotonic, chance=self.chance,
            heat=_heat_watch() if self._watches_heat else None,
        )  # fmt: skip
        journal = Journal(self.database, self.ids.hex, self.clock)
        engine = self.engine = Engine(
            journal=MortalJournal(journal, life), queries=self.queries,  # type: ignore[arg-type]
            drivers=MortalOrders(host, life), files=self.files, publisher=Hub(), clock=self.clock,
            ids=self.ids,
        )  # fmt: skip
        self._tasks["begin"] = asyncio.create_task(self._begin(engine, host, life), name="begin")
        await asyncio.sleep(LOOK)

    async def _begin(self, engine: Engine, host: DriverHost, life: Life) -> None:
        await engine.start()
        self._tasks["engine"] = asyncio.create_task(engine.run(), name="engine")
        for member in (ANA, BEN):
            if member.member_id not in engine.state.members:
                await engine.execute(AddMember(member))
        settings = (
            PrinterSetting(BAMBU, "bambu", "ana", PlateClear.CONFIRM, "mqtts://192.0.2.7:8883"),
            PrinterSetting(KLIPPER, "moonraker", "ana", PlateClear.CONFIRM, "the broker of [mqtt]"),
        )
        await engine.execute(ConfigurePrinters(settings))
        if not life.is_over:
            self._tasks["drivers"] = asyncio.create_task(host.run(), name="drivers")

    def _bambu_driver(self, life: Life) -> Driver:
        driver = BambuDriver(
            BAMBU, MortalConnect(self.bambu_wire.connect, life, _is_bambu_start),
            MortalStorage(self.bambu_wire.storage, life), monotonic=self.clock.monotonic,
            new_id=self.ids.uuid, chance=self.chance, settings=BambuSettings(serial=SERIAL),
            record=MortalStartRecord(self.records[BAMBU], life),
            over=lambda: self.engine.state.ended_keys,
        )  # fmt: skip
        driver.begin(self._left(BAMBU))
        return driver

    def _klipper_driver(self, life: Life) -> Driver:
        connect = self.broker.connecting(GATEWAY, coalesces=coalesces)
        driver = MoonrakerDriver(
            KLIPPER, MortalConnect(connect, life, _is_klipper_start),
            MortalStorage(self.klipper_wire.storage, life), monotonic=self.clock.monotonic,
            new_id=self.ids.uuid, chance=self.chance, settings=MoonrakerSettings(INSTANCE),
            record=MortalStartRecord(self.records[KLIPPER], life),
        )  # fmt: skip
        driver.begin(self._left(KLIPPER))
        return driver

    def _left(self, name: str) -> list[LeftPrint]:
        """As `main_mqtt` does it."""
        state = self.engine.state
        numbers = {printer.printer_id for printer in state.printers.values() if printer.name == name}
        found = (left_print(job) for job in state.jobs.values() if job.printer_id in numbers)
        return [left for left in found if left is not None]

    async def bury(self) -> None:
        """Whatever still runs of the dead process is gone, with its connections."""
        assert self.life.is_over
        tasks, self._tasks = list(self._tasks.values()), {}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if not self.bambu_wire.is_pulled:
            self.bambu_wire.drop()
        self.broker.drop(GATEWAY)
        self.database.close()

    # -- people -------------------------------------------------------------------------------------------

    def printer(self, name: str) -> Printer:
        """The row of a printer."""
        found = self.engine.state.printer_named(name)
        assert found is not None
        return found

    def presence(self, name: str) -> Presence:
        """What the engine knows of a printer now."""
        return self.engine.state.presence.get(self.printer(name).printer_id, Presence())

    def is_linked(self, name: str) -> bool:
        """Whether the engine believes that the printer can be talked to."""
        presence = self.engine.state.presence.get(self.printer(name).printer_id)
        return presence is not None and presence.link is LinkState.UP

    async def ready(self) -> None:
        """Both are linked, and their plates are confirmed clear."""
        await self.until(lambda: all(self.is_linked(name) for name in PRINTERS))
        for name in PRINTERS:
            await self.clear_plate(name)

    async def clear_plate(self, name: str) -> None:
        """Somebody takes the part off, and says so."""
        await self.engine.execute(SetPlate(self.printer(name).printer_id, Plate.CLEAR, "ana"))

    async def submit(self, printer: str) -> Job:
        """Ben hands in a job of a name of its own."""
        self._jobs += 1
        name = f"job{self._jobs}"
        upload = await self.files.begin()
        await upload.write(_part(printer))
        sha256, size = await upload.finish()
        ending = "gcode.3mf" if printer == BAMBU else "gcode"
        file = StoredFile(
            self.ids.uuid(), sha256, f"{name}.{ending}", size, BEN.member_id, 1, self.clock.wall(),
            {"format": ending},
        )  # fmt: skip
        await self.engine.execute(AddFile(file))
        asked = SubmitJob(
            BEN.member_id, 1, name, printer_id=self.printer(printer).printer_id, file=file
        )  # fmt: skip
        job = await self.engine.execute(asked)
        assert isinstance(job, Job)
        return job

    def at_panel(self, printer: str) -> None:
        """Somebody starts a print at the machine. Raises ValueError when it has one."""
        if printer == BAMBU:
            self.bambu.panel.start(PANEL_FILE[BAMBU], self.bambu_wire.now)
            self.bambu_wire.turn()
        else:
            self.klipper_wire.act(self.klipper.panel.start, PANEL_FILE[KLIPPER])

    # -- the truth ----------------------------------------------------------------------------------------

    def starts(self) -> list[str]:
        """The name of every print that began on a machine, in order for each machine: `job3`, `panel`."""
        self.bambu_wire.turn()
        files = [start.file for start in physical_starts(self.bambu.ledger)]
        files += [entry.line or "" for entry in self.klipper.physical_starts()]
        return [_name_of(file) for file in files]

    def ends(self) -> list[str]:
        """The name of every print that a machine has done all of."""
        self.bambu_wire.turn()
        files = [entry.line or "" for entry in self.bambu.ledger.events("print-finished")]
        files += [entry.line or "" for entry in self.klipper.ledger.events("print-completed")]
        return [_name_of(file) for file in files]

    async def jobs(self) -> list[Job]:
        """All of them, as an API would show them."""
        page = await self.queries.jobs(limit=None)
        return [self.engine.live(job) for job in page.jobs]

    async def job(self, job_id: str) -> Job:
        """One of them."""
        stored = await self.queries.job(job_id)
        assert stored is not None
        return self.engine.live(stored)

    async def until(self, is_so: Callable[[], object], seconds: float = 600.0) -> None:
        """Let time pass until something is so."""
        async with asyncio.timeout(seconds):
            while not is_so():
                self.check_alive()
                await asyncio.sleep(LOOK)

    def check_alive(self) -> None:
        """Raise what a part of the gateway died of, by itself."""
        for name, task in self._tasks.items():
            if task.done() and not task.cancelled() and task.exception() is not None:
                raise AssertionError(f"{name} died") from task.exception()


def _name_of(file: str) -> str:
    found = _NAME.match(file.rpartition("/")[2])
    return found[0] if found else file

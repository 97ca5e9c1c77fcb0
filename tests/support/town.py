"""The whole daemon on virtual time: simulated printers, streamer, engine, a real database; killed at will.

The same objects as in the two processes, joined in one: what a process's death does to them is what the
`kill_` methods do. The machines live on through every death; their ledgers are what tests judge by.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

from firmware_sim.faults.catalogue import Fault
from firmware_sim.faults.random_plan import RandomPlan, Rate
from firmware_sim.ledger import Ledger
from firmware_sim.machine.board import Board
from firmware_sim.personality import Personality
from gateway.domain.commands import AddFile, AddMember, ConfigurePrinters, PrinterSetting, SetPlate, SubmitJob
from gateway.domain.file import StoredFile
from gateway.domain.job import Job
from gateway.domain.observations import LinkState
from gateway.domain.orders import Order
from gateway.domain.printer import Plate, PlateClear, Printer
from gateway.drivers.marlin.driver import MarlinDriver
from gateway.engine.engine import Engine
from gateway.publish.hub import Hub
from gateway.store.database import Database
from gateway.store.files import Files
from gateway.store.journal import Journal
from gateway.store.loose import LooseContents
from gateway.store.queries import Queries
from gateway.streamer.client import StreamerClient, memory_channel
from gateway.streamer.host import StreamerHost
from gateway.streamer.line_record import MappedLineRecord, take_line_record
from gateway.streamer.upload_mark_file import UploadMarkFile
from tests.support.board_port import BoardWire
from tests.support.databases import empty_database
from tests.support.gate import Gate
from tests.support.office import LoopClock
from tests.support.stand import ANA, BEN, CountingIds


class Town:
    """Printers by name, each with its board; one streamer; one gateway. Use as an async context."""

    def __init__(
        self,
        folder: Path,
        personalities: Mapping[str, str | Personality],
        *,
        sd_files: Mapping[str, bytes] | None = None,
        seed: int = 0,
        rates: Mapping[str, Rate] | None = None,
    ) -> None:
        """`rates`: faults of every cable and board, strikes per occasion (`firmware_sim.faults`)."""
        self.folder = folder
        self.ids = CountingIds()
        self.clock = LoopClock()
        self.chance = Random(seed)
        self.wires = {
            name: BoardWire(
                Board(
                    personality,
                    ledger=Ledger(),
                    seed=seed,
                    sd_files=dict(sd_files or {}),
                    faults=RandomPlan(seed, rates or {}),
                )
            )
            for name, personality in personalities.items()
        }
        self.url = f"sqlite:///{folder / 'gateway.db'}"
        (folder / "gateway.db").write_bytes(empty_database())
        self.settings = tuple(
            PrinterSetting(name, "marlin", "ana", PlateClear.CONFIRM, f"/dev/{name}")
            for name in personalities
        )
        self.pass_on: Callable[[Order], bool] = lambda order: True
        self._streamers = 0
        self._records: list[MappedLineRecord] = []
        self._tasks: dict[str, asyncio.Task[Any]] = {}

    # -- processes ----------------------------------------------------------------------------------------

    async def __aenter__(self) -> Town:
        self.start_streamer()
        await self.start_gateway()
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)
        self.database.close()
        self._release_records()

    def start_streamer(self) -> None:
        """A new streamer process: it takes over the line records of the former one."""
        records = self.folder / "records"
        records.mkdir(exist_ok=True)
        self._streamers += 1
        drivers = {}
        for name, wire in self.wires.items():
            record = take_line_record(records, name).record
            self._records.append(record)
            drivers[name] = partial(
                MarlinDriver,
                name,
                wire.open,
                record,
                monotonic=self.clock.monotonic,
                new_id=self.ids.uuid,
                mark=UploadMarkFile(records, name),
            )
        self.host = StreamerHost("town", f"streamer-{self._streamers}", drivers, chance=self.chance)
        self._tasks["streamer"] = asyncio.create_task(self.host.run(), name="streamer")

    async def start_gateway(self) -> None:
        """A new gateway process on the same database."""
        self.database = Database(self.url)
        self.journal = Journal(self.database, self.ids.hex, self.clock)
        self.queries = Queries(self.database)
        self.files = Files(self.folder / "files", note=LooseContents(self.database).note)
        self.hub = Hub()
        engine: Engine

        async def connect():  # type: ignore[no-untyped-def]
            return await memory_channel(self.host)()

        client = StreamerClient(
            connect, lambda seen: engine.observe(seen), instance=self.ids.uuid(), chance=self.chance
        )
        engine = Engine(
            journal=self.journal,
            queries=self.queries,
            drivers=Gate(client, lambda order: self.pass_on(order)),
            files=self.files,
            publisher=self.hub,
            clock=self.clock,
            ids=self.ids,
        )
        self.engine = engine
        await engine.start()
        self._tasks["engine"] = asyncio.create_task(engine.run(), name="engine")
        for member in (ANA, BEN):
            if member.member_id not in engine.state.members:
                await engine.execute(AddMember(member))
        await engine.execute(ConfigurePrinters(self.settings))
        self._tasks["client"] = asyncio.create_task(client.run(), name="client")

    async def kill_gateway(self) -> None:
        """Gone between two steps, without a word."""
        await self._kill("client", "engine")
        self.database.close()

    async def kill_streamer(self) -> None:
        """Gone; the line records stay as the last stores left them."""
        await self._kill("streamer")
        self._release_records()

    async def _kill(self, *names: str) -> None:
        for name in names:
            self._tasks[name].cancel()
            with suppress(asyncio.CancelledError):
                await self._tasks.pop(name)

    def _release_records(self) -> None:
        while self._records:
            self._records.pop().release()

    # -- people -------------------------------------------------------------------------------------------

    def printer(self, name: str) -> Printer:
        """The row of a printer."""
        found = self.engine.state.printer_named(name)
        assert found is not None
        return found

    async def ready(self, name: str) -> None:
        """Wait for the link, then confirm the plate clear."""
        await self.until(lambda: self._link(name) is LinkState.UP)
        await self.engine.execute(SetPlate(self.printer(name).printer_id, Plate.CLEAR, "ana"))

    def _link(self, name: str) -> LinkState | None:
        presence = self.engine.state.presence.get(self.printer(name).printer_id)
        return presence.link if presence else None

    async def upload(self, content: bytes, name: str = "part.gcode") -> StoredFile:
        """Ben stores a file."""
        upload = await self.files.begin()
        await upload.write(content)
        sha256, size = await upload.finish()
        file = StoredFile(self.ids.uuid(), sha256, name, size, BEN.member_id, 1, self.clock.wall())
        stored = await self.engine.execute(AddFile(file))
        assert isinstance(stored, StoredFile)
        return stored

    async def submit(self, content: bytes, printer: str, name: str = "part") -> Job:
        """Ben hands in a job."""
        file = await self.upload(content)
        job = await self.engine.execute(
            SubmitJob(BEN.member_id, 1, name, printer_id=self.printer(printer).printer_id, file=file)
        )
        assert isinstance(job, Job)
        return job

    def at_panel(self, printer: str, press: str, *arguments: str) -> None:
        """Somebody stands in front of the machine."""
        wire = self.wires[printer]
        getattr(wire.board.panel, press)(*arguments, wire.now)
        wire.turn()

    def strike(self, printer: str, fault: Fault) -> None:
        """Break something, at once."""
        wire = self.wires[printer]
        wire.board.stay_current(wire.now)
        wire.board.faults.arm(fault)
        wire.turn()

    # -- looking ------------------------------------------------------------------------------------------

    def ledger(self, printer: str) -> Ledger:
        """What the machine did."""
        return self.wires[printer].board.ledger

    def moves(self, printer: str, source: str = "host") -> list[str]:
        """The moves it executed, in order."""
        return [line for line in self.ledger(printer).executed(source) if line.startswith(("G0", "G1"))]

    async def job(self, job_id: str) -> Job:
        """A job as an API would show it."""
        stored = await self.queries.job(job_id)
        assert stored is not None
        return self.engine.live(stored)

    async def local_job(self) -> Job:
        """The one local job there is, once there is one."""

        async def locals_() -> list[Job]:
            page = await self.queries.jobs(limit=None)
            return [job for job in page.jobs if job.is_local]

        await self.until_async(locals_)
        [job] = await locals_()
        return job

    async def until(self, is_so: Callable[[], object], seconds: float = 3600.0) -> None:
        """Let time pass until something is so."""
        async with asyncio.timeout(seconds):
            while not is_so():
                self._check_alive()
                await asyncio.sleep(0.05)

    async def until_async(self, is_so: Callable[[], Any], seconds: float = 3600.0) -> None:
        """The same for a question that takes a query."""
        async with asyncio.timeout(seconds):
            while not await is_so():
                self._check_alive()
                await asyncio.sleep(0.2)

    async def until_status(self, job_id: str, *statuses: str, seconds: float = 3600.0) -> Job:
        """Wait until a job is in one of the statuses."""

        async def there() -> bool:
            return (await self.job(job_id)).status.value in statuses

        await self.until_async(there, seconds)
        return await self.job(job_id)

    def _check_alive(self) -> None:
        for name, task in self._tasks.items():
            if task.done() and not task.cancelled() and task.exception() is not None:
                raise AssertionError(f"the {name} died") from task.exception()

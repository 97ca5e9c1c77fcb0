"""A gateway without printers and HTTP: engine, store and events on any loop; killed, and started again."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any, Self

from gateway.domain.commands import AddMember, Command, SubmitJob
from gateway.domain.job import Job
from gateway.engine.engine import Engine
from gateway.publish.hub import Hub
from gateway.store.database import Database
from gateway.store.files import Files
from gateway.store.journal import Journal
from gateway.store.loose import LooseContents
from gateway.store.outbox import Outbox
from gateway.store.queries import Queries
from gateway.store.reserve import Reserve
from tests.support.databases import empty_database
from tests.support.stand import BEN, START, CountingIds, FakeDrivers, Table, printer, ready


class LoopClock:
    """Wall and monotonic time of the running loop, which may be a virtual one.

    The wall shows START when the clock is made: a real loop's time is that since the computer began.
    """

    def __init__(self) -> None:
        self._began = asyncio.get_running_loop().time()

    def wall(self) -> datetime:
        return START + timedelta(milliseconds=int((self.monotonic() - self._began) * 1000))

    def monotonic(self) -> float:
        return asyncio.get_running_loop().time()


class Office:
    """Ben hands in jobs for ana's printer mk3. Use as an async context."""

    def __init__(self, folder: Path, reserve: Reserve | None = None) -> None:
        self.folder = folder
        self.reserve = reserve
        self.clock = LoopClock()
        self.ids = CountingIds()
        self.chance = Random(0)
        self.tasks: list[asyncio.Task[Any]] = []
        (folder / "gateway.db").write_bytes(empty_database())

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.kill()

    async def start(self) -> None:
        """A process on the same database."""
        self.database = Database(f"sqlite:///{self.folder / 'gateway.db'}")
        self.files = Files(
            self.folder / "files", note=LooseContents(self.database).note, reserve=self.reserve
        )
        self.queries, self.outbox = Queries(self.database), Outbox(self.database)
        self.journal = Journal(self.database, self.ids.hex, self.clock)
        self.hub = Hub()
        self.engine = Engine(
            journal=self.journal, queries=self.queries, drivers=FakeDrivers(), files=self.files,
            publisher=self.hub, clock=self.clock, ids=self.ids,
        )  # fmt: skip
        await self.engine.start()
        self.run(self.engine.run())
        if BEN.member_id not in self.engine.state.members:
            await self.engine.execute(AddMember(BEN))
            await self.change(lambda draft: draft.put_printer(printer(owner_id=BEN.member_id)))
        self.engine.state.presence[1] = ready()

    def run(self, work: Any) -> asyncio.Task[Any]:
        """A task of the process."""
        task = asyncio.create_task(work)
        self.tasks.append(task)
        return task

    async def kill(self) -> None:
        """Gone between two steps, without a word."""
        for task in self.tasks:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        self.tasks.clear()
        self.database.close()
        self.files.close()

    async def change(self, decide: Any) -> Any:
        """Commit what no command does: a state that a printer would have brought about."""
        draft = Table(self.engine.state)._new()
        result = decide(draft)
        stored = await self.journal.commit(draft)
        draft.apply()
        self.hub.publish(stored, draft.fleeting)
        return result

    async def submit(self, **fields: Any) -> Job:
        """A job of ben's."""
        given = {"name": "my_job", "printer_id": None, **fields}
        job: Job = await self.engine.execute(SubmitJob(BEN.member_id, BEN.organization_id, **given))
        return job

    async def give(self, command: Command) -> Any:
        """Carry out a command."""
        return await self.engine.execute(command)

    def job(self, work_id: int = 1) -> Job:
        """One that is not over."""
        return self.engine.state.jobs[work_id]

    def incoming(self) -> list[str]:
        """Uploads that are neither finished nor thrown away."""
        return [path.name for path in (self.folder / "files" / ".incoming").iterdir()]

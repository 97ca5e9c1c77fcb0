"""The kinds as the gateway has them, on a real loop with real threads: the pool runs what is added."""

from __future__ import annotations

import asyncio
import json
import tarfile
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

from gateway.config import Config
from gateway.config.sections import Outbound, Store, Streamer
from gateway.domain.commands import AddFile
from gateway.domain.file import StoredFile
from gateway.domain.task import Task, TaskKind
from gateway.domain.task_commands import AddTask
from gateway.main_files import look_at_printable
from gateway.main_tasks import Workshop
from gateway.store.expiry import Expiry
from gateway.store.kept_results import KeptResults
from gateway.store.reserve import Reserve
from gateway.tasks.log_tail import LogTail
from gateway.tasks.pool import Pool
from gateway.tasks.results import Bounds, Results
from gateway.tasks.work import Kind
from gateway.transport.web import WebClient
from tests.support.office import Office
from tests.support.stand import BEN

PATIENCE = 60.0  # seconds, on a busy host
BOUNDS = Bounds(of_all=10_000_000, of_member=5_000_000)  # bytes that results may keep


class Shop(Office):
    """Ben's tasks."""

    bounds: Bounds  # of results

    @property
    def results(self) -> Results:
        """Where they go."""
        return Results(self.files, KeptResults(self.database), self.bounds)

    def open_pool(self, client: WebClient, **other: Kind) -> None:
        """Run tasks; `other` kinds in the place of the real ones."""
        config = Config(
            store=Store(url=f"sqlite:///{self.folder}/gateway.db", files=f"{self.folder}/files"),
            streamer=Streamer(wire_kept=f"{self.folder}/wire"),
            outbound=Outbound(private_addresses=True),
        )
        self.log = LogTail()
        workshop = Workshop(
            config=config, engine=self.engine, queries=self.queries, files=self.files, results=self.results,
            hub=self.hub, expiry=Expiry(self.database, self.files), web=client,
            clock=self.clock, ids=self.ids,
        )  # fmt: skip
        kinds = {**workshop._kinds(self.log), **{TaskKind[name]: kind for name, kind in other.items()}}
        self.run(Pool(engine=self.engine, subscribe=self.hub.subscribe, kinds=kinds, clock=self.clock).run())

    async def add(self, kind: TaskKind, arguments: dict[str, Any], member: str = BEN.member_id) -> Task:
        task: Task = await self.give(AddTask(member, 1, kind, "a task", arguments=arguments))
        return task

    async def done(self, kind: TaskKind, arguments: dict[str, Any]) -> Task:
        """A task that is over."""
        return await self.over(await self.add(kind, arguments))

    async def over(self, task: Task) -> Task:
        await self.until(lambda: task.work_id not in self.engine.state.tasks)
        found = await self.queries.task(task_id=task.task_id)
        assert found is not None
        return found

    async def until(self, condition: Callable[[], Any]) -> None:
        async with asyncio.timeout(PATIENCE):
            while not condition():
                await asyncio.sleep(0.01)

    async def put(self, content: bytes, name: str = "part.gcode") -> StoredFile:
        """An upload of ben's."""
        upload = await self.files.begin()
        await upload.write(content)
        metadata = look_at_printable(upload.temporary_path)
        sha256, size = await upload.finish()
        file = StoredFile(self.ids.uuid(), sha256, name, size, BEN.member_id, 1, self.clock.wall(), metadata)
        stored: StoredFile = await self.give(AddFile(file))
        return stored

    def result(self, task: Task) -> Path:
        """The result file on the disk."""
        assert task.file is not None
        path = Path(self.files.path_of(task.file.sha256))
        assert path.stat().st_size == task.file.size
        return path

    def members_of(self, task: Task) -> dict[str, bytes]:
        """What is in a result that is a tar.gz."""
        found = {}
        with tarfile.open(self.result(task), "r:gz") as tar:
            for member in tar:
                content = tar.extractfile(member)
                assert content is not None
                found[member.name] = content.read()
        return found

    def contents(self) -> list[str]:
        """Hashes of all that is in the file store."""
        root = self.folder / "files"
        return sorted(path.name for path in root.glob("??/??/*"))


def json_of(content: bytes) -> Any:
    return json.loads(content)


@asynccontextmanager
async def open_shop(
    folder: Path,
    other: Callable[[Shop], dict[str, Kind]] | None = None,
    reserve: Reserve | None = None,
    bounds: Bounds = BOUNDS,
) -> AsyncIterator[Shop]:
    async with AsyncExitStack() as stack:
        client = WebClient(is_private_allowed=True)
        stack.push_async_callback(client.close)
        shop = await stack.enter_async_context(Shop(folder, reserve))
        shop.bounds = bounds
        shop.open_pool(client, **(other(shop) if other is not None else {}))
        yield shop

"""The whole gateway with printers that call in, on virtual time, over real HTTP; killed at will.

The machines are `firmware_sim.forge`'s: they know the gateway's address and nothing else of it, and live on
through its deaths. Their ledgers are what tests judge by.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import Any, Self

import aiohttp

from firmware_sim.forge import ForgePrinter, NetworkFaults
from firmware_sim.forge.aiohttp_web import AiohttpWeb
from gateway.domain.call_in_commands import RegisterPrinter
from gateway.domain.commands import Command, SetPlate, SubmitJob
from gateway.domain.file import StoredFile
from gateway.domain.job import Job
from gateway.domain.observations import LinkState, Observation
from gateway.domain.orders import Order
from gateway.domain.printer import Plate, Presence, Printer
from tests.api.host import Host
from tests.support.office import LoopClock
from tests.support.ports import free_port
from tests.support.stand import ANA, BEN, CountingIds

LAYERS = 6
#: Six layers, which the machine counts. Ember looks at the name of what it gets only.
PART = b"".join(b";LAYER:%d\nG1 X%d Y5 E1\n" % (layer, layer) for layer in range(LAYERS))
LOOK_SECONDS = 0.5
PATIENCE = 3600.0
#: A printer asks for its code every minute, and in a bad night several of the answers are lost.
CODE_SECONDS = 900.0


class ForgeTown:
    """One gateway and one printer of Ana's. Use as an async context."""

    def __init__(
        self,
        folder: Path,
        personality: str = "ember",
        *,
        faults: NetworkFaults | None = None,
        is_lenient: bool = False,
        seed: int = 0,
        transport: str = "long-polling",
        speed: float = 1.0,
        overhear: Callable[[Observation], None] = lambda seen: None,
        pass_on: Callable[[Order], bool] = lambda order: True,
    ) -> None:
        """`overhear`, `pass_on`: as of `tests.api.host.Host`."""
        self.folder = folder
        self.clock = LoopClock()
        self.ids = CountingIds()
        self.is_lenient = is_lenient
        self._personality = personality
        self._faults = faults
        self._seed = seed
        self._transport = transport
        self._speed = speed
        self._overhear, self._pass_on = overhear, pass_on
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._stack = AsyncExitStack()
        self._is_new = True
        self._timer: asyncio.Task[Any] | None = None

    async def __aenter__(self) -> Self:
        await self.start_gateway()
        self._stack.push_async_callback(self.end_gateway)
        session = await self._stack.enter_async_context(aiohttp.ClientSession())
        self.printer = await self._stack.enter_async_context(
            ForgePrinter(
                self._personality, f"{self.url}/v1", AiohttpWeb(session), faults=self._faults,
                seed=self._seed, transport=self._transport, speed=self._speed,
            )
        )  # fmt: skip
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    # -- the gateway's process ----------------------------------------------------------------------------

    async def start_gateway(self) -> None:
        """A process on the same database and address."""
        self.host = Host(
            self.folder, clock=self.clock, ids=self.ids, public_url=self.url, port=self.port,  # type: ignore[arg-type]
            is_new=self._is_new, lenient=self.is_lenient, overhear=self._overhear, pass_on=self._pass_on,
        )  # fmt: skip
        self._is_new = False
        await self.host.__aenter__()
        self._timer = asyncio.create_task(self.host.call_ins.driver.run(), name="printers that call in")

    async def kill_gateway(self) -> None:
        """Gone between two steps, without a word."""
        await self._end_timer()
        await self.host.kill()

    async def end_gateway(self) -> None:
        """Stopped in good order, as `main` does it."""
        await self._end_timer()
        self.host.call_ins.hub.close()
        await self.host.__aexit__()

    async def _end_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            with suppress(asyncio.CancelledError):
                await self._timer

    # -- people -------------------------------------------------------------------------------------------

    async def give(self, command: Command) -> Any:
        """What an app asks."""
        return await self.host.engine.execute(command)

    async def register(self) -> None:
        """Ana types in the code on the printer's display, and confirms the plate clear."""
        code = await self.printer.code(CODE_SECONDS)
        await self.give(RegisterPrinter(ANA.member_id, code, "my_printer"))
        await self.until(lambda: self.presence.link is LinkState.UP and self.presence.obstacle is None)
        await self.clear_plate()

    async def clear_plate(self) -> None:
        """Somebody takes the part off, and says so."""
        self.printer.panel.clear_plate()
        await self.give(SetPlate(self.row.printer_id, Plate.CLEAR, "ana"))

    async def submit(self, content: bytes = PART, name: str = "part.tar.gz") -> Job:
        """Ben hands in a job."""
        upload = await self.host.files.begin()
        await upload.write(content)
        sha256, size = await upload.finish()
        file = StoredFile(
            self.ids.uuid(), sha256, name, size, BEN.member_id, 1, self.clock.wall(), {"format": "tar.gz"}
        )
        job = await self.give(SubmitJob(BEN.member_id, 1, "part", printer_id=self.row.printer_id, file=file))
        assert isinstance(job, Job)
        return job

    # -- looking ------------------------------------------------------------------------------------------

    @property
    def row(self) -> Printer:
        """The printer's."""
        printer_id = self.printer.printer_id
        assert printer_id is not None
        return self.host.engine.state.printers[printer_id]

    @property
    def presence(self) -> Presence:
        """What is known of it now."""
        return self.host.engine.state.presence.get(self.printer.printer_id or 0, Presence())

    async def job(self, job_id: str) -> Job:
        """A job as an API would show it."""
        stored = await self.host.queries.job(job_id)
        assert stored is not None
        return self.host.engine.live(stored)

    async def jobs(self) -> list[Job]:
        """All of them, in order."""
        return list((await self.host.queries.jobs(limit=None)).jobs)

    async def local_job(self) -> Job:
        """The one local job there is, once there is one."""

        async def locals_() -> list[Job]:
            return [job for job in await self.jobs() if job.is_local]

        await self.until(locals_)
        [job] = await locals_()
        return job

    async def until_status(self, job_id: str, *statuses: str, seconds: float = PATIENCE) -> Job:
        """Wait until a job is in one of the statuses."""

        async def there() -> bool:
            return (await self.job(job_id)).status.value in statuses

        await self.until(there, seconds)
        return await self.job(job_id)

    async def until_held(self, job_id: str) -> Job:
        """Wait until a person is asked to look."""

        async def there() -> bool:
            return (await self.job(job_id)).is_held

        await self.until(there)
        return await self.job(job_id)

    async def until(self, is_so: Callable[[], Any | Awaitable[Any]], seconds: float = PATIENCE) -> None:
        """Let time pass until something is so."""
        async with asyncio.timeout(seconds):
            while True:
                found = is_so()
                if await found if asyncio.iscoroutine(found) else found:
                    return
                await asyncio.sleep(LOOK_SECONDS)

"""The demo: two simulated printers, the real gateway, a real file, and a print somebody starts at a panel.

Everything happens in a temporary folder and in child processes, through the API that everybody uses. What the
machines did is read from the simulators' ledgers, not from what the gateway says about itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import shutil
import signal
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from rich.console import Console
from rich.progress import Progress

from gateway.cli import demo_place, demo_proof, show
from gateway.cli.demo_children import Children, DemoFailed
from gateway.cli.demo_forge import ForgeApp
from gateway.cli.demo_place import OWNER, PANEL_NAME, STRANGER, Machine, Place
from gateway.cli.progress import make_progress, move
from gateway.client.calls import Address
from gateway.client.errors import ClientError, GatewayUnreachable
from gateway.client.follow import follow
from gateway.client.models import Job
from gateway.client.native import GatewayClient

#: Seconds the whole demo may take: the ready file is promised within 110.
ALL_WITHIN = 105.0
#: Seconds until everything is up, or until a print at the panel is seen.
UP_WITHIN, SEEN_WITHIN = 30.0, 15.0
#: Seconds between two looks at what cannot be awaited.
LOOK_EVERY = 0.1

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Tokens:
    """The demo's credentials."""

    owner: str
    stranger: str


def run_demo(*, keep: bool, ready_file: Path | None, within: Path | None = None) -> int:
    """The exit code: 0 only if both prints completed, with the right owner, exactly as their files say.

    Everything is in a folder of its own `within` the one for temporary files.
    """
    try:
        folder = Path(tempfile.mkdtemp(prefix="print-gateway-demo-", dir=within))
    except OSError as error:
        print(f"print-gateway: the demo cannot start: {error}", file=sys.stderr)
        return 1
    try:
        if ready_file is not None:
            ready_file.unlink(missing_ok=True)  # who waits for it must not find that of an earlier run
        place = Place(folder, demo_place.free_port())
        return asyncio.run(Demo(place, keep=keep or ready_file is not None, ready_file=ready_file).run())
    except OSError as error:
        print(f"print-gateway: the demo cannot start: {error}", file=sys.stderr)
        return 1
    finally:
        shutil.rmtree(folder, ignore_errors=True)


class Demo:
    """One run of it."""

    def __init__(self, place: Place, *, keep: bool, ready_file: Path | None) -> None:
        self.place = place
        self.children = Children(place.folder)
        self._keep = keep
        self._ready_file = ready_file
        self._console: Console = show.console()

    async def run(self) -> int:
        """Start, show, prove; and clean up whatever happens."""
        stopped = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stopped.set)
        try:
            proven = await self._unless_stopped(self._show(), stopped)
            if stopped.is_set():
                self._say("Stopped; nothing is left running")
            if proven and self._keep and not stopped.is_set():
                await self._unless_stopped(self._stay(), stopped, within=None)
            return 0 if proven else 1
        except DemoFailed as failure:
            self._explain(failure)
            return 1
        finally:
            await self.children.stop()

    async def _unless_stopped(
        self, work: Awaitable[bool], stopped: asyncio.Event, *, within: float | None = ALL_WITHIN
    ) -> bool:
        """The work's answer; False when a signal came first, DemoFailed when the time was up."""
        task, signal_came = asyncio.ensure_future(work), asyncio.ensure_future(stopped.wait())
        try:
            await asyncio.wait({task, signal_came}, timeout=within, return_when=asyncio.FIRST_COMPLETED)
            if task.done():
                return task.result()
            if not stopped.is_set():
                raise DemoFailed(f"the prints did not end within {within:.0f} s", "gateway")
            return False
        finally:
            for waiting in (task, signal_came):
                waiting.cancel()
            await asyncio.gather(task, signal_came, return_exceptions=True)

    async def _show(self) -> bool:
        try:
            await self._start()
            return await self._while_all_live(self._prints())
        except ClientError as error:
            raise DemoFailed(str(error), "gateway") from error

    async def _stay(self) -> bool:
        raise await self.children.first_death()

    # the steps

    async def _start(self) -> None:
        place = self.place
        place.furnish()
        self._say(f"Starting two simulated printers, the streamer and the gateway in {place.folder}")
        for machine in place.machines:
            await self.children.start(f"printer {machine.name}", "firmware_sim", *machine.arguments())
        for name, command in (("streamer", "streamer"), ("gateway", "serve")):
            await self.children.start(name, "gateway", command, "--config", str(place.config))

    async def _prints(self) -> bool:
        async with GatewayClient(Address(socket=str(self.place.socket))) as host:
            await self._until("the gateway did not start", "gateway", lambda: _answers(host))
            tokens = await self._people(host)
            for machine in self.place.machines:
                late = f'the printer "{machine.name}" was not reached'
                await self._until(late, "streamer", lambda machine=machine: _is_idle(host, machine))  # type: ignore[misc]
                await host.set_plate((await host.printer(machine.name)).id, "clear")
        self._say(f"Gateway at {self.place.url}; printers reached, their plates confirmed clear")
        async with GatewayClient(Address(self.place.url, token=tokens.owner)) as owner:
            app = ForgeApp(self.place.url, tokens.owner)
            jobs = await self._both(owner, app)
            proven = self._prove(jobs)
            await self._table(owner, app)
            if proven and self._keep:
                await self._leave(owner, tokens)
        return proven

    async def _people(self, host: GatewayClient) -> Tokens:
        await host.add_member(STRANGER)
        keys = [
            await host.create_key(member, "demo", ["data:read", "data:write"]) for member in (OWNER, STRANGER)
        ]
        return Tokens(*(key.token or "" for key in keys))

    async def _both(self, owner: GatewayClient, app: ForgeApp) -> list[Job]:
        first, second = self.place.machines
        stored = await owner.upload(self.place.print_file)
        printer = await owner.printer(first.name)
        ordered = await app.order(printer.id, stored.printable_id or stored.id, stored.name)
        self._say(f'Uploaded {stored.name}; ordered on "{first.name}" through the Forge print API')
        await _panel(second, f"panel start {PANEL_NAME}")
        self._say(f'Somebody starts {PANEL_NAME} at the panel of "{second.name}", from its SD card')
        with make_progress() as bars:
            return list(
                await asyncio.gather(_followed(owner, ordered, first, bars), self._local(owner, second, bars))
            )

    async def _local(self, owner: GatewayClient, machine: Machine, bars: Progress) -> Job:
        async def seen() -> Job | None:
            page = await owner.jobs(printer=machine.name)
            return next((job for job in page.jobs if job.is_local), None)

        late = f'the print started at the panel of "{machine.name}" was not seen'
        job = await self._until(late, "streamer", seen, within=SEEN_WITHIN)
        return await _followed(owner, job.id, machine, bars)

    # the proof

    def _prove(self, jobs: list[Job]) -> bool:
        first, second = self.place.machines
        sources = ((first, self.place.print_file, "host"), (second, second.card / PANEL_NAME, "sd"))
        proven = True
        for job, (machine, file, source) in zip(jobs, sources, strict=True):
            found = demo_proof.prove_files(file, machine.ledger, source)
            faults = [found.fault] if found.fault else []
            if job.status != "completed":
                faults.append(f"the job is {job.status}: {job.message or 'no reason given'}")
            if job.member != OWNER or job.is_local != (source == "sd"):
                faults.append(f"the job belongs to {job.member}, local: {job.is_local}")
            proven = proven and not faults
            verdict = f"it executed {found}" if not faults else "; ".join(faults)
            self._say(f'{"PROVEN" if not faults else "FAILED"}: ledger of "{machine.name}": {verdict}')
        return proven

    async def _table(self, owner: GatewayClient, app: ForgeApp) -> None:
        listed = await app.jobs()
        printers = {printer.id: printer.name for printer in await owner.printers()}
        members = {job.member_id: job.member or "" for job in (await owner.jobs()).jobs}
        show.table(
            ("JOB", "PRINTER", "STATUS", "LOCAL", "MEMBER", "TOOK"),
            demo_proof.queue_rows(listed, members, printers),
            title="The queue, as GET /ps/v1/print/jobs lists it",
        )

    async def _leave(self, owner: GatewayClient, tokens: Tokens) -> None:
        member_id = (await owner.jobs(limit=1)).jobs[0].member_id
        self._say("Left running until Ctrl-C.")
        self._say(f"URL    {self.place.url}\nTOKEN  {tokens.owner}  (member {OWNER})")
        if self._ready_file is None:
            return
        printers = [
            {"id": printer.id, "name": printer.name, "driver": printer.driver, "link": printer.port}
            for printer in await owner.printers()
        ]
        ready = {
            "url": self.place.url,
            "member_id": member_id,
            "printers": printers,
            "credentials": {"forge": tokens.owner, "forge_other": tokens.stranger},
        }
        demo_place.write_ready(self._ready_file, ready)

    # waiting

    async def _until(
        self, late: str, child: str, look: Callable[[], Awaitable[T | None]], *, within: float = UP_WITHIN
    ) -> T:
        """What `look` finds at last; DemoFailed with what was late."""
        try:
            async with asyncio.timeout(within):
                while (found := await look()) is None:  # noqa: ASYNC110 - other processes
                    await asyncio.sleep(LOOK_EVERY)
                return found
        except TimeoutError:
            raise DemoFailed(f"{late} within {within:.0f} s", child) from None

    async def _while_all_live(self, work: Awaitable[bool]) -> bool:
        task, death = asyncio.ensure_future(work), asyncio.ensure_future(self.children.first_death())
        try:
            await asyncio.wait({task, death}, return_when=asyncio.FIRST_COMPLETED)
            if death.done() and not (task.done() and not task.exception()):
                raise death.result()
            return task.result()
        finally:
            for waiting in (task, death):
                waiting.cancel()
            await asyncio.gather(task, death, return_exceptions=True)

    def _say(self, text: str) -> None:
        self._console.print(text, markup=False, soft_wrap=True)

    def _explain(self, failure: DemoFailed) -> None:
        print(f"print-gateway: the demo failed: {failure}", file=sys.stderr)
        tail = self.children.tail(failure.child) if failure.child else ()
        if tail:
            print(f"the end of the {failure.child}'s log:", *tail, sep="\n  ", file=sys.stderr)


async def _answers(host: GatewayClient) -> bool | None:
    with contextlib.suppress(GatewayUnreachable):
        await host.printers()
        return True
    return None


async def _is_idle(host: GatewayClient, machine: Machine) -> bool | None:
    printer = await host.printer(machine.name)
    return True if printer.status == "ready" else None


async def _followed(client: GatewayClient, job_id: str, machine: Machine, bars: Progress) -> Job:
    """The job as it ended, on a line of its own until then."""
    line = bars.add_task(machine.name, total=1.0, note="")
    last: Job | None = None
    async with aclosing(follow(client, job_id)) as jobs:
        async for last in jobs:
            bars.update(line, description=f"{machine.name}: {last.name}")
            move(bars, line, last)
    if last is None:
        raise AssertionError("a followed job is seen at least once")
    return last


async def _panel(machine: Machine, order: str) -> None:
    """Do something in front of a simulated machine."""
    async with _talk(machine.control) as (reader, writer):
        writer.write(f"{order}\n".encode())
        answer = json.loads(await reader.readline() or b"{}")
    if not answer.get("ok"):
        raise DemoFailed(f'the panel of "{machine.name}" refused: {answer.get("error")}')


@asynccontextmanager
async def _talk(path: Path) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_unix_connection(path)
    try:
        yield reader, writer
    finally:
        writer.close()
        await writer.wait_closed()

"""What somebody does in front of the demo's machines, and what is seen of it."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path

from rich.progress import Progress

from gateway.cli.demo_children import Children, DemoFailed
from gateway.cli.demo_machines import Caller, Machine, NetworkMachine
from gateway.cli.demo_waiting import until
from gateway.cli.progress import move
from gateway.client.errors import GatewayUnreachable
from gateway.client.follow import follow
from gateway.client.models import Job
from gateway.client.native import GatewayClient

#: Seconds until a print that nobody ordered here is seen.
SEEN_WITHIN = 15.0
#: What `firmware-sim forge` prints in front of a code on the display.
_CODE = "code "


async def answers(host: GatewayClient) -> bool | None:
    """Whether the gateway is up."""
    with contextlib.suppress(GatewayUnreachable):
        await host.printers()
        return True
    return None


async def is_idle(client: GatewayClient, printer: str) -> bool | None:
    """Whether a printer was reached and does nothing."""
    return True if (await client.printer(printer)).status == "ready" else None


async def shown_code(children: Children, caller: Caller) -> str | None:
    """The registration code on the display."""
    shown = [line for line in children.tail(f"printer {caller.name}") if line.startswith(_CODE)]
    return shown[-1].removeprefix(_CODE) if shown else None


async def local_job(client: GatewayClient, printer: str, child: str) -> Job:
    """The job that the gateway made of a print that was started elsewhere."""

    async def seen() -> Job | None:
        page = await client.jobs(printer=printer)
        return next((job for job in page.jobs if job.is_local), None)

    late = f'the print that "{printer}" was not given by the gateway was not seen'
    return await until(late, child, seen, within=SEEN_WITHIN)


async def followed(client: GatewayClient, job_id: str, printer: str, bars: Progress) -> Job:
    """The job as it ended, on a line of its own until then."""
    line = bars.add_task(printer, total=1.0, note="")
    last: Job | None = None
    async with aclosing(follow(client, job_id)) as jobs:
        async for last in jobs:
            bars.update(line, description=f"{printer}: {last.name}")
            move(bars, line, last)
    if last is None:
        raise AssertionError("a followed job is seen at least once")
    return last


async def at_panel(machine: Machine | NetworkMachine, order: str) -> None:
    """Do something in front of a simulated machine, or as its maker's cloud."""
    async with _talk(machine.control) as (reader, writer):
        writer.write(f"{order}\n".encode())
        answer = json.loads(await reader.readline() or b"{}")
    if not answer.get("ok"):
        raise DemoFailed(f'"{machine.name}" refused "{order}": {answer.get("error")}')


@asynccontextmanager
async def _talk(path: Path) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_unix_connection(path)
    try:
        yield reader, writer
    finally:
        writer.close()
        await writer.wait_closed()

"""The command line against the real API: engine, store and HTTP in a thread, the printers' drivers faked."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from typer.testing import CliRunner, Result

from gateway.cli.app import app
from gateway.domain.observations import PrintPhase
from gateway.domain.orders import CancelPrint, StartPrint
from tests.api.host import Host
from tests.support.stand import report, seen

T = TypeVar("T")
CLEAN = {"PRINT_GATEWAY_URL": None, "PRINT_GATEWAY_TOKEN": None}


class RealGateway:
    """`run` is what a person types on the gateway's host; `do` reaches into the host."""

    def __init__(self, host: Host, loop: asyncio.AbstractEventLoop, socket: Path) -> None:
        self.host = host
        self.socket = socket
        self._loop = loop

    def run(self, *words: str) -> Result:
        """On the host, as its operator."""
        return CliRunner().invoke(app, ["--socket", str(self.socket), *words], env=CLEAN)

    def run_elsewhere(self, token: str, *words: str) -> Result:
        """From another host, with a key."""
        url = str(self.host.client.make_url("/")).rstrip("/")
        return CliRunner().invoke(app, ["--url", url, "--token", token, *words], env=CLEAN)

    def do(self, work: Callable[[Host], Coroutine[Any, Any, T]]) -> T:
        """Run something in the host's own loop."""
        return asyncio.run_coroutine_threadsafe(work(self.host), self._loop).result(90)

    def meanwhile(self, work: Callable[[Host], Coroutine[Any, Any, None]]) -> Callable[[], None]:
        """Begin it, and return how to wait for its end."""
        future = asyncio.run_coroutine_threadsafe(work(self.host), self._loop)
        return lambda: future.result(90)


async def the_start(host: Host) -> str:
    """Wait for the order to print; the mark it gives the print."""
    async with asyncio.timeout(60):
        while not (orders := host.drivers.of(StartPrint)):
            await asyncio.sleep(0.001)
    order = orders[-1]
    assert isinstance(order, StartPrint)
    return order.key


async def print_to(host: Host, end: PrintPhase, *, message: str | None = None) -> None:
    """The printer takes the job it is given, prints half of it, and ends as told."""
    mark = await the_start(host)
    for progress in (0.0, 0.5):
        await host.observe(seen(report(mark, PrintPhase.PRINTING, progress=progress)))
    if end is PrintPhase.CANCELED:
        async with asyncio.timeout(60):
            while not host.drivers.of(CancelPrint):
                await asyncio.sleep(0.001)
    await host.observe(seen(ended=(report(mark, end, message=message),)))


@contextmanager
def real_gateway(folder: Path) -> Iterator[RealGateway]:
    """Run one in `folder`."""
    loop, ready, told = asyncio.new_event_loop(), threading.Event(), []
    stop = asyncio.Event()

    async def live() -> None:
        async with Host(folder) as host:
            socket = folder / "api.sock"
            await host.on_socket(socket)
            told.append(RealGateway(host, loop, socket))
            ready.set()
            await stop.wait()

    thread = threading.Thread(target=lambda: loop.run_until_complete(live()), name="real gateway")
    thread.start()
    try:
        assert ready.wait(60)
        yield told[0]
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(60)
        loop.run_until_complete(loop.shutdown_default_executor())
        loop.close()

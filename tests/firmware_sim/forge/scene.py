"""A stub server and one printer that has called in there, on the running loop."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp

from firmware_sim.forge import ForgePrinter
from firmware_sim.forge.aiohttp_web import AiohttpWeb
from firmware_sim.forge.state import Phase
from tests.firmware_sim.forge.stub_server import StubServer


@asynccontextmanager
async def called_in(
    personality: str = "ember", **options: Any
) -> AsyncIterator[tuple[StubServer, ForgePrinter]]:
    """The printer listens for its owner; nobody has registered it yet."""
    async with (
        StubServer() as server,
        aiohttp.ClientSession() as session,
        ForgePrinter(personality, server.url, AiohttpWeb(session), **options) as printer,
    ):
        await printer.until(lambda: printer.ledger.count("subscribed"))
        yield server, printer


@asynccontextmanager
async def at_home(
    personality: str = "ember", **options: Any
) -> AsyncIterator[tuple[StubServer, ForgePrinter]]:
    """The printer belongs to somebody and hears commands."""
    async with called_in(personality, **options) as (server, printer):
        server.belong()
        await printer.until(lambda: printer.firmware.identity.registered and _listens_for_commands(server))
        yield server, printer


def at_rest(printer: ForgePrinter) -> bool:
    """Nothing is on the machine, and everything was told."""
    return printer.machine.phase is Phase.IDLE and printer.has_told_all


def _listens_for_commands(server: StubServer) -> bool:
    channel = f"/printers/{server.printer_id}/command"
    return any(channel in client.channels for client in server.clients.values())

"""`firmware-sim forge`: the printer as a process.

Prints `code YKNRKT` when the display shows a registration code, `code` when it shows none any more, and once
`ready URL` when the server has answered.
"""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

from aiohttp import ClientSession

from firmware_sim.endpoints.line_socket import LineSocket
from firmware_sim.faults.strokes import BadFaults
from firmware_sim.forge.aiohttp_web import AiohttpWeb
from firmware_sim.forge.control import obey
from firmware_sim.forge.identity import BadIdentity
from firmware_sim.forge.ledger import CallInLedger
from firmware_sim.forge.network_faults import NetworkFaults
from firmware_sim.forge.printer import ForgePrinter
from firmware_sim.personality import BadPersonality, UnknownPersonality


class CannotStart(Exception):
    """An argument that cannot be had; the message is the line for the user."""


async def serve(options: argparse.Namespace, stopped: asyncio.Event) -> None:
    """One printer until `stopped`. Raises CannotStart and ControlRefused."""
    ledger = _ledger(options)
    try:
        async with ClientSession() as session:
            printer = _printer(options, ledger, session)
            async with printer, _control(options, printer):
                told = asyncio.create_task(_tell_ready(printer, options.url))
                try:
                    await stopped.wait()
                finally:
                    told.cancel()
    finally:
        ledger.close()


def _printer(options: argparse.Namespace, ledger: CallInLedger, session: ClientSession) -> ForgePrinter:
    try:
        faults = NetworkFaults.read(options.faults, options.seed) if options.faults else NetworkFaults()
        return ForgePrinter(
            options.personality,
            options.url,
            AiohttpWeb(session),
            faye=options.faye,
            state=options.state,
            ledger=ledger,
            speed=options.speed,
            seed=options.seed,
            transport=options.transport,
            faults=faults,
            say=lambda text: print(f"code {text}".rstrip(), flush=True),
        )
    except (UnknownPersonality, BadPersonality, BadIdentity, BadFaults) as error:
        raise CannotStart(str(error)) from error
    except OSError as error:
        raise CannotStart(f"--state {options.state}: {error.strerror or error}") from error


def _ledger(options: argparse.Namespace) -> CallInLedger:
    try:
        return CallInLedger(options.ledger)
    except OSError as error:
        raise CannotStart(f"--ledger {options.ledger}: {error.strerror or error}") from error


@asynccontextmanager
async def _control(options: argparse.Namespace, printer: ForgePrinter) -> AsyncIterator[None]:
    if options.control is None:
        yield
        return
    socket = LineSocket(partial(obey, printer), options.control)
    await socket.open()
    try:
        yield
    finally:
        await socket.close()


async def _tell_ready(printer: ForgePrinter, url: str) -> None:
    await printer.until(lambda: printer.firmware.is_contacted, None)
    print(f"ready {url}", flush=True)

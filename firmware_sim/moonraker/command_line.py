"""`firmware-sim moonraker`: the machine as a process, on a real broker and a real port.

Prints `ready NAME http://HOST:PORT` when it listens there, is on the broker and has a klippy; why it is
not on the broker is one line on stderr.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from firmware_sim.endpoints.line_socket import LineSocket
from firmware_sim.faults.strokes import BadFaults
from firmware_sim.ledger import Ledger
from firmware_sim.moonraker.broker_client import BrokerClient
from firmware_sim.moonraker.control import obey
from firmware_sim.moonraker.faults import Misfortunes
from firmware_sim.moonraker.life import Life
from firmware_sim.moonraker.printer import MoonrakerPrinter
from firmware_sim.moonraker.pump import MachinePump
from firmware_sim.moonraker.settings import MoonrakerConfig
from firmware_sim.moonraker.web import ListenRefused, WebEndpoint


class CannotStart(Exception):
    """An argument that cannot be had; the message is the line for the user."""


async def serve(options: argparse.Namespace, stopped: asyncio.Event) -> None:
    """One machine until `stopped`. Raises CannotStart and ControlRefused."""
    ledger = _ledger(options)
    try:
        pump = MachinePump(_printer(options, ledger), speed=options.speed)
        client = _client(options, pump)
        async with _web(options, pump) as url, _control(options, pump):
            pump.turn()
            running = asyncio.create_task(client.run())
            told = asyncio.create_task(_tell_ready(pump, client, f"ready {options.instance} {url}"))
            try:
                await _either(stopped, running)
            finally:
                told.cancel()
                running.cancel()
                await asyncio.gather(told, running, return_exceptions=True)
                pump.stop()
    finally:
        ledger.close()


async def _either(stopped: asyncio.Event, running: asyncio.Task[None]) -> None:
    """Until somebody stops it; what the client died of is raised."""
    waiting = asyncio.create_task(stopped.wait())
    await asyncio.wait((waiting, running), return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    if running.done():
        running.result()


async def _tell_ready(pump: MachinePump, client: BrokerClient, words: str) -> None:
    await client.was_connected.wait()
    while pump.printer.server.life is Life.DOWN:
        pump.turned.clear()
        await pump.turned.wait()
    print(words, flush=True)


def _printer(options: argparse.Namespace, ledger: Ledger) -> MoonrakerPrinter:
    try:
        faults = Misfortunes.read(options.faults, options.seed) if options.faults else Misfortunes()
    except BadFaults as error:
        raise CannotStart(str(error)) from error
    config = MoonrakerConfig(
        instance=options.instance,
        interval=options.status_interval,
        is_split=options.split_status,
        api_key=_secret("--api-key-file", options.api_key_file) or "",
        epoch=time.time(),
    )
    if config.is_mqtt_refused:
        raise CannotStart("--status-interval: above 0.25 (Moonraker would run on without MQTT), or 0")
    return MoonrakerPrinter(config, ledger=ledger, faults=faults, files=_files(options.gcodes))


def _client(options: argparse.Namespace, pump: MachinePump) -> BrokerClient:
    try:
        return BrokerClient(
            pump,
            options.broker,
            password=_secret("--broker-password-file", options.broker_password_file),
            ca_file=options.broker_ca_file,
            tell=lambda text: print(f"firmware-sim: {text}", file=sys.stderr, flush=True),
        )
    except OSError as error:
        raise CannotStart(f"--broker-ca-file {options.broker_ca_file}: {error.strerror or error}") from error


def _secret(option: str, path: Path | None) -> str | None:
    """The first line of a file."""
    if path is None:
        return None
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise CannotStart(f"{option} {path}: {getattr(error, 'strerror', None) or error}") from error
    if not lines or not lines[0].strip():
        raise CannotStart(f"{option} {path}: it is empty")
    return lines[0].strip()


def _files(folder: Path | None) -> dict[str, bytes]:
    if folder is None:
        return {}
    try:
        return {path.name: path.read_bytes() for path in sorted(folder.iterdir()) if path.is_file()}
    except OSError as error:
        raise CannotStart(f"--gcodes {folder}: {error.strerror or error}") from error


def _ledger(options: argparse.Namespace) -> Ledger:
    try:
        return Ledger(options.ledger)
    except OSError as error:
        raise CannotStart(f"--ledger {options.ledger}: {error.strerror or error}") from error


@asynccontextmanager
async def _web(options: argparse.Namespace, pump: MachinePump) -> AsyncIterator[str]:
    endpoint = WebEndpoint(pump)
    try:
        await endpoint.open(*options.http)
    except ListenRefused as error:
        raise CannotStart(f"--http: {error}") from error
    host, port = endpoint.address
    try:
        yield f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
    finally:
        await endpoint.close()


@asynccontextmanager
async def _control(options: argparse.Namespace, pump: MachinePump) -> AsyncIterator[None]:
    if options.control is None:
        yield
        return

    def carry_out(text: str) -> dict[str, object]:
        answer = obey(pump.printer, text, pump.now())
        pump.turn()
        return answer

    control = LineSocket(carry_out, options.control)
    await control.open()
    try:
        yield
    finally:
        await control.close()

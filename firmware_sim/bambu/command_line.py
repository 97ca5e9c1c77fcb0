"""`firmware-sim bambu`: the printer as a process.

Prints `ftps HOST:PORT`, then `ready mqtts://HOST:PORT`, when both can be reached.
"""

from __future__ import annotations

import argparse
import asyncio
import json
from contextlib import AsyncExitStack
from pathlib import Path

from firmware_sim.bambu.broker import Broker, Crank, ListenRefused
from firmware_sim.bambu.certificates import BadIdentity, Identity, kept_identity, make_identity
from firmware_sim.bambu.control import obey
from firmware_sim.bambu.faults import BambuFaults
from firmware_sim.bambu.ftps import FileServer
from firmware_sim.bambu.personality import load_bambu_personality
from firmware_sim.bambu.printer import BambuPrinter
from firmware_sim.endpoints.line_socket import LineSocket
from firmware_sim.faults.strokes import BadFaults
from firmware_sim.ledger import Ledger
from firmware_sim.personality import BadPersonality, UnknownPersonality


class CannotStart(Exception):
    """An argument that cannot be had; the message is the line for the user."""


async def serve(options: argparse.Namespace, stopped: asyncio.Event) -> None:
    """One printer until `stopped`. Raises CannotStart, ControlRefused."""
    ledger = _ledger(options)
    try:
        async with AsyncExitStack() as stack:
            await _open(options, _printer(options, ledger), stack)
            await stopped.wait()
    except ListenRefused as error:
        raise CannotStart(str(error)) from error
    finally:
        ledger.close()


async def _open(options: argparse.Namespace, printer: BambuPrinter, stack: AsyncExitStack) -> None:
    host, port = options.listen
    identity = _identity(options)
    context = identity.server_context(is_tls_12_only=printer.personality.tls == "1.2")
    crank = Crank(printer, options.speed)
    stack.callback(crank.stop)
    broker = Broker(crank, context)
    await broker.open(host, port)
    stack.push_async_callback(broker.close)
    files = FileServer(crank, context, rate=options.upload_rate)
    await files.open(host, options.ftps_port)
    stack.push_async_callback(files.close)
    if options.control is not None:
        control = LineSocket(lambda text: _obeyed(crank, text), options.control)
        await control.open()
        stack.push_async_callback(control.close)
    _tell(options, identity, broker, files)


def _obeyed(crank: Crank, text: str) -> dict[str, object]:
    try:
        return obey(crank.printer, text, crank.now())
    finally:
        crank.turn()


def _tell(options: argparse.Namespace, identity: Identity, broker: Broker, files: FileServer) -> None:
    host, port = broker.address
    if options.ca_out is not None:
        _write(options.ca_out, identity.ca, "--ca-out")
    if options.ready_out is not None:
        told = {
            "host": host,
            "port": port,
            "ftps_port": files.address[1],
            "serial": options.serial,
            "username": "bblp",
        }
        _write(options.ready_out, json.dumps(told).encode() + b"\n", "--ready-out")
    shown = f"[{host}]" if ":" in host else host
    print(f"ftps {shown}:{files.address[1]}", flush=True)
    print(f"ready mqtts://{shown}:{port}", flush=True)


def _printer(options: argparse.Namespace, ledger: Ledger) -> BambuPrinter:
    try:
        faults = BambuFaults.read(options.faults, options.seed) if options.faults else BambuFaults()
        return BambuPrinter(
            load_bambu_personality(options.personality),
            serial=options.serial,
            access_code=options.access_code,
            files=_files_of(options.files),
            ledger=ledger,
            seed=options.seed,
            faults=faults,
            developer_mode=not options.signed,
        )
    except (UnknownPersonality, BadPersonality, BadFaults) as error:
        raise CannotStart(str(error)) from error


def _files_of(folder: Path | None) -> dict[str, bytes]:
    try:
        paths = sorted(folder.iterdir()) if folder is not None else []
        return {path.name: path.read_bytes() for path in paths if path.is_file()}
    except OSError as error:
        raise CannotStart(f"--files {folder}: {error.strerror or error}") from error


def _identity(options: argparse.Namespace) -> Identity:
    if options.identity is None:
        return make_identity(options.serial)
    try:
        return kept_identity(options.identity, options.serial)
    except BadIdentity as error:
        raise CannotStart(f"--identity: {error}") from error
    except OSError as error:
        raise CannotStart(f"--identity {options.identity}: {error.strerror or error}") from error


def _ledger(options: argparse.Namespace) -> Ledger:
    try:
        return Ledger(options.ledger)
    except OSError as error:
        raise CannotStart(f"--ledger {options.ledger}: {error.strerror or error}") from error


def _write(path: Path, content: bytes, option: str) -> None:
    try:
        path.write_bytes(content)
    except OSError as error:
        raise CannotStart(f"{option} {path}: {error.strerror or error}") from error

"""Builds the streamer process (serial printers, fed whatever becomes of the gateway) and runs it. No logic.

It loads neither SQL nor HTTP: half the memory, and nothing that could fail beside a print.
"""

from __future__ import annotations

import asyncio
import gc
import os
import platform
import random
import time
import uuid
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from gateway.config import Config, MarlinPrinter
from gateway.drivers.contract import Driver, LineRecord, UploadMark
from gateway.drivers.marlin.driver import MarlinDriver
from gateway.drivers.marlin.settings import MarlinSettings, ParkBy, ParkSettings, ScriptSettings
from gateway.drivers.marlin.speed import SpeedSearch
from gateway.main_safety import heat_tolerance
from gateway.running import Notifier, Service, inherited_fds, log_to_stderr, run_process
from gateway.streamer.host import MAX_PRINTERS, StreamerHost
from gateway.streamer.hosted import DriverFactory
from gateway.streamer.line_record import LineRecordError, take_line_record
from gateway.streamer.server import StreamerServer
from gateway.streamer.speed_file import SpeedFile
from gateway.streamer.upload_mark_file import UploadMarkFile
from gateway.streamer.wire_watch import WireWatch
from gateway.system import SystemClock
from gateway.transport.fd_store import FdStore
from gateway.transport.opener import openers_for
from gateway.transport.port import PortOpener
from gateway.transport.tap import tapped
from gateway.transport.unix_socket import SocketUnavailable
from gateway.transport.wire_log import WireLog, file_bytes


def stream(config: Config) -> int:
    """The streamer process. Blocks; returns the exit code."""
    log_to_stderr()
    return run_process(partial(_stream, config), (SocketUnavailable, LineRecordError))


async def _stream(config: Config) -> int:
    notifier = Notifier()
    service = Service(notifier)
    service.heed_signals()
    store = FdStore(notifier.hand_over if notifier.is_heard else None, inherited_fds())
    # A thread for each printer: a USB driver that hangs at one port must not keep the others shut.
    threads = ThreadPoolExecutor(MAX_PRINTERS, thread_name_prefix="port")
    asyncio.get_running_loop().set_default_executor(threads)
    clock = SystemClock()
    wire_logs = _wire_logs(config, clock)
    drivers, warnings = _drivers(config, wire_logs, store)
    store.forget_others()
    kept = config.streamer.kept_folder(os.environ.get("STATE_DIRECTORY"))
    host = StreamerHost(
        platform.node(),
        str(uuid.uuid4()),
        drivers,
        chance=random.Random(),
        warnings=warnings,
        watch=WireWatch(wire_logs, kept, clock.wall),
        safety=heat_tolerance(config.safety),
    )
    is_listening = asyncio.Event()
    serving = service.spawn(StreamerServer(host, config.streamer.socket).run(is_listening.set), "streamer")
    waiting = asyncio.ensure_future(is_listening.wait())
    await asyncio.wait({serving, waiting}, return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    if serving.done():
        await serving
    # What is here now stays: a full collection would look through all of it, and the planners would wait.
    gc.collect()
    gc.freeze()
    await service.until_ended(lambda: not serving.done())
    store.stop()
    await service.cancel()
    return 1 if service.failure else 0


def _fed_here(config: Config) -> list[MarlinPrinter]:
    """The serial ones; the others print by themselves, and the gateway talks to them."""
    return [printer for printer in config.printers if isinstance(printer, MarlinPrinter)]


def _wire_logs(config: Config, clock: SystemClock) -> dict[str, WireLog]:
    """A wire log for each printer; none where they are switched off."""
    printers = _fed_here(config)
    size = file_bytes(config.streamer.wire_log_bytes, len(printers))
    folder = config.streamer.wire_folder
    return {
        printer.name: WireLog(folder, printer.name, max_bytes=size, monotonic=time.monotonic, wall=clock.wall)
        for printer in printers
        if size
    }


def _drivers(
    config: Config, wire_logs: Mapping[str, WireLog], store: FdStore
) -> tuple[dict[str, DriverFactory], dict[str, str]]:
    """A factory for each printer's driver, and what is wrong with line records that could not be read."""
    drivers: dict[str, DriverFactory] = {}
    warnings: dict[str, str] = {}
    records = Path(config.streamer.records)
    records.mkdir(mode=0o700, parents=True, exist_ok=True)
    for printer in _fed_here(config):
        taken = take_line_record(records, printer.name)
        openers = openers_for(printer.port, printer.baud, keeper=store.keeper(printer.name))
        wire_log = wire_logs.get(printer.name)
        if wire_log is not None:
            openers = {
                speed: tapped(open_port, wire_log, f"{printer.port} {speed}")
                for speed, open_port in openers.items()
            }
        speeds = SpeedSearch(openers, SpeedFile(records, printer.name)) if len(openers) > 1 else None
        open_port = speeds.open if speeds is not None else next(iter(openers.values()))
        mark = UploadMarkFile(records, printer.name)
        drivers[printer.name] = partial(_driver, printer, open_port, taken.record, speeds, mark)
        if taken.warning:
            warnings[printer.name] = taken.warning
    return drivers, warnings


def _driver(
    printer: MarlinPrinter,
    open_port: PortOpener,
    record: LineRecord,
    speeds: SpeedSearch | None,
    mark: UploadMark,
) -> Driver:
    return MarlinDriver(
        printer.name,
        open_port,
        record,
        monotonic=time.monotonic,
        new_id=lambda: str(uuid.uuid4()),
        profile=printer.profile,
        speeds=speeds,
        mark=mark,
        settings=MarlinSettings(
            park=ParkSettings(**{**printer.park.model_dump(), "by": ParkBy(printer.park.by)}),
            scripts=ScriptSettings(**printer.scripts.model_dump()),
        ),
    )

"""The only place that knows everybody: builds the two processes and runs them. No logic of its own."""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import platform
import random
import sys
import time
import uuid
from collections.abc import Callable, Coroutine, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from dataclasses import asdict
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

from aiohttp import web

from gateway.api.forge.dialect import FORGE
from gateway.api.http.app import build_app, runner_options
from gateway.api.http.services import Services
from gateway.api.native.dialect import NATIVE
from gateway.config import Config, PrinterConfig, Safety
from gateway.domain.adjustment import HeatLimits
from gateway.domain.commands import ConfigurePrinters, PrinterSetting
from gateway.domain.file import FileRejected
from gateway.domain.printer import PlateClear
from gateway.drivers.contract import Driver, LineRecord
from gateway.drivers.marlin import MarlinDriver
from gateway.drivers.marlin_settings import MarlinSettings, ParkBy, ParkSettings, ScriptSettings
from gateway.drivers.marlin_speed import SpeedSearch
from gateway.engine.engine import Engine
from gateway.engine.ports import StoreUnavailable
from gateway.gcode.inspect import NotPrintable, inspect
from gateway.publish.hub import Hub
from gateway.running import Notifier, Service, inherited_fds
from gateway.safety.limits import SafetyLimits
from gateway.store.database import Database
from gateway.store.files import Files
from gateway.store.journal import Journal
from gateway.store.migrate import upgrade
from gateway.store.queries import Queries
from gateway.streamer.channel import unix_channel
from gateway.streamer.client import StreamerClient
from gateway.streamer.host import MAX_PRINTERS, StreamerHost
from gateway.streamer.hosted import DriverFactory
from gateway.streamer.line_record import LineRecordError, take_line_record
from gateway.streamer.server import SocketUnavailable, StreamerServer
from gateway.streamer.speed_file import SpeedFile
from gateway.streamer.wire_watch import WireWatch
from gateway.system import SystemClock, SystemIds
from gateway.transport.fd_store import FdStore
from gateway.transport.opener import openers_for
from gateway.transport.port import PortOpener
from gateway.transport.tap import tapped
from gateway.transport.wire_log import WireLog, file_bytes

log = logging.getLogger(__name__)

#: The API's Unix socket takes every user of this host: who is behind a connection the kernel tells.
SOCKET_MODE = 0o666
#: Seconds that open requests get to end at a stop; event streams are ended at once.
SHUTDOWN_SECONDS = 3.0


class AddressUnavailable(Exception):
    """The gateway cannot listen where it should. The text says what to do."""

    def __init__(self, listen: str, failure: OSError) -> None:
        if failure.errno == errno.EADDRINUSE:
            why = "another program listens there: stop it, or change `listen` under [server]"
        elif failure.errno == errno.EACCES:
            why = "ports below 1024 are for root: choose a higher one for `listen` under [server]"
        else:
            why = f"{os.strerror(failure.errno or 0).lower()}: check `listen` under [server]"
        super().__init__(f"{listen} cannot be listened at: {why}")


def serve(config: Config) -> int:
    """The gateway process: engine, store, HTTP. Blocks; returns the exit code."""
    _log_to_stderr()
    return _run(partial(_serve, config))


def streamer(config: Config) -> int:
    """The streamer process: serial printers, fed whatever becomes of the gateway. Blocks."""
    _log_to_stderr()
    return _run(partial(_stream, config))


def _run(work: Callable[[], Coroutine[Any, Any, int]]) -> int:
    try:
        return asyncio.run(work())
    except (StoreUnavailable, SocketUnavailable, LineRecordError, AddressUnavailable) as failure:
        print(f"print-gateway: {failure}", file=sys.stderr)
    except OSError as failure:
        print(f"print-gateway: {failure.strerror or failure}: {failure.filename or ''}", file=sys.stderr)
    return 1


async def _serve(config: Config) -> int:
    service = Service(Notifier())
    async with AsyncExitStack() as stack:
        upgrade(config.store.url)
        database = Database(config.store.url)
        stack.callback(database.close)
        clock, ids, hub = SystemClock(), SystemIds(), Hub()
        files = Files(config.store.files)
        queries = Queries(database)
        engine: Engine
        client = StreamerClient(
            unix_channel(config.streamer.socket),
            lambda observation: engine.observe(observation),
            instance=ids.uuid(),
            chance=random.Random(),
        )
        engine = Engine(
            journal=Journal(database, ids.hex, clock),
            queries=queries,
            drivers=client,
            files=files,
            publisher=hub,
            clock=clock,
            ids=ids,
        )
        await engine.start()
        stack.push_async_callback(service.cancel)
        writer = service.spawn(engine.run(), "engine")
        await engine.execute(ConfigurePrinters(tuple(_setting(printer) for printer in config.printers)))
        service.spawn(client.run(), "streamer client")
        services = Services(
            engine=engine,
            queries=queries,
            files=files,
            clock=clock,
            ids=ids,
            inspect=_inspect,
            events=hub,
            public_url=config.server.url,
            max_upload_bytes=config.server.max_upload_bytes,
            version=version("print-gateway"),
            service_uid=os.getuid(),
        )
        runner = web.AppRunner(
            build_app(services, [FORGE, NATIVE]), shutdown_timeout=SHUTDOWN_SECONDS, **runner_options()
        )
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        await _listen(runner, config)
        await service.until_ended(lambda: not writer.done())
        await runner.cleanup()
        engine.stop()
        await asyncio.wait({writer}, timeout=SHUTDOWN_SECONDS)
    return 1 if service.failure else 0


async def _listen(runner: web.AppRunner, config: Config) -> None:
    try:
        await web.TCPSite(runner, config.server.host, config.server.port).start()
    except OSError as failure:
        raise AddressUnavailable(config.server.listen, failure) from failure
    await web.UnixSite(runner, config.server.socket).start()
    os.chmod(config.server.socket, SOCKET_MODE)
    log.info("listening at http://%s and %s", config.server.listen, config.server.socket)


async def _stream(config: Config) -> int:
    notifier = Notifier()
    service = Service(notifier)
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
        safety=_safety(config.safety),
    )
    is_listening = asyncio.Event()
    serving = service.spawn(StreamerServer(host, config.streamer.socket).run(is_listening.set), "streamer")
    waiting = asyncio.ensure_future(is_listening.wait())
    await asyncio.wait({serving, waiting}, return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    if serving.done():
        await serving
    await service.until_ended(lambda: not serving.done())
    store.stop()
    await service.cancel()
    return 1 if service.failure else 0


def _safety(wanted: Safety) -> SafetyLimits:
    return SafetyLimits(
        idle=wanted.idle_minutes * 60,
        held=wanted.held_minutes * 60,
        paused_hotend=wanted.paused_hotend_minutes * 60,
        paused_bed=wanted.paused_bed_minutes * 60,
        watches_temperatures=wanted.watch_temperatures,
        hotend_max=wanted.hotend_max,
        bed_max=wanted.bed_max,
    )


def _wire_logs(config: Config, clock: SystemClock) -> dict[str, WireLog]:
    """A wire log for each printer; none where they are switched off."""
    size = file_bytes(config.streamer.wire_log_bytes, len(config.printers))
    folder = config.streamer.wire_folder
    return {
        printer.name: WireLog(
            folder, printer.name, max_bytes=size, monotonic=clock.monotonic, wall=clock.wall
        )
        for printer in config.printers
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
    for printer in config.printers:
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
        drivers[printer.name] = partial(_driver, printer, open_port, taken.record, speeds)
        if taken.warning:
            warnings[printer.name] = taken.warning
    return drivers, warnings


def _driver(
    printer: PrinterConfig, open_port: PortOpener, record: LineRecord, speeds: SpeedSearch | None
) -> Driver:
    return MarlinDriver(
        printer.name,
        open_port,
        record,
        monotonic=time.monotonic,
        new_id=lambda: str(uuid.uuid4()),
        profile=printer.profile,
        speeds=speeds,
        settings=MarlinSettings(
            park=ParkSettings(**{**printer.park.model_dump(), "by": ParkBy(printer.park.by)}),
            scripts=ScriptSettings(**printer.scripts.model_dump()),
        ),
    )


def _setting(printer: PrinterConfig) -> PrinterSetting:
    return PrinterSetting(
        name=printer.name,
        driver=printer.driver,
        owner=printer.owner,
        plate_clear=PlateClear(printer.plate_clear),
        link=printer.port,
        heat_limits=HeatLimits(printer.max_hotend, printer.max_bed),
    )


def _inspect(path: str) -> Mapping[str, Any]:
    try:
        return asdict(inspect(Path(path)))
    except NotPrintable as refused:
        raise FileRejected(str(refused)) from refused


def _log_to_stderr() -> None:
    """Plain lines for the journal, which adds the time itself; with the time elsewhere."""
    stamp = "" if "JOURNAL_STREAM" in os.environ else "%(asctime)s "
    logging.basicConfig(level=logging.INFO, format=stamp + "%(levelname)s %(name)s: %(message)s")
    logging.getLogger("aiohttp.access").setLevel(logging.WARNING)
    logging.getLogger("alembic").setLevel(logging.WARNING)

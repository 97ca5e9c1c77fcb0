"""Builds the gateway process (engine, store, HTTP) and runs it. No logic of its own.

The other process is built in `main_streamer`, which loads nothing of this one: it must be small.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import random
import time
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import asdict
from functools import partial
from http import HTTPStatus
from importlib.metadata import version
from pathlib import Path
from secrets import token_bytes
from typing import Any

from aiohttp import web

from gateway.api.forge.answers import ROOTS
from gateway.api.forge.dialect import FORGE
from gateway.api.forge.mapping import callback_body
from gateway.api.forge.printables import PrintableLinks
from gateway.api.forge.printdb.catalogue import Catalogue, CatalogueError
from gateway.api.http import limits
from gateway.api.http.app import build_app, runner_options
from gateway.api.http.rate import AttemptLimit, RequestLimit
from gateway.api.http.services import Services
from gateway.api.http.sign_in import SignIn
from gateway.api.native.dialect import NATIVE
from gateway.api.oauth.dialect import DISCOVERY, OAUTH
from gateway.auth.issuer import Issuer, Trust
from gateway.auth.signing import KEY_BYTES, UrlSigner
from gateway.config import Config, PrinterConfig
from gateway.config_auth import Auth
from gateway.domain.adjustment import HeatLimits
from gateway.domain.commands import CommandRefused, ConfigurePrinters, PrinterSetting, Refusal
from gateway.domain.file import FileRejected
from gateway.domain.job import Job
from gateway.domain.printer import PlateClear
from gateway.engine.engine import Engine
from gateway.engine.ports import StoreUnavailable
from gateway.gcode import recovery
from gateway.gcode.inspect import NotPrintable, inspect
from gateway.gcode.printables import inspect_printable
from gateway.gcode.recovery import RecoveryPlan
from gateway.main_call_in import CallIns
from gateway.protocol.marlin.profile import profile_for
from gateway.publish.callbacks import CallbackSender
from gateway.publish.hub import Hub
from gateway.running import Notifier, Service, log_to_stderr, run_process
from gateway.store.database import Database
from gateway.store.files import Files
from gateway.store.journal import Journal
from gateway.store.migrate import upgrade
from gateway.store.outbox import Outbox
from gateway.store.own_keys import URL_SIGNING, own_key
from gateway.store.queries import Queries
from gateway.streamer.channel import unix_channel
from gateway.streamer.client import StreamerClient
from gateway.system import SystemClock, SystemIds
from gateway.tasks.fetching import Fetcher
from gateway.transport.web import WebClient

log = logging.getLogger(__name__)

#: The API's Unix socket takes every user of this host: who is behind a connection the kernel tells.
SOCKET_MODE = 0o666
#: Seconds that open requests get to end at a stop; event streams are ended at once.
SHUTDOWN_SECONDS = 3.0
#: Seconds that the issuer gets for an answer while a request waits, and bytes that its keys may have.
ISSUER_SECONDS, ISSUER_BYTES = 5.0, 256 * 1024
#: Seconds that a thread reading a whole file leaves to the event loop between two pieces of 64 KiB.
BREATH_SECONDS = 0.0002


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
    log_to_stderr()
    return run_process(partial(_serve, config), (StoreUnavailable, AddressUnavailable, CatalogueError))


async def _serve(config: Config) -> int:
    service = Service(Notifier())
    async with AsyncExitStack() as stack:
        printdb = Catalogue.load(Path(config.forge.printdb) if config.forge.printdb else None)
        upgrade(config.store.url)
        database = Database(config.store.url)
        stack.callback(database.close)
        clock, ids, hub = SystemClock(), SystemIds(), Hub()
        signer = UrlSigner(await own_key(database, URL_SIGNING, partial(token_bytes, KEY_BYTES)))
        printable_link = PrintableLinks(config.server.url + ROOTS[0], signer, clock)
        files = Files(config.store.files)
        queries, outbox = Queries(database), Outbox(database)
        going_out = WebClient(is_private_allowed=config.outbound.private_addresses)
        stack.push_async_callback(going_out.close)
        to_issuer = WebClient(is_private_allowed=True)  # its address is the operator's word
        stack.push_async_callback(to_issuer.close)
        engine: Engine
        client = StreamerClient(
            unix_channel(config.streamer.socket),
            lambda observation: engine.observe(observation),
            instance=ids.uuid(),
            chance=random.Random(),
        )
        call_ins = CallIns(
            state=lambda: engine.state,
            observe=lambda observation: engine.observe(observation),
            clock=clock,
            ids=ids,
            lenient=config.forge.lenient_faye,
            printable_link=printable_link,
        )
        engine = Engine(
            journal=Journal(database, ids.hex, clock),
            queries=queries,
            drivers=call_ins.drivers(client),
            files=files,
            publisher=call_ins.publisher(hub),
            clock=clock,
            ids=ids,
        )
        await engine.start()
        call_ins.begin(config.server.unreachable)
        stack.push_async_callback(service.cancel)
        writer = service.spawn(engine.run(), "engine")
        await engine.execute(ConfigurePrinters(tuple(_setting(printer) for printer in config.printers)))
        service.spawn(client.run(), "streamer client")
        service.spawn(call_ins.driver.run(), "printers that call in")
        callbacks = CallbackSender(
            engine=engine,
            queries=queries,
            outbox=outbox,
            subscribe=hub.subscribe,
            web=going_out,
            render=partial(_update, engine),
            clock=clock,
            chance=random.Random(),
        )
        service.spawn(callbacks.run(), "callbacks")
        fetcher = Fetcher(
            engine=engine,
            subscribe=hub.subscribe,
            web=going_out,
            files=files,
            inspect=_inspect_printable,
            most_bytes=config.server.max_upload_bytes,
            clock=clock,
            ids=ids,
            chance=random.Random(),
        )
        service.spawn(fetcher.run(), "fetcher")
        services = Services(
            engine=engine,
            queries=queries,
            files=files,
            clock=clock,
            ids=ids,
            inspect=_inspect,
            inspect_printable=_inspect_printable,
            plan_recovery=plan_recovery,
            events=hub,
            outbox=outbox,
            signer=signer,
            printable_link=printable_link,
            url_refusal=going_out.refusal,
            printdb=printdb,
            code_attempts=AttemptLimit(limits.CODE_ATTEMPTS, clock),
            contact_attempts=AttemptLimit(limits.CONTACT_ATTEMPTS, clock),
            call_ins=call_ins.driver,
            sign_in=SignIn(clock),
            public_url=config.server.url,
            max_upload_bytes=config.server.max_upload_bytes,
            version=version("print-gateway"),
            service_uid=os.getuid(),
            rate_limit=_rate_limit(config.server.rate_limit, clock),
            issuer=issuer_of(config.auth, to_issuer),
        )
        runner = web.AppRunner(
            build_app(services, [FORGE, NATIVE, OAUTH, DISCOVERY], extra_routes=call_ins.hub.routes),
            shutdown_timeout=SHUTDOWN_SECONDS,
            **runner_options(),
        )
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        await _listen(runner, config)
        await service.until_ended(lambda: not writer.done())
        call_ins.hub.close()
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


def _rate_limit(rate: str, clock: SystemClock) -> RequestLimit | None:
    return None if rate == "off" else RequestLimit(rate, clock)


def _update(engine: Engine, job: Job) -> Mapping[str, Any]:
    """What an app's own server is told of a job, in Forge's words."""
    number = job.printer_id or 0
    return callback_body(job, engine.state.printers.get(number), engine.state.presence.get(number))


def issuer_of(auth: Auth, web: WebClient) -> Issuer | None:
    """The configured issuer, asked over `web`."""
    async def fetch(url: str) -> bytes:
        answer = await web.get(url, seconds=ISSUER_SECONDS, most_bytes=ISSUER_BYTES)
        if answer.status != HTTPStatus.OK:
            raise ValueError(f"it answers {answer.status}")
        return answer.body

    if auth.issuer is None or auth.audience is None:
        return None
    return Issuer(Trust(auth.issuer, auth.audience, auth.member_claim), fetch)


def _setting(printer: PrinterConfig) -> PrinterSetting:
    return PrinterSetting(
        name=printer.name,
        driver=printer.driver,
        owner=printer.owner,
        plate_clear=PlateClear(printer.plate_clear),
        link=printer.port,
        heat_limits=HeatLimits(printer.max_hotend, printer.max_bed),
    )


def plan_recovery(
    path: str, sha256: str, position: int, layer: int | None, firmware: str | None
) -> RecoveryPlan:
    """`gcode.recovery` for the API: blocks, and lets the event loop have its turns. Raises CommandRefused."""
    try:
        with open(path, "rb") as file:
            return recovery.plan_recovery(
                file,
                sha256,
                position,
                layer,
                lambda: time.sleep(BREATH_SECONDS),
                g90_sets_extruder=profile_for(firmware or "").g90_sets_extruder,
            )
    except recovery.NotRecoverable as refused:
        raise CommandRefused(Refusal.CONFLICT, f"This print cannot be recovered: {refused}.") from refused
    except OSError as error:
        text = f"This print cannot be recovered: its file cannot be read ({error.strerror})."
        raise CommandRefused(Refusal.CONFLICT, text) from error


def _inspect(path: str) -> Mapping[str, Any]:
    try:
        return asdict(inspect(Path(path)))
    except NotPrintable as refused:
        raise FileRejected(str(refused)) from refused


def _inspect_printable(path: str) -> Mapping[str, Any]:
    try:
        return inspect_printable(Path(path))
    except NotPrintable as refused:
        raise FileRejected(str(refused)) from refused

"""Runs the gateway process: engine, store, HTTP. No logic of its own; the parts are built in `main_gateway`.

The other process is built in `main_streamer`, which loads nothing of this one: it must be small.
"""

from __future__ import annotations

import asyncio
import errno
import gc
import logging
import os
import socket
from contextlib import AsyncExitStack
from functools import partial

from aiohttp import web

from gateway.api.cloud66.dialect import CLOUD66
from gateway.api.conversio.dialect import CONVERSIO, CONVERSIO_RESULTS
from gateway.api.forge.dialect import FORGE
from gateway.api.forge.printdb.catalogue import CatalogueError
from gateway.api.greenarrow.dialect import GREENARROW
from gateway.api.http.app import build_app, runner_options
from gateway.api.native.dialect import NATIVE
from gateway.api.oauth.dialect import DISCOVERY, OAUTH
from gateway.broker.supervisor import BrokerUnavailable
from gateway.config import Config
from gateway.config.secret_files import Secrets
from gateway.engine.ports import StoreUnavailable
from gateway.main_gateway import Gateway
from gateway.running import Notifier, Service, log_to_stderr, run_process
from gateway.transport.tls import TlsFileTrouble
from gateway.transport.unix_socket import SocketUnavailable, claim_socket, remove_socket

log = logging.getLogger(__name__)

#: Everything that is served over HTTP, but for printers' Bayeux.
DIALECTS = (FORGE, GREENARROW, CONVERSIO, CONVERSIO_RESULTS, CLOUD66, NATIVE, OAUTH, DISCOVERY)

#: The API's Unix socket takes every user of this host: who is behind a connection the kernel tells.
SOCKET_MODE = 0o666
#: Seconds that open requests get to end at a stop; event streams are ended at once.
SHUTDOWN_SECONDS = 3.0
#: New objects after which the youngest are looked through for garbage. With Python's own 700 that was a
#: twentieth of the processor time of lists.
GARBAGE_AFTER = 20_000


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


#: What a person can mend; told in one line.
EXPECTED = (
    StoreUnavailable,
    AddressUnavailable,
    SocketUnavailable,
    CatalogueError,
    BrokerUnavailable,
    TlsFileTrouble,
)


def serve(config: Config, secrets: Secrets, *, embedded_broker: bool = False) -> int:
    """The gateway process: engine, store, HTTP. Blocks; returns the exit code."""
    log_to_stderr()
    return run_process(partial(_serve, config, secrets, embedded_broker), EXPECTED)


async def _serve(config: Config, secrets: Secrets, embedded_broker: bool) -> int:
    service = Service(Notifier())
    for note in (*config.exposures(), *secrets.exposures):
        log.warning("%s", note)
    async with AsyncExitStack() as stack:
        # First of all: a second gateway must not touch the printers of the one that runs.
        own = await _claim(config.server.socket, stack)
        gateway = Gateway(config, secrets, stack, embedded_broker=embedded_broker)
        services = await gateway.begin(service)
        app = build_app(services, DIALECTS, extra_routes=gateway.call_ins.hub.routes)
        runner = web.AppRunner(app, shutdown_timeout=SHUTDOWN_SECONDS, **runner_options())
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        # What is here now stays: every full collection would look through all of it.
        gc.collect()
        gc.freeze()
        gc.set_threshold(GARBAGE_AFTER)
        gc.enable()
        service.heed_signals()  # whoever can reach it may end it
        await _listen(runner, config, own)
        await service.until_ended(lambda: not gateway.writer.done())
        gateway.call_ins.hub.close()
        await runner.cleanup()
        gateway.stop()
        await asyncio.wait({gateway.writer}, timeout=SHUTDOWN_SECONDS)
    return 1 if service.failure else 0


async def _claim(path: str, stack: AsyncExitStack) -> socket.socket:
    """The API's Unix socket; who connects now is answered when everything is there."""
    own = await claim_socket(path, SOCKET_MODE, "gateway")
    stack.callback(remove_socket, path, os.stat(path).st_ino)
    stack.callback(own.close)
    return own


async def _listen(runner: web.AppRunner, config: Config, own: socket.socket) -> None:
    try:
        await web.TCPSite(runner, config.server.host, config.server.port).start()
    except OSError as failure:
        raise AddressUnavailable(config.server.listen, failure) from failure
    await web.SockSite(runner, own).start()
    log.info("listening at http://%s and %s", config.server.listen, config.server.socket)

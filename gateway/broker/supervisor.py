"""Keeps the embedded broker running: starts the child, starts it again when it died, ends it.

broker = EmbeddedBroker(Listening(), chance=Random())
await broker.start()          # raises BrokerUnavailable, one sentence
await broker.keep()           # for ever; cancelling it ends the child
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import ipaddress
import json
import logging
import os
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from importlib.util import find_spec
from random import Random
from typing import Final, NoReturn

from gateway.transport.backoff import Backoff

log = logging.getLogger(__name__)

DEFAULT_PORT: Final = 1883
#: Seconds until the child listens: it loads in a quarter of a second, on a Raspberry Pi that is busy in ten.
START_SECONDS: Final = 30.0
#: Seconds until it has ended by itself, on a busy host; then it is killed.
END_SECONDS: Final = 5.0
#: Seconds for a port that somebody has: the child of a gateway that was killed ends within moments, on a host
#: that is busy with the start of the next one in some seconds. And how long between two looks.
FORMER_SECONDS: Final = 10.0
FORMER_LOOK: Final = 0.5
_TAKEN: Final = os.strerror(errno.EADDRINUSE).lower()
#: Before it is started again.
AGAIN: Final = Backoff(first=1.0, limit=60.0)
#: Seconds after which it ran well, and the next wait is a first one.
GOOD_SECONDS: Final = 60.0
#: Bytes of the one line that the child says.
_LINE_BYTES: Final = 4096


class BrokerUnavailable(Exception):
    """There is no embedded broker. One sentence that says what to do."""


@dataclass(frozen=True, slots=True)
class Listening:
    """Where the embedded broker listens and whom it lets in. File names are absolute."""

    host: str = "127.0.0.1"
    port: int = DEFAULT_PORT
    username: str | None = None  # None: anybody, on this host only
    password: str | None = field(default=None, repr=False)
    certificate_file: str | None = None  # with its chain, PEM; None: no TLS
    key_file: str | None = None

    @property
    def refusal(self) -> str | None:
        """Why the gateway will not listen like that; None: it will."""
        has_login = bool(self.username and self.password)
        has_tls = bool(self.certificate_file and self.key_file)
        if _is_loopback(self.host) or (has_login and has_tls):
            return None
        return (
            f"the embedded broker does not listen on {self.host} without a user name, a password and TLS: "
            "whoever reaches it could cancel prints. Use 127.0.0.1, or install mosquitto (docs/MQTT.md)"
        )


def _has_amqtt() -> bool:
    return find_spec("amqtt") is not None


class EmbeddedBroker:
    """One child process at a time."""

    def __init__(
        self,
        listening: Listening,
        *,
        chance: Random,
        is_installed: Callable[[], bool] = _has_amqtt,
        former_seconds: float = FORMER_SECONDS,
    ) -> None:
        self._former_seconds = former_seconds
        self._listening = listening
        self._is_installed = is_installed
        self._chance = chance
        self._child: asyncio.subprocess.Process | None = None

    @property
    def pid(self) -> int | None:
        """Of the child; None: there is none."""
        return None if self._child is None or self._child.returncode is not None else self._child.pid

    async def start(self) -> None:
        """Returns when it listens. Raises BrokerUnavailable, and then there is no child."""
        if (refusal := self._listening.refusal) is not None:
            raise BrokerUnavailable(refusal)
        if not self._is_installed():
            raise BrokerUnavailable(
                "the embedded broker is not installed: pip install '.[broker]' in the clone, or set url "
                "under [mqtt] to a broker of your own"
            )
        loop = asyncio.get_running_loop()
        deadline: float | None = None  # from the first refusal on: to load takes long on a busy host
        while (said := await self._begin()) != "ready":
            deadline = deadline or loop.time() + self._former_seconds
            if _TAKEN not in said or loop.time() >= deadline:
                where = f"{self._listening.host}:{self._listening.port}"
                raise BrokerUnavailable(
                    f"the embedded broker cannot listen on {where}: {said}. If another broker runs there, "
                    "set url under [mqtt] to it and leave the embedded one out"
                )
            await asyncio.sleep(FORMER_LOOK)

    async def _begin(self) -> str:
        """What a new child says; there is none any more unless that is "ready"."""
        pipe = asyncio.subprocess.PIPE
        self._child = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "gateway.broker.child", stdin=pipe, stdout=pipe, limit=_LINE_BYTES
        )
        try:
            said = await self._first_line(self._child)
        except BaseException:
            await self.stop()
            raise
        if said != "ready":
            await self.stop()
        return said

    async def keep(self) -> NoReturn:
        """Start it whenever it died, for ever. When this is cancelled, the child ends."""
        loop = asyncio.get_running_loop()
        failures = 0
        try:
            while True:
                began = loop.time()
                if self._child is not None:
                    code = await self._child.wait()
                    log.error("the embedded broker died (exit code %d): it is started again", code)
                failures = 1 if loop.time() - began >= GOOD_SECONDS else failures + 1
                await asyncio.sleep(AGAIN.wait(failures, self._chance))
                try:
                    await self.start()
                except BrokerUnavailable as unavailable:
                    log.error("%s", unavailable)
        finally:
            await self.stop()

    async def stop(self) -> None:
        """End the child: a farewell and the end of its input, then without asking. Idempotent."""
        child, self._child = self._child, None
        if child is None:
            return
        assert child.stdin is not None
        with contextlib.suppress(ConnectionError):
            child.stdin.write(b"\n")
        child.stdin.close()
        try:
            async with asyncio.timeout(END_SECONDS):
                await child.wait()
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                child.kill()
            await child.wait()

    async def _first_line(self, child: asyncio.subprocess.Process) -> str:
        """What the child says when it has heard how to listen."""
        assert child.stdin is not None
        assert child.stdout is not None
        child.stdin.write(json.dumps(asdict(self._listening)).encode() + b"\n")
        try:
            async with asyncio.timeout(START_SECONDS):
                with contextlib.suppress(ConnectionError):
                    await child.stdin.drain()
                line = await child.stdout.readline()
        except TimeoutError:
            return f"it does not start within {START_SECONDS:g} s"
        return line.decode(errors="replace").strip() or "it ended at once"


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False

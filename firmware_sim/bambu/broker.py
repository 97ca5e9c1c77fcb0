"""The printer's broker on a TLS port, and the crank that the machine lives by.

Machine time is `speed` times the loop's time since the crank was made; a client's keep-alive is real time.
"""

from __future__ import annotations

import asyncio
import math
import ssl
from collections.abc import Callable

from firmware_sim.bambu.mqtt_session import BrokerSession
from firmware_sim.bambu.printer import BambuPrinter

SHORTEST_SLEEP_SECONDS = 0.001
"""Real time between two wake-ups by the timer, so that a high speed never becomes a busy loop."""
LOGIN_SECONDS = 30.0
"""Real time in which a client must have said CONNECT."""


class ListenRefused(OSError):
    """The port cannot be had; the text is the line for the user."""


class Crank:
    """Keeps one printer alive on a loop. Call `turn` after anything that was done to it from outside."""

    def __init__(self, printer: BambuPrinter, speed: float = 1.0) -> None:
        if not speed > 0.0:
            raise ValueError(f"speed must be more than 0, not {speed}")
        self.printer = printer
        self._speed = speed
        self._loop = asyncio.get_running_loop()
        self._began = self._loop.time()
        self._timer: asyncio.TimerHandle | None = None
        self._listeners: list[Callable[[], None]] = []

    def now(self) -> float:
        """Machine seconds."""
        return (self._loop.time() - self._began) * self._speed

    def listen(self, on_turn: Callable[[], None]) -> None:
        """Call this whenever the machine has lived on."""
        self._listeners.append(on_turn)

    def turn(self) -> None:
        """Live up to now, and set the timer."""
        self.printer.poll(self.now())
        for on_turn in self._listeners:
            on_turn()
        self.stop()
        due = self.printer.next_deadline()
        if due < math.inf:
            delay = max((due - self.now()) / self._speed, SHORTEST_SLEEP_SECONDS)
            self._timer = self._loop.call_later(delay, self.turn)

    def stop(self) -> None:
        """No more wake-ups."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


class Broker:
    """Listens; one `BrokerSession` a connection."""

    def __init__(self, crank: Crank, context: ssl.SSLContext) -> None:
        self.crank = crank
        self._context = context
        self._server: asyncio.Server | None = None
        self._connections: set[_BrokerConnection] = set()
        crank.listen(self._turned)

    async def open(self, host: str, port: int) -> None:
        """Port 0 takes any. Raises ListenRefused."""
        loop = asyncio.get_running_loop()
        try:
            self._server = await loop.create_server(
                lambda: _BrokerConnection(self), host, port, ssl=self._context
            )
        except OSError as error:
            raise ListenRefused(f"cannot listen on {host}:{port}: {error.strerror or error}") from error
        self.crank.turn()

    @property
    def address(self) -> tuple[str, int]:
        """Where it listens."""
        assert self._server is not None
        host, port = self._server.sockets[0].getsockname()[:2]
        return host, port

    async def close(self) -> None:
        """Stop listening and hang up."""
        if self._server is not None:
            self._server.close()
            for connection in list(self._connections):
                connection.hang_up()
            await self._server.wait_closed()

    def joined(self, connection: _BrokerConnection) -> None:
        """A client came."""
        self._connections.add(connection)

    def left(self, connection: _BrokerConnection) -> None:
        """It is gone."""
        self._connections.discard(connection)

    def _turned(self) -> None:
        for connection in list(self._connections):
            connection.pass_on()


class _BrokerConnection(asyncio.Protocol):
    """One client's TLS connection."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._crank = broker.crank
        self._session = BrokerSession(self._crank.printer)
        self._transport: asyncio.Transport | None = None
        self._patience: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._broker.joined(self)
        if self._crank.printer.is_on:
            self._be_patient(LOGIN_SECONDS)
        else:
            self.hang_up()

    def data_received(self, data: bytes) -> None:
        self._session.receive(data, self._crank.now())
        self._be_patient(self._session.patience)
        self._crank.turn()

    def connection_lost(self, exc: Exception | None) -> None:
        self._be_patient(None)
        self._broker.left(self)
        self._session.close(self._crank.now())
        self._crank.turn()

    def pass_on(self) -> None:
        """Write what the session has to say."""
        if self._transport is None or self._transport.is_closing():
            return
        self._session.poll(self._crank.now())
        if self._session.out:
            self._transport.write(bytes(self._session.out))
            self._session.out.clear()
        if self._session.is_over:
            self._transport.close()

    def hang_up(self) -> None:
        """Without a word."""
        if self._transport is not None:
            self._transport.abort()

    def _be_patient(self, seconds: float | None) -> None:
        if self._patience is not None:
            self._patience.cancel()
        loop = asyncio.get_running_loop()
        self._patience = loop.call_later(seconds, self.hang_up) if seconds is not None else None

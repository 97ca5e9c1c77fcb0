"""A board behind a TCP port, as a serial server or a printer's network module gives it.

One host at a time. A second one takes over and the first is hung up on: a host that lost its network cannot
say goodbye, and must not lock itself out.
"""

from __future__ import annotations

import asyncio
import math

from firmware_sim.endpoints.pump import Pump
from firmware_sim.machine.board import Board
from firmware_sim.wire.link import Link

MAX_UNREAD_BYTES = 1 << 20
"""What the machine may have said unread; beyond that it is lost, and the ledger says so."""


class ListenRefused(OSError):
    """The address cannot be had; the message is one line."""


class TcpEndpoint:
    """One board. `open` before use; `address` is then (host, port)."""

    def __init__(self, board: Board, *, speed: float = 1.0, cable: Link | None = None) -> None:
        self._loop = asyncio.get_running_loop()
        self._speed = speed
        self._client: _Client | None = None
        self._server: asyncio.Server | None = None
        self._closed_until = -math.inf
        self.address = ("", 0)
        self.pump = Pump(board, self._say, speed=speed, link=cable)
        self.pump.on_room = self._balance_reading
        board.faults.cable = self

    async def open(self, host: str, port: int) -> None:
        """Listen; port 0 takes any. Raises ListenRefused."""
        try:
            self._server = await self._loop.create_server(lambda: _Client(self), host, port)
        except OSError as error:
            raise ListenRefused(f"cannot listen at {host}:{port}: {error.strerror or error}") from error
        self.address = self._server.sockets[0].getsockname()[:2]
        self.pump.turn()

    async def close(self) -> None:
        """Stop the machine and listening, hang up."""
        self.pump.stop()
        if self._server is not None:
            self._server.close()
        self._hang_up()
        if self._server is not None:
            await self._server.wait_closed()

    # -- the plug ----------------------------------------------------------------------------------------

    def unplug(self, seconds: float = math.inf, *, elsewhere: bool = False) -> None:
        """Hang up, and hang up on everybody for so many machine seconds; the address stays."""
        self.block(seconds)
        self._hang_up()
        if self.pump.link is not None:
            self.pump.link.forget()

    def plug(self) -> None:
        """Hosts may come (again)."""
        self._closed_until = -math.inf

    def block(self, seconds: float) -> None:
        """Nobody new gets in for so many machine seconds."""
        self._closed_until = self._loop.time() + seconds / self._speed

    # -- clients -----------------------------------------------------------------------------------------

    def came(self, client: _Client) -> None:
        """Somebody connected."""
        if self._loop.time() < self._closed_until:
            client.hang_up()
            return
        self._hang_up()
        self._client = client
        self._balance_reading()

    def went(self, client: _Client) -> None:
        """Somebody hung up."""
        if client is self._client:
            self._client = None

    def heard(self, client: _Client, data: bytes) -> None:
        """Bytes of a client; only those of the one that is in count."""
        if client is self._client:
            self.pump.feed(data)

    def _hang_up(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            client.hang_up()

    def _say(self, data: bytes) -> None:
        if self._client is None:
            return
        if not self._client.write(data):
            self.pump.board.note("dropped", line=f"{len(data)} bytes", effect="nobody reads")

    def _balance_reading(self) -> None:
        if self._client is not None:
            room = self.pump.rx_free()
            self._client.read_on(room is None or room > 0)


class _Client(asyncio.Protocol):
    """One connection."""

    def __init__(self, endpoint: TcpEndpoint) -> None:
        self._endpoint = endpoint
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._endpoint.came(self)

    def data_received(self, data: bytes) -> None:
        self._endpoint.heard(self, data)

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._endpoint.went(self)

    def write(self, data: bytes) -> bool:
        """False when nobody reads and the bytes are lost."""
        if self._transport is None or self._transport.get_write_buffer_size() > MAX_UNREAD_BYTES:
            return False
        self._transport.write(data)
        return True

    def read_on(self, wanted: bool) -> None:
        """Hold the host off, or not any more."""
        if self._transport is None or self._transport.is_closing():
            return
        if wanted:
            self._transport.resume_reading()
        else:
            self._transport.pause_reading()

    def hang_up(self) -> None:
        """At once; what is unread is lost."""
        if self._transport is not None:
            self._transport.abort()

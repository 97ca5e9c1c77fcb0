"""A TCP connection as a Port: network boards, serial-to-network bridges, simulators."""

from __future__ import annotations

import asyncio
import errno
import socket

from gateway.transport.port import Port, PortListener, PortUnavailable

#: Seconds until a connection attempt counts as failed; a printer is on the local network.
CONNECT_SECONDS = 5.0
#: Bytes kept for a peer that does not read; the same reason as for serial ports.
MAX_UNSENT_BYTES = 64 * 1024
#: Keep-alive: first probe after 10 s of silence, then every 5 s, dead after 3: a switched-off board is
#: noticed within half a minute although TCP itself would wait for ever.
KEEPALIVE_IDLE_SECONDS = 10
KEEPALIVE_STEP_SECONDS = 5
KEEPALIVE_PROBES = 3
#: Milliseconds that sent bytes may stay unacknowledged: keep-alive is silent while data is outstanding.
USER_TIMEOUT_MS = 25_000


async def open_tcp(
    host: str, port: int, listener: PortListener, *, connect_seconds: float = CONNECT_SECONDS
) -> Port:
    """Connect to `host`:`port` and join the connection to `listener`. Raises PortUnavailable."""
    loop = asyncio.get_running_loop()
    where = f"tcp://{host}:{port}"
    try:
        async with asyncio.timeout(connect_seconds):
            _, connection = await loop.create_connection(lambda: TcpPort(where, listener, loop), host, port)
    except TimeoutError as error:
        raise PortUnavailable(
            f"{where} does not answer within {connect_seconds:g} s: "
            "is the printer switched on and on this network?"
        ) from error
    except OSError as error:
        raise _explain(where, host, error) from error
    return connection


def _explain(where: str, host: str, error: OSError) -> PortUnavailable:
    if isinstance(error, socket.gaierror):
        return PortUnavailable(f"{where}: the name {host} is unknown: check the spelling or use the address")
    if error.errno == errno.ECONNREFUSED or isinstance(error, ConnectionRefusedError):
        return PortUnavailable(
            f"{where} refuses the connection: nothing listens there; check the port number, and that the "
            "serial bridge or simulator runs"
        )
    return PortUnavailable(f"{where} cannot be reached: {error.strerror or error}")


class TcpPort(asyncio.Protocol):
    """An open TCP connection. One owner, one life: `close` or `port_lost` ends it."""

    def __init__(self, where: str, listener: PortListener, loop: asyncio.AbstractEventLoop) -> None:
        self._where = where
        self._listener = listener
        self._loop = loop
        self._transport: asyncio.Transport | None = None

    @property
    def unsent(self) -> int:
        """Bytes that the kernel has not taken yet."""
        return 0 if self._transport is None else self._transport.get_write_buffer_size()

    def write(self, data: bytes) -> None:
        """Queue bytes; never blocks. Ignored after the end."""
        if self._transport is None or not data:
            return
        self._transport.write(data)
        if self.unsent > MAX_UNSENT_BYTES:
            reason = f"{self._where} takes no bytes any more ({self.unsent} are waiting)"
            self._loop.call_soon(self._lose, reason)

    def close(self) -> None:
        """Close; what the kernel has taken still goes out, what it has not is dropped."""
        transport, self._transport = self._transport, None
        if transport is None:
            return
        if transport.get_write_buffer_size():
            transport.abort()
        else:
            transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """asyncio: the connection stands."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        sock = transport.get_extra_info("socket")
        if sock is not None:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, KEEPALIVE_IDLE_SECONDS)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, KEEPALIVE_STEP_SECONDS)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, KEEPALIVE_PROBES)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, USER_TIMEOUT_MS)

    def data_received(self, data: bytes) -> None:
        """asyncio: bytes came in."""
        if self._transport is not None:
            self._listener.bytes_received(data)

    def connection_lost(self, exc: Exception | None) -> None:
        """asyncio: the connection is over, whoever ended it."""
        why = "closed by the other side" if exc is None else str(exc)
        self._lose(f"{self._where} is gone ({why})")

    def _lose(self, reason: str) -> None:
        transport, self._transport = self._transport, None
        if transport is None:
            return  # closed by us, or already told
        transport.abort()
        self._listener.port_lost(reason)

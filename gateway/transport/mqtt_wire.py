"""The socket below an MQTT client: made without blocking anybody, read in pieces, remembers why it ended.

aiomqtt lets paho connect in a thread of the loop's executor, where a printer that is switched off holds one
for seconds and two hundred of them hold all; and of what went wrong it keeps only the text. So the connection
is made here, and paho gets it ready. paho asks a socket for each header byte alone; these come from memory.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import ipaddress
import os
import socket
import ssl
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, TypeVar

#: Bytes asked for at once: the most that one TLS record holds, and what is worked off in a few milliseconds.
PIECE: Final = 16 * 1024
#: Bytes of a packet: no inbox takes more (mqtt_inbox.MOST_BYTES), and MQTT allows 256 MB.
MOST_PACKET: Final = 8 * 1024 * 1024
#: Names that are looked up at the same time: a dead name server must hold no thread that others need.
_LOOKUPS: Final = ThreadPoolExecutor(2, thread_name_prefix="mqtt-names")

A = TypeVar("A")
R = TypeVar("R")


class Wire:
    """A connected socket, as paho asks for one. It ends once: closed here, or there."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._is_tls = isinstance(sock, ssl.SSLSocket)
        self._held = b""
        self._place = 0
        self.ended = asyncio.get_running_loop().create_future()
        self.trouble: OSError | None = None  # what the system said when it ended

    def recv(self, size: int) -> bytes:
        """Up to `size` bytes; none: the other side hung up. Raises BlockingIOError, ssl.SSLWantReadError.

        paho asks for all that is missing of a packet, and keeps what came: so here one is found too long.
        """
        if size > MOST_PACKET:
            self.trouble = OSError(errno.EMSGSIZE, os.strerror(errno.EMSGSIZE))
            raise self.trouble
        place = self._place
        if place == len(self._held):
            self._held = self._noting(self._sock.recv, PIECE)
            self._place = place = 0
        piece = self._held[place : place + size]
        self._place = place + len(piece)
        return piece

    def send(self, data: bytes) -> int:
        """How many bytes went out. Raises BlockingIOError, ssl.SSLWantWriteError."""
        return self._noting(self._sock.send, data)

    def pending(self) -> int:
        """Bytes that `recv` gives although no descriptor becomes ready for them."""
        held = len(self._held) - self._place
        return held + self._sock.pending() if isinstance(self._sock, ssl.SSLSocket) else held

    def fileno(self) -> int:
        return self._sock.fileno()

    def setblocking(self, flag: bool) -> None:
        self._sock.setblocking(flag)

    def close(self) -> None:
        self._sock.close()
        if not self.ended.done():
            self.ended.set_result(None)

    def _noting(self, work: Callable[[A], R], argument: A) -> R:
        try:
            return work(argument)
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            raise
        except OSError as error:
            self.trouble = error
            raise


async def dial(host: str, port: int, context: ssl.SSLContext | None, seconds: float) -> Wire:
    """Connect within `seconds`, with TLS. Raises OSError; ssl.SSLError, gaierror, TimeoutError are some."""
    async with asyncio.timeout(seconds):
        sock = await _connected(host, port, seconds)
        try:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if context is not None:
                sock = context.wrap_socket(sock, server_hostname=host, do_handshake_on_connect=False)
                await _shake_hands(sock)
        except BaseException:
            sock.close()
            raise
    return Wire(sock)


async def _connected(host: str, port: int, seconds: float) -> socket.socket:
    """The first address of a name that answers; each has its share of the time."""
    loop = asyncio.get_running_loop()
    addresses = await _addresses(host, port)
    trouble: OSError | None = None
    for family, kind, protocol, _, where in addresses:
        sock = socket.socket(family, kind, protocol)
        try:
            sock.setblocking(False)
            async with asyncio.timeout(seconds / len(addresses)):
                await loop.sock_connect(sock, where)
        except OSError as error:  # TimeoutError is one
            sock.close()
            trouble = error
        except BaseException:
            sock.close()
            raise
        else:
            return sock
    raise trouble or socket.gaierror(socket.EAI_NONAME, "no address")


async def _addresses(host: str, port: int) -> list[Any]:
    with contextlib.suppress(ValueError):
        ipaddress.ip_address(host.partition("%")[0])
        flags = socket.AI_NUMERICHOST  # nothing to wait for
        return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=flags)
    loop = asyncio.get_running_loop()
    return await loop.run_in_executor(
        _LOOKUPS, lambda: socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    )


async def _shake_hands(sock: ssl.SSLSocket) -> None:
    loop = asyncio.get_running_loop()
    while True:
        ready = loop.create_future()
        try:
            sock.do_handshake()
            return
        except ssl.SSLWantReadError:
            loop.add_reader(sock, _set, ready)
            try:
                await ready
            finally:
                loop.remove_reader(sock)
        except ssl.SSLWantWriteError:
            loop.add_writer(sock, _set, ready)
            try:
                await ready
            finally:
                loop.remove_writer(sock)


def _set(ready: asyncio.Future[None]) -> None:
    if not ready.done():
        ready.set_result(None)

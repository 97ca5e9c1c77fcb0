"""The streamer's Unix socket: who may connect is decided by the file's mode, then the host serves."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import socket
import stat
from collections.abc import Callable

from gateway.streamer.channel import SocketChannel
from gateway.streamer.host import StreamerHost
from gateway.streamer.messages import MAX_MESSAGE_BYTES

#: The service's user and its group: whoever may write here may move and heat the printers.
SOCKET_MODE = 0o660
#: Connections waiting to be accepted; there is one gateway.
_BACKLOG = 8


class SocketUnavailable(Exception):
    """The socket cannot be had. The text says why and what to do, for people."""


class StreamerServer:
    """Serves `host` at `path`."""

    def __init__(self, host: StreamerHost, path: str) -> None:
        self._host = host
        self._path = path

    async def run(self, ready: Callable[[], None] = lambda: None) -> None:
        """Until cancelled; then ends within 2 s, machines left as they are, the socket file removed.

        Calls `ready` once gateways can connect. Raises SocketUnavailable before any driver has been started.
        """
        listening = await claim_socket(self._path)
        inode = os.stat(self._path).st_ino
        try:
            server = await asyncio.start_unix_server(self._connected, sock=listening, limit=MAX_MESSAGE_BYTES)
        except BaseException:
            listening.close()
            raise
        try:
            hosting = asyncio.create_task(self._host.run(), name="streamer host")
            try:
                await asyncio.sleep(0)  # let the host begin: it refuses connections until then
                ready()
                await hosting
            finally:
                hosting.cancel()
                await asyncio.wait({hosting})
        finally:
            server.close()
            _remove(self._path, inode)

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._host.accept(SocketChannel(reader, writer))


async def claim_socket(path: str) -> socket.socket:
    """A socket bound at `path`, mode 0660. A file of a dead streamer is replaced; a live one is respected."""
    if os.path.lexists(path):  # noqa: ASYNC240 - once, before anything runs
        await _remove_stale(path)
    bound = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        bound.setblocking(False)
        try:
            bound.bind(path)
        except OSError as error:
            raise _cannot_bind(path, error) from error
        os.chmod(path, SOCKET_MODE)  # before listen: until then every connection is refused
        bound.listen(_BACKLOG)
    except BaseException:
        bound.close()
        raise
    return bound


async def _remove_stale(path: str) -> None:
    if not stat.S_ISSOCK(os.lstat(path).st_mode):
        raise SocketUnavailable(f"{path} is there and no socket: remove it or configure another path")
    try:
        _, writer = await asyncio.open_unix_connection(path)
    except (ConnectionRefusedError, FileNotFoundError):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
        return
    except OSError as error:
        raise SocketUnavailable(f"{path} cannot be looked at: {error.strerror or error}") from error
    writer.close()
    raise SocketUnavailable(f"another streamer is running at {path}: stop it, or give this one its own path")


def _cannot_bind(path: str, error: OSError) -> SocketUnavailable:
    if error.errno == errno.ENOENT:
        return SocketUnavailable(
            f"the folder of {path} does not exist: create it (systemd: RuntimeDirectory=)"
        )
    if error.errno == errno.EADDRINUSE:
        return SocketUnavailable(f"another streamer is just starting at {path}")
    if "too long" in str(error):
        return SocketUnavailable(f"{path} is too long for a socket: 107 bytes are possible")
    return SocketUnavailable(f"no socket at {path}: {error.strerror or error}")


def _remove(path: str, inode: int) -> None:
    """Remove our own socket file, not that of a successor."""
    with contextlib.suppress(OSError):
        if os.lstat(path).st_ino == inode:
            os.unlink(path)

"""The streamer's Unix socket: who may connect is decided by the file's mode, then the host serves."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable

from gateway.streamer.channel import SocketChannel
from gateway.streamer.host import StreamerHost
from gateway.streamer.messages import MAX_MESSAGE_BYTES
from gateway.transport.unix_socket import claim_socket, remove_socket

#: The service's user and its group: whoever may write here may move and heat the printers.
SOCKET_MODE = 0o660


class StreamerServer:
    """Serves `host` at `path`."""

    def __init__(self, host: StreamerHost, path: str) -> None:
        self._host = host
        self._path = path

    async def run(self, ready: Callable[[], None] = lambda: None) -> None:
        """Until cancelled; then ends within 2 s, machines left as they are, the socket file removed.

        Calls `ready` once gateways can connect. Raises SocketUnavailable before any driver has been started.
        """
        listening = await claim_socket(self._path, SOCKET_MODE, "streamer")
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
            remove_socket(self._path, inode)

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._host.accept(SocketChannel(reader, writer))
